//! What is counted, under the names that Flux's dashboards read.

mod process;
mod queues;

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
use queues::Queues;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// The process's metrics; cheap to clone.
#[derive(Debug, Clone)]
pub struct Metrics {
    registry: Arc<Mutex<Registry>>,
    durations: Family<ObjectLabels, Histogram, fn() -> Histogram>,
    results: Family<ResultLabels, Counter>,
    errors: Family<ControllerLabels, Counter>,
    panics: Family<ControllerLabels, Counter>,
    times: Family<ControllerLabels, Histogram, fn() -> Histogram>,
    workers: Family<ControllerLabels, Gauge>,
    active: Family<ControllerLabels, Gauge>,
    requests: Family<RequestLabels, Counter>,
    queues: Queues,
}

/// The buckets of controller-runtime's `controller_runtime_reconcile_time_seconds`.
const TIMES: [f64; 40] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.25,
    1.5, 1.75, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0,
    50.0, 60.0,
];

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

impl Default for Metrics {
    fn default() -> Self {
        fn histogram() -> Histogram {
            Histogram::new(exponential_buckets_range(0.01, 1800.0, 10))
        }
        fn times() -> Histogram {
            Histogram::new(TIMES)
        }
        let mut registry = Registry::default();
        let metrics = Self {
            registry: Arc::default(),
            durations: Family::new_with_constructor(histogram),
            results: Family::default(),
            errors: Family::default(),
            panics: Family::default(),
            times: Family::new_with_constructor(times),
            workers: Family::default(),
            active: Family::default(),
            requests: Family::default(),
            queues: Queues::default(),
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
            "controller_runtime_reconcile_errors",
            "Reconciliations that failed",
            metrics.errors.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_panics",
            "Reconciliations that a defect of this controller ended",
            metrics.panics.clone(),
        );
        registry.register(
            "controller_runtime_reconcile_time_seconds",
            "How long reconciliations took",
            metrics.times.clone(),
        );
        registry.register(
            "controller_runtime_max_concurrent_reconciles",
            "Workers",
            metrics.workers.clone(),
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
        registry.register_collector(Box::new(metrics.queues.clone()));
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
        let labels = controller(kind);
        self.times.get_or_create(&labels).observe(took.as_secs_f64());
        let errors = self.errors.get_or_create_owned(&labels);
        let result = match success {
            true => "success",
            false => {
                errors.inc();
                "error"
            }
        };
        let ControllerLabels { controller } = labels;
        self.results
            .get_or_create(&ResultLabels { controller, result })
            .inc();
    }

    /// Counts a pass that panicked.
    pub fn panicked(&self, kind: &str) {
        self.panics.get_or_create(&controller(kind)).inc();
    }

    /// Has told how many objects of a kind may be worked on at a time.
    pub fn workers(&self, kind: &str, number: u16) {
        self.workers.get_or_create(&controller(kind)).set(number.into());
    }

    /// Drops the series of an object that is gone.
    pub fn forget(&self, kind: &str, key: &Key) {
        self.durations.remove(&object(kind, key));
    }

    /// Counts a worker of a kind as busy until the guard is dropped.
    pub fn busy(&self, kind: &str) -> Busy {
        let gauge = self.active.get_or_create_owned(&controller(kind));
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

    /// Has what a queue does told under a kind's name.
    pub fn watch_queue(&self, kind: &str, queue: Arc<Queue>) {
        self.queues.watch(kind, queue);
    }

    /// Registers metrics of one controller's own.
    pub fn register(&self, add: impl FnOnce(&mut Registry)) {
        add(&mut self.lock_registry());
    }

    /// All metrics in the OpenMetrics text format.
    pub fn render(&self) -> String {
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

fn controller(kind: &str) -> ControllerLabels {
    ControllerLabels {
        controller: kind.to_lowercase(),
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
        metrics.reconciled("Kustomization", &key, Duration::from_millis(20), false);
        metrics.panicked("Kustomization");
        metrics.workers("Kustomization", 4);
        metrics.requested("PATCH", 200);
        let text = metrics.render();
        for line in [
            r#"gotk_reconcile_duration_seconds_count{kind="Kustomization",name="web",namespace="apps"} 2"#,
            r#"controller_runtime_reconcile_total{controller="kustomization",result="success"} 1"#,
            r#"controller_runtime_reconcile_errors_total{controller="kustomization"} 1"#,
            r#"controller_runtime_reconcile_time_seconds_count{controller="kustomization"} 2"#,
            r#"controller_runtime_reconcile_panics_total{controller="kustomization"} 1"#,
            r#"controller_runtime_max_concurrent_reconciles{controller="kustomization"} 4"#,
            r#"rest_client_requests_total{code="200",method="PATCH"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        metrics.forget("Kustomization", &key);
        assert!(!metrics.render().contains(r#"name="web""#));
    }
}
