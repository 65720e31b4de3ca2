//! I/O: Secrets by name. They are read when a source names them, and never listed.

use k8s_openapi::api::core::v1::Secret;
use kube::{Api, Client};
use runtime::telemetry::said;
use std::collections::BTreeMap;

/// The data of a Secret.
pub type Data = BTreeMap<String, Vec<u8>>;

/// A Secret's `namespace/name`, for messages, and its data.
///
/// # Errors
/// That it cannot be read, and why, in Flux's words.
pub async fn read(client: &Client, namespace: &str, name: &str) -> Result<(String, Data), String> {
    let full = format!("{namespace}/{name}");
    match get(client, namespace, name).await {
        Ok(data) => Ok((full, data)),
        Err(cause) => Err(format!("failed to get secret '{full}': {cause}")),
    }
}

/// A Secret's data.
///
/// # Errors
/// Why it cannot be read, in the API server's words.
pub async fn get(client: &Client, namespace: &str, name: &str) -> Result<Data, String> {
    let api = Api::<Secret>::namespaced(client.clone(), namespace);
    let data = api
        .get(name)
        .await
        .map_err(|e| said(&e))?
        .data
        .unwrap_or_default();
    Ok(data.into_iter().map(|(key, value)| (key, value.0)).collect())
}
