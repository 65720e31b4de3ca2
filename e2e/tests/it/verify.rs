//! `spec.verify` of sources: what the real cosign, notation, helm, gpg and ssh-keygen have signed is accepted, and nothing else is.

mod chart;
mod cosign;
mod git;
mod notation;
mod provenance;
mod public;
mod sigstore;
mod timestamps;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app, expect,
    flux::{SOURCE, with},
    origin::{Artifact, Registry},
    space::Space,
};
use serde_json::{Value, json};

const KIND: &str = "OCIRepository";

fn repository(url: &str, digest: &str, verify: &Value) -> Value {
    json!({
        "apiVersion": SOURCE, "kind": KIND, "metadata": {"name": "app"},
        "spec": {"interval": "1h", "url": url, "ref": {"digest": digest}, "verify": verify},
    })
}

fn secret(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

async fn again(space: &Space<'_>, object: Value) -> Result<()> {
    let _ = space.delete(SOURCE, KIND, "app").await;
    space.gone(SOURCE, KIND, "app").await?;
    space.apply(object).await
}

/// The condition SourceVerified: status, reason and message.
fn verified(object: &Value) -> Option<(String, String, String)> {
    let conditions = object["status"]["conditions"].as_array()?;
    let found = conditions
        .iter()
        .find(|condition| condition["type"] == "SourceVerified")?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Some((text("status"), text("reason"), text("message")))
}

async fn accepted(space: &Space<'_>, digest: &str) -> Result<()> {
    let ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    let object = space.holds("ready", SOURCE, KIND, "app", ready).await?;
    let found = verified(&object);
    let text = format!("verified signature of revision {digest}");
    ensure!(
        found == Some(("True".into(), "Succeeded".into(), text)),
        "{found:?} {object}"
    );
    Ok(())
}

async fn refused(space: &Space<'_>, part: &str) -> Result<()> {
    let told = space.says(SOURCE, KIND, "app", "VerificationError", part).await?;
    ensure!(told.status == "False", "{told:?}");
    let object = space.get(SOURCE, KIND, "app").await?.context("it is there")?;
    let found = verified(&object).context("a condition")?;
    ensure!(found.0 == "False" && found.2.contains(part), "{found:?}");
    ensure!(
        object["status"]["artifact"].is_null(),
        "nothing unverified is stored: {object}"
    );
    let conditions = object["status"]["conditions"].to_string();
    ensure!(!conditions.contains("FetchFailed"), "{conditions}");
    Ok(())
}

async fn push(registry: &Registry, repository: &str, value: &str) -> Result<String> {
    let artifact = Artifact::of_files(&[("a.yaml", &app::config_map("a", value))])?;
    registry.push(repository, "latest", &artifact).await
}

fn policy(level: &str, change: &Value) -> String {
    let statement = json!({
        "name": "app", "registryScopes": ["*"], "signatureVerification": {"level": level},
        "trustStores": ["ca:right"], "trustedIdentities": ["*"],
    });
    json!({"version": "1.0", "trustPolicies": [with(statement, change)]}).to_string()
}
