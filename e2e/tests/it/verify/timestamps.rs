//! Authorities of time: their word counts where a log has none, and where a trust policy wants it.

use super::{accepted, again, policy, push, refused, repository, secret};
use anyhow::{Context as _, Result, ensure};
use e2e::{
    origin::{Authority, Cosign, Guard, Notation, Registry, Sigstore, TimestampServer, sigstore::Flaw},
    world::World,
};
use serde_json::json;

#[tokio::test]
async fn an_authority_of_time_may_vouch_for_when() -> Result<()> {
    let space = World::shared().await?.space("timestamps").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let (cosign, notation) = (Cosign::new().await?, Notation::new().await?);
    let (times, others) = (TimestampServer::start().await?, Authority::new()?);
    let at = |repository: &str, digest: &str| format!("{}/{repository}@{digest}", registry.address());

    // Logs of Sigstore that have no times of their own.
    let ours = Sigstore::new()?;
    let root = ours.trusted_root_with(Some(times.chain()));
    space
        .apply(secret("ours", &json!({"trusted_root.json": root})))
        .await?;
    let chain = others.signer("time", 48, None)?.certificate;
    let elsewhere = ours.trusted_root_with(Some(&chain));
    space
        .apply(secret("elsewhere", &json!({"trusted_root.json": elsewhere})))
        .await?;
    space
        .apply(secret(
            "timeless",
            &json!({"trusted_root.json": ours.trusted_root()}),
        ))
        .await?;
    let by = |root: &str| {
        json!({
            "provider": "cosign", "trustedRootSecretRef": {"name": root},
            "matchOIDCIdentity": [{"issuer": "^https://issuer", "subject": "org/app"}],
        })
    };
    let digest = push(&registry, "second", "1").await?;
    ours.sign_second(&registry, "second", &digest, &times, Flaw::None)
        .await?;
    again(&space, repository(&registry.url("second"), &digest, &by("ours"))).await?;
    accepted(&space, &digest).await?;
    let (opinion, told) =
        cosign.accepts_identity(&root, "^https://issuer", "org/app", &at("second", &digest))?;
    ensure!(opinion, "cosign: {told}");
    for (root, part) in [
        ("elsewhere", "the timestamp is by somebody else"),
        ("timeless", "the signature has no timestamp"),
    ] {
        again(&space, repository(&registry.url("second"), &digest, &by(root))).await?;
        refused(&space, part).await.with_context(|| root.to_owned())?;
    }
    for (flaw, part) in [
        (Flaw::Unstamped, "the signature has no timestamp"),
        (Flaw::OtherStamp, "the timestamp is of something else"),
        (Flaw::OtherEntry, "inclusion proof"),
        (Flaw::Path, "inclusion proof"),
        (Flaw::Checkpoint, "checkpoint"),
        (Flaw::Signature, "the signature is wrong"),
        (Flaw::Timestamp, "(SCT)"),
    ] {
        let name = format!("second-{flaw:?}").to_lowercase();
        let digest = push(&registry, &name, "1").await?;
        ours.sign_second(&registry, &name, &digest, &times, flaw).await?;
        again(&space, repository(&registry.url(&name), &digest, &by("ours"))).await?;
        refused(&space, part).await.with_context(|| name.clone())?;
        let (opinion, _) =
            cosign.accepts_identity(&root, "^https://issuer", "org/app", &at(&name, &digest))?;
        ensure!(!opinion, "cosign accepts {name}");
    }

    // Notation: a policy that names a store of authorities of time wants their word.
    let right = notation.key("right")?;
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), times.root())?;
    let flags = [
        format!("--timestamp-url={}", times.url()),
        format!("--timestamp-root-cert={}", file.path().display()),
    ];
    let flags: Vec<&str> = flags.iter().map(String::as_str).collect();
    let mut digests = std::collections::BTreeMap::new();
    for (name, format, flags) in [
        ("jws", "jws", &flags[..]),
        ("cose", "cose", &flags),
        ("bare", "jws", &[]),
    ] {
        let digest = push(&registry, name, "1").await?;
        notation.sign("right", &at(name, &digest), format, flags)?;
        digests.insert(name, digest);
    }
    let text = policy("strict", &json!({"trustStores": ["ca:right", "tsa:times"]}));
    for (name, anchor, part) in [
        ("jws", times.root(), None),
        ("cose", times.root(), None),
        ("bare", times.root(), Some("the signature has no timestamp")),
        (
            "jws",
            others.certificate(),
            Some("the timestamp's signer leads to nobody who is trusted"),
        ),
    ] {
        let data = json!({"trustpolicy.json": text, "a.crt": right, "times.pem": anchor});
        space.apply(secret("trust", &data)).await?;
        let verify = json!({"provider": "notation", "secretRef": {"name": "trust"}});
        again(&space, repository(&registry.url(name), &digests[name], &verify)).await?;
        match part {
            None => accepted(&space, &digests[name]).await,
            Some(part) => refused(&space, part).await,
        }
        .with_context(|| name.to_owned())?;
    }
    Ok(())
}
