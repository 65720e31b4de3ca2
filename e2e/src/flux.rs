//! Flux objects as users write them, with the defaults that scenarios share.

use serde_json::{Value, json};

/// API version of sources.
pub const SOURCE: &str = "source.toolkit.fluxcd.io/v1";
/// API version of ArtifactGenerators.
pub const EXTENSIONS: &str = "source.extensions.fluxcd.io/v1beta1";
/// API version of Kustomizations.
pub const KUSTOMIZE: &str = "kustomize.toolkit.fluxcd.io/v1";

/// API version of Receivers.
pub const NOTIFICATION: &str = "notification.toolkit.fluxcd.io/v1";

/// API version of HelmReleases.
pub const HELM: &str = "helm.toolkit.fluxcd.io/v2";

/// API version of Alerts and Providers.
pub const ALERTING: &str = "notification.toolkit.fluxcd.io/v1beta3";

/// A Provider of type `generic` at an address.
pub fn provider(name: &str, address: &str) -> Value {
    json!({
        "apiVersion": ALERTING, "kind": "Provider", "metadata": {"name": name},
        "spec": {"type": "generic", "address": address},
    })
}

/// An Alert to a Provider, about all objects of these kinds.
pub fn alert(name: &str, provider: &str, kinds: &[&str]) -> Value {
    let sources: Vec<Value> = kinds
        .iter()
        .map(|kind| json!({"kind": kind, "name": "*"}))
        .collect();
    json!({
        "apiVersion": ALERTING, "kind": "Alert", "metadata": {"name": name},
        "spec": {"providerRef": {"name": provider}, "eventSources": sources},
    })
}

/// A HelmRelease of the chart in the OCIRepository `chart`. The interval is an hour: what happens sooner was not polled for.
pub fn helm_release(name: &str) -> Value {
    json!({
        "apiVersion": HELM, "kind": "HelmRelease", "metadata": {"name": name},
        "spec": {"interval": "1h", "timeout": "20s", "chartRef": {"kind": "OCIRepository", "name": "chart"}},
    })
}

/// A GitRepository of branch `main`. The interval is an hour: what happens sooner was not polled for.
pub fn git_repository(name: &str, url: &str) -> Value {
    json!({
        "apiVersion": SOURCE, "kind": "GitRepository", "metadata": {"name": name},
        "spec": {"interval": "1h", "url": url, "ref": {"branch": "main"}},
    })
}

/// A Kustomization of a path in the GitRepository `source`, with pruning. The interval is an hour, as above.
pub fn kustomization(name: &str, source: &str, path: &str) -> Value {
    json!({
        "apiVersion": KUSTOMIZE, "kind": "Kustomization", "metadata": {"name": name},
        "spec": {
            "interval": "1h", "path": path, "prune": true,
            "sourceRef": {"kind": "GitRepository", "name": source},
        },
    })
}

/// The value with another merged in: objects by key, `null` removes, all else replaces (RFC 7396).
#[must_use]
pub fn with(mut value: Value, change: &Value) -> Value {
    merge(&mut value, change);
    value
}

fn merge(value: &mut Value, change: &Value) {
    let Value::Object(change) = change else {
        *value = change.clone();
        return;
    };
    if !value.is_object() {
        *value = json!({});
    }
    let Value::Object(value) = value else { return };
    for (key, change) in change {
        if change.is_null() {
            value.remove(key);
        } else {
            merge(value.entry(key).or_insert(Value::Null), change);
        }
    }
}
