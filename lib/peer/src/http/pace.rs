//! How slowly an answer may come: who drips a byte now and then holds a worker for as long as its user would wait.

use std::time::{Duration, Instant};

/// So much time is looked at at once.
const WINDOW: Duration = Duration::from_secs(60);
/// And so much where the peer may have to work before it has anything to send.
const LONG_WINDOW: Duration = Duration::from_secs(300);
/// What has to come in it, in bytes: in a minute, a kibibyte a second.
const LEAST: u64 = 60 << 10;

/// Less came than an honest peer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the answer comes too slowly: {bytes} bytes in {} seconds", .window.as_secs())]
pub struct TooSlow {
    bytes: u64,
    window: Duration,
}

/// The pace of one answer, from when it is made. Silence is seen only by whoever waits no longer than [`Pace::left`], and
/// then says that nothing came.
#[derive(Debug)]
pub struct Pace {
    window: Duration,
    since: Instant,
    bytes: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self::within(WINDOW)
    }
}

impl Pace {
    /// For a peer that says little while it works: a Git server tells of its progress until the pack is made.
    #[must_use]
    pub fn of_work() -> Self {
        Self::within(LONG_WINDOW)
    }

    fn within(window: Duration) -> Self {
        Self {
            window,
            since: Instant::now(),
            bytes: 0,
        }
    }

    /// How long until it is looked at next: who waits for longer without asking it waits too long.
    #[must_use]
    pub fn left(&self) -> Duration {
        self.window.saturating_sub(self.since.elapsed())
    }

    /// Takes in that so many bytes came just now.
    ///
    /// # Errors
    /// When too few have come for a minute, or for five of work.
    pub fn keeps(&mut self, bytes: usize) -> Result<(), TooSlow> {
        self.keeps_at(bytes, Instant::now())
    }

    fn keeps_at(&mut self, bytes: usize, now: Instant) -> Result<(), TooSlow> {
        self.bytes += bytes as u64;
        let window = self.window;
        if now.duration_since(self.since) < window {
            return Ok(());
        }
        if self.bytes < LEAST {
            let bytes = self.bytes;
            return Err(TooSlow { bytes, window });
        }
        (self.since, self.bytes) = (now, 0);
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
            ..Pace::default()
        };
        let slow_with = |bytes| {
            Err(TooSlow {
                bytes,
                window: WINDOW,
            })
        };
        // Slow at first, or short, is not too slow.
        let mut fair = pace();
        assert!((0..120).all(|second| fair.keeps_at(1100, at(second)).is_ok()));
        let mut slow = pace();
        assert!((0..59).all(|second| slow.keeps_at(1, at(second)).is_ok()));
        assert_eq!(slow.keeps_at(1, at(61)), slow_with(60));
        // What came long ago does not count.
        let mut fading = pace();
        assert_eq!(fading.keeps_at(1 << 20, at(60)), Ok(()));
        assert_eq!(fading.keeps_at(1, at(121)), slow_with(1));
        // Who works has longer, and not for ever.
        let mut working = Pace {
            since: begin,
            ..Pace::of_work()
        };
        assert!((Duration::from_secs(200)..=LONG_WINDOW).contains(&working.left()));
        assert!((0..299).all(|second| working.keeps_at(50, at(second)).is_ok()));
        let error = working.keeps_at(50, at(301)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the answer comes too slowly: 15000 bytes in 300 seconds"
        );
    }
}
