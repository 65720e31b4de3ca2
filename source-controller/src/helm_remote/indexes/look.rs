//! A look at a server, and for whom what it came to is good enough.

use super::Failed;
use std::time::{Duration, Instant};

/// So long an index counts as current for those who did not ask for a look just now.
const CURRENT: Duration = Duration::from_secs(10);

/// A look at the server, and what it came to.
#[derive(Debug)]
pub(super) struct Look {
    pub(super) began: Instant,
    pub(super) ended: Instant,
    pub(super) failed: Option<Failed>,
}

impl Look {
    /// Whether whoever arrived then may have what this look came to.
    pub(super) fn answers(&self, arrived: Instant, now: bool) -> bool {
        if now {
            return self.began >= arrived;
        }
        let waited = self.ended >= arrived;
        waited || (self.failed.is_none() && self.began + CURRENT >= arrived)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whose_look_is_good_for_whom() {
        let second = Duration::from_secs(1);
        let began = Instant::now() + 60 * second;
        let good = Look {
            began,
            ended: began + 2 * second,
            failed: None,
        };
        let bad = Look {
            began,
            ended: good.ended,
            failed: Some(Failed::Disk(String::new())),
        };
        for (look, arrived, now, answers) in [
            // Whoever waited while it was made.
            (&good, began + second, false, true),
            (&bad, began + second, false, true),
            // Whoever comes a little later, if there is an answer.
            (&good, began + 5 * second, false, true),
            (&bad, began + 5 * second, false, false),
            (&good, began + 11 * second, false, false),
            // Whoever asked for a look, unless it was begun after that.
            (&good, began + second, true, false),
            (&good, began - second, true, true),
            (&bad, began - second, true, true),
        ] {
            assert_eq!(look.answers(arrived, now), answers, "{look:?} {arrived:?} {now}");
        }
    }
}
