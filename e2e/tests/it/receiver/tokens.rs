//! Senders that prove themselves by a token of an issuer; tenants; and a replica that does not lead.

use super::requested;
use anyhow::{Context as _, Result, ensure};
use axum::{Router, routing::get};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use e2e::{
    flux::{NOTIFICATION, SOURCE},
    space::Space,
    suite::Options,
    webhook::{TOKEN, ready, receiver, secret, send},
    world::World,
};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

/// An issuer of tokens on loopback.
pub(super) struct Issuer {
    pub(super) url: String,
    key: EncodingKey,
}

impl Issuer {
    pub(super) async fn start() -> Result<Self> {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let part = |range| URL_SAFE_NO_PAD.encode(&pair.public_key_raw()[range]);
        let keys = json!({"keys": [{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "k1", "x": part(1..33), "y": part(33..65)}]});
        let description = json!({"issuer": url, "jwks_uri": format!("{url}/keys")}).to_string();
        let keys = keys.to_string();
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(async move || description),
            )
            .route("/keys", get(async move || keys));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Ok(Self {
            url,
            key: EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes())?,
        })
    }

    pub(super) fn token(&self, claims: &Value) -> Result<String> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("k1".into());
        Ok(jsonwebtoken::encode(&header, claims, &self.key)?)
    }
}

pub(super) fn now() -> Result<u64> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

/// Sends with a token; holds what comes of it.
async fn bearer(
    space: &Space<'_>,
    url: &str,
    what: &str,
    token: Option<&str>,
    body: &str,
    expected: u16,
) -> Result<()> {
    let before = requested(space, SOURCE, "GitRepository", "app").await?;
    let mut headers = vec![("content-type", "application/json".to_owned())];
    headers.extend(token.map(|token| ("authorization", format!("Bearer {token}"))));
    let status = send(url, &headers, body.to_owned()).await?;
    ensure!(status == expected, "{what}: {status}, not {expected}");
    let moved = requested(space, SOURCE, "GitRepository", "app").await? != before;
    ensure!(moved == (expected == 200), "{what}: asked is {moved}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_tenants_and_replicas() -> Result<()> {
    let issuer = Issuer::start().await?;
    let world = World::start(&Options {
        notification: vec![
            format!("--google-keys-url={}/keys", issuer.url),
            "--no-cross-namespace-refs=true".into(),
            "--enable-leader-election".into(),
        ],
        ..Options::default()
    })
    .await?;
    let space = world.space("webhook-tokens").await?;
    space.git_repository(json!({"spec": {"suspend": true}})).await?;
    google(&space, &issuer).await?;
    anybody(&space, &issuer).await?;
    tenants(&world, &space).await?;

    // Who does not lead takes webhooks all the same.
    let standby = world.suite.notification.replica("standby", &[])?;
    standby.start()?;
    standby.ready().await?;
    space.apply(secret(TOKEN)).await?;
    space.apply(receiver("plain", "generic", &json!({}))).await?;
    ready(&space, "plain").await?;
    let object = space
        .get(NOTIFICATION, "Receiver", "plain")
        .await?
        .context("no Receiver")?;
    let url = standby.webhook(object["status"]["webhookPath"].as_str().unwrap_or_default())?;
    let taken = async || Ok((send(&url, &[], "").await? == 200).then_some(()));
    space
        .until("the standby takes webhooks", e2e::space::LIMIT, taken)
        .await
}

/// CVE-2026-40109
async fn google(space: &Space<'_>, issuer: &Issuer) -> Result<()> {
    let mut credentials = secret(TOKEN);
    credentials["stringData"]["email"] = json!("push@p.iam.gserviceaccount.com");
    credentials["stringData"]["audience"] = json!("https://hooks.example/gcr");
    space.apply(credentials).await?;
    let filter = json!({"spec": {"resourceFilter": "req.tag == 'r.io/p/app:v1' && req.action == 'INSERT'"}});
    space.apply(receiver("gcr", "gcr", &filter)).await?;
    let url = ready(space, "gcr").await?;
    let push = |id: &str| {
        let event =
            json!({"action": "INSERT", "digest": "r.io/p/app@sha256:1", "tag": "r.io/p/app:v1"}).to_string();
        json!({"message": {"data": STANDARD.encode(event), "messageId": id}}).to_string()
    };
    let end = now()? + 600;
    let token = |change: fn(&mut Value)| {
        let mut claims = json!({
            "iss": "https://accounts.google.com", "aud": "https://hooks.example/gcr", "exp": end,
            "email": "push@p.iam.gserviceaccount.com", "email_verified": true,
        });
        change(&mut claims);
        issuer.token(&claims)
    };
    bearer(space, &url, "Google's", Some(&token(|_| {})?), &push("1"), 200).await?;
    bearer(
        space,
        &url,
        "another account",
        Some(&token(|c| c["email"] = json!("evil@gmail.com"))?),
        &push("2"),
        400,
    )
    .await?;
    bearer(
        space,
        &url,
        "unverified",
        Some(&token(|c| c["email_verified"] = json!(false))?),
        &push("3"),
        400,
    )
    .await?;
    bearer(
        space,
        &url,
        "another audience",
        Some(&token(|c| c["aud"] = json!("https://hooks.example/b"))?),
        &push("4"),
        400,
    )
    .await?;
    bearer(
        space,
        &url,
        "another issuer",
        Some(&token(|c| c["iss"] = json!("https://evil.example"))?),
        &push("5"),
        400,
    )
    .await?;
    bearer(
        space,
        &url,
        "over",
        Some(&token(|c| c["exp"] = json!(1_700_000_000))?),
        &push("6"),
        400,
    )
    .await?;
    bearer(
        space,
        &url,
        "without an end",
        Some(&token(|c| c["exp"] = Value::Null)?),
        &push("7"),
        400,
    )
    .await?;
    bearer(space, &url, "no token", None, &push("8"), 400).await?;
    bearer(space, &url, "junk", Some("a.b.c"), &push("9"), 400).await?;
    bearer(space, &url, "no push", Some(&token(|_| {})?), "{}", 400).await
}

async fn anybody(space: &Space<'_>, issuer: &Issuer) -> Result<()> {
    let oidc = json!({"spec": {
        "secretRef": null,
        "oidcProviders": [{
            "issuerURL": issuer.url,
            "variables": [{"name": "owner", "expression": "claims.repository.split('/')[0]"}],
            "validations": [{"expression": "vars.owner == 'org'", "message": "the owner is not org"}],
        }],
        "resourceFilter": "res.metadata.name == claims.app",
    }});
    space.apply(receiver("oidc", "generic-oidc", &oidc)).await?;
    let url = ready(space, "oidc").await?;
    let url_of_issuer = issuer.url.clone();
    let end = now()? + 600;
    let token = move |change: fn(&mut Value)| {
        let mut claims = json!({"iss": url_of_issuer, "aud": "notification-controller", "exp": end, "repository": "org/x", "app": "app"});
        change(&mut claims);
        claims
    };
    let good = issuer.token(&token(|_| {}))?;
    bearer(space, &url, "as wanted", Some(&good), "{}", 200).await?;
    for (what, change) in [
        (
            "another owner",
            (|c| c["repository"] = json!("evil/x")) as fn(&mut Value),
        ),
        ("another audience", |c| c["aud"] = json!("kubernetes")),
        ("another issuer", |c| c["iss"] = json!("https://evil.example")),
        ("over", |c| c["exp"] = json!(1_700_000_000)),
        ("not yet", |c| c["nbf"] = json!(9_000_000_000_u64)),
        ("no owner", |c| c["repository"] = Value::Null),
    ] {
        bearer(space, &url, what, Some(&issuer.token(&token(change))?), "{}", 400).await?;
    }
    // Everybody can compute the address of a Receiver without a secret: of a stranger's body nothing is read.
    let (base, path) = url.split_at(url.find("/hook/").context("no path")?);
    let answer = super::addresses::chunks(base, path).await?;
    ensure!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    let other = Issuer::start().await?;
    bearer(
        space,
        &url,
        "signed by another",
        Some(&other.token(&token(|_| {}))?),
        "{}",
        400,
    )
    .await?;
    let mut parts: Vec<&str> = good.split('.').collect();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"k1"}"#);
    (parts[0], parts[2]) = (&none, "");
    bearer(space, &url, "unsigned", Some(&parts.join(".")), "{}", 400).await
}

