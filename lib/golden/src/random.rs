//! Dice for input that is changed at random: the same each time, unless somebody asks for a longer look.

use std::time::{SystemTime, UNIX_EPOCH};

/// Xorshift.
#[derive(Debug)]
pub struct Random(u64);

/// For how many seconds to look, if `FUZZ_SECONDS` says.
pub fn seconds() -> Option<u64> {
    std::env::var("FUZZ_SECONDS").ok()?.parse().ok()
}

impl Random {
    /// Begins at the same place each time; at another with each longer look, or where `FUZZ_SEED` says.
    pub fn begin() -> Random {
        let said = std::env::var("FUZZ_SEED").ok().and_then(|seed| seed.parse().ok());
        let now = || {
            SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(1, |now| now.as_nanos() as u64)
        };
        let seed: u64 = match (said, seconds()) {
            (Some(seed), _) => seed,
            (None, Some(_)) => now(),
            (None, None) => 0,
        };
        // Never zero, which stays so.
        Random((seed ^ 0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below a limit; 0 if that is 0.
    pub fn below(&mut self, limit: usize) -> usize {
        (self.number() % limit.max(1) as u64) as usize
    }
}
