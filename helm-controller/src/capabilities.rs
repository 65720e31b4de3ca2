//! I/O: what the cluster can do, as charts ask for it (`.Capabilities`).

use helm::{Capabilities, HelmVersion, KubeVersion};
use kube::Client;
use serde_json::Value;
use std::time::Duration;
use thiserror::Error;
use tokio::{sync::Mutex, time::Instant};

/// How long an answer is good for.
const GOOD: Duration = Duration::from_secs(30);
/// How long discovery may take to tell of kinds that are served.
const LEARNED: Duration = Duration::from_secs(5);
/// All groups with their resources in one answer.
const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Why the cluster's capabilities are not known.
#[derive(Debug, Error)]
pub enum CapabilitiesError {
    /// The API server did not answer.
    #[error("could not get {what} from Kubernetes")]
    Ask {
        /// What was asked for.
        what: &'static str,
        /// What happened.
        #[source]
        source: Box<kube::Error>,
    },
    /// The answer is no version.
    #[error("could not get server version from Kubernetes: {0}")]
    Version(String),
}

/// The cluster's capabilities, asked for at most twice a minute; charts that bring kinds ask for them anew.
pub struct Cluster {
    client: Client,
    known: Mutex<Option<(Instant, Capabilities)>>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cluster")
    }
}

impl Cluster {
    /// A cluster that is asked with `client`.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: Mutex::default(),
        }
    }

    /// What the cluster can do.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn capabilities(&self) -> Result<Capabilities, CapabilitiesError> {
        let mut known = self.known.lock().await;
        if let Some((at, capabilities)) = known.as_ref()
            && at.elapsed() < GOOD
        {
            return Ok(capabilities.clone());
        }
        let fresh = self.ask().await?;
        *known = Some((Instant::now(), fresh.clone()));
        Ok(fresh)
    }

    /// Asks anew, as kinds have come (`group/version/Kind`), until they are told of: that a definition is established does
    /// not mean that discovery knows it yet. After five seconds it is left at what is told.
    pub async fn learn(&self, kinds: &[String]) {
        *self.known.lock().await = None;
        let end = Instant::now() + LEARNED;
        let mut pause = Duration::from_millis(20);
        while Instant::now() < end {
            match self.ask().await {
                Ok(fresh) if kinds.iter().all(|kind| fresh.api_versions.contains(kind)) => {
                    *self.known.lock().await = Some((Instant::now(), fresh));
                    return;
                }
                Ok(_) => {}
                // Whoever needs them hears of it.
                Err(_) => return,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(500));
        }
    }

    async fn ask(&self) -> Result<Capabilities, CapabilitiesError> {
        let failed = |what| {
            move |source| CapabilitiesError::Ask {
                what,
                source: Box::new(source),
            }
        };
        let version = self.client.apiserver_version().await;
        let version = version.map_err(failed("server version"))?;
        let mut kube_version = KubeVersion::parse(&version.git_version)
            .map_err(|e| CapabilitiesError::Version(e.to_string()))?;
        kube_version.version = version.git_version;
        kube_version.major = version.major;
        kube_version.minor = version.minor;
        let mut api_versions = Vec::new();
        for path in ["/api", "/apis"] {
            let request = http::Request::get(path)
                .header(http::header::ACCEPT, AGGREGATED)
                .body(Vec::new());
            let request = request.map_err(|e| failed("apiVersions")(kube::Error::HttpError(e)))?;
            let answer: Value = self
                .client
                .request(request)
                .await
                .map_err(failed("apiVersions"))?;
            api_versions.extend(read(&answer));
        }
        Ok(Capabilities {
            kube_version,
            api_versions,
            helm_version: helm_version(),
        })
    }
}

/// The Helm that Flux v2.9 has inside.
pub fn helm_version() -> HelmVersion {
    HelmVersion {
        version: "v4.2".into(),
        kube_client_version: "v1.36".into(),
        ..Capabilities::default().helm_version
    }
}

/// `group/version` and `group/version/Kind` of an aggregated discovery answer.
fn read(answer: &Value) -> Vec<String> {
    let list = |value: &Value, key: &str| {
        value
            .get(key)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let text = |value: &Value, at: &str| {
        let text = value.pointer(at).and_then(Value::as_str);
        text.unwrap_or_default().to_owned()
    };
    let mut found = Vec::new();
    for group in list(answer, "items") {
        let name = text(&group, "/metadata/name");
        for version in list(&group, "versions") {
            let number = text(&version, "/version");
            let full = match name.is_empty() {
                true => number,
                false => format!("{name}/{number}"),
            };
            let mut kinds: Vec<String> = list(&version, "resources")
                .iter()
                .map(|resource| format!("{full}/{}", text(resource, "/responseKind/kind")))
                .collect();
            kinds.dedup();
            found.push(full);
            found.append(&mut kinds);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn groups_versions_and_kinds_are_named() {
        let answer = json!({"items": [
            {"metadata": {}, "versions": [{"version": "v1", "resources": [{"responseKind": {"kind": "Pod"}}]}]},
            {"metadata": {"name": "apps"}, "versions": [{"version": "v1", "resources": [{"responseKind": {"kind": "Deployment"}}]}]},
        ]});
        assert_eq!(read(&answer), ["v1", "v1/Pod", "apps/v1", "apps/v1/Deployment"]);
        assert!(read(&json!({"kind": "Status"})).is_empty());
    }
}
