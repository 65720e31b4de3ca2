//! HelmRelease: its chart from a Git repository, a Helm repository, and a HelmChart of somebody's own.

use anyhow::{Result, ensure};
use e2e::{
    charts::{archive, chart, helm},
    flux::{HELM, SOURCE, with},
    origin::{HelmServer, Page, helm::index},
    world::World,
};
use serde_json::{Value, json};

const MAP: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Release.Name }}}
data: {version: {{ .Chart.Version | quote }}, value: {{ .Values.value | quote }}}
";

#[tokio::test]
async fn charts_come_from_git_repositories_and_helm_charts() -> Result<()> {
    let space = World::shared().await?.space("hr-charts").await?;
    let metadata = |version: &str| format!("apiVersion: v2\nname: web\nversion: {version}\n");
    let commit = |version: &str| {
        space.repo.commit(&[
            ("charts/web/Chart.yaml", &metadata(version)),
            ("charts/web/values.yaml", "value: plain\n"),
            ("charts/web/prod.yaml", "value: prod\n"),
            ("charts/web/templates/map.yaml", MAP),
        ])
    };
    commit("0.1.0")?;
    space.git_repository(json!({})).await?;
    let of = |name: &str, spec: Value| json!({"metadata": {"name": name}, "spec": {"chartRef": null, "chart": {"spec": spec}}});
    let holds = async |name: &'static str, version: &'static str, value: &'static str| {
        space
            .holds(name, "v1", "ConfigMap", name, move |o| {
                o["data"] == json!({"version": version, "value": value})
            })
            .await
    };

    // From Git: a new version of the chart is a new revision.
    let git = json!({"chart": "./charts/web", "sourceRef": {"kind": "GitRepository", "name": "app"}, "valuesFiles": ["charts/web/values.yaml", "charts/web/prod.yaml"]});
    space.helm_release("by-git", of("by-git", git)).await?;
    holds("by-git", "0.1.0+1", "prod").await?;
    space.released("by-git", 1).await?;
    commit("0.2.0")?;
    space.request(SOURCE, "GitRepository", "app").await?;
    holds("by-git", "0.2.0+1", "prod").await?;
    space.released("by-git", 2).await?;

    // From a Helm repository, the newest that fits.
    let server = HelmServer::start().await?;
    let offer = |versions: &[&str]| -> Result<()> {
        let mut entries = Vec::new();
        for version in versions {
            let files = chart(
                version,
                &[("values.yaml", "value: packed\n"), ("templates/map.yaml", MAP)],
            );
            server.put(&format!("/web-{version}.tgz"), Page::Plain(archive(&files)?));
            entries.push(("web", *version, format!("web-{version}.tgz")));
        }
        let entries: Vec<(&str, &str, &str)> = entries.iter().map(|(n, v, u)| (*n, *v, u.as_str())).collect();
        server.put("/index.yaml", Page::Known(index(&entries)));
        Ok(())
    };
    offer(&["1.0.0", "2.0.0"])?;
    let repository = json!({"apiVersion": SOURCE, "kind": "HelmRepository", "metadata": {"name": "repo"}, "spec": {"interval": "1h", "url": server.url("/")}});
    space.apply(repository).await?;
    let packed =
        json!({"chart": "web", "version": "1.x", "sourceRef": {"kind": "HelmRepository", "name": "repo"}});
    space.helm_release("by-repo", of("by-repo", packed)).await?;
    holds("by-repo", "1.0.0", "packed").await?;
    space.released("by-repo", 1).await?;
    offer(&["1.0.0", "1.1.0", "2.0.0"])?;
    space.request(SOURCE, "HelmRepository", "repo").await?;
    holds("by-repo", "1.1.0", "packed").await?;
    space.released("by-repo", 2).await?;

    // A chart of another name: in the place of the old one, or after its end.
    for (path, name) in [("/other-1.0.0.tgz", "other"), ("/third-1.0.0.tgz", "third")] {
        let metadata = format!("apiVersion: v2\nname: {name}\nversion: 1.0.0\n");
        let files = [
            ("Chart.yaml", metadata.as_str()),
            ("values.yaml", "value: packed\n"),
            ("templates/map.yaml", MAP),
        ];
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| (format!("{name}/{path}"), (*text).to_owned()))
            .collect();
        server.put(path, Page::Plain(archive(&files)?));
    }
    let entries = [
        ("other", "1.0.0", "other-1.0.0.tgz"),
        ("third", "1.0.0", "third-1.0.0.tgz"),
        ("web", "2.0.0", "web-2.0.0.tgz"),
    ];
    server.put("/index.yaml", Page::Known(index(&entries)));
    space.request(SOURCE, "HelmRepository", "repo").await?;
    let named = |chart: &str, strategy: &str| {
        let spec = json!({"chart": chart, "version": "1.x", "sourceRef": {"kind": "HelmRepository", "name": "repo"}});
        with(
            of("by-repo", spec),
            &json!({"spec": {"upgrade": {"chartNameChangeStrategy": strategy}}}),
        )
    };
    let of_chart = async |name: &'static str, revision: i64| {
        let is = move |o: &Value| {
            let latest = &o["status"]["history"][0];
            latest["chartName"] == name && latest["version"] == revision && latest["status"] == "deployed"
        };
        space.holds(name, HELM, "HelmRelease", "by-repo", is).await
    };
    space
        .helm_release("by-repo", named("other", "InPlaceUpdate"))
        .await?;
    of_chart("other", 3).await?;
    space.helm_release("by-repo", named("third", "Reinstall")).await?;
    of_chart("third", 1).await?;

    // By a HelmChart that is nobody's template.
    let own = json!({"apiVersion": SOURCE, "kind": "HelmChart", "metadata": {"name": "own"}, "spec": {"interval": "1h", "chart": "web", "version": "2.0.0", "sourceRef": {"kind": "HelmRepository", "name": "repo"}}});
    space.apply(own).await?;
    let by_reference = json!({"spec": {"chartRef": {"kind": "HelmChart", "name": "own"}}});
    space.helm_release("by-chart", by_reference).await?;
    holds("by-chart", "2.0.0", "packed").await?;
    let manifest = helm(&space, &["get", "manifest", "by-chart"]).await?;
    space.contains(&manifest, "version: 2.0.0")?;
    ensure!(
        helm(&space, &["get", "all", "by-chart"])
            .await?
            .contains("CHART: web")
    );
    // Its end takes the release's own HelmChart along, not that of others.
    for name in ["by-git", "by-chart"] {
        space.delete(HELM, "HelmRelease", name).await?;
        space.gone(HELM, "HelmRelease", name).await?;
    }
    space.gone(SOURCE, "HelmChart", "hr-charts-by-git").await?;
    ensure!(space.get(SOURCE, "HelmChart", "own").await?.is_some());
    Ok(())
}
