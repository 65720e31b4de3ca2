//! Google's GKE: any access token with the right scope lets one in; addresses are in the cluster's resource
//! (Kubernetes Engine API v1 `projects.locations.clusters.get`).

use super::{Server, is_name, odd};
use crate::{Ask, Cloud, CloudError, call, client_of, env, sigv4};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// Flux's pattern.
const PATTERN: &str = "^projects/[^/]{1,200}/locations/[^/]{1,200}/clusters/[^/]{1,200}$";

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Described {
    endpoint: String,
    private_cluster_config: Private,
    master_auth: Auth,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Private {
    public_endpoint: String,
    private_endpoint: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Auth {
    cluster_ca_certificate: String,
}

impl Cloud {
    /// The servers of a cluster: one, by all addresses that it has.
    pub(super) async fn gke(&self, ask: Ask<'_>, cluster: &str) -> Result<Vec<Server>, CloudError> {
        let path = path(cluster)?;
        let (token, _) = self.gcp_lasting(ask).await?;
        let base = env("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER");
        let base = base.unwrap_or_else(|| "https://container.googleapis.com".to_owned());
        let url = format!("{}/v1/{path}", base.trim_end_matches('/'));
        let login = format!("Bearer {}", String::from_utf8_lossy(token.expose()));
        let request = client_of(ask.who)?.get(&url).header("authorization", login);
        servers(call::json(request).await?).ok_or(CloudError::Answer(url))
    }
}

/// PURE: the path of a cluster, encoded.
fn path(cluster: &str) -> Result<String, CloudError> {
    let parts: Vec<&str> = cluster.split('/').collect();
    match parts[..] {
        ["projects", project, "locations", location, "clusters", name]
            if [project, location, name].into_iter().all(is_path_part) =>
        {
            let [project, location, name] = [project, location, name].map(sigv4::part);
            Ok(format!("projects/{project}/locations/{location}/clusters/{name}"))
        }
        _ => Err(odd("GKE cluster ID", cluster, PATTERN)),
    }
}

/// Projects of a domain are written with a colon (`example.com:app`).
fn is_path_part(text: &str) -> bool {
    is_name(&text.replacen(':', "-", 1))
}

/// PURE: the addresses, the one that the cluster prefers first.
fn servers(found: Described) -> Option<Vec<Server>> {
    let authority = STANDARD.decode(found.master_auth.cluster_ca_certificate).ok()?;
    let authority = String::from_utf8(authority).ok().filter(|pem| !pem.is_empty())?;
    let private = found.private_cluster_config;
    let addresses = [found.endpoint, private.public_endpoint, private.private_endpoint];
    let mut servers: Vec<Server> = Vec::new();
    for address in addresses.into_iter().filter(|address| !address.is_empty()) {
        let address = format!("https://{address}");
        if servers.iter().all(|server| server.address != address) {
            servers.push(Server {
                address,
                authority: authority.clone(),
            });
        }
    }
    Some(servers).filter(|servers| !servers.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_named_by_its_resource() {
        for (cluster, expected) in [
            (
                "projects/app/locations/europe-west1/clusters/prod",
                Some("projects/app/locations/europe-west1/clusters/prod"),
            ),
            (
                "projects/example.com:app/locations/l/clusters/c",
                Some("projects/example.com%3Aapp/locations/l/clusters/c"),
            ),
            ("projects/../locations/l/clusters/c", None),
            ("projects/p/locations/l/clusters/c?x", None),
            ("projects/p/locations/l/clusters/c/d", None),
            ("projects/p/locations//clusters/c", None),
            ("prod", None),
        ] {
            assert_eq!(path(cluster).ok().as_deref(), expected, "{cluster}");
        }
    }

    #[test]
    fn a_cluster_may_have_several_addresses() {
        let found = serde_json::json!({
            "endpoint": "1.2.3.4", "masterAuth": {"clusterCaCertificate": "cGVt"},
            "privateClusterConfig": {"publicEndpoint": "1.2.3.4", "privateEndpoint": "10.0.0.2"},
        });
        let found = servers(serde_json::from_value(found).unwrap()).unwrap();
        let addresses: Vec<&str> = found.iter().map(|server| server.address.as_str()).collect();
        assert_eq!(addresses, ["https://1.2.3.4", "https://10.0.0.2"]);
        assert!(found.iter().all(|server| server.authority == "pem"));
        for odd in [
            serde_json::json!({"endpoint": "1.2.3.4"}),
            serde_json::json!({"masterAuth": {"clusterCaCertificate": "cGVt"}}),
        ] {
            assert_eq!(servers(serde_json::from_value(odd).unwrap()), None);
        }
    }
}
