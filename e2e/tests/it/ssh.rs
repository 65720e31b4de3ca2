//! A repository over SSH, with a key that needs a passphrase and a server that must be known.

use anyhow::Result;
use e2e::{
    app,
    flux::SOURCE,
    origin::{SshKey, SshServer},
    world::World,
};
use serde_json::json;

#[tokio::test]
async fn a_repository_over_ssh_is_applied() -> Result<()> {
    let world = World::shared().await?;
    let space = world.space("ssh").await?;
    let key = SshKey::generate("open sesame")?;
    let server = SshServer::start(&world.repositories(), &[&key])?;
    let commit = space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"},
            "stringData": {"identity": key.private, "identity.pub": key.public, "known_hosts": server.known_hosts(), "password": "open sesame"},
        }))
        .await?;
    space
        .git_repository(json!({"spec": {"url": server.url("ssh"), "secretRef": {"name": "key"}}}))
        .await?;
    space.kustomization("app", "./", json!({})).await?;
    space.synced("app", &commit).await?;

    let second = space.push(&[("a.yaml", &app::config_map("a", "2"))]).await?;
    space.synced("app", &second).await?;
    server.authorize(&[])?;
    space.request(SOURCE, "GitRepository", "app").await?;
    let refused = space.until("the lost right is told", e2e::space::LIMIT, async || {
        let object = space.get(SOURCE, "GitRepository", "app").await?;
        Ok(object
            .and_then(|o| e2e::expect::condition(&o, "FetchFailed"))
            .filter(|c| c.status == "True"))
    });
    let refused = refused.await?;
    space.contains(&refused.message, "authenticate")
}
