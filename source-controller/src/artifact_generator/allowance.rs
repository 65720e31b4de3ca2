//! What all artifacts of one generator may cost in a pass, together: each costs little, and a spec can ask for thousands.

use crate::lock::lock;
use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicU64, Ordering},
};
use thiserror::Error;

/// What a pass spends. Bounds that an artifact has on its own are elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cost {
    /// Memory of what the sources have, by [`artifact::Tree::size`]; their contents are on disk.
    Held,
    /// Work with names and patterns, about a character each.
    Compared,
    /// Files and directories that are written, also those that later ones replace.
    Written,
    /// Bytes of the artifacts.
    Bytes,
    /// Bytes that come out of archives, also those that nobody keeps.
    Extracted,
    /// Bytes of YAML that are read and written for merges.
    Merged,
}

impl Cost {
    const ALL: [Cost; 6] = [
        Cost::Held,
        Cost::Compared,
        Cost::Written,
        Cost::Bytes,
        Cost::Extracted,
        Cost::Merged,
    ];

    /// Each is a minute of one core at the most; what is held fits twice into the memory that `deploy/` gives, beside all else.
    fn most(self) -> u64 {
        match self {
            Cost::Held => 128 << 20,
            Cost::Compared => 10_000_000_000,
            Cost::Written => 5_000_000,
            Cost::Bytes => 4 << 30,
            Cost::Extracted => 4 << 30,
            Cost::Merged => 1 << 30,
        }
    }

    fn what(self) -> &'static str {
        match self {
            Cost::Held => "bytes of memory for the names of all that their sources have",
            Cost::Compared => "comparisons of patterns with names",
            Cost::Written => "files and directories to copy",
            Cost::Bytes => "bytes",
            Cost::Extracted => "bytes out of archives",
            Cost::Merged => "bytes of YAML to merge",
        }
    }
}

/// More than a generator may spend.
#[derive(Debug, Error)]
#[error("all artifacts of the generator together take more than {most} {what}")]
pub struct Spent {
    most: u64,
    what: &'static str,
}

/// Whose turn it is to make an artifact of many files: it is in memory until it is packed, and two would not fit.
pub type Turn = Arc<Mutex<()>>;

/// What is left for the artifacts of a generator.
#[derive(Debug)]
pub struct Allowance {
    accounts: [Account; Cost::ALL.len()],
    turn: Turn,
}

#[derive(Debug)]
struct Account {
    most: u64,
    left: AtomicU64,
}

impl Account {
    fn of(most: u64) -> Self {
        Self {
            most,
            left: AtomicU64::new(most),
        }
    }
}

impl Allowance {
    /// As much as a pass ever has.
    pub fn new(turn: Turn) -> Self {
        Self {
            accounts: Cost::ALL.map(|cost| Account::of(cost.most())),
            turn,
        }
    }

    /// Waits until nobody else makes an artifact of many files. Blocks.
    pub fn turn(&self) -> MutexGuard<'_, ()> {
        lock(&self.turn)
    }

    /// The same, but of one thing.
    #[cfg(test)]
    pub(super) fn but(cost: Cost, most: u64) -> Self {
        let mut allowance = Self::new(Turn::default());
        allowance.accounts[cost as usize] = Account::of(most);
        allowance
    }

    /// Takes what something costs. Where it is too much, nothing is left for those that come after it.
    ///
    /// # Errors
    /// There is not so much left.
    pub fn take(&self, cost: Cost, amount: u64) -> Result<(), Spent> {
        let account = &self.accounts[cost as usize];
        // Of the same pass: one thread at a time.
        let left = account.left.load(Ordering::Relaxed);
        account.left.store(left.saturating_sub(amount), Ordering::Relaxed);
        match left >= amount {
            true => Ok(()),
            false => Err(Spent {
                most: account.most,
                what: cost.what(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Allowance, Cost};

    #[test]
    fn each_cost_has_an_account_of_its_own() {
        for (number, cost) in Cost::ALL.into_iter().enumerate() {
            assert_eq!(cost as usize, number);
            let allowance = Allowance::but(cost, 10);
            for other in Cost::ALL.into_iter().filter(|other| *other != cost) {
                assert!(allowance.take(other, 1000).is_ok(), "{other:?}");
            }
            assert!(allowance.take(cost, 10).is_ok(), "{cost:?}");
            let spent = allowance.take(cost, 1).unwrap_err().to_string();
            assert!(spent.contains("more than 10 "), "{spent}");
        }
        // What was too much is not given to those that want less.
        let allowance = Allowance::but(Cost::Bytes, 10);
        assert!(allowance.take(Cost::Bytes, 11).is_err());
        assert!(allowance.take(Cost::Bytes, 1).is_err());
    }
}
