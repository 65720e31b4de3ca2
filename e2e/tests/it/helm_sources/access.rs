//! Credentials and certificates, and for whom they are.

use anyhow::{Result, ensure};
use e2e::{
    flux::SOURCE,
    origin::{Authority, HelmServer, Page, Tls, helm::index, oci::USER},
    world::World,
};
use serde_json::json;

use super::{INDEX, KIND, ready, repository, secret};

#[tokio::test]
async fn credentials_are_for_one_host() -> Result<()> {
    let space = World::shared().await?.space("helm-login").await?;
    let authority = Authority::new()?;
    let content = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    let guarded = HelmServer::start().await?;
    guarded.guard(true);
    guarded.put(INDEX, Page::Known(content.clone()));
    let open = HelmServer::start().await?;
    open.put(INDEX, Page::Known(content.clone()));
    let sending = HelmServer::start().await?;
    sending.put(
        INDEX,
        Page::Status(302, vec![("Location", open.other_url(INDEX))]),
    );
    let mutual = Tls {
        identity: authority.server(&["127.0.0.1"])?,
        client_authority: Some(authority.certificate()),
    };
    let mutual = HelmServer::start_tls(&mutual).await?;
    mutual.put(INDEX, Page::Known(content.clone()));
    let client = authority.client("helm")?;
    for (name, data) in [
        ("right", json!({"username": USER.0, "password": USER.1})),
        ("wrong", json!({"username": USER.0, "password": "hunter2"})),
        ("half", json!({"username": "x"})),
        (
            "certs",
            json!({"ca.crt": authority.certificate(), "tls.crt": client.certificate, "tls.key": client.key}),
        ),
        (
            "legacy",
            json!({"caFile": authority.certificate(), "certFile": client.certificate, "keyFile": client.key}),
        ),
        ("ca", json!({"ca.crt": authority.certificate()})),
        ("keyless", json!({"tls.crt": client.certificate})),
        ("garbage", json!({"ca.crt": "no certificate"})),
        ("nothing", json!({"a": "b"})),
    ] {
        space.apply(secret(name, &data)).await?;
    }
    let login = |name: &str| json!({"secretRef": {"name": name}});
    let tls = |name: &str| json!({"certSecretRef": {"name": name}});
    for (at, (server, spec)) in [
        (&guarded, login("right")),
        (&sending, login("right")),
        (&open, login("nothing")),
        (&mutual, tls("certs")),
        (&mutual, login("legacy")),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("good-{at}");
        space
            .apply(repository(&name, &server.url(""), &json!({"spec": spec})))
            .await?;
        ready(&space, &name, &content).await?;
    }
    let led = open.seen(INDEX);
    ensure!(
        sending
            .seen(INDEX)
            .iter()
            .all(|seen| seen.authorization.is_some()),
        "the login goes where it was given for"
    );
    ensure!(
        !led.is_empty() && led.iter().all(|seen| seen.authorization.is_none()),
        "and nowhere else: {led:?}"
    );
    for (server, spec, reason, part) in [
        (&guarded, json!({}), "Failed", "401 Unauthorized"),
        (&guarded, login("wrong"), "Failed", "401 Unauthorized"),
        (
            &open,
            login("nowhere"),
            "AuthenticationFailed",
            "failed to get authentication secret 'helm-login/nowhere': secrets \"nowhere\" not found",
        ),
        (
            &open,
            login("half"),
            "AuthenticationFailed",
            "malformed basic auth - has 'username' but missing 'password'",
        ),
        (
            &open,
            tls("nothing"),
            "AuthenticationFailed",
            "must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'",
        ),
        (
            &open,
            tls("keyless"),
            "AuthenticationFailed",
            "contains 'tls.crt' but missing 'tls.key'",
        ),
        (
            &mutual,
            tls("garbage"),
            "AuthenticationFailed",
            "failed to construct Helm client's TLS config: failed to parse CA certificate",
        ),
        (&mutual, json!({}), "Failed", "certificate"),
        (&mutual, tls("ca"), "Failed", "Get"),
    ] {
        space
            .apply(repository("bad", &server.url(""), &json!({"spec": spec})))
            .await?;
        let told = space.says(SOURCE, KIND, "bad", reason, part).await?;
        ensure!(!told.message.contains("hunter2"), "{told:?}");
        space.delete(SOURCE, KIND, "bad").await?;
        space.gone(SOURCE, KIND, "bad").await?;
    }
    Ok(())
}
