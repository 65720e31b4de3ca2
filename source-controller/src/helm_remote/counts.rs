//! How often the table of an index was in memory, by the repository it is of (Flux's metric `gotk_cache_events_total`).

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
};
use runtime::{Key, metrics::Metrics};

/// The counts.
#[derive(Debug, Default)]
pub struct Counts(Family<Event, Counter>);

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Event {
    event_type: &'static str,
    name: String,
    namespace: String,
}

const HIT: &str = "cache_hit";
const MISS: &str = "cache_miss";

impl Counts {
    /// Shows them among the process's metrics.
    pub fn register(&self, metrics: &Metrics) {
        let help = "Total number of cache retrieval events for a Gitops Toolkit resource reconciliation";
        metrics.register(|registry| registry.register("gotk_cache_events", help, self.0.clone()));
    }

    /// Counts a look into memory for the table of a repository's index.
    pub(super) fn count(&self, hit: bool, repository: &Key) {
        let event_type = if hit { HIT } else { MISS };
        self.0.get_or_create(&event(event_type, repository)).inc();
    }

    /// Forgets a repository that is gone.
    pub(super) fn forget(&self, repository: &Key) {
        for event_type in [HIT, MISS] {
            self.0.remove(&event(event_type, repository));
        }
    }
}

fn event(event_type: &'static str, repository: &Key) -> Event {
    Event {
        event_type,
        name: repository.name.clone(),
        namespace: repository.namespace.clone(),
    }
}
