//! Charts in Git, packaged with all that they need.

use anyhow::{Result, ensure};
use e2e::{
    flux::SOURCE,
    origin::{
        Change, Guard, HelmServer, Page, Registry,
        helm::{chart, index, package, push, template},
        oci::USER,
    },
    world::World,
};
use serde_json::{Value, json};
use std::time::Instant;

use super::{KIND, helm_chart, of_git, ready, repository, served};

#[tokio::test]
async fn charts_are_packaged_from_git_with_all_they_need() -> Result<()> {
    let space = World::shared().await?.space("chart-git").await?;
    let server = HelmServer::start().await?;
    server.guard(true);
    let registry = Registry::start(&Guard::default()).await?;
    let remote = package(&chart("remote", "1.5.0")).await?;
    server.put("/deep/remote-1.5.0.tgz", Page::Plain(remote));
    server.put(
        "/deep/index.yaml",
        Page::Known(index(&[
            ("remote", "1.5.0", "remote-1.5.0.tgz"),
            ("remote", "1.9.0", "remote-1.9.0.tgz"),
        ])),
    );
    push(
        &registry,
        "charts",
        &package(&chart("pushed", "0.3.0")).await?,
        false,
    )
    .await?;
    space.apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": {"username": USER.0, "password": USER.1}})).await?;
    space
        .apply(repository(
            &server.url("/deep/"),
            &json!({"spec": {"secretRef": {"name": "login"}}}),
        ))
        .await?;

    let metadata = format!(
        "apiVersion: v2\nname: web\nversion: 0.1.0\ndependencies:\n- {{name: beside, version: '>0', repository: 'file://../beside'}}\n- {{name: remote, version: 1.x, repository: '{}', alias: far}}\n- {{name: pushed, version: '*', repository: '{}'}}\n- {{name: own, version: 0.1.0}}\n",
        server.url("/deep"),
        registry.url("charts"),
    );
    let lock = format!(
        "dependencies:\n- {{name: beside, version: 0.1.0, repository: 'file://../beside'}}\n- {{name: remote, version: 1.5.0, repository: '{}', alias: far}}\n- {{name: pushed, version: 0.3.0, repository: '{}'}}\n- {{name: own, version: 0.1.0, repository: ''}}\ndigest: sha256:x\ngenerated: '2026-01-01T00:00:00Z'\n",
        server.url("/deep"),
        registry.url("charts"),
    );
    let mut files = vec![
        ("charts/web/Chart.yaml".to_owned(), metadata),
        ("charts/web/Chart.lock".to_owned(), lock),
        ("charts/web/.helmignore".to_owned(), "*.bak\n".to_owned()),
        ("charts/web/x.bak".to_owned(), "x".repeat(6 << 20)),
        ("env/prod.yaml".to_owned(), "value: from-the-source\n".to_owned()),
    ];
    for (folder, name) in [
        ("charts/web", "web"),
        ("charts/beside", "beside"),
        ("charts/web/charts/own", "own"),
    ] {
        for (path, text) in chart(name, "0.1.0") {
            let path = format!("{folder}/{path}");
            if !files.iter().any(|(known, _)| *known == path) {
                files.push((path, text));
            }
        }
    }
    let written: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    let commit = space.repo.commit(&written)?;
    space.git_repository(json!({})).await?;
    let revision =
        json!({"reconcileStrategy": "Revision", "valuesFiles": ["charts/web/values.yaml", "env/prod.yaml"]});
    space
        .apply(helm_chart("web", &of_git("./charts/web", &revision)))
        .await?;
    let version = format!("0.1.0+{}.1", &commit[..12]);
    let object = ready(&space, "web", &version).await?;
    ensure!(
        object["status"]["observedSourceArtifactRevision"] == format!("main@sha1:{commit}"),
        "{object}"
    );
    let content = served(&object).await?;
    let rendered = template(&content).await?;
    for part in [
        "name: web",
        "name: beside",
        "name: far",
        "name: pushed",
        "name: own",
        "value: from-the-source",
    ] {
        ensure!(rendered.contains(part), "{part}: {rendered}");
    }
    let names: Vec<String> = artifact::unpack(content.as_slice(), &artifact::Limits::default())?
        .files()
        .map(|(path, _)| path)
        .collect();
    ensure!(
        names.iter().any(|n| n == "web/charts/remote/Chart.yaml")
            && !names.iter().any(|n| n.contains("x.bak")),
        "{names:?}"
    );

    // A new revision of the source: with this strategy a new chart, with the other only if its version is new.
    space
        .apply(helm_chart("steady", &of_git("charts/web", &json!({}))))
        .await?;
    let steady = ready(&space, "steady", "0.1.0").await?;
    let begin = Instant::now();
    let commit = space
        .push(&[("charts/web/templates/more.yaml", "# more\n")])
        .await?;
    ready(&space, "web", &format!("0.1.0+{}.1", &commit[..12])).await?;
    let took = begin.elapsed();
    e2e::note!(
        "helm: a commit is a packaged chart with four dependencies after {} ms",
        took.as_millis()
    );
    let seen = |o: &Value| o["status"]["observedSourceArtifactRevision"] == format!("main@sha1:{commit}");
    let after = space
        .holds("the new revision was looked at", SOURCE, KIND, "steady", seen)
        .await?;
    ensure!(
        after["status"]["artifact"] == steady["status"]["artifact"],
        "{after}"
    );
    // A package in Git is taken as it is.
    let packed = package(&chart("packed", "3.2.1")).await?;
    let changes = [
        Change::Write("packed.tgz".to_owned(), packed.clone()),
        Change::Link(
            "charts/web/templates/link.yaml".to_owned(),
            "/etc/passwd".to_owned(),
        ),
    ];
    let commit = space
        .repo
        .commit_on("main", "a package, and a link out of it", &changes)?;
    space.request(SOURCE, "GitRepository", "app").await?;
    let object = ready(&space, "web", &format!("0.1.0+{}.1", &commit[..12])).await?;
    let tree = artifact::unpack(served(&object).await?.as_slice(), &artifact::Limits::default())?;
    ensure!(
        tree.file("web/templates/link.yaml").is_none(),
        "links lead nowhere"
    );
    space
        .apply(helm_chart("packed", &of_git("packed.tgz", &json!({}))))
        .await?;
    let object = ready(&space, "packed", "3.2.1").await?;
    ensure!(served(&object).await? == packed, "it is what Helm packaged");
    space.at_rest().await
}
