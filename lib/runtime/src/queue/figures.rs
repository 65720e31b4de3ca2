//! What a queue has done, for metrics.

use prometheus_client::metrics::{
    counter::Counter,
    histogram::{Histogram, exponential_buckets},
};

/// What a queue has done. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Figures {
    /// Objects that were added to wait.
    pub adds: Counter,
    /// Passes that failed.
    pub retries: Counter,
    /// How long objects waited for a worker, in seconds.
    pub waited: Histogram,
    /// How long passes took, in seconds.
    pub worked: Histogram,
}

impl Default for Figures {
    /// Nothing yet; in the buckets of client-go's queues, from 10 ns to 1000 s.
    fn default() -> Self {
        let durations = || Histogram::new(exponential_buckets(1e-8, 10.0, 12));
        Self {
            adds: Counter::default(),
            retries: Counter::default(),
            waited: durations(),
            worked: durations(),
        }
    }
}
