//! What was asked of a port, counted under the names that Flux's dashboards read.

use crate::metrics::Metrics;
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge, histogram::Histogram},
};
use std::time::Duration;

/// Requests of one port, counted: `<prefix>_http_request_duration_seconds` and its sisters.
#[derive(Debug, Clone)]
pub struct Requests {
    handler: &'static str,
    durations: Family<Labels, Histogram, fn() -> Histogram>,
    sizes: Family<Labels, Histogram, fn() -> Histogram>,
    in_flight: Family<HandlerLabels, Gauge>,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Labels {
    service: &'static str,
    handler: &'static str,
    method: &'static str,
    code: u16,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct HandlerLabels {
    service: &'static str,
    handler: &'static str,
}

impl Requests {
    /// Registers the metrics of a port: `prefix` as in `gotk_receiver`, `handler` as in `/hook/`.
    pub fn register(metrics: &Metrics, prefix: &str, handler: &'static str) -> Self {
        fn seconds() -> Histogram {
            Histogram::new([0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0])
        }
        fn bytes() -> Histogram {
            Histogram::new([1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9])
        }
        let requests = Self {
            handler,
            durations: Family::new_with_constructor(seconds),
            sizes: Family::new_with_constructor(bytes),
            in_flight: Family::default(),
        };
        metrics.register(|registry| {
            registry.register(
                format!("{prefix}_http_request_duration_seconds"),
                "The latency of the HTTP requests",
                requests.durations.clone(),
            );
            registry.register(
                format!("{prefix}_http_response_size_bytes"),
                "The size of the HTTP responses",
                requests.sizes.clone(),
            );
            registry.register(
                format!("{prefix}_http_requests_inflight"),
                "The number of inflight requests being handled at the same time",
                requests.in_flight.clone(),
            );
        });
        requests
    }

    pub(super) fn begin(&self) -> InFlight {
        let labels = HandlerLabels {
            service: "",
            handler: self.handler,
        };
        let gauge = self.in_flight.get_or_create_owned(&labels);
        gauge.inc();
        InFlight(gauge)
    }

    pub(super) fn end(&self, method: &'static str, code: u16, took: Duration, size: u64) {
        let labels = Labels {
            service: "",
            handler: self.handler,
            method,
            code,
        };
        self.durations.get_or_create(&labels).observe(took.as_secs_f64());
        // A body of more than 2^53 bytes is none.
        self.sizes.get_or_create(&labels).observe(size as f64);
    }
}

/// A request that is being handled.
pub(super) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}
