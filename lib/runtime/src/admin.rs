//! Am I alive, am I ready, what have I counted: the ports that the kubelet and Prometheus ask.

use crate::metrics::Metrics;
use axum::{Router, http::StatusCode, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::net::TcpListener;

/// Whether the process is ready to be relied on; shared with whoever knows.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// Says whether the process is ready.
    pub fn set(&self, ready: bool) {
        self.0.store(ready, Ordering::Release);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// Serves `/healthz`, `/readyz` on one address and `/metrics` on another until the process ends.
///
/// # Errors
/// When an address cannot be listened on.
pub async fn serve(
    health: SocketAddr,
    metrics_addr: SocketAddr,
    readiness: Readiness,
    metrics: Metrics,
) -> io::Result<()> {
    let probes = Router::new().route("/healthz", get(|| async { "ok" })).route(
        "/readyz",
        get(move || async move {
            if readiness.get() {
                (StatusCode::OK, "ok")
            } else {
                (StatusCode::SERVICE_UNAVAILABLE, "starting")
            }
        }),
    );
    let counted = Router::new().route("/metrics", get(move || async move { expose(metrics.render()) }));
    for (address, router) in [(health, probes), (metrics_addr, counted)] {
        let listener = TcpListener::bind(address)
            .await
            .map_err(|e| io::Error::new(e.kind(), format!("listen on {address}: {e}")))?;
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
    Ok(())
}

fn expose(text: String) -> impl IntoResponse {
    (
        [(
            CONTENT_TYPE,
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
        )],
        text,
    )
}
