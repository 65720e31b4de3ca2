//! HelmChart: charts that the real Helm made, from repositories, registries and Git; and each failure told on the object.

mod bucket;
mod dependencies;
mod failures;
mod git;
mod hostile;
mod registry;
mod registry_hostile;
mod shared;
mod waits;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::{SOURCE, with},
    origin::{
        HelmServer, Page,
        helm::{chart, index, package, template},
        oci::USER,
    },
    space::Space,
    world::World,
};
use serde_json::{Value, json};
use std::time::Instant;

const KIND: &str = "HelmChart";
const REPOSITORY: &str = "HelmRepository";
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

fn repository(url: &str, change: &Value) -> Value {
    let plain = json!({
        "apiVersion": SOURCE, "kind": REPOSITORY, "metadata": {"name": "repo"},
        "spec": {"interval": "1h", "url": url},
    });
    with(plain, change)
}

fn helm_chart(name: &str, spec: &Value) -> Value {
    let plain = json!({
        "apiVersion": SOURCE, "kind": KIND, "metadata": {"name": name},
        "spec": {"interval": "1h", "chart": "web", "sourceRef": {"kind": REPOSITORY, "name": "repo"}},
    });
    with(plain, &json!({"spec": spec}))
}

fn of_git(path: &str, change: &Value) -> Value {
    let plain = json!({"chart": path, "sourceRef": {"kind": "GitRepository", "name": "app"}});
    with(plain, change)
}

async fn ready(space: &Space<'_>, name: &str, version: &str) -> Result<Value> {
    let at = |o: &Value| {
        o["status"]["artifact"]["revision"] == version
            && expect::verdict(o).is_some_and(|v| v.status == "True")
            && o["status"]["observedGeneration"] == o["metadata"]["generation"]
    };
    space
        .holds(&format!("{name} is ready at {version}"), SOURCE, KIND, name, at)
        .await
}

async fn served(object: &Value) -> Result<Vec<u8>> {
    let status = &object["status"];
    let get = async |url: &Value| {
        anyhow::Ok(
            reqwest::get(url.as_str().context("a url")?)
                .await?
                .error_for_status()?
                .bytes()
                .await?,
        )
    };
    let content = get(&status["artifact"]["url"]).await?;
    ensure!(
        content == get(&status["url"]).await?,
        "the link leads to the newest"
    );
    Ok(content.to_vec())
}

/// Versions of the chart `web` on a server.
async fn publish(server: &HelmServer, versions: &[&str]) -> Result<Vec<Vec<u8>>> {
    let mut archives = Vec::new();
    let mut entries = Vec::new();
    for version in versions {
        let archive = package(&chart("web", version)).await?;
        let path = format!("/web-{version}.tgz");
        server.put(&path, Page::Plain(archive.clone()));
        entries.push((version, server.url(&path)));
        archives.push(archive);
    }
    let entries: Vec<(&str, &str, &str)> = entries
        .iter()
        .map(|(v, url)| ("web", **v, url.as_str()))
        .collect();
    server.put("/index.yaml", Page::Known(index(&entries)));
    Ok(archives)
}

