//! Charts in Git whose dependencies are with peers that want a login, hang, never end, or send what is too large.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    flux::SOURCE,
    origin::{
        Guard, HelmServer, Page, Registry,
        helm::{chart, index, package, push, template},
        oci::USER,
    },
    world::World,
};
use serde_json::json;
use std::time::{Duration, Instant};

use super::{KIND, failures::bomb, helm_chart, of_git, ready, repository, served};

#[tokio::test]
async fn dependencies_of_hostile_servers_are_bounded() -> Result<()> {
    let space = World::shared().await?.space("chart-needs").await?;
    let server = HelmServer::start().await?;
    let dep = package(&chart("dep", "1.0.0")).await?;
    let list = || Page::Known(index(&[("dep", "1.0.0", "dep.tgz")]));
    let plain = || Page::Plain(dep.clone());
    let slow = || Page::Slow(dep.clone(), Duration::from_millis(100));
    let late = "no answer within the timeout of 2s";
    let large = "exceeds the maximum chart file size of 10485760 bytes";
    let endless = || Page::Endless(vec![b'#'; 1 << 16]);
    let cases = [
        ("index-hangs", Page::Hang, plain(), late),
        ("index-endless", endless(), plain(), "index"),
        ("index-claims", Page::Claims(1 << 40), plain(), "index"),
        ("hangs", list(), Page::Hang, late),
        ("slow", list(), slow(), late),
        ("endless", list(), endless(), large),
        ("claims", list(), Page::Claims(1 << 40), large),
        (
            "bomb",
            list(),
            Page::Plain(bomb()?),
            "larger than the maximum size",
        ),
        ("cut", list(), Page::Truncated(dep[..100].to_vec()), "download"),
        ("gone", list(), Page::Status(404, Vec::new()), "404"),
    ];
    let mut files = Vec::new();
    for (name, index, archive, _) in cases.clone() {
        let path = |file: &str| format!("/{name}/{file}");
        server.put(&path("index.yaml"), index);
        server.put(&path("dep.tgz"), archive);
        let needs = format!(
            "apiVersion: v2\nname: web\nversion: 0.1.0\ndependencies: [{{name: dep, version: 1.x, repository: '{}'}}]\n",
            server.url(&path(""))
        );
        files.push((format!("{name}/Chart.yaml"), needs));
        let of_it = json!({"metadata": {"name": name}, "spec": {"timeout": "2s"}});
        space.apply(repository(&server.url(&path("")), &of_it)).await?;
    }
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    space.repo.commit(&files)?;
    space.git_repository(json!({})).await?;
    for (name, _, _, part) in &cases {
        let begin = Instant::now();
        space.apply(helm_chart(name, &of_git(name, &json!({})))).await?;
        let told = space.says(SOURCE, KIND, name, "DependencyBuildError", part).await;
        let told = told.with_context(|| format!("case {name}"))?;
        let begins = "dependency build error: failed to add remote dependency 'dep': ";
        ensure!(
            told.status == "False" && told.message.starts_with(begins),
            "{told:?}"
        );
        ensure!(
            begin.elapsed() < Duration::from_secs(60),
            "{name}: {:?}",
            begin.elapsed()
        );
    }
    // As soon as it is there, the chart is.
    server.put("/hangs/dep.tgz", plain());
    space.request(SOURCE, KIND, "hangs").await?;
    ready(&space, "hangs", "0.1.0").await?;
    Ok(())
}

#[tokio::test]
async fn dependencies_are_had_from_registries_that_want_a_login() -> Result<()> {
    let space = World::shared().await?.space("chart-needs-oci").await?;
    let guard = Guard {
        login: true,
        ..Guard::default()
    };
    let registry = Registry::start(&guard).await?;
    for version in ["1.0.0", "2.0.0"] {
        push(&registry, "charts", &package(&chart("dep", version)).await?, true).await?;
    }
    let needs = format!(
        "apiVersion: v2\nname: web\nversion: 0.1.0\ndependencies: [{{name: dep, version: 1.x, repository: '{}'}}]\n",
        registry.url("charts")
    );
    space.repo.commit(&[("web/Chart.yaml", &needs)])?;
    space.git_repository(json!({})).await?;
    let login = json!({"username": USER.0, "password": USER.1});
    space
        .apply(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": login}),
        )
        .await?;
    space.apply(helm_chart("web", &of_git("web", &json!({})))).await?;
    // Nobody says how to get in; then somebody does, without a login; and at last with one.
    let with_login = async |secret: &str| {
        let spec = json!({"spec": {"type": "oci", "secretRef": {"name": secret}}});
        space.apply(repository(&registry.url("charts"), &spec)).await
    };
    for (secret, part) in [
        (None, "UNAUTHORIZED: authentication required"),
        (Some("absent"), "chart-needs-oci/absent"),
    ] {
        if let Some(secret) = secret {
            with_login(secret).await?;
            space.request(SOURCE, KIND, "web").await?;
        }
        let told = space
            .says(SOURCE, KIND, "web", "DependencyBuildError", part)
            .await;
        let told = told.with_context(|| format!("with {secret:?}"))?;
        let begins = "dependency build error: failed to add remote dependency 'dep': ";
        ensure!(
            told.status == "False" && told.message.starts_with(begins),
            "{told:?}"
        );
    }
    with_login("login").await?;
    space.request(SOURCE, KIND, "web").await?;
    let object = ready(&space, "web", "0.1.0").await?;
    let rendered = template(&served(&object).await?).await?;
    ensure!(
        rendered.contains("# Source: web/charts/dep/templates/cm.yaml"),
        "{rendered}"
    );
    Ok(())
}
