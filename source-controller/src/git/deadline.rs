//! When an operation must be over, and how blocking code waits for asynchronous answers until then.

use std::future::Future;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

/// A point in time, and the span that led to it for messages.
#[derive(Debug, Clone, Copy)]
pub(super) struct Deadline {
    at: Instant,
    span: Duration,
}

/// The deadline has passed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Elapsed(pub(super) Duration);

impl Deadline {
    pub(super) fn after(span: Duration) -> Deadline {
        // A span past the clock's range is as good as a year.
        let now = Instant::now();
        let at = now
            .checked_add(span)
            .unwrap_or_else(|| now + Duration::from_secs(365 * 24 * 3600));
        Deadline { at, span }
    }

    pub(super) fn at(&self) -> Instant {
        self.at
    }

    pub(super) fn span(&self) -> Duration {
        self.span
    }

    pub(super) fn remaining(&self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }

    /// Drives a future on this thread until it is done or the time is up.
    pub(super) fn wait<F: Future>(&self, runtime: &Runtime, future: F) -> Result<F::Output, Elapsed> {
        let limited = async { tokio::time::timeout_at(self.at.into(), future).await };
        runtime.block_on(limited).map_err(|_| Elapsed(self.span))
    }
}

/// A runtime that runs only while someone waits on it. Each connection has its own, so that a blocking caller needs none.
pub(super) fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