#[tokio::test]
async fn a_repositorys_chart_is_had_and_follows_it() -> Result<()> {
    let space = World::shared().await?.space("chart-http").await?;
    let server = HelmServer::start().await?;
    let archives = publish(&server, &["1.0.0", "1.1.0", "2.0.0-rc.1"]).await?;
    // The chart comes first: it waits for its source, and starts when that is there.
    space
        .apply(helm_chart("web", &json!({"version": ">=1.0.0"})))
        .await?;
    space
        .says(
            SOURCE,
            KIND,
            "web",
            "SourceUnavailable",
            "failed to get source: HelmRepository.source.toolkit.fluxcd.io \"repo\" not found",
        )
        .await?;
    space.apply(repository(&server.url(""), &json!({}))).await?;
    let object = ready(&space, "web", "1.1.0").await?;
    ensure!(served(&object).await? == archives[1], "it is what Helm packaged");
    ensure!(
        object["status"]["artifact"]["path"] == "helmchart/chart-http/web/web-1.1.0.tgz",
        "{object}"
    );
    ensure!(object["status"]["observedChartName"] == "web", "{object}");
    let told = expect::verdict(&object).context("a verdict")?;
    ensure!(
        (told.reason.as_str(), told.message.as_str())
            == ("ChartPullSucceeded", "pulled 'web' chart with version '1.1.0'"),
        "{told:?}"
    );

    // Nothing new: nothing is downloaded.
    space.handled(SOURCE, KIND, "web").await?;
    ensure!(
        server.seen("/web-1.1.0.tgz").len() == 1,
        "{:?}",
        server.seen("/web-1.1.0.tgz")
    );

    let begin = Instant::now();
    let archives = publish(&server, &["1.0.0", "1.1.0", "1.2.0", "2.0.0-rc.1"]).await?;
    let begun = Instant::now();
    space.request(SOURCE, REPOSITORY, "repo").await?;
    let object = ready(&space, "web", "1.2.0").await?;
    e2e::note!(
        "helm: a new version of a chart is there {} ms after its repository was asked for (made in {} ms)",
        begun.elapsed().as_millis(),
        (begun - begin).as_millis()
    );
    ensure!(served(&object).await? == archives[2], "it is what Helm packaged");

    for (version, found) in [
        ("2.0.0-rc.1", "2.0.0-rc.1"),
        ("~1.0", "1.0.0"),
        (">1-0", "2.0.0-rc.1"),
        ("*", "1.2.0"),
        ("", "1.2.0"),
        ("1.x", "1.2.0"),
    ] {
        space
            .apply(helm_chart("web", &json!({"version": version})))
            .await?;
        ready(&space, "web", found)
            .await
            .with_context(|| version.to_owned())?;
    }

    // An index that Flux stored has no table, and one may be spoiled: it is made of what is stored.
    for entry in std::fs::read_dir(space.world.suite.storage().join(".indexes"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "table") {
            std::fs::write(path, "no table")?;
        }
    }
    space
        .apply(helm_chart("web", &json!({"version": "1.1.0"})))
        .await?;
    ready(&space, "web", "1.1.0").await?;
    space.apply(helm_chart("web", &json!({"version": "1.x"}))).await?;

    // What is lost is had again.
    let path = ready(&space, "web", "1.2.0").await?["status"]["artifact"]["path"].clone();
    std::fs::remove_file(space.world.suite.storage().join(path.as_str().context("a path")?))?;
    space.handled(SOURCE, KIND, "web").await?;
    served(&ready(&space, "web", "1.2.0").await?).await?;
    space.at_rest().await
}

#[tokio::test]
async fn values_files_take_the_place_of_a_charts_values() -> Result<()> {
    let space = World::shared().await?.space("chart-values").await?;
    let server = HelmServer::start().await?;
    publish(&server, &["1.0.0"]).await?;
    space.apply(repository(&server.url(""), &json!({}))).await?;
    let files =
        json!({"valuesFiles": ["values.yaml", "./prod.yaml", "nope.yaml"], "ignoreMissingValuesFiles": true});
    space.apply(helm_chart("web", &files)).await?;
    let object = ready(&space, "web", "1.0.0+1").await?;
    ensure!(
        object["status"]["observedValuesFiles"] == json!(["values.yaml", "./prod.yaml"]),
        "{object}"
    );
    let told = expect::verdict(&object).context("a verdict")?;
    ensure!(
        told.reason == "ChartPackageSucceeded"
            && told.message
                == "packaged 'web' chart with version '1.0.0+1' and merged values files [values.yaml ./prod.yaml]",
        "{told:?}"
    );
    let content = served(&object).await?;
    let rendered = template(&content).await?;
    ensure!(
        rendered.contains("value: two") && rendered.contains("b: \"3\""),
        "{rendered}"
    );
    let read = helm_values(&content)?;
    ensure!(read == "more:\n  a: 1\n  b: 3\nvalue: two\n", "{read}");

    // The same again has the same digest, wherever it is made.
    let digest = object["status"]["artifact"]["digest"].clone();
    space.apply(helm_chart("twin", &files)).await?;
    let twin = ready(&space, "twin", "1.0.0+1").await?;
    ensure!(twin["status"]["artifact"]["digest"] == digest, "{twin}");

    space
        .apply(helm_chart("own", &json!({"valuesFiles": ["values.yaml"]})))
        .await?;
    ready(&space, "own", "1.0.0").await?;

    space
        .apply(helm_chart(
            "bad",
            &json!({"valuesFiles": ["values.yaml", "nope.yaml"]}),
        ))
        .await?;
    let told = space.says(SOURCE, KIND, "bad", "ValuesFilesError", "values files merge error: failed to merge chart values: no values file found at path 'nope.yaml'").await?;
    ensure!(told.status == "False", "{told:?}");
    let object = space.get(SOURCE, KIND, "bad").await?.context("it is there")?;
    for type_ in ["Stalled", "BuildFailed"] {
        ensure!(
            expect::condition(&object, type_).is_some_and(|c| c.status == "True"),
            "{object}"
        );
    }
    Ok(())
}

