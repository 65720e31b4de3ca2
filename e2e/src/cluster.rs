//! A cluster as its administrator sees it: anything applied, namespaces, tenants, tokens.

use anyhow::{Context as _, Result, bail, ensure};
use futures::TryStreamExt as _;
use k8s_openapi::api::{authentication::v1::TokenRequest, core::v1::ServiceAccount};
use kube::{
    Api, Client, ResourceExt as _,
    api::{
        ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams, WatchEvent, WatchParams,
    },
    discovery::{Scope, pinned_kind},
};
use serde_json::{Value, json};
use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

use crate::expect::eventually;

/// A client with the kinds it has met; made for one runtime, as clients are.
#[derive(Clone)]
pub struct Cluster {
    /// The client inside.
    pub client: Client,
    kinds: std::sync::Arc<Mutex<HashMap<GroupVersionKind, (ApiResource, bool)>>>,
}

/// The field manager of what tests and set-up write.
pub const MANAGER: &str = "e2e";

impl Cluster {
    /// A cluster seen through a client.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            kinds: std::sync::Arc::default(),
        }
    }

    /// Applies all documents of a YAML text, in order, by server-side apply.
    ///
    /// # Errors
    /// When the text is not YAML, a document is no object, or the API server refuses one.
    pub async fn apply_yaml(&self, text: &str) -> Result<Vec<DynamicObject>> {
        let mut applied = Vec::new();
        for document in documents(text)? {
            applied.push(self.apply(&document).await?);
        }
        Ok(applied)
    }

    /// Applies one object by server-side apply, taking over fields of others.
    ///
    /// # Errors
    /// When the API server refuses it or does not know its kind.
    pub async fn apply(&self, object: &Value) -> Result<DynamicObject> {
        let name = object["metadata"]["name"]
            .as_str()
            .context("an object without metadata.name")?;
        let api = self.api_of(object).await?;
        let params = PatchParams::apply(MANAGER).force();
        let told = || format!("apply {} {name}", object["kind"]);
        api.patch(name, &params, &Patch::Apply(object))
            .await
            .with_context(told)
    }

    /// The resource of an object's kind, in the object's namespace.
    ///
    /// # Errors
    /// When the API server does not know the kind.
    pub async fn api_of(&self, object: &Value) -> Result<Api<DynamicObject>> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        self.api(
            &text(&object["apiVersion"]),
            &text(&object["kind"]),
            object["metadata"]["namespace"].as_str(),
        )
        .await
    }

    /// The resource of a kind: in a namespace, or in all if there is none.
    ///
    /// # Errors
    /// When the API server does not know the kind.
    pub async fn api(
        &self,
        api_version: &str,
        kind: &str,
        namespace: Option<&str>,
    ) -> Result<Api<DynamicObject>> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let kind = GroupVersionKind::gvk(group, version, kind);
        let known = self.kinds().get(&kind).cloned();
        let (resource, namespaced) = match known {
            Some(known) => known,
            None => {
                let (resource, capabilities) = pinned_kind(&self.client, &kind)
                    .await
                    .with_context(|| format!("find {kind:?}"))?;
                let found = (resource, capabilities.scope == Scope::Namespaced);
                self.kinds().insert(kind, found.clone());
                found
            }
        };
        Ok(match namespace.filter(|n| namespaced && !n.is_empty()) {
            Some(namespace) => Api::namespaced_with(self.client.clone(), namespace, &resource),
            None => Api::all_with(self.client.clone(), &resource),
        })
    }

    /// Applies definitions and waits until their kinds are served.
    ///
    /// # Errors
    /// When one is refused, or not served after five minutes.
    pub async fn define(&self, definitions: &[Value]) -> Result<()> {
        for definition in definitions {
            self.apply(definition).await?;
        }
        for definition in definitions {
            let spec = &definition["spec"];
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let (group, plural) = (text(&spec["group"]), text(&spec["names"]["plural"]));
            let versions = spec["versions"].as_array().into_iter().flatten();
            for version in versions.filter(|version| version["served"] == true) {
                let api_version = format!("{group}/{}", text(&version["name"]));
                let what = format!("{plural} of {api_version} are served");
                eventually(&what, Duration::from_secs(300), async || {
                    let served = self.client.list_api_group_resources(&api_version).await?;
                    Ok(served
                        .resources
                        .iter()
                        .any(|resource| resource.name == plural)
                        .then_some(()))
                })
                .await?;
            }
        }
        Ok(())
    }

    /// Creates a namespace, or finds it there.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn namespace(&self, name: &str) -> Result<()> {
        self.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}))
            .await
            .map(drop)
    }

    /// Gives a namespace a ServiceAccount that may do there, and only there, what a ClusterRole says.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn tenant(&self, namespace: &str, account: &str, cluster_role: &str) -> Result<()> {
        self.namespace(namespace).await?;
        let metadata = json!({"name": account, "namespace": namespace});
        self.apply(&json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}))
            .await?;
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": cluster_role},
            "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
        });
        self.apply(&binding).await.map(drop)
    }

    /// A token by which a process acts as a ServiceAccount, good for a day.
    ///
    /// # Errors
    /// When the ServiceAccount is not there.
    pub async fn token(&self, namespace: &str, account: &str) -> Result<String> {
        let api: Api<ServiceAccount> = Api::namespaced(self.client.clone(), namespace);
        let request: TokenRequest =
            serde_json::from_value(json!({"spec": {"audiences": [], "expirationSeconds": 86400}}))?;
        let answer = api
            .create_token_request(account, &PostParams::default(), &request)
            .await?;
        let token = answer.status.and_then(|status| status.token);
        token.with_context(|| format!("no token for {namespace}/{account}"))
    }

    fn kinds(&self) -> std::sync::MutexGuard<'_, HashMap<GroupVersionKind, (ApiResource, bool)>> {
        self.kinds
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cluster")
    }
}

