//! HelmRepository: indexes from a real server, asked for no oftener than need be, and each failure told on the object.

mod access;
mod failures;
mod large;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::{SOURCE, with},
    origin::{HelmServer, Page, helm::index},
    space::Space,
    world::World,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const KIND: &str = "HelmRepository";
const INDEX: &str = "/index.yaml";

fn repository(name: &str, url: &str, change: &Value) -> Value {
    let plain = json!({
        "apiVersion": SOURCE, "kind": KIND, "metadata": {"name": name},
        "spec": {"interval": "1h", "url": url},
    });
    with(plain, change)
}

fn secret(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

fn sha256(content: &[u8]) -> String {
    use sha2::Digest as _;
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(content)))
}

async fn ready(space: &Space<'_>, name: &str, index: &[u8]) -> Result<Value> {
    let revision = sha256(index);
    let at = |o: &Value| {
        o["status"]["artifact"]["revision"] == revision.as_str()
            && expect::verdict(o).is_some_and(|v| v.status == "True")
    };
    space
        .holds(&format!("{name} is ready at {revision}"), SOURCE, KIND, name, at)
        .await
}

#[tokio::test]
async fn an_index_is_asked_for_only_if_it_changed() -> Result<()> {
    let space = World::shared().await?.space("helm-index").await?;
    let server = HelmServer::start().await?;
    let first = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put(INDEX, Page::Known(first.clone()));
    space
        .apply(repository("repo", &server.url(""), &json!({})))
        .await?;
    let object = ready(&space, "repo", &first).await?;
    let status = &object["status"];
    ensure!(
        status["artifact"]["path"]
            == format!(
                "helmrepository/helm-index/repo/index-{}.yaml",
                &sha256(&first)[7..]
            ),
        "{status}"
    );
    let served = async |url: &Value| {
        anyhow::Ok(
            reqwest::get(url.as_str().context("a url")?)
                .await?
                .bytes()
                .await?,
        )
    };
    let stored = served(&status["artifact"]["url"]).await?;
    ensure!(
        stored == served(&status["url"]).await?,
        "the link leads to the newest"
    );
    ensure!(status["artifact"]["digest"] == sha256(&stored), "{status}");
    let stored: Value = serde_json::from_slice(&stored)?;
    ensure!(stored["entries"]["web"][0]["version"] == "1.0.0", "{stored}");

    // Nothing changed: one request, no content, nothing written but that it was handled.
    space.handled(SOURCE, KIND, "repo").await?;
    let seen = server.seen(INDEX);
    ensure!(
        seen.len() == 2 && seen[1].conditional && seen[1].status == 304,
        "{seen:?}"
    );

    let begin = Instant::now();
    let second = index(&[
        ("web", "1.0.0", "web-1.0.0.tgz"),
        ("web", "1.1.0", "web-1.1.0.tgz"),
    ]);
    server.put(INDEX, Page::Known(second.clone()));
    space.request(SOURCE, KIND, "repo").await?;
    ready(&space, "repo", &second).await?;
    let took = begin.elapsed();
    e2e::note!(
        "helm: a new index is ready {} ms after it was asked for",
        took.as_millis()
    );

    // A server that knows nothing again is asked again, and told to be the same by what it sends.
    server.put(INDEX, Page::Plain(second.clone()));
    let before = ready(&space, "repo", &second).await?;
    space.handled(SOURCE, KIND, "repo").await?;
    let after = ready(&space, "repo", &second).await?;
    ensure!(
        before["status"]["artifact"] == after["status"]["artifact"],
        "{after}"
    );

    // What is lost is made again, of what is kept.
    let path = after["status"]["artifact"]["path"].as_str().context("a path")?;
    std::fs::remove_file(space.world.suite.storage().join(path))?;
    space.handled(SOURCE, KIND, "repo").await?;
    served(&after["status"]["artifact"]["url"]).await?;
    space.at_rest().await?;

    space.delete(SOURCE, KIND, "repo").await?;
    space.gone(SOURCE, KIND, "repo").await?;
    ensure!(!space.world.suite.storage().join(path).exists(), "{path}");
    Ok(())
}

#[tokio::test]
async fn many_objects_make_one_request() -> Result<()> {
    let space = World::shared().await?.space("helm-many").await?;
    let server = HelmServer::start().await?;
    let content = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put(INDEX, Page::Plain(content.clone()));
    let begin = Instant::now();
    for n in 0..20 {
        space
            .apply(repository(&format!("repo-{n}"), &server.url("/"), &json!({})))
            .await?;
    }
    for n in 0..20 {
        ready(&space, &format!("repo-{n}"), &content).await?;
    }
    let seen = server.seen(INDEX).len();
    e2e::note!(
        "helm: 20 objects of one URL: {seen} request, {} ms",
        begin.elapsed().as_millis()
    );
    // Within the time for which an index counts as current; on a machine that is slower a few more.
    ensure!(
        seen == 1 || begin.elapsed() > Duration::from_secs(8),
        "{seen} requests"
    );
    Ok(())
}

#[tokio::test]
async fn a_note_on_a_registry_is_left_alone() -> Result<()> {
    let space = World::shared().await?.space("helm-static").await?;
    let server = HelmServer::start().await?;
    let content = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put(INDEX, Page::Known(content.clone()));
    let of_oci = json!({"spec": {"type": "oci"}});
    space
        .apply(repository("note", "oci://127.0.0.1:1/charts", &of_oci))
        .await?;
    let bare = |o: &Value| o["status"] == json!({}) && o["metadata"]["finalizers"].is_null();
    space
        .holds(
            "a note has no status and no finalizer",
            SOURCE,
            KIND,
            "note",
            bare,
        )
        .await?;
    space.at_rest().await?;

    // One that was a repository loses what it had.
    space
        .apply(repository("repo", &server.url(""), &json!({})))
        .await?;
    let object = ready(&space, "repo", &content).await?;
    let path = object["status"]["artifact"]["path"].as_str().context("a path")?;
    space
        .apply(repository("repo", "oci://127.0.0.1:1/charts", &of_oci))
        .await?;
    space
        .holds("it is a note now", SOURCE, KIND, "repo", bare)
        .await?;
    ensure!(!space.world.suite.storage().join(path).exists(), "{path}");
    for name in ["note", "repo"] {
        space.delete(SOURCE, KIND, name).await?;
        space.gone(SOURCE, KIND, name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_suspended_repository_is_left_alone() -> Result<()> {
    let space = World::shared().await?.space("helm-suspend").await?;
    let server = HelmServer::start().await?;
    let content = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put(INDEX, Page::Known(content.clone()));
    let suspended = json!({"spec": {"suspend": true}});
    space
        .apply(repository("repo", &server.url(""), &suspended))
        .await?;
    space.handled(SOURCE, KIND, "repo").await?;
    ensure!(server.seen(INDEX).is_empty(), "it is not asked for");
    space
        .apply(repository(
            "repo",
            &server.url(""),
            &json!({"spec": {"suspend": false}}),
        ))
        .await?;
    ready(&space, "repo", &content).await?;
    Ok(())
}