fn helm_values(archive: &[u8]) -> Result<String> {
    let tree = artifact::unpack(archive, &artifact::Limits::default())?;
    let file = tree.file("web/values.yaml").context("no values")?;
    Ok(String::from_utf8(file.bytes().to_vec())?)
}

#[tokio::test]
async fn a_failure_keeps_the_chart_that_was_good() -> Result<()> {
    let space = World::shared().await?.space("chart-keeps").await?;
    let server = HelmServer::start().await?;
    let archives = publish(&server, &["1.0.0"]).await?;
    space.apply(repository(&server.url(""), &json!({}))).await?;
    space.apply(helm_chart("web", &json!({}))).await?;
    let before = ready(&space, "web", "1.0.0").await?;
    let entries = [
        ("web", "1.0.0", "web-1.0.0.tgz"),
        ("web", "1.1.0", "web-1.1.0.tgz"),
    ];
    server.put("/index.yaml", Page::Known(index(&entries)));
    space.request(SOURCE, REPOSITORY, "repo").await?;
    space
        .says(SOURCE, KIND, "web", "ChartPullError", "404 Not Found")
        .await?;
    let after = space.get(SOURCE, KIND, "web").await?.context("it is there")?;
    ensure!(
        after["status"]["artifact"] == before["status"]["artifact"],
        "{after}"
    );
    ensure!(served(&after).await? == archives[0], "it is served still");
    let outdated = expect::condition(&after, "ArtifactOutdated").context("it is outdated")?;
    ensure!(
        (outdated.reason.as_str(), outdated.message.as_str())
            == ("NewChart", "new 'web' chart with version '1.1.0'"),
        "{outdated:?}"
    );
    server.put(
        "/web-1.1.0.tgz",
        Page::Plain(package(&chart("web", "1.1.0")).await?),
    );
    space.request(SOURCE, KIND, "web").await?;
    let good = ready(&space, "web", "1.1.0").await?;
    ensure!(
        expect::condition(&good, "ArtifactOutdated").is_none()
            && expect::condition(&good, "FetchFailed").is_none(),
        "{good}"
    );
    Ok(())
}

#[tokio::test]
async fn a_login_goes_to_other_hosts_only_if_wanted() -> Result<()> {
    let space = World::shared().await?.space("chart-login").await?;
    let (server, other) = (HelmServer::start().await?, HelmServer::start().await?);
    let archive = package(&chart("web", "1.0.0")).await?;
    for server in [&server, &other] {
        server.guard(true);
        server.put("/web-1.0.0.tgz", Page::Plain(archive.clone()));
    }
    server.put(
        "/index.yaml",
        Page::Known(index(&[("web", "1.0.0", &other.url("/web-1.0.0.tgz"))])),
    );
    let login = json!({"username": USER.0, "password": USER.1});
    space
        .apply(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": login}),
        )
        .await?;
    let of = |pass: bool| json!({"spec": {"secretRef": {"name": "login"}, "passCredentials": pass}});
    space.apply(repository(&server.url(""), &of(false))).await?;
    space.apply(helm_chart("web", &json!({}))).await?;
    space
        .says(SOURCE, KIND, "web", "AuthenticationFailed", "401 Unauthorized")
        .await?;
    let seen = other.seen("/web-1.0.0.tgz");
    ensure!(seen.iter().all(|seen| seen.authorization.is_none()), "{seen:?}");
    space.apply(repository(&server.url(""), &of(true))).await?;
    let object = ready(&space, "web", "1.0.0").await?;
    ensure!(served(&object).await? == archive, "it is what Helm packaged");
    Ok(())
}
