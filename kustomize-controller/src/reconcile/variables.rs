//! I/O: the values that `spec.postBuild` puts into manifests.

use super::step::Failure;
use crate::{context::Context, substitute};
use crds::kustomize::{Kustomization, SubstituteKind, SubstituteStrategy};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{Api, ResourceExt as _};
use runtime::{client::Identity, telemetry::chain};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

/// The values to substitute; `None` where nothing is substituted, and why they are not at hand where they are not: that
/// matters only to objects that do not opt out.
pub type Variables = Option<Result<BTreeMap<String, String>, String>>;

/// Reads the values that `spec.postBuild` names, later ones over earlier ones.
pub async fn run(context: &Context, object: &Kustomization) -> Result<Variables, Failure> {
    let Some(post_build) = &object.spec.post_build else {
        return Ok(None);
    };
    let client = context.clients.of(&Identity::Controller);
    let namespace = object.namespace().unwrap_or_default();
    let mut layers = Vec::new();
    for reference in &post_build.substitute_from {
        let name = reference.name.as_str();
        let (kind, answer) = match reference.kind {
            SubstituteKind::ConfigMap => {
                let found = Api::<ConfigMap>::namespaced(client.clone(), &namespace)
                    .get(name)
                    .await;
                ("ConfigMap", found.map(|c| c.data.unwrap_or_default()))
            }
            SubstituteKind::Secret => {
                let found = Api::<Secret>::namespaced(client.clone(), &namespace)
                    .get(name)
                    .await;
                let text = |s: Secret| {
                    s.data
                        .unwrap_or_default()
                        .into_iter()
                        .map(|(k, v)| (k, String::from_utf8_lossy(&v.0).into_owned()))
                        .collect()
                };
                ("Secret", found.map(text))
            }
        };
        match answer {
            Ok(values) => layers.push(values),
            Err(kube::Error::Api(status)) if status.code == 404 && reference.optional => {}
            Err(error) => {
                let cause = match error {
                    kube::Error::Api(status) => status.message,
                    other => chain(&other),
                };
                return Ok(Some(Err(format!(
                    "substitute from '{kind}/{name}' error: {cause}"
                ))));
            }
        }
    }
    layers.push(post_build.substitute.clone());
    let variables = match substitute::variables(layers) {
        Ok(variables) => variables,
        Err(error) => return Ok(Some(Err(chain(&error)))),
    };
    let always = post_build.substitute_strategy == Some(SubstituteStrategy::Always);
    Ok((always || !variables.is_empty()).then_some(Ok(variables)))
}

/// A digest of the values: equal ones give equal manifests.
pub fn digest(variables: &Variables) -> [u8; 32] {
    let mut hash = Sha256::new();
    let mut add = |text: &str| {
        hash.update((text.len() as u64).to_le_bytes());
        hash.update(text);
    };
    match variables {
        None => {}
        Some(Err(missing)) => add(missing),
        Some(Ok(variables)) => {
            add("variables");
            variables.iter().for_each(|(key, value)| {
                add(key);
                add(value);
            });
        }
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_look_alike_differ() {
        let one = Some(Ok(BTreeMap::from([("a".to_owned(), "bc".to_owned())])));
        let two = Some(Ok(BTreeMap::from([("ab".to_owned(), "c".to_owned())])));
        assert_ne!(digest(&one), digest(&two));
        assert_ne!(digest(&None), digest(&Some(Ok(BTreeMap::new()))));
    }
}
