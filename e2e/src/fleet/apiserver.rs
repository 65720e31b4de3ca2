//! What the API server counts itself.

use anyhow::Result;

use crate::{cluster::Cluster, suite::sum};

/// Requests since it started.
#[derive(Debug, Clone, Copy)]
pub struct Requests {
    /// Of everybody, of every kind; a watch counts when it ends.
    pub all: f64,
    /// Writes of objects of Flux's groups, their status included.
    pub flux_writes: f64,
}

/// Reads the API server's metrics.
pub async fn requests(cluster: &Cluster) -> Result<Requests> {
    let text = cluster
        .client
        .request_text(http::Request::get("/metrics").body(Vec::new())?)
        .await?;
    let name = "apiserver_request_total";
    let of = |verb: &str| -> f64 {
        let lines = text
            .lines()
            .filter(|l| l.contains(".toolkit.fluxcd.io\"") && l.contains(&format!("verb=\"{verb}\"")));
        sum(&lines.collect::<Vec<_>>().join("\n"), name, "")
    };
    let writes = ["APPLY", "PATCH", "POST", "PUT", "DELETE"].map(of);
    Ok(Requests {
        all: sum(&text, name, ""),
        flux_writes: writes.iter().sum(),
    })
}
