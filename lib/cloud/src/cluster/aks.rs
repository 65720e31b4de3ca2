//! Azure's AKS: a token of Entra ID for the clusters' own application; addresses are in the kubeconfigs that the resource
//! manager gives (Azure REST API "Managed Clusters").

use super::{Server, is_name, odd};
use crate::{Ask, Cloud, CloudError, azure::environment, call, client_of, env, sigv4};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use peer::secret::Secret;
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use std::time::Duration;

/// The application that all clusters with Entra ID are.
const SCOPE: &str = "6dae42f8-4368-4678-94ff-3960e28e3630/.default";
const VERSION: &str = "2024-09-01";
/// Flux's pattern.
const PATTERN: &str = r"(?i)^/subscriptions/([^/]{36})/resourceGroups/([^/]{1,200})/providers/Microsoft\.ContainerService/managedClusters/([^/]{1,200})$";

#[derive(Deserialize)]
struct Described {
    #[serde(default)]
    properties: Properties,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Properties {
    aad_profile: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Credentials {
    kubeconfigs: Vec<Credential>,
}

#[derive(Deserialize)]
struct Credential {
    value: String,
}

impl Cloud {
    /// A token for all clusters that the identity may enter.
    pub(super) async fn aks_token(&self, ask: Ask<'_>) -> Result<(Secret, Duration), CloudError> {
        self.entra(ask, SCOPE).await
    }

    /// The servers of a cluster.
    pub(super) async fn aks(&self, ask: Ask<'_>, cluster: &str) -> Result<Vec<Server>, CloudError> {
        let path = path(cluster)?;
        let own = environment()?;
        let (endpoint, audience) = match &own {
            Some(own) => own.manager()?,
            None => manager(&env("AZURE_AUTHORITY_HOST").unwrap_or_default()),
        };
        let (token, _) = self.entra(ask, &format!("{audience}/.default")).await?;
        let http = client_of(ask.who)?;
        let base = format!("{}{path}", endpoint.trim_end_matches('/'));
        let login = format!("Bearer {}", String::from_utf8_lossy(token.expose()));
        let get = http
            .get(format!("{base}?api-version={VERSION}"))
            .header("authorization", &login);
        let described: Described = call::json(get).await?;
        if described.properties.aad_profile.is_none() {
            let text = format!("cluster: '{cluster}' does not let in identities of Microsoft Entra ID");
            return Err(CloudError::Setup(text));
        }
        let url = format!("{base}/listClusterUserCredential?api-version={VERSION}");
        let post = http
            .post(url)
            .header("authorization", &login)
            .header("content-length", "0");
        let given: Credentials = call::json(post).await?;
        let servers: Option<Vec<Server>> = given
            .kubeconfigs
            .iter()
            .map(|given| server(&STANDARD.decode(&given.value).ok()?))
            .collect();
        servers.ok_or_else(|| CloudError::Answer(base))
    }

    async fn entra(&self, ask: Ask<'_>, scope: &str) -> Result<(Secret, Duration), CloudError> {
        let nobody =
            || CloudError::Setup("no Azure identity: neither the environment nor the machine has one".into());
        self.azure_lasting(ask, scope).await?.ok_or_else(nobody)
    }
}

/// PURE: where a cloud's resources are managed, and whom tokens for that are for.
fn manager(authority: &str) -> (&'static str, &'static str) {
    if authority.contains("chinacloudapi.cn") {
        return (
            "https://management.chinacloudapi.cn",
            "https://management.core.chinacloudapi.cn/",
        );
    }
    if authority.contains("microsoftonline.us") {
        return (
            "https://management.usgovcloudapi.net",
            "https://management.core.usgovcloudapi.net/",
        );
    }
    (
        "https://management.azure.com",
        "https://management.core.windows.net/",
    )
}

/// PURE: the path of a cluster, encoded.
fn path(cluster: &str) -> Result<String, CloudError> {
    let found = Regex::new(PATTERN).ok().and_then(|pattern| {
        let found = pattern.captures(cluster)?;
        let parts = [&found[1], &found[2], &found[3]];
        let [subscription, group, name] = parts.map(|part| is_name(part).then(|| sigv4::part(part)));
        Some(format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.ContainerService/managedClusters/{}",
            subscription?, group?, name?
        ))
    });
    found.ok_or_else(|| odd("AKS cluster ID", cluster, PATTERN))
}

/// PURE: the server that a kubeconfig names; whom it lets in is not looked at.
fn server(kubeconfig: &[u8]) -> Option<Server> {
    let config = yaml::parse_first(kubeconfig).ok()?;
    let named = |list: &str, name: &Value| {
        let items = config[list].as_array()?;
        items.iter().find(|item| &item["name"] == name).cloned()
    };
    let context = named("contexts", &config["current-context"])?;
    let cluster = named("clusters", &context["context"]["cluster"])?;
    let cluster = &cluster["cluster"];
    let authority = STANDARD
        .decode(cluster["certificate-authority-data"].as_str()?)
        .ok()?;
    Some(Server {
        address: cluster["server"].as_str()?.to_owned(),
        authority: String::from_utf8(authority).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "/subscriptions/12345678-1234-1234-1234-123456789012/resourceGroups/rg (1)/providers/Microsoft.ContainerService/managedClusters/prod";

    #[test]
    fn a_cluster_is_named_by_its_resource() {
        let found = path(&CLUSTER.replace("resourceGroups", "resourcegroups")).unwrap_err();
        assert!(
            found.to_string().starts_with("cluster: invalid AKS cluster ID"),
            "{found}"
        );
        let good = CLUSTER.replace("rg (1)", "Rg(1)");
        let expected = good.replace("Rg(1)", "Rg%281%29");
        assert_eq!(path(&good).unwrap(), expected);
        assert_eq!(
            path(&good.replace("resourceGroups", "resourcegroups")).unwrap(),
            expected
        );
        for odd in ["..", ".", "a?b", "a#b", "a%2Fb", "a\\b", "a/b"] {
            assert!(path(&CLUSTER.replace("rg (1)", odd)).is_err(), "{odd}");
            let name = good.strip_suffix("prod").unwrap();
            assert!(path(&format!("{name}{odd}")).is_err(), "{odd}");
        }
    }

    #[test]
    fn each_cloud_has_its_own_manager() {
        for (authority, expected) in [
            ("", "https://management.azure.com"),
            (
                "https://login.microsoftonline.us/",
                "https://management.usgovcloudapi.net",
            ),
            (
                "https://login.chinacloudapi.cn",
                "https://management.chinacloudapi.cn",
            ),
        ] {
            assert_eq!(manager(authority).0, expected);
        }
    }

    #[test]
    fn a_kubeconfig_names_its_server() {
        let text = "current-context: b\ncontexts:\n- {name: a, context: {cluster: x}}\n- {name: b, context: {cluster: y}}\n\
                    clusters:\n- {name: x, cluster: {server: 'https://x'}}\n\
                    - {name: y, cluster: {server: 'https://y:443', certificate-authority-data: cGVt}}\n";
        let expected = Server {
            address: "https://y:443".to_owned(),
            authority: "pem".to_owned(),
        };
        assert_eq!(server(text.as_bytes()), Some(expected));
        for odd in ["", "[", "current-context: c", &text.replace("cGVt", "?")] {
            assert_eq!(server(odd.as_bytes()), None, "{odd}");
        }
    }
}
