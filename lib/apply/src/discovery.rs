//! I/O: which resource serves a kind; asked of the API server once and again when a kind is unknown.

use crate::id::ObjectRef;
use kube::{
    Client,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
};
use std::{
    collections::HashMap,
    sync::{Arc, RwLock},
    time::Duration,
};
use thiserror::Error;
use tokio::{sync::Mutex, time::Instant};

/// A resource, and whether its objects live in namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Resource {
    /// What `kube` needs to address it.
    pub api: ApiResource,
    /// Whether its objects live in namespaces.
    pub namespaced: bool,
}

/// The resources of a cluster as far as they were asked for.
pub struct Discovery {
    client: Client,
    known: RwLock<HashMap<(String, String, String), Arc<Resource>>>,
    asked: Mutex<HashMap<String, Instant>>,
}

impl std::fmt::Debug for Discovery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Discovery")
    }
}

/// Why the resource of a kind is not known.
#[derive(Debug, Error)]
pub enum DiscoveryError {
    /// No such kind is served.
    #[error("no matches for kind \"{kind}\" in version \"{api_version}\"")]
    NoMatch {
        /// The kind.
        kind: String,
        /// Its `apiVersion`.
        api_version: String,
    },
    /// The API server could not be asked.
    #[error("cannot ask the API server about \"{api_version}\"")]
    Ask {
        /// The group and version.
        api_version: String,
        /// What happened.
        #[source]
        source: Box<kube::Error>,
    },
}

/// An unknown kind is not asked for again within this time: a set of many needs one answer.
const PATIENCE: Duration = Duration::from_millis(250);

impl Discovery {
    /// A discovery that asks with `client`.
    pub fn new(client: Client) -> Self {
        Self {
            client,
            known: RwLock::default(),
            asked: Mutex::default(),
        }
    }

    /// The resource that serves an object's kind.
    ///
    /// # Errors
    /// [`DiscoveryError::NoMatch`] when the kind is not served, [`DiscoveryError::Ask`] when nobody answers.
    pub async fn resource(&self, object: &ObjectRef) -> Result<Arc<Resource>, DiscoveryError> {
        if let Some(resource) = self.known(object) {
            return Ok(resource);
        }
        self.ask(&object.api_version()).await?;
        self.known(object).ok_or_else(|| DiscoveryError::NoMatch {
            kind: object.kind.clone(),
            api_version: object.api_version(),
        })
    }

    /// Forgets a group's kinds, because they may have changed.
    pub fn forget(&self, group: &str) {
        self.known
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
            .retain(|(g, _, _), _| g != group);
    }

    fn known(&self, object: &ObjectRef) -> Option<Arc<Resource>> {
        let known = self
            .known
            .read()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        known
            .get(&(object.group.clone(), object.version.clone(), object.kind.clone()))
            .cloned()
    }

    async fn ask(&self, api_version: &str) -> Result<(), DiscoveryError> {
        let mut asked = self.asked.lock().await;
        if asked.get(api_version).is_some_and(|at| at.elapsed() < PATIENCE) {
            return Ok(());
        }
        let answer = match api_version.contains('/') {
            true => self.client.list_api_group_resources(api_version).await,
            false => self.client.list_core_api_resources(api_version).await,
        };
        let list = match answer {
            Ok(list) => list.resources,
            Err(kube::Error::Api(status)) if status.code == 404 => Vec::new(),
            Err(source) => {
                return Err(DiscoveryError::Ask {
                    api_version: api_version.into(),
                    source: Box::new(source),
                });
            }
        };
        asked.retain(|_, at| at.elapsed() < PATIENCE);
        asked.insert(api_version.to_owned(), Instant::now());
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let mut known = self
            .known
            .write()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        for resource in list.into_iter().filter(|r| !r.name.contains('/')) {
            let gvk = GroupVersionKind::gvk(group, version, &resource.kind);
            let api = ApiResource::from_gvk_with_plural(&gvk, &resource.name);
            let key = (group.to_owned(), version.to_owned(), resource.kind);
            known.insert(
                key,
                Arc::new(Resource {
                    api,
                    namespaced: resource.namespaced,
                }),
            );
        }
        Ok(())
    }
}

impl Resource {
    /// The API of this resource where an object lives.
    pub fn api(&self, client: Client, namespace: &str) -> kube::Api<DynamicObject> {
        if self.namespaced {
            kube::Api::namespaced_with(client, namespace, &self.api)
        } else {
            kube::Api::all_with(client, &self.api)
        }
    }
}
