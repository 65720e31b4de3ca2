//! HelmChart: charts that the real Helm made, from repositories, registries and Git; and each failure told on the object.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::{SOURCE, with},
    origin::{
        Artifact, Change, Guard, HelmServer, Page, Registry,
        helm::{chart, index, package, push, template},
        oci::USER,
    },
    space::Space,
    world::World,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

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
async fn charts_are_had_from_registries() -> Result<()> {
    let space = World::shared().await?.space("chart-oci").await?;
    let guard = Guard {
        login: true,
        ..Guard::default()
    };
    let registry = Registry::start(&guard).await?;
    let mut archives = Vec::new();
    for version in ["1.0.0", "1.1.0+build.5", "2.0.0-rc.1"] {
        let archive = package(&chart("web", version)).await?;
        push(&registry, "charts", &archive, true).await?;
        archives.push(archive);
    }
    for (name, password) in [("wrong", "wrong"), ("docker", "right")] {
        let config = registry.docker_config(password);
        space.apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": config}})).await?;
    }
    let other = json!({"auths": {"ghcr.io": {"username": "a", "password": "b"}}}).to_string();
    for (name, data) in [
        ("basic", json!({"username": USER.0, "password": USER.1})),
        ("elsewhere", json!({".dockerconfigjson": other})),
    ] {
        space
            .apply(
                json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data}),
            )
            .await?;
    }
    let of = |secret: Value| json!({"spec": {"type": "oci", "insecure": true, "secretRef": secret}});
    space
        .apply(repository(&registry.url("charts"), &of(json!({"name": "basic"}))))
        .await?;
    for (version, found, at) in [
        ("*", "1.1.0+build.5", 1),
        ("1.0.0", "1.0.0", 0),
        (">=2.0.0-0", "2.0.0-rc.1", 2),
        ("1.1.0+build.5", "1.1.0+build.5", 1),
    ] {
        space
            .apply(helm_chart("web", &json!({"version": version})))
            .await?;
        let object = ready(&space, "web", found).await?;
        ensure!(
            served(&object).await? == archives[at],
            "{version}: it is what Helm pushed"
        );
        ensure!(
            object["status"]["observedSourceArtifactRevision"].is_null(),
            "{object}"
        );
    }
    // By another way in.
    space
        .apply(repository(
            &registry.url("charts"),
            &of(json!({"name": "docker"})),
        ))
        .await?;
    space.apply(helm_chart("docker", &json!({}))).await?;
    ready(&space, "docker", "1.1.0+build.5").await?;

    let bad = Artifact {
        layers: vec![(CHART.to_owned(), b"x".to_vec())],
        ..Artifact::default()
    };
    registry.push("charts/flux", "1.0.0", &bad).await?;
    for (secret, spec, reason, part) in [
        (
            json!(null),
            json!({}),
            "AuthenticationFailed",
            "failed to authenticate with the Helm repository: chart pull error",
        ),
        (
            json!({"name": "wrong"}),
            json!({}),
            "AuthenticationFailed",
            "failed to authenticate with the Helm repository: chart pull error",
        ),
        (
            json!({"name": "elsewhere"}),
            json!({}),
            "AuthenticationFailed",
            "no auth config for",
        ),
        (
            json!({"name": "nowhere"}),
            json!({}),
            "AuthenticationFailed",
            "failed to get authentication secret",
        ),
        (
            json!({"name": "basic"}),
            json!({"version": "9.x"}),
            "ChartPullError",
            "could not locate a version matching provided version string 9.x",
        ),
        (
            json!({"name": "basic"}),
            json!({"version": "9.0.0"}),
            "ChartPullError",
            "failed to download chart for remote reference",
        ),
        (
            json!({"name": "basic"}),
            json!({"chart": "nope"}),
            "ChartPullError",
            "could not get tags for \"nope\"",
        ),
        (
            json!({"name": "basic"}),
            json!({"chart": "flux", "version": "1.0.0"}),
            "ChartPullError",
            "could not load config with mediatype application/vnd.cncf.helm.config.v1+json",
        ),
        (
            json!({"name": "basic"}),
            json!({"chart": "../web"}),
            "InvalidChartReference",
            "invalid chart name '../web'",
        ),
        (
            json!({"name": "basic"}),
            json!({"verify": {"provider": "cosign"}}),
            "VerificationError",
            "cosign",
        ),
    ] {
        space
            .apply(repository(&registry.url("charts"), &of(secret.clone())))
            .await?;
        space.apply(helm_chart("bad", &spec)).await?;
        let told = space
            .says(SOURCE, KIND, "bad", reason, part)
            .await
            .with_context(|| format!("{secret} {spec}"))?;
        ensure!(
            told.status == "False" && !told.message.contains("right"),
            "{told:?}"
        );
        space.delete(SOURCE, KIND, "bad").await?;
        space.gone(SOURCE, KIND, "bad").await?;
    }
    Ok(())
}

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
        ("large.bin".to_owned(), "y".repeat(6 << 20)),
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

