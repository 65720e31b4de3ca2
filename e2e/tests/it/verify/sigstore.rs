//! Identities: what one has signed whom an instance of Sigstore believes is accepted, and each flaw is found.

use super::{accepted, again, push, refused, repository, secret};
use anyhow::{Context as _, Result, ensure};
use e2e::{
    origin::{
        Cosign, Guard, Registry, Sigstore, Style,
        sigstore::{self, Flaw},
    },
    world::World,
};
use serde_json::json;

#[tokio::test]
async fn an_identity_of_sigstore_may_sign_and_each_flaw_is_found() -> Result<()> {
    let space = World::shared().await?.space("sigstore").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let cosign = Cosign::new().await?;
    let (ours, theirs) = (Sigstore::new()?, Sigstore::new()?);
    space
        .apply(secret("ours", &json!({"trusted_root.json": ours.trusted_root()})))
        .await?;
    space
        .apply(secret(
            "theirs",
            &json!({"trusted_root.json": theirs.trusted_root()}),
        ))
        .await?;
    space
        .apply(secret("odd", &json!({"trusted_root.json": "{}"})))
        .await?;
    space.apply(secret("empty", &json!({"other": "{}"}))).await?;
    let by = |root: &str, issuer: &str, subject: &str| {
        json!({
            "provider": "cosign", "trustedRootSecretRef": {"name": root},
            "matchOIDCIdentity": [{"issuer": issuer, "subject": subject}],
        })
    };
    let (issuer, subject) = ("^https://issuer\\.example\\.com$", "^https://example\\.com/org/");
    let digest = push(&registry, "tag", "1").await?;
    ours.sign_tag(&registry, "tag", &digest, Flaw::None).await?;
    let bundled = push(&registry, "bundle", "1").await?;
    ours.sign_bundle(&registry, "bundle", &bundled, Flaw::None)
        .await?;
    for (name, digest) in [("tag", &digest), ("bundle", &bundled)] {
        let url = registry.url(name);
        again(&space, repository(&url, digest, &by("ours", issuer, subject))).await?;
        accepted(&space, digest)
            .await
            .with_context(|| format!("signed as {name}"))?;
        // What we accept, cosign accepts too: so what is made here is what it takes for a signature.
        let reference = format!("{}/{name}@{digest}", registry.address());
        let (opinion, told) = cosign.accepts_identity(&ours.trusted_root(), issuer, subject, &reference)?;
        ensure!(opinion, "cosign on a signature as {name}: {told}");

        // Anybody will do where nobody is named.
        let anybody = json!({"provider": "cosign", "trustedRootSecretRef": {"name": "ours"}});
        again(&space, repository(&url, digest, &anybody)).await?;
        accepted(&space, digest).await?;
        for (verify, part) in [
            (
                by("ours", "^https://issuer\\.example\\.org$", subject),
                "none of the expected identities matched",
            ),
            (
                by("ours", issuer, "^https://example\\.com/other/"),
                "none of the expected identities matched",
            ),
            (by("theirs", issuer, subject), "of a log that is not trusted"),
            (by("odd", issuer, subject), "unable to parse trusted root"),
            (by("empty", issuer, subject), "'trusted_root.json' not found"),
            (by("ours", "(", subject), "malformed issuer in identity"),
            (
                json!({"provider": "cosign"}),
                "unable to initialize trusted root: ",
            ),
        ] {
            again(&space, repository(&url, digest, &verify)).await?;
            refused(&space, part)
                .await
                .with_context(|| format!("{name} by {verify}"))?;
        }
    }
    let flaws = [
        (Flaw::NoEntry, "no entry of a transparency log"),
        (Flaw::Late, "did not count when the log took the signature"),
        (Flaw::Promise, "inclusion promise"),
        (Flaw::OtherEntry, "about another signature"),
        (Flaw::NoTimestamp, "(SCT)"),
        (Flaw::Timestamp, "(SCT)"),
        (Flaw::Signature, "the signature is wrong"),
        (Flaw::Usage, "the certificate is not for signing"),
        (Flaw::Attestation, "no matching signatures"),
    ];
    let in_bundles = [(Flaw::Path, "inclusion proof"), (Flaw::Checkpoint, "checkpoint")];
    let both = flaws
        .iter()
        .map(|flaw| (*flaw, true))
        .chain(in_bundles.iter().map(|flaw| (*flaw, false)));
    for ((flaw, part), has_tag) in both {
        for style in [Style::Tag, Style::Bundle] {
            if style == Style::Tag && !has_tag {
                continue;
            }
            let name = format!("{flaw:?}-{style:?}").to_lowercase();
            let digest = push(&registry, &name, "1").await?;
            match style {
                Style::Tag => ours.sign_tag(&registry, &name, &digest, flaw).await?,
                Style::Bundle => ours.sign_bundle(&registry, &name, &digest, flaw).await?,
            }
            again(
                &space,
                repository(&registry.url(&name), &digest, &by("ours", issuer, subject)),
            )
            .await?;
            refused(&space, part).await.with_context(|| name.clone())?;
            // Cosign looks up a missing entry, which needs the network; an attestation it takes for what it is asked for.
            if !matches!(flaw, Flaw::NoEntry | Flaw::Attestation) {
                let reference = format!("{}/{name}@{digest}", registry.address());
                let (opinion, _) =
                    cosign.accepts_identity(&ours.trusted_root(), issuer, subject, &reference)?;
                ensure!(!opinion, "cosign accepts {name}");
            }
        }
    }
    // What is no bundle at all, and what is one of nothing.
    for (name, bundle) in [
        ("garbage", "{".to_owned()),
        (
            "hollow",
            json!({"mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json", "verificationMaterial": {}})
                .to_string(),
        ),
    ] {
        let digest = push(&registry, name, "1").await?;
        sigstore::refer(&registry, name, &digest, &bundle, "x").await?;
        again(
            &space,
            repository(&registry.url(name), &digest, &by("ours", issuer, subject)),
        )
        .await?;
        refused(&space, "no matching signatures were found for")
            .await
            .with_context(|| name.to_owned())?;
    }
    Ok(())
}
