//! The trusted root of the public instance: fetched for who names none, and missed by nobody else.

use super::{KIND, accepted, again, push, refused, repository, secret};
use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::SOURCE,
    origin::{
        Guard, Registry, Sigstore, helm,
        sigstore::{Flaw, TufRepository},
    },
    space::Space,
    suite::Options,
    world::World,
};
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn who_names_no_root_gets_the_public_one() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let (public, other) = (Sigstore::new()?, Sigstore::new()?);
    let tuf = TufRepository::start(&public).await?;
    let root = folder.path().join("root.json");
    std::fs::write(&root, tuf.root())?;
    let options = Options {
        env: vec![
            ("TUF_MIRROR", tuf.url()),
            ("TUF_ROOT_JSON", root.display().to_string()),
        ],
        ..Options::default()
    };
    let world = World::start(&options).await?;
    let space = world.space("public-root").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let own = json!({"trusted_root.json": public.trusted_root()});
    space.apply(secret("own", &own)).await?;
    let keyless = json!({"provider": "cosign"});
    let given = json!({"provider": "cosign", "trustedRootSecretRef": {"name": "own"}});
    let mut digests = Vec::new();
    for (name, signer) in [("one", &public), ("two", &public), ("three", &other)] {
        let digest = push(&registry, name, name).await?;
        signer.sign_tag(&registry, name, &digest, Flaw::None).await?;
        digests.push(digest);
    }
    let [one, two, three] = &digests[..] else {
        return Ok(());
    };
    again(&space, repository(&registry.url("one"), one, &given)).await?;
    accepted(&space, one).await?;
    ensure!(tuf.asked() == 0, "nobody wanted the public root");
    again(&space, repository(&registry.url("one"), one, &keyless)).await?;
    accepted(&space, one).await?;
    ensure!(tuf.asked() == 5, "asked {} times", tuf.asked());
    again(&space, repository(&registry.url("two"), two, &keyless)).await?;
    accepted(&space, two).await?;
    again(&space, repository(&registry.url("three"), three, &keyless)).await?;
    refused(&space, "of a log that is not trusted").await?;
    charts(&space, &registry, [&public, &other]).await?;
    ensure!(tuf.asked() == 5, "asked {} times", tuf.asked());

    // Another process, which finds nothing there.
    tuf.empty();
    world.suite.source.kill();
    world.suite.source.start()?;
    world.suite.source.ready().await?;
    again(&space, repository(&registry.url("one"), one, &keyless)).await?;
    refused(&space, "unable to initialize trusted root: ").await?;
    refused(&space, "timestamp.json not found").await?;
    let mut object = repository(&registry.url("two"), two, &given);
    object["metadata"]["name"] = json!("other");
    space.apply(object).await?;
    space.verdict(SOURCE, KIND, "other", "Succeeded").await?;
    Ok(())
}

/// A chart names no root of its own: whom the public instance knows may have signed it, in both ways, if the chart says so.
async fn charts(space: &Space<'_>, registry: &Registry, [public, other]: [&Sigstore; 2]) -> Result<()> {
    const CHART: &str = "HelmChart";
    for version in ["1.0.0", "1.1.0", "1.2.0", "1.3.0"] {
        let archive = helm::package(&helm::chart("web", version)).await?;
        helm::push(registry, "charts", &archive, false).await?;
        let digest = registry.digest("charts/web", version).await?;
        let name = "charts/web";
        match version {
            "1.0.0" => public.sign_tag(registry, name, &digest, Flaw::None).await?,
            "1.1.0" => public.sign_bundle(registry, name, &digest, Flaw::None).await?,
            "1.2.0" => other.sign_bundle(registry, name, &digest, Flaw::None).await?,
            _ => {}
        }
    }
    space
        .apply(json!({
            "apiVersion": SOURCE, "kind": "HelmRepository", "metadata": {"name": "repo"},
            "spec": {"type": "oci", "insecure": true, "url": registry.url("charts")},
        }))
        .await?;
    let (issuer, subject) = ("^https://issuer\\.example\\.com$", "^https://example\\.com/org/");
    let nobody = "none of the expected identities matched";
    for (version, issuer, subject, problem) in [
        ("1.0.0", issuer, subject, None),
        ("1.1.0", issuer, subject, None),
        ("1.0.0", "^https://issuer\\.example\\.org$", subject, Some(nobody)),
        ("1.0.0", issuer, "^https://example\\.com/other/", Some(nobody)),
        ("1.1.0", "^https://issuer\\.example\\.org$", subject, Some(nobody)),
        ("1.1.0", issuer, "^https://example\\.com/other/", Some(nobody)),
        ("1.2.0", issuer, subject, Some("of a log that is not trusted")),
        (
            "1.3.0",
            issuer,
            subject,
            Some("no matching signatures were found for"),
        ),
    ] {
        let _ = space.delete(SOURCE, CHART, "web").await;
        space.gone(SOURCE, CHART, "web").await?;
        space
            .apply(json!({
                "apiVersion": SOURCE, "kind": CHART, "metadata": {"name": "web"},
                "spec": {
                    "interval": "1h", "chart": "web", "version": version,
                    "sourceRef": {"kind": "HelmRepository", "name": "repo"},
                    "verify": {"provider": "cosign", "matchOIDCIdentity": [{"issuer": issuer, "subject": subject}]},
                },
            }))
            .await?;
        let what = format!("{version} by {subject} of {issuer}");
        let Some(part) = problem else {
            let good = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
            let object = space.holds(&what, SOURCE, CHART, "web", good).await?;
            let verified = expect::condition(&object, "SourceVerified").context("it is told")?;
            let text = format!("verified signature of version {version}");
            ensure!(
                verified.status == "True" && verified.message == text,
                "{verified:?}"
            );
            continue;
        };
        let told = space.says(SOURCE, CHART, "web", "VerificationError", part).await;
        told.context(what)?;
        let object = space.get(SOURCE, CHART, "web").await?.context("it is there")?;
        ensure!(
            object["status"]["artifact"].is_null(),
            "nothing unverified is stored: {object}"
        );
    }
    Ok(())
}