#[tokio::test]
async fn what_is_no_chart_says_why() -> Result<()> {
    let space = World::shared().await?.space("chart-bad").await?;
    let server = HelmServer::start().await?;
    let web = package(&chart("web", "1.0.0")).await?;
    let versions = [
        "1.0.0", "2.0.0", "3.0.0", "4.0.0", "5.0.0", "6.0.0", "7.0.0", "8.0.0",
    ];
    let urls: Vec<String> = versions.iter().map(|v| format!("web-{v}.tgz")).collect();
    let mut entries: Vec<(&str, &str, &str)> = versions
        .iter()
        .zip(&urls)
        .map(|(v, u)| ("web", *v, u.as_str()))
        .collect();
    entries.push(("web", "9.0.0", "file:///etc/passwd"));
    server.put("/index.yaml", Page::Known(index(&entries)));
    server.put("/web-1.0.0.tgz", Page::Plain(web.clone()));
    server.put("/web-2.0.0.tgz", Page::Plain(b"<html>not here</html>".to_vec()));
    server.put("/web-3.0.0.tgz", Page::Truncated(web[..100].to_vec()));
    server.put("/web-4.0.0.tgz", Page::Endless(vec![0; 1 << 16]));
    server.put(
        "/web-5.0.0.tgz",
        Page::Status(503, vec![("Retry-After", "600".to_owned())]),
    );
    server.put("/web-6.0.0.tgz", Page::Plain(bomb()?));
    server.put(
        "/web-7.0.0.tgz",
        Page::Plain(packed("../../Chart.yaml", "name: web\nversion: 1.0.0\n")?),
    );
    server.put(
        "/web-8.0.0.tgz",
        Page::Plain(packed("web/Chart.yaml", "name: ../web\nversion: 1.0.0\n")?),
    );
    space.apply(repository(&server.url(""), &json!({}))).await?;
    space.repo.commit(&[
        ("bare/values.yaml", "a: 1\n"),
        ("broken/Chart.yaml", "a: b: c\n"),
        ("nameless/Chart.yaml", "apiVersion: v2\nversion: 1.0.0\n"),
        ("valueless/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("alias/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: a, version: '*', repository: '@mine'}]\n"),
        ("absent/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: a, version: '*', repository: 'file://../nope'}]\n"),
        ("other/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: valueless, version: '>2', repository: 'file://../valueless'}]\n"),
        ("ftp/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\ndependencies: [{name: a, version: '*', repository: 'ftp://a/b'}]\n"),
        ("large/Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.0.0\n"),
        ("large/file", &"x".repeat(6 << 20)),
        ("no.tgz", "not an archive"),
        ("prod.yaml", "a: 1\n"),
        ("list.yaml", "- 1\n"),
    ])?;
    space.git_repository(json!({})).await?;
    let version = |version: &str| json!({"version": version});
    let git = |path: &str| of_git(path, &json!({}));
    let values = |file: &str| of_git("valueless", &json!({"valuesFiles": [file]}));
    for (spec, reason, condition, stalled, part) in [
        (
            json!({"chart": "nope"}),
            "InvalidChartReference",
            "FetchFailed",
            true,
            "invalid chart reference: failed to get chart version for remote reference: no chart name found",
        ),
        (
            version("10.x"),
            "InvalidChartReference",
            "FetchFailed",
            true,
            "no 'web' chart with version matching '10.x' found",
        ),
        (
            version("x y"),
            "InvalidChartReference",
            "FetchFailed",
            true,
            "improper constraint",
        ),
        (
            json!({"chart": "../web"}),
            "InvalidChartReference",
            "FetchFailed",
            true,
            "invalid chart name '../web'",
        ),
        (
            version("2.0.0"),
            "ChartPullError",
            "FetchFailed",
            false,
            "chart pull error: failed to load chart metadata from written chart: gzip: invalid header",
        ),
        (
            version("3.0.0"),
            "ChartPullError",
            "FetchFailed",
            false,
            "failed to download chart for remote reference",
        ),
        (
            version("4.0.0"),
            "ChartPullError",
            "FetchFailed",
            false,
            "exceeds the maximum chart file size of 10485760 bytes",
        ),
        (
            version("5.0.0"),
            "ChartPullError",
            "FetchFailed",
            false,
            "503 Service Unavailable",
        ),
        (
            version("6.0.0"),
            "ChartPullError",
            "FetchFailed",
            false,
            "larger than the maximum size",
        ),
        (
            version("7.0.0"),
            "ChartPullError",
            "FetchFailed",
            false,
            "chart illegally references parent directory",
        ),
        (
            version("8.0.0"),
            "ChartPullError",
            "FetchFailed",
            false,
            "chart.metadata.name \"../web\" is invalid",
        ),
        (
            version("9.0.0"),
            "ChartPullError",
            "FetchFailed",
            false,
            "scheme \"file\" not supported",
        ),
        (
            json!({"verify": {"provider": "cosign"}}),
            "VerificationError",
            "BuildFailed",
            false,
            "chart verification error: not implemented",
        ),
        (
            json!({"sourceRef": {"name": "nowhere"}}),
            "SourceUnavailable",
            "FetchFailed",
            false,
            "\"nowhere\" not found",
        ),
        (
            json!({"sourceRef": {"kind": "Bucket", "name": "b"}}),
            "SourceUnavailable",
            "FetchFailed",
            false,
            "Bucket.source.toolkit.fluxcd.io \"b\" not found",
        ),
        (
            git("nope"),
            "InvalidChartReference",
            "FetchFailed",
            true,
            "invalid chart reference: stat /nope: no such file or directory",
        ),
        (
            git("../../../etc"),
            "InvalidChartReference",
            "FetchFailed",
            true,
            "stat /etc: no such file",
        ),
        (
            git("/etc"),
            "InvalidChartReference",
            "FetchFailed",
            true,
            "local chart reference path is expected to be relative",
        ),
        (
            git("bare"),
            "InvalidChartReference",
            "FetchFailed",
            true,
            "open /bare/Chart.yaml: no such file or directory",
        ),
        (
            git("broken"),
            "InvalidChartReference",
            "FetchFailed",
            true,
            "cannot load 'Chart.yaml'",
        ),
        (
            git("nameless"),
            "InvalidChartReference",
            "FetchFailed",
            true,
            "chart.metadata.name is required",
        ),
        (
            git("no.tgz"),
            "InvalidChartReference",
            "FetchFailed",
            true,
            "gzip: invalid header",
        ),
        (
            git("large"),
            "ChartPackageError",
            "BuildFailed",
            false,
            "cannot load file file as file size (6291456) exceeds limit (5242880)",
        ),
        (
            git("alias"),
            "DependencyBuildError",
            "BuildFailed",
            false,
            "dependency build error: failed to add remote dependency 'a': aliased repository dependency is not supported: @mine/",
        ),
        (
            git("ftp"),
            "DependencyBuildError",
            "BuildFailed",
            false,
            "invalid dependency repository URL: ftp://a/b",
        ),
        (
            git("absent"),
            "DependencyBuildError",
            "BuildFailed",
            false,
            "failed to add local dependency 'a': no chart found at '/nope' (reference 'file://../nope')",
        ),
        (
            git("other"),
            "DependencyBuildError",
            "BuildFailed",
            false,
            "can't get a valid version for constraint '>2'",
        ),
        (
            values("nope.yaml"),
            "ValuesFilesError",
            "BuildFailed",
            true,
            "values files merge error: no values file found at path '/nope.yaml' (reference 'nope.yaml')",
        ),
        (
            values("prod.yaml"),
            "ValuesFilesError",
            "BuildFailed",
            true,
            "failed to locate values file: values.yaml",
        ),
        (
            values("list.yaml"),
            "ValuesFilesError",
            "BuildFailed",
            true,
            "unmarshaling values from 'list.yaml' failed",
        ),
    ] {
        space.apply(helm_chart("bad", &spec)).await?;
        let told = space
            .says(SOURCE, KIND, "bad", reason, part)
            .await
            .with_context(|| spec.to_string())?;
        ensure!(told.status == "False", "{told:?}");
        let object = space.get(SOURCE, KIND, "bad").await?.context("it is there")?;
        ensure!(
            expect::condition(&object, condition).is_some_and(|c| c.status == "True"),
            "{condition}: {object}"
        );
        ensure!(
            expect::condition(&object, "Stalled").is_some() == stalled,
            "{object}"
        );
        ensure!(
            expect::condition(&object, "Reconciling").is_some() != stalled,
            "{object}"
        );
        space.delete(SOURCE, KIND, "bad").await?;
        space.gone(SOURCE, KIND, "bad").await?;
    }
    // And nobody else was hurt.
    space.apply(helm_chart("good", &version("1.0.0"))).await?;
    ready(&space, "good", "1.0.0").await?;
    let peak = space.world.suite.source.peak_memory().unwrap_or_default();
    e2e::note!(
        "helm: peak memory of source-controller after hostile charts: {} MiB",
        peak >> 20
    );
    Ok(())
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
    let begin = Instant::now();
    server.put(
        "/web-1.1.0.tgz",
        Page::Plain(package(&chart("web", "1.1.0")).await?),
    );
    space.request(SOURCE, KIND, "web").await?;
    let good = ready(&space, "web", "1.1.0").await?;
    ensure!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    ensure!(
        expect::condition(&good, "ArtifactOutdated").is_none()
            && expect::condition(&good, "FetchFailed").is_none(),
        "{good}"
    );
    Ok(())
}

/// A few hundred kilobytes that become more than 100 MiB.
fn bomb() -> Result<Vec<u8>> {
    let file = artifact::Entry {
        path: b"web/zeros".to_vec(),
        kind: artifact::EntryKind::File {
            size: 300 << 20,
            executable: false,
            content: std::io::Read::take(std::io::repeat(0), 300 << 20),
        },
    };
    Ok(artifact::pack(
        [Ok::<_, std::convert::Infallible>(file)],
        Vec::new(),
    )?)
}

/// An archive of one file of any name.
fn packed(name: &str, text: &str) -> Result<Vec<u8>> {
    let mut members = artifact::Members::new(artifact::deflate::GzipWriter::new(Vec::new())?);
    members.add(artifact::Member {
        name,
        mode: 0o644,
        modified: 1,
        content: text.as_bytes(),
    })?;
    Ok(members.finish()?.finish()?)
}
