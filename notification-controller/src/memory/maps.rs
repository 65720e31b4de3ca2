//! ConfigMaps of the controller's own namespace, as a place to keep things.

use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{DeleteParams, ListParams, Patch, PatchParams, PostParams},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// The label that says what one holds.
pub const LABEL: &str = "notification.toolkit.fluxcd.io/state";

/// Our ConfigMaps.
#[derive(Debug)]
pub struct Maps(Api<ConfigMap>);

impl Maps {
    /// Those of a namespace.
    pub fn of(client: Client, namespace: &str) -> Self {
        Self(Api::namespaced(client, namespace))
    }

    /// All of them.
    pub async fn all(&self) -> kube::Result<Vec<ConfigMap>> {
        let ours = ListParams::default().labels(LABEL);
        Ok(self.0.list(&ours).await?.items)
    }

    /// Removes one, if it is there.
    pub async fn remove(&self, name: &str) -> kube::Result<()> {
        match self.0.delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            answer => answer.map(drop),
        }
    }

    /// Changes a ConfigMap by `data`, or makes it with all that it has to hold.
    pub async fn write(
        &self,
        name: &str,
        state: &str,
        data: Value,
        whole: impl FnOnce() -> Value,
    ) -> kube::Result<()> {
        let (params, patch) = (PatchParams::default(), Patch::Merge(json!({ "data": data })));
        let patch = self.0.patch_metadata(name, &params, &patch).await;
        match patch {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            answer => return answer.map(drop),
        }
        let map = ConfigMap {
            metadata: kube::api::ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some(BTreeMap::from([
                    (LABEL.to_owned(), state.to_owned()),
                    (
                        "app.kubernetes.io/managed-by".to_owned(),
                        "notification-controller".to_owned(),
                    ),
                ])),
                ..Default::default()
            },
            data: serde_json::from_value(whole()).ok(),
            ..Default::default()
        };
        self.0.create(&PostParams::default(), &map).await.map(drop)
    }
}

/// Whether the API server will never take it: it is too large, or not what it wants.
pub fn is_refused(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 400 | 413 | 422))
}
