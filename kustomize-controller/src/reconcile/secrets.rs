//! I/O: Secrets that the spec names, and that are not read, are looked for before anything is refused for another reason.

use super::step::{Failure, Step};
use crate::context::Context;
use crds::kustomize::Kustomization;
use k8s_openapi::api::core::v1::Secret;
use kube::{Api, ResourceExt as _};
use runtime::{client::Identity, telemetry::chain};

/// That the Secret of `spec.decryption` is there.
pub async fn decryption(context: &Context, object: &Kustomization) -> Result<(), Failure> {
    let reference = object
        .spec
        .decryption
        .as_ref()
        .and_then(|d| d.secret_ref.as_ref());
    let Some(name) = reference.map(|secret| secret.name.as_str()) else {
        return Ok(());
    };
    let found = present(context, object, name).await;
    found.map_err(|problem| Failure::new(Step::Build, problem))
}

async fn present(context: &Context, object: &Kustomization, name: &str) -> Result<(), String> {
    let client = context.clients.of(&Identity::Controller);
    let api = Api::<Secret>::namespaced(client, &object.namespace().unwrap_or_default());
    match api.get_metadata(name).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) => Err(status.message),
        Err(other) => Err(chain(&other)),
    }
}
