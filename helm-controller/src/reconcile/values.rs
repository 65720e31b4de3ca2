//! I/O: the ConfigMaps and Secrets that values come from, each read once.

use super::step::Stop;
use crate::{compose, context::Context, spec};
use crds::helm::{HelmRelease, ValuesKind, reason as hr};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::Api;
use runtime::{client::Identity, telemetry::chain};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The composed values.
pub async fn run(context: &Context, object: &HelmRelease) -> Result<Map<String, Value>, Stop> {
    let failed = |message: String| Stop::Failed {
        reason: hr::VALUES_ERROR,
        message,
        tells: true,
    };
    let namespace = spec::namespace(object);
    let client = context.clients.of(&Identity::Controller);
    let mut found = compose::Found::new();
    for reference in &object.spec.values_from {
        let key = compose::key(reference);
        if found.contains_key(&key) {
            continue;
        }
        let name = reference.name.as_str();
        let read: kube::Result<Option<BTreeMap<String, Vec<u8>>>> = match reference.kind {
            ValuesKind::ConfigMap => {
                let map = Api::<ConfigMap>::namespaced(client.clone(), &namespace)
                    .get_opt(name)
                    .await;
                map.map(|m| m.map(|m| bytes(m.data, String::into_bytes)))
            }
            ValuesKind::Secret => {
                let secret = Api::<Secret>::namespaced(client.clone(), &namespace)
                    .get_opt(name)
                    .await;
                secret.map(|s| s.map(|s| bytes(s.data, |b| b.0)))
            }
        };
        found.insert(key, read.map_err(|e| failed(chain(&e)))?);
    }
    compose::values(
        &namespace,
        object.spec.values.as_ref(),
        &object.spec.values_from,
        &found,
    )
    .map_err(failed)
}

fn bytes<T>(data: Option<BTreeMap<String, T>>, read: impl Fn(T) -> Vec<u8>) -> BTreeMap<String, Vec<u8>> {
    data.unwrap_or_default()
        .into_iter()
        .map(|(k, v)| (k, read(v)))
        .collect()
}
