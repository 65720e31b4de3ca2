//! What is counted, under the names that Flux's dashboards read.

mod process;

use crate::{Key, queue::Queue};
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets_range},
    },
    registry::Registry,
};
use std::{
    sync::{Arc, Mutex, atomic::AtomicU64},
    time::Duration,
};

/// The process's metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    durations: Family<ObjectLabels, Histogram, fn() -> Histogram>,
    results: Family<ResultLabels, Counter>,
    active: Family<ControllerLabels, Gauge>,
    requests: Family<RequestLabels, Counter>,
    queues: Arc<Mutex<Vec<NamedQueue>>>,
    depth: Family<QueueLabels, Gauge>,
    longest: Family<QueueLabels, Gauge<f64, AtomicU64>>,
}

/// A queue and the kind it is for.
#[derive(Debug)]
struct NamedQueue {
    kind: String,
    queue: Arc<Queue>,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ObjectLabels {
    kind: String,
    name: String,
    namespace: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ResultLabels {
    controller: String,
    result: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ControllerLabels {
    controller: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    code: u16,
    method: String,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct QueueLabels {
    name: String,
}

impl Default for Metrics {
    fn default() -> Self {
        fn histogram() -> Histogram {
            Histogram::new(exponential_buckets_range(0.01, 1800.0, 10))
        }
        let mut registry = Registry::default();
        let metrics = Self {
            registry: Arc::default(),
            durations: Family::new_with_constructor(histogram),
            results: Family::default(),
            active: Family::default(),
            requests: Family::default(),
            queues: Arc::default(),
            depth: Family::default(),
            longest: Family::default(),
        };
        registry.register(
            "gotk_reconcile_duration_seconds",
            "The duration in seconds of a reconciliation",
            metrics.durations.clone(),
        );
        registry.register(
            "controller_runtime_reconcile",
            "Reconciliations by controller and result",
            metrics.results.clone(),
        );
        registry.register(
            "controller_runtime_active_workers",
            "Objects being worked on",
            metrics.active.clone(),
        );
        registry.register(
            "rest_client_requests",
            "Requests to the API server by method and code",
            metrics.requests.clone(),
        );
        registry.register(
            "workqueue_depth",
            "Objects that wait for a worker",
            metrics.depth.clone(),
        );
        registry.register(
            "workqueue_longest_running_processor_seconds",
            "How long the longest pass that is under way has been so",
            metrics.longest.clone(),
        );
        registry.register_collector(Box::new(process::Process));
        *metrics.lock_registry() = registry;
        metrics
    }
}

impl Metrics {
    /// Records a finished pass: its object, how long it took, and whether it succeeded.
    pub fn reconciled(&self, kind: &str, key: &Key, took: Duration, success: bool) {
        self.durations
            .get_or_create(&object(kind, key))
            .observe(took.as_secs_f64());
        let result = if success { "success" } else { "error" };
        self.results
            .get_or_create(&ResultLabels {
                controller: kind.to_lowercase(),
                result,
            })
            .inc();
    }

    /// Drops the series of an object that is gone.
    pub fn forget(&self, kind: &str, key: &Key) {
        self.durations.remove(&object(kind, key));
    }

    /// Counts a worker of a kind as busy until the guard is dropped.
    pub fn busy(&self, kind: &str) -> Busy {
        let gauge = self.active.get_or_create_owned(&ControllerLabels {
            controller: kind.to_lowercase(),
        });
        gauge.inc();
        Busy(gauge)
    }

    /// Counts a request to the API server; code 0 is one without an answer.
    pub fn requested(&self, method: &str, code: u16) {
        self.requests
            .get_or_create(&RequestLabels {
                code,
                method: method.to_owned(),
            })
            .inc();
    }

    /// Has the depth of a queue reported under a kind's name.
    pub fn watch_queue(&self, kind: &str, queue: Arc<Queue>) {
        self.queues
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .push(NamedQueue {
                kind: kind.to_lowercase(),
                queue,
            });
    }

    /// Registers metrics of one controller's own.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.lock_registry());
    }

    /// All metrics in the OpenMetrics text format.
    pub fn render(&self) -> String {
        for NamedQueue { kind, queue } in self
            .queues
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .iter()
        {
            let depth = i64::try_from(queue.depth()).unwrap_or(i64::MAX);
            let labels = QueueLabels { name: kind.clone() };
            self.depth.get_or_create(&labels).set(depth);
            self.longest
                .get_or_create(&labels)
                .set(queue.longest().as_secs_f64());
        }
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.lock_registry());
        text
    }

    fn lock_registry(&self) -> std::sync::MutexGuard<'_, Registry> {
        self.registry
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// A busy worker.
#[derive(Debug)]
pub struct Busy(Gauge);

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn object(kind: &str, key: &Key) -> ObjectLabels {
    ObjectLabels {
        kind: kind.to_owned(),
        name: key.name.clone(),
        namespace: key.namespace.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_carry_flux_names_and_go_with_their_object() {
        let metrics = Metrics::default();
        let key = Key::new("apps", "web");
        metrics.reconciled("Kustomization", &key, Duration::from_millis(20), true);
        metrics.requested("PATCH", 200);
        let text = metrics.render();
        for line in [
            r#"gotk_reconcile_duration_seconds_count{kind="Kustomization",name="web",namespace="apps"} 1"#,
            r#"controller_runtime_reconcile_total{controller="kustomization",result="success"} 1"#,
            r#"rest_client_requests_total{code="200",method="PATCH"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        metrics.forget("Kustomization", &key);
        assert!(!metrics.render().contains(r#"name="web""#));
    }
}