/// What a tenant's Receiver names elsewhere is not asked for; what it names at home is.
async fn tenants(world: &World, space: &Space<'_>) -> Result<()> {
    let evil = world.space("webhook-evil").await?;
    evil.git_repository(json!({"spec": {"suspend": true}})).await?;
    evil.apply(secret(TOKEN)).await?;
    let resources = json!([
        {"kind": "GitRepository", "name": "app", "namespace": space.name()},
        {"kind": "GitRepository", "name": "*", "namespace": space.name(), "matchLabels": {"a": "b"}},
        {"kind": "GitRepository", "name": format!("../../{}/gitrepositories/app", space.name())},
        {"kind": "GitRepository", "name": "app"},
    ]);
    evil.apply(receiver(
        "hook",
        "generic",
        &json!({"spec": {"resources": resources}}),
    ))
    .await?;
    let url = ready(&evil, "hook").await?;
    let (theirs, own) = (
        requested(space, SOURCE, "GitRepository", "app").await?,
        requested(&evil, SOURCE, "GitRepository", "app").await?,
    );
    let status = send(&url, &[], "").await?;
    ensure!(status == 500, "{status}");
    ensure!(
        requested(space, SOURCE, "GitRepository", "app").await? == theirs,
        "a neighbour was asked"
    );
    ensure!(
        requested(&evil, SOURCE, "GitRepository", "app").await? != own,
        "its own was not asked"
    );
    let log = std::fs::read_to_string(world.suite.notification.log())?;
    ensure!(
        log.contains("cross-namespace references have been blocked"),
        "the log says why"
    );
    ensure!(!log.contains(TOKEN), "and no secret");
    Ok(())
}
