//! Keys: what the real cosign has signed with one is accepted, and nothing else is.

use super::{KIND, accepted, again, push, refused, repository, secret, verified};
use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::{SOURCE, with},
    origin::{Cosign, Guard, Registry, Style},
    world::World,
};
use serde_json::{Value, json};

#[tokio::test]
async fn what_cosign_signed_with_a_key_is_accepted_and_nothing_else() -> Result<()> {
    let space = World::shared().await?.space("cosign").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let cosign = Cosign::new().await?;
    let (right, other) = (cosign.key("right")?, cosign.key("other")?);
    for (name, data) in [
        ("right", json!({"cosign.pub": right})),
        ("other", json!({"cosign.pub": other})),
        ("both", json!({"a.pub": other, "b.pub": right, "c.txt": "text"})),
        ("none", json!({"cosign.txt": right})),
        ("odd", json!({"cosign.pub": "no key"})),
    ] {
        space.apply(secret(name, &data)).await?;
    }
    let at = |repository: &str, digest: &str| format!("{}/{repository}@{digest}", registry.address());
    let mut digests = std::collections::BTreeMap::new();
    for name in [
        "tag",
        "bundle",
        "unsigned",
        "moved-tag",
        "moved-bundle",
        "attested",
        "tampered",
        "foreign",
        "both",
    ] {
        digests.insert(name, push(&registry, name, name).await?);
    }
    cosign.sign("right", &at("tag", &digests["tag"]), Style::Tag)?;
    cosign.sign("right", &at("bundle", &digests["bundle"]), Style::Bundle)?;
    cosign.attest("right", &at("attested", &digests["attested"]))?;
    // An attestation beside a signature takes nothing from it.
    cosign.attest("right", &at("both", &digests["both"]))?;
    cosign.sign("right", &at("both", &digests["both"]), Style::Tag)?;

    // Signatures of one artifact, put beside another: each in its own repository, as an attacker with its push rights would.
    let first = push(&registry, "moved-tag", "first").await?;
    cosign.sign("right", &at("moved-tag", &first), Style::Tag)?;
    let signed = registry
        .get("moved-tag", &format!("{}.sig", first.replace(':', "-")))
        .await?;
    let tag = format!("{}.sig", digests["moved-tag"].replace(':', "-"));
    registry.manifest("moved-tag", &tag, &signed).await?;
    let first = push(&registry, "moved-bundle", "first").await?;
    cosign.sign("right", &at("moved-bundle", &first), Style::Bundle)?;
    let signed = registry.get("moved-bundle", &first.replace(':', "-")).await?;
    registry
        .manifest(
            "moved-bundle",
            &digests["moved-bundle"].replace(':', "-"),
            &signed,
        )
        .await?;

    // What was signed, changed afterwards.
    cosign.sign("right", &at("tampered", &digests["tampered"]), Style::Tag)?;
    let tag = format!("{}.sig", digests["tampered"].replace(':', "-"));
    let manifest = registry.get("tampered", &tag).await?;
    let payload = manifest["layers"][0]["digest"].as_str().context("a payload")?;
    registry.tamper(payload, br#"{"critical":{}}"#)?;

    // A signature whose media type is another.
    cosign.sign("right", &at("foreign", &digests["foreign"]), Style::Tag)?;
    let tag = format!("{}.sig", digests["foreign"].replace(':', "-"));
    let mut manifest = registry.get("foreign", &tag).await?;
    manifest["layers"][0]["mediaType"] = json!("application/octet-stream");
    registry.manifest("foreign", &tag, &manifest).await?;

    let by = |secret: &str| json!({"provider": "cosign", "secretRef": {"name": secret}});
    for (name, key, opinion) in [
        ("tag", "right", Some(true)),
        ("bundle", "right", Some(true)),
        ("tag", "both", None),
        ("bundle", "both", None),
        ("both", "right", None),
    ] {
        let digest = &digests[name];
        again(&space, repository(&registry.url(name), digest, &by(key))).await?;
        accepted(&space, digest)
            .await
            .with_context(|| format!("{name} by {key}"))?;
        if let Some(opinion) = opinion {
            ensure!(
                cosign.accepts(key, &at(name, digest))? == opinion,
                "cosign on {name} by {key}"
            );
        }
    }
    let nothing = "no matching signatures were found for";
    for (name, key, part, opinion) in [
        ("tag", "other", "the signature is by another key", Some(false)),
        ("bundle", "other", "the signature is by another key", Some(false)),
        ("unsigned", "right", nothing, Some(false)),
        (
            "moved-tag",
            "right",
            "the signature is of another artifact",
            Some(false),
        ),
        (
            "moved-bundle",
            "right",
            "the signature is of another artifact",
            Some(false),
        ),
        ("attested", "right", nothing, None),
        ("tampered", "right", "not what its digest says", Some(false)),
        ("foreign", "right", "is no signature", None),
        (
            "tag",
            "none",
            "no public keys ('*.pub') found in secret 'cosign/none'",
            None,
        ),
        (
            "tag",
            "odd",
            "'cosign.pub' in secret 'cosign/odd' is no public key",
            None,
        ),
        ("tag", "absent", "failed to get secret 'cosign/absent'", None),
    ] {
        let digest = &digests[name];
        again(&space, repository(&registry.url(name), digest, &by(key))).await?;
        refused(&space, part)
            .await
            .with_context(|| format!("{name} by {key}"))?;
        if let Some(opinion) = opinion {
            ensure!(
                cosign.accepts(key, &at(name, digest))? == opinion,
                "cosign on {name} by {key}"
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_signature_is_looked_at_when_something_is_new() -> Result<()> {
    let space = World::shared().await?.space("cosign-moves").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let cosign = Cosign::new().await?;
    let key = cosign.key("right")?;
    space.apply(secret("right", &json!({"cosign.pub": key}))).await?;
    let at = |digest: &str| format!("{}/app@{digest}", registry.address());
    let first = push(&registry, "app", "1").await?;
    cosign.sign("right", &at(&first), Style::Tag)?;
    let verify = json!({"provider": "cosign", "secretRef": {"name": "right"}});
    let object = with(
        repository(&registry.url("app"), &first, &verify),
        &json!({"spec": {"ref": {"digest": null, "tag": "latest"}}}),
    );
    space.apply(object.clone()).await?;
    accepted(&space, &format!("latest@{first}")).await?;

    // Nothing moved: the signature is not asked for.
    let count = || registry.requests("GET", "/v2/app/");
    let before = count()?;
    space.handled(SOURCE, KIND, "app").await?;
    ensure!(count()? == before, "at rest no signature is read");

    // What is pushed without a signature is not taken; what is there stays and is served.
    let second = push(&registry, "app", "2").await?;
    space.request(SOURCE, KIND, "app").await?;
    let told = space
        .says(SOURCE, KIND, "app", "VerificationError", &second)
        .await?;
    ensure!(
        told.message
            .starts_with("failed to verify the signature using provider 'cosign': "),
        "{told:?}"
    );
    let found = space.get(SOURCE, KIND, "app").await?.context("it is there")?;
    let artifact = &found["status"]["artifact"];
    ensure!(artifact["revision"] == format!("latest@{first}"), "{artifact}");
    let url = artifact["url"].as_str().context("a url")?;
    ensure!(reqwest::get(url).await?.status().is_success(), "it is served");

    // Signed at last, it is taken.
    cosign.sign("right", &at(&second), Style::Bundle)?;
    space.request(SOURCE, KIND, "app").await?;
    accepted(&space, &format!("latest@{second}")).await?;

    // Without `verify` there is no word about signatures.
    space
        .patch(SOURCE, KIND, "app", json!({"spec": {"verify": null}}))
        .await?;
    let silent = |o: &Value| verified(o).is_none() && expect::verdict(o).is_some_and(|v| v.status == "True");
    space
        .holds("no word about signatures", SOURCE, KIND, "app", silent)
        .await?;
    space.at_rest().await
}
