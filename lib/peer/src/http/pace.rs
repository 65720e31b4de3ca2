//! How slowly an answer may come: who drips a byte now and then holds a worker for as long as its user would wait.

use std::time::{Duration, Instant};

/// So much time is looked at at once.
const WINDOW: Duration = Duration::from_secs(60);
/// What has to come in it, in bytes: a kibibyte a second.
const LEAST: u64 = 60 << 10;

/// Less than a kibibyte a second came for a minute.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer comes too slowly: {0} bytes in a minute")]
pub struct TooSlow(u64);

/// The pace of one answer, from when it is made. Silence is not seen by it: that is for the client's own limit.
#[derive(Debug)]
pub struct Pace {
    since: Instant,
    bytes: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            since: Instant::now(),
            bytes: 0,
        }
    }
}

impl Pace {
    /// Takes in that so many bytes came just now.
    ///
    /// # Errors
    /// When too few have come for a minute.
    pub fn keeps(&mut self, bytes: usize) -> Result<(), TooSlow> {
        self.keeps_at(bytes, Instant::now())
    }

    fn keeps_at(&mut self, bytes: usize, now: Instant) -> Result<(), TooSlow> {
        self.bytes += bytes as u64;
        if now.duration_since(self.since) < WINDOW {
            return Ok(());
        }
        if self.bytes < LEAST {
            return Err(TooSlow(self.bytes));
        }
        *self = Self { since: now, bytes: 0 };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_drips_is_given_up() {
        let begin = Instant::now();
        let at = |seconds: u64| begin + Duration::from_secs(seconds);
        let pace = || Pace {
            since: begin,
            bytes: 0,
        };
        // Slow at first, or short, is not too slow.
        let mut fair = pace();
        assert!((0..120).all(|second| fair.keeps_at(1100, at(second)).is_ok()));
        let mut slow = pace();
        assert!((0..59).all(|second| slow.keeps_at(1, at(second)).is_ok()));
        assert_eq!(slow.keeps_at(1, at(61)), Err(TooSlow(60)));
        // What came long ago does not count.
        let mut fading = pace();
        assert_eq!(fading.keeps_at(1 << 20, at(60)), Ok(()));
        assert_eq!(fading.keeps_at(1, at(121)), Err(TooSlow(1)));
    }
}
