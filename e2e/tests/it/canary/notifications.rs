//! The secrets of Providers and Receivers, and those who are told them rightly.

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::hmac;
use e2e::{
    flux::{ALERTING, NOTIFICATION, alert},
    origin::{Answer, Sink},
    space::{LIMIT, Space},
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::ListParams};
use serde_json::json;

pub const TOKEN: &str = "canary-token-4d2c7";
pub const ADDRESS: &str = "canary-address-8e11f";
pub const HEADER: &str = "canary-header-a90b3";
pub const LOGIN: &str = "canary-login-65fd0";
pub const PROXY: &str = "canary-proxy-17c4e";
pub const HOOK: &str = "canary-hook-3b8a2";
pub const STRANGER: &str = "canary-stranger-f06d9";

/// Each kind of secret that a Provider may have, at a service that answers with an error, and one without any.
pub const PROVIDERS: [&str; 7] = [
    "address", "headers", "slack", "telegram", "login", "proxy", "plain",
];

/// Services that are told of all that happens, and are told secrets of their own.
pub async fn tell(space: &Space<'_>, sink: &Sink) -> Result<()> {
    let at = |path: &str| sink.url(path);
    for (name, type_, data) in [
        (
            "address",
            "generic",
            json!({"address": at(&format!("/{ADDRESS}"))}),
        ),
        (
            "headers",
            "generic",
            json!({"address": at("/headers"), "headers": format!("X-Key: {HEADER}\n")}),
        ),
        ("slack", "slack", json!({"address": at("/slack"), "token": TOKEN})),
        ("telegram", "telegram", json!({"address": at(""), "token": TOKEN})),
        (
            "login",
            "alertmanager",
            json!({"address": at("/login"), "username": "me", "password": LOGIN}),
        ),
        (
            "proxy",
            "generic",
            json!({"address": "http://nowhere.invalid/", "proxy": at("").replace("//", &format!("//me:{PROXY}@"))}),
        ),
        ("plain", "generic", json!({"address": at("/plain")})),
    ] {
        let secret = format!("tell-{name}");
        space
            .apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret}, "stringData": data}))
            .await?;
        let spec = json!({"type": type_, "channel": "1", "secretRef": {"name": secret}});
        space
            .apply(
                json!({"apiVersion": ALERTING, "kind": "Provider", "metadata": {"name": name}, "spec": spec}),
            )
            .await?;
        space
            .apply(alert(
                name,
                name,
                &["GitRepository", "Kustomization", "HelmRelease"],
            ))
            .await?;
    }
    // What fails is told most of.
    for _ in 0..20 {
        sink.next(Answer::from(500));
    }
    Ok(())
}

/// Waits until each of the services was asked, the one behind the proxy too.
pub async fn heard(space: &Space<'_>, sink: &Sink) -> Result<()> {
    let asked = async || {
        let letters = sink.letters();
        let at = |part: &str| {
            letters
                .iter()
                .any(|letter| letter.path.contains(part) && letter.status == 200)
        };
        let all = [
            ADDRESS,
            "/headers",
            "/slack",
            TOKEN,
            "/login",
            "nowhere.invalid",
            "/plain",
        ]
        .map(at);
        Ok((all == [true; 7]).then_some(()))
    };
    let asked = space.until("all services are asked", LIMIT, asked).await;
    asked.with_context(|| {
        format!(
            "{:?}",
            sink.letters().iter().map(|l| l.path.clone()).collect::<Vec<_>>()
        )
    })
}

/// Receivers that know a token, who does not know it, and who does.
pub async fn webhooks(space: &Space<'_>) -> Result<()> {
    space
        .apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hook"}, "stringData": {"token": HOOK}}))
        .await?;
    for (name, type_) in [("hmac", "generic-hmac"), ("harbor", "harbor")] {
        let resources = json!([{"kind": "GitRepository", "name": "app"}]);
        let spec = json!({"type": type_, "secretRef": {"name": "hook"}, "resources": resources});
        space
            .apply(json!({"apiVersion": NOTIFICATION, "kind": "Receiver", "metadata": {"name": name}, "spec": spec}))
            .await?;
        space.verdict(NOTIFICATION, "Receiver", name, "Succeeded").await?;
        let object = space
            .get(NOTIFICATION, "Receiver", name)
            .await?
            .unwrap_or_default();
        let path = object["status"]["webhookPath"]
            .as_str()
            .context("an address")?
            .to_owned();
        let url = space.world.suite.notification.webhook(&path)?;
        let key = hmac::Key::new(hmac::HMAC_SHA256, HOOK.as_bytes());
        let signature = format!("sha256={}", hex::encode(hmac::sign(&key, b"{}")));
        let http = reqwest::Client::builder().no_proxy().build()?;
        for (token, signature, expected) in [(STRANGER, STRANGER, 400), (HOOK, &*signature, 200)] {
            let taken = async || {
                let request = http
                    .post(&url)
                    .header("authorization", token)
                    .header("x-signature", signature);
                let status = request.body("{}").send().await?.status().as_u16();
                Ok((status == expected).then_some(()))
            };
            space
                .until(&format!("{name} answers {expected}"), LIMIT, taken)
                .await?;
        }
    }
    Ok(())
}

/// What the controller keeps for its next process.
pub async fn state(space: &Space<'_>) -> Result<Vec<String>> {
    let api: Api<ConfigMap> = Api::all(space.cluster.client.clone());
    let label = ListParams::default().labels("notification.toolkit.fluxcd.io/state");
    let maps = api.list(&label).await?.items;
    ensure!(!maps.is_empty(), "it keeps something");
    Ok(maps.iter().map(serde_json::to_string).collect::<Result<_, _>>()?)
}
