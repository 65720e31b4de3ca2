//! Am I alive, am I ready, what have I counted: the ports that the kubelet and Prometheus ask.

use crate::metrics::Metrics;
use axum::{Router, http::StatusCode, http::header::CONTENT_TYPE, response::IntoResponse, routing::get};
use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
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
        let listener = listen(address).await?;
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
    Ok(())
}

/// Listens on an address. All addresses of both families are those of one where the host has no IPv6.
///
/// # Errors
/// When the address cannot be listened on, with the address.
pub async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let named = |e: io::Error| io::Error::new(e.kind(), format!("listen on {address}: {e}"));
    match TcpListener::bind(address).await {
        Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && error.kind() != io::ErrorKind::AddrInUse => {
            let fallback = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
            TcpListener::bind(fallback).await.map_err(|_| named(error))
        }
        bound => bound.map_err(named),
    }
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
