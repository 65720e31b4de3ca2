//! PURE: when an object is looked at again.

use std::time::Duration;

/// When the next pass over an object is due if nothing happens before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requeue {
    /// After the interval, spread by the configured jitter so that objects do not march in step.
    Interval(Duration),
    /// After exactly this long.
    After(Duration),
    /// After an exponential back-off that grows with each failure in a row.
    Backoff,
    /// As `Backoff`, but never longer than this.
    BackoffUpTo(Duration),
    /// As `Backoff`, but never sooner than this, which a peer asked for.
    BackoffFrom(Duration),
    /// Something is under way that calls at its end, at the latest after this long; no failure and no success yet.
    Await(Duration),
    /// Only when something changes.
    Never,
}

/// The bounds of the exponential back-off (Flux flags `--min-retry-delay`, `--max-retry-delay`).
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// The delay after the first failure.
    pub min: Duration,
    /// The longest delay.
    pub max: Duration,
}

impl Backoff {
    /// The delay after `failures` failures in a row (1 for the first), doubling from `min` up to `max`.
    pub fn delay(&self, failures: u32) -> Duration {
        let doubled = self
            .min
            .saturating_mul(2u32.saturating_pow(failures.saturating_sub(1)));
        doubled.min(self.max)
    }

    /// The same, but never sooner than a peer asked for.
    pub fn not_before(&self, least: Duration, failures: u32) -> Duration {
        self.delay(failures).max(least)
    }
}

/// An interval spread by ± `percent`, where `dice` is uniform in 0..1 (Flux flag `--interval-jitter-percentage`).
pub fn jitter(interval: Duration, percent: u8, dice: f64) -> Duration {
    let share = f64::from(percent) / 100.0;
    interval.mul_f64((1.0 + share * (2.0 * dice.clamp(0.0, 1.0) - 1.0)).max(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backoff_doubles_to_its_limit() {
        let backoff = Backoff {
            min: Duration::from_millis(750),
            max: Duration::from_secs(900),
        };
        let delays: Vec<_> = [1, 2, 3, 11, 12, 400]
            .map(|n| backoff.delay(n).as_millis())
            .to_vec();
        assert_eq!(delays, [750, 1500, 3000, 768_000, 900_000, 900_000]);
    }

    #[test]
    fn who_asks_to_be_left_alone_is_though_it_is_longer_than_the_longest_backoff() {
        let backoff = Backoff {
            min: Duration::from_millis(750),
            max: Duration::from_secs(900),
        };
        let hour = Duration::from_secs(3600);
        assert_eq!(backoff.not_before(hour, 1), hour);
        assert_eq!(backoff.not_before(Duration::from_secs(1), 3), backoff.delay(3));
    }

    #[test]
    fn jitter_stays_in_its_band() {
        let hour = Duration::from_secs(3600);
        assert_eq!(jitter(hour, 5, 0.0), Duration::from_secs(3420));
        assert_eq!(jitter(hour, 5, 0.5), hour);
        assert_eq!(jitter(hour, 5, 1.0), Duration::from_secs(3780));
        assert_eq!(jitter(hour, 0, 0.9), hour);
    }
}
