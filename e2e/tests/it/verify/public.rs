//! The trusted root of the public instance: fetched for who names none, and missed by nobody else.

use super::{KIND, accepted, again, push, refused, repository, secret};
use anyhow::{Result, ensure};
use e2e::{
    flux::SOURCE,
    origin::{
        Guard, Registry, Sigstore,
        sigstore::{Flaw, TufRepository},
    },
    suite::Options,
    world::World,
};
use serde_json::json;

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
