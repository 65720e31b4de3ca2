//! Git's host as a webhook knows it: what it signs and sends, and from a push of its to the cluster.

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::hmac;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use crate::{
    app,
    flux::{NOTIFICATION, with},
    space::{LIMIT, Space},
};

/// The token of Receivers.
pub const TOKEN: &str = "s3cr3t-t0ken";
/// The Secret that it is in.
pub const SECRET: &str = "webhook";

/// A GitRepository, a Kustomization of it and a signed webhook; both are due once an hour, so that whatever is in the cluster before is
/// there by a push.
#[derive(Debug)]
pub struct Pushes<'s> {
    space: &'s Space<'s>,
    /// The webhook's address.
    pub url: String,
    count: usize,
}

/// What a push took, from when it was sent.
#[derive(Debug, Clone, Copy)]
pub struct Push {
    /// Until the webhook answered.
    pub answered: Duration,
    /// Until the cluster had what was pushed.
    pub applied: Duration,
}

impl<'s> Pushes<'s> {
    /// Makes the objects `app` and the Receiver `hook`, and waits until they are ready.
    ///
    /// # Errors
    /// When Git or the API server refuses, and as [`Space::until`].
    pub async fn start(space: &'s Space<'s>) -> Result<Self> {
        let first = space.repo.commit(&[("a.yaml", &app::config_map("a", "0"))])?;
        space.git_repository(json!({"spec": {"interval": "1h"}})).await?;
        let hourly = json!({"spec": {"interval": "1h"}});
        space.kustomization("app", "./", hourly).await?;
        space.apply(secret(TOKEN)).await?;
        let events = json!({"spec": {"events": ["ping", "push"]}});
        space.apply(receiver("hook", "github", &events)).await?;
        space.synced("app", &first).await?;
        let url = ready(space, "hook").await?;
        Ok(Self { space, url, count: 0 })
    }

    /// Commits, sends what GitHub sends, and waits until the cluster has it and all statuses say so.
    ///
    /// # Errors
    /// When the webhook refuses it, and as [`Space::until`].
    pub async fn push(&mut self) -> Result<Push> {
        self.count += 1;
        let value = self.count.to_string();
        let commit = self
            .space
            .repo
            .commit(&[("a.yaml", &app::config_map("a", &value))])?;
        let body = json!({"ref": "refs/heads/main", "after": commit}).to_string();
        let headers = github("push", TOKEN, &body, &value);
        let begin = Instant::now();
        let status = send(&self.url, &headers, body).await?;
        ensure!(status == 200, "{status}");
        let answered = begin.elapsed();
        let at = |o: &Value| o["data"]["value"] == value;
        self.space
            .holds("the cluster has it", "v1", "ConfigMap", "a", at)
            .await?;
        let applied = begin.elapsed();
        self.space.synced("app", &commit).await?;
        Ok(Push { answered, applied })
    }
}

/// A Secret whose changes are seen, with a token.
pub fn secret(token: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": SECRET, "labels": {crds::meta::WATCH: crds::meta::ENABLED}},
        "stringData": {"token": token},
    })
}

/// A Receiver of the GitRepository `app`, changed by `change`.
pub fn receiver(name: &str, type_: &str, change: &Value) -> Value {
    let plain = json!({
        "apiVersion": NOTIFICATION, "kind": "Receiver", "metadata": {"name": name},
        "spec": {
            "type": type_, "secretRef": {"name": SECRET}, "interval": "1h",
            "resources": [{"kind": "GitRepository", "name": "app"}],
        },
    });
    with(plain, change)
}

/// Waits until a Receiver is ready and its address open, and gives the address; it may be asked on the way.
///
/// # Errors
/// As [`Space::until`].
pub async fn ready(space: &Space<'_>, name: &str) -> Result<String> {
    space.verdict(NOTIFICATION, "Receiver", name, "Succeeded").await?;
    let object = space
        .get(NOTIFICATION, "Receiver", name)
        .await?
        .context("no Receiver")?;
    let path = object["status"]["webhookPath"].as_str().context("no address")?;
    let url = space.world.suite.notification.webhook(path)?;
    // The port learns of an address when its watch tells it, which is a moment after the status has it.
    let open = async || Ok((send(&url, &[], "").await? != 404).then_some(()));
    let what = format!("the address of {name} is open");
    space.until(&what, LIMIT, open).await?;
    Ok(url)
}

/// A client that goes to loopback, whatever the environment says.
///
/// # Errors
/// When it cannot be made.
pub fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(120))
        .build()?)
}

/// Sends a webhook; the status of the answer.
///
/// # Errors
/// When there is no answer, or one with words.
pub async fn send(url: &str, headers: &[(&str, String)], body: impl Into<reqwest::Body>) -> Result<u16> {
    let mut request = http()?.post(url).body(body);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    ensure!(answer.bytes().await?.is_empty(), "an answer has no words");
    Ok(status)
}

/// The hexadecimal HMAC of a body.
pub fn sign(algorithm: hmac::Algorithm, token: &str, body: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(algorithm, token.as_bytes()), body.as_bytes());
    hex::encode(tag)
}

/// The headers of a delivery of GitHub's.
pub fn github(event: &str, token: &str, body: &str, delivery: &str) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "application/json".into()),
        ("x-github-event", event.into()),
        ("x-github-delivery", delivery.into()),
        (
            "x-hub-signature-256",
            format!("sha256={}", sign(hmac::HMAC_SHA256, token, body)),
        ),
    ]
}
