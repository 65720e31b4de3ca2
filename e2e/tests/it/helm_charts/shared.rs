//! What several objects want of one repository is downloaded once: a chart, and a chart that others depend on.

use anyhow::{Result, ensure};
use e2e::{
    flux::SOURCE,
    origin::{
        HelmServer, Page,
        helm::{chart, index, package},
    },
    world::World,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{helm_chart, of_git, ready, repository, served};

const OBJECTS: usize = 12;

/// Serves an index with one version, which says what its archive has for a digest, if anything.
fn serve(server: &HelmServer, version: &str, archive: &[u8], with_digest: bool) {
    let name = format!("web-{version}.tgz");
    let mut text = String::from_utf8(index(&[("web", version, &name)])).unwrap_or_default();
    if with_digest {
        let digest = hex::encode(Sha256::digest(archive));
        text = text.replace("created:", &format!("digest: {digest}, created:"));
    }
    server.put(&format!("/{name}"), Page::Plain(archive.to_vec()));
    server.put("/index.yaml", Page::Known(text.into_bytes()));
}

#[tokio::test]
async fn one_chart_for_many_is_downloaded_once() -> Result<()> {
    let space = World::shared().await?.space("chart-shared").await?;
    let server = HelmServer::start().await?;
    let archive = package(&chart("web", "1.0.0")).await?;
    serve(&server, "1.0.0", &archive, true);
    space.apply(repository(&server.url(""), &json!({}))).await?;
    for number in 0..OBJECTS {
        space
            .apply(helm_chart(&format!("web-{number}"), &json!({})))
            .await?;
    }
    for number in 0..OBJECTS {
        let object = ready(&space, &format!("web-{number}"), "1.0.0").await?;
        ensure!(served(&object).await? == archive, "each has the archive");
    }
    let asked = server.seen("/web-1.0.0.tgz").len();
    ensure!(asked == 1, "downloaded {asked} times");

    // Charts in Git that depend on it.
    let mut files = Vec::new();
    for number in 0..OBJECTS {
        let metadata = format!(
            "apiVersion: v2\nname: top{number}\nversion: 0.1.0\ndependencies: [{{name: web, version: 1.x, repository: '{}'}}]\n",
            server.url("")
        );
        files.push((format!("charts/top{number}/Chart.yaml"), metadata));
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    space.repo.commit(&files)?;
    space.git_repository(json!({})).await?;
    for number in 0..OBJECTS {
        let spec = of_git(&format!("charts/top{number}"), &json!({}));
        space.apply(helm_chart(&format!("top-{number}"), &spec)).await?;
    }
    for number in 0..OBJECTS {
        ready(&space, &format!("top-{number}"), "0.1.0").await?;
    }
    let asked = server.seen("/web-1.0.0.tgz").len();
    ensure!(asked == 1, "downloaded {asked} times");

    // The same version anew, with other content: the index tells, and everybody who looks gets the new one.
    let mut other = chart("web", "1.0.0");
    other.push(("templates/more.yaml".to_owned(), String::new()));
    let anew = package(&other).await?;
    serve(&server, "1.0.0", &anew, true);
    space.handled(SOURCE, super::REPOSITORY, "repo").await?;
    space.apply(helm_chart("later", &json!({}))).await?;
    let object = ready(&space, "later", "1.0.0").await?;
    ensure!(served(&object).await? == anew, "what the index says now");
    Ok(())
}

/// An index without digests says nothing of what is at a URL: nobody gets what somebody else had.
#[tokio::test]
async fn without_a_digest_each_downloads_its_own() -> Result<()> {
    let space = World::shared().await?.space("chart-unshared").await?;
    let server = HelmServer::start().await?;
    let archive = package(&chart("web", "1.0.0")).await?;
    serve(&server, "1.0.0", &archive, false);
    space.apply(repository(&server.url(""), &json!({}))).await?;
    for name in ["a", "b"] {
        space.apply(helm_chart(name, &json!({}))).await?;
        ready(&space, name, "1.0.0").await?;
    }
    ensure!(server.seen("/web-1.0.0.tgz").len() == 2, "one each");
    Ok(())
}