/// Follows an object that is being deleted and made anew, from the version at which it was last seen.
///
/// Gives when the old one went and when the new one came, as the API server told: how long the cluster takes to end a
/// namespace is not for the controllers to answer for.
///
/// # Errors
/// When it is not there again within `limit`.
pub async fn reborn(
    api: &Api<DynamicObject>,
    name: &str,
    version: &str,
    limit: Duration,
) -> Result<(Instant, Instant)> {
    let params = WatchParams::default().fields(&format!("metadata.name={name}"));
    let follow = async {
        let mut events = Box::pin(api.watch(&params, version).await?);
        let mut gone = None;
        while let Some(event) = events.try_next().await? {
            match (event, gone) {
                (WatchEvent::Deleted(_), _) => gone = Some(Instant::now()),
                (WatchEvent::Added(_), Some(gone)) => return Ok((gone, Instant::now())),
                _ => {}
            }
        }
        bail!("the watch of {name} ended")
    };
    tokio::time::timeout(limit, follow)
        .await
        .with_context(|| format!("{name} is not back after {limit:?}"))?
}

/// The documents of a YAML text; empty ones are left out.
///
/// # Errors
/// When the text is not YAML, or a document is not an object.
pub fn documents(text: &str) -> Result<Vec<Value>> {
    let documents: Vec<Value> = serde_saphyr::from_multiple(text).context("read YAML")?;
    let documents: Vec<Value> = documents.into_iter().filter(|d| !d.is_null()).collect();
    for document in &documents {
        ensure!(document["kind"].is_string(), "no object: {document}");
    }
    Ok(documents)
}

/// A short name for an object in messages: kind, namespace and name.
pub fn told(object: &DynamicObject) -> String {
    let kind = object.types.as_ref().map(|t| t.kind.clone()).unwrap_or_default();
    format!(
        "{kind}/{}/{}",
        object.namespace().unwrap_or_default(),
        object.name_any()
    )
}
