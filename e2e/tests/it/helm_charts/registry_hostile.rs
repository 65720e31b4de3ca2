//! Charts of registries that no honest software is: each ends in its reason within bounds, and a login stays where it belongs.

use anyhow::{Context as _, Result, ensure};
use axum::{body::Body, http::Response};
use e2e::{
    flux::SOURCE,
    origin::{
        Asked, Scripted,
        helm::{chart, package},
    },
    world::World,
};
use serde_json::json;
use std::time::{Duration, Instant};

use super::{CHART, KIND, helm_chart, ready, repository, served};
use crate::oci_hostile::{answer, cut, digest, drip, manifest};

const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";

/// A registry that wants a login and then does what the folder of the chart says; `elsewhere` is another host.
fn hostile(asked: &Asked, elsewhere: &str, archive: &[u8]) -> Response<Body> {
    let mut parts = asked.path.splitn(4, '/').skip(2);
    let (scenario, rest) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    if scenario.is_empty() {
        return answer(200, &[], "");
    }
    if asked.header("authorization").is_empty() {
        return answer(401, &[("www-authenticate", "Basic realm=\"e2e\"")], "");
    }
    let text = manifest(CONFIG, CHART, archive);
    let told = digest(text.as_bytes());
    let to = |place: String| answer(307, &[("location", &place)], "");
    match (scenario, rest.contains("/manifests/")) {
        ("silent", _) => answer(200, &[], cut(b"", false)),
        (_, true) => answer(200, &[("docker-content-digest", &told)], text),
        ("drips", _) => answer(200, &[], drip()),
        ("stops", _) => answer(200, &[], cut(&archive[..10], false)),
        ("loop", _) => to(asked.path.clone()),
        _ => to(format!("{elsewhere}/{scenario}")),
    }
}

#[tokio::test]
async fn charts_of_odd_registries_are_bounded() -> Result<()> {
    let space = World::shared().await?.space("chart-oci-odd").await?;
    let archive = package(&chart("web", "1.0.0")).await?;
    let content = archive.clone();
    let other = Scripted::start(move |asked| match asked.path.as_str() {
        "/moved" => answer(200, &[], content.clone()),
        "/altered" => answer(200, &[], vec![b'x'; content.len()]),
        "/asks" => answer(401, &[("www-authenticate", "Basic realm=\"other\"")], ""),
        "/circle" => answer(307, &[("location", "/circle")], ""),
        _ => answer(404, &[], ""),
    })
    .await?;
    let (elsewhere, content) = (other.url(), archive.clone());
    let registry = Scripted::start(move |asked| hostile(asked, &elsewhere, &content)).await?;
    let login = json!({"username": "me", "password": "canary-login"});
    space
        .apply(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login"}, "stringData": login}),
        )
        .await?;
    let place = async |scenario: &str| {
        let url = format!("oci://{}/{scenario}", registry.address());
        let spec = json!({
            "metadata": {"name": scenario},
            "spec": {"type": "oci", "timeout": "2s", "secretRef": {"name": "login"}},
        });
        space.apply(repository(&url, &spec)).await?;
        let spec = json!({"version": "1.0.0", "sourceRef": {"name": scenario}});
        space.apply(helm_chart(scenario, &spec)).await
    };
    let (pull, late) = ("ChartPullError", "no answer within the timeout of 2s");
    for (scenario, reason, part) in [
        ("silent", pull, late),
        ("stops", pull, late),
        ("drips", pull, late),
        ("loop", pull, "too many redirects"),
        ("circle", pull, "too many redirects"),
        ("altered", pull, "the content is not what its digest says"),
        ("gone", pull, "404"),
        // Who asks for a login elsewhere gets none.
        ("asks", "AuthenticationFailed", "401 Unauthorized"),
    ] {
        let begin = Instant::now();
        place(scenario).await?;
        let told = space.says(SOURCE, KIND, scenario, reason, part).await;
        let told = told.with_context(|| format!("case {scenario}"))?;
        ensure!(
            told.status == "False" && !told.message.contains("canary"),
            "{told:?}"
        );
        ensure!(
            begin.elapsed() < Duration::from_secs(60),
            "{scenario}: {:?}",
            begin.elapsed()
        );
    }
    // What a registry has may be elsewhere, as with most; no login goes there.
    place("moved").await?;
    let object = ready(&space, "moved", "1.0.0").await?;
    ensure!(served(&object).await? == archive, "it is what was there");
    let asked = other.asked();
    ensure!(
        asked.iter().any(|asked| asked.path == "/moved")
            && asked.iter().all(|asked| asked.header("authorization").is_empty()),
        "{asked:?}"
    );
    Ok(())
}
