//! What is no chart says why, on the object, and hurts nobody else.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::SOURCE,
    origin::{
        HelmServer, Page,
        helm::{chart, index, package},
    },
    world::World,
};
use serde_json::json;

use super::{KIND, helm_chart, of_git, ready, repository};

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

/// A few hundred kilobytes that become more than 100 MiB.
pub fn bomb() -> Result<Vec<u8>> {
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
