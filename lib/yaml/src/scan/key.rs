//! Keys without a `?` before them: that one was a key is known when its `:` comes.

use super::{Fault, MAX_KEY, Mark, Scanner};

/// A place where a key may have begun.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PossibleKey {
    pub(super) possible: bool,
    /// In this column nothing else can stand.
    pub(super) required: bool,
    pub(super) token: usize,
    pub(super) mark: Mark,
}

impl Scanner<'_> {
    /// Remembers that a key may begin here.
    pub(super) fn save_key(&mut self) -> Result<(), Fault> {
        if !self.key_allowed {
            return Ok(());
        }
        let mark = self.cursor.mark;
        let key = PossibleKey {
            possible: true,
            required: self.flow == 0 && self.indent == mark.column,
            token: self.next_number(),
            mark,
        };
        self.drop_key()?;
        let level = self.keys.len() - 1;
        self.keys[level] = key;
        self.let_go(key.token);
        self.holding.push_back((key.token, level));
        Ok(())
    }

    /// What may have been a key on this level is none.
    pub(super) fn drop_key(&mut self) -> Result<(), Fault> {
        let Some(key) = self.keys.last_mut().filter(|key| key.possible) else {
            return Ok(());
        };
        let (required, mark, token) = (key.required, key.mark, key.token);
        if required {
            return Err(self.fault(mark, "could not find expected ':'"));
        }
        key.possible = false;
        self.let_go(token);
        Ok(())
    }

    /// A key and its `:` stand on one line, and not too far from each other.
    pub(super) fn still_possible(&mut self, level: usize) -> Result<bool, Fault> {
        let key = self.keys[level];
        let now = self.cursor.mark;
        if key.possible && (key.mark.line < now.line || key.mark.index + MAX_KEY < now.index) {
            if key.required {
                return Err(self.fault(key.mark, "could not find expected ':'"));
            }
            self.keys[level].possible = false;
            return Ok(false);
        }
        Ok(key.possible)
    }

    /// A token no longer waits to be a key.
    pub(super) fn let_go(&mut self, token: usize) {
        self.holding.retain(|(held, _)| *held != token);
    }
}
