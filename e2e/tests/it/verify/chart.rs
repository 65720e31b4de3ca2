//! `spec.verify` of HelmCharts: a chart that somebody signed is accepted, and nothing else is.

use super::{policy, secret};
use anyhow::Result;
use e2e::{
    expect,
    flux::SOURCE,
    origin::{
        Cosign, Guard, Notation, Registry, Style,
        helm::{chart, package, push},
    },
    world::World,
};
use serde_json::json;

#[tokio::test]
async fn a_chart_that_is_signed_is_accepted_and_no_other() -> Result<()> {
    let space = World::shared().await?.space("cosign-chart").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let cosign = Cosign::new().await?;
    for version in ["1.0.0", "1.1.0"] {
        push(
            &registry,
            "charts",
            &package(&chart("web", version)).await?,
            false,
        )
        .await?;
    }
    for name in ["right", "other"] {
        space
            .apply(secret(name, &json!({"cosign.pub": cosign.key(name)?})))
            .await?;
    }
    let signed = registry.digest("charts/web", "1.0.0").await?;
    cosign.sign(
        "right",
        &format!("{}/charts/web@{signed}", registry.address()),
        Style::Tag,
    )?;
    space
        .apply(json!({
            "apiVersion": SOURCE, "kind": "HelmRepository", "metadata": {"name": "repo"},
            "spec": {"type": "oci", "insecure": true, "url": registry.url("charts")},
        }))
        .await?;
    let wanted = |version: &str, key: &str| {
        json!({
            "apiVersion": SOURCE, "kind": "HelmChart", "metadata": {"name": "web"},
            "spec": {
                "interval": "1h", "chart": "web", "version": version,
                "sourceRef": {"kind": "HelmRepository", "name": "repo"},
                "verify": {"provider": "cosign", "secretRef": {"name": key}},
            },
        })
    };
    for (version, key, good) in [
        ("1.0.0", "right", true),
        ("1.1.0", "right", false),
        ("1.0.0", "other", false),
        ("1.0.0", "missing", false),
        ("1.0.0", "right", true),
    ] {
        space.apply(wanted(version, key)).await?;
        let told = |o: &serde_json::Value| {
            let status = if good { "True" } else { "False" };
            let verified = expect::condition(o, "SourceVerified");
            expect::verdict(o).is_some_and(|v| v.status == status)
                && verified.is_some_and(|v| v.status == status)
        };
        let what = format!("{version} by {key}: {good}");
        let object = space.holds(&what, SOURCE, "HelmChart", "web", told).await?;
        if good {
            let text = expect::condition(&object, "SourceVerified").map(|v| v.message);
            assert_eq!(text.as_deref(), Some("verified signature of version 1.0.0"));
        }
        assert_eq!(
            object["status"]["artifact"]["revision"], "1.0.0",
            "what was good stays"
        );
    }
    Ok(())
}

#[tokio::test]
async fn a_chart_that_notation_signed_is_judged_by_the_trust_policy() -> Result<()> {
    let space = World::shared().await?.space("notation-chart").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let notation = Notation::new().await?;
    let (right, other) = (notation.key("right")?, notation.key("other")?);
    push(
        &registry,
        "charts",
        &package(&chart("web", "1.0.0")).await?,
        false,
    )
    .await?;
    let digest = registry.digest("charts/web", "1.0.0").await?;
    let reference = format!("{}/charts/web@{digest}", registry.address());
    notation.sign("right", &reference, "jws", &[])?;
    space
        .apply(json!({
            "apiVersion": SOURCE, "kind": "HelmRepository", "metadata": {"name": "repo"},
            "spec": {"type": "oci", "insecure": true, "url": registry.url("charts")},
        }))
        .await?;
    let strict = policy("strict", &json!({}));
    for (name, certificate, good) in [("right", &right, true), ("other", &other, false)] {
        space
            .apply(secret(
                name,
                &json!({"trustpolicy.json": strict, "a.crt": certificate}),
            ))
            .await?;
        space
            .apply(json!({
                "apiVersion": SOURCE, "kind": "HelmChart", "metadata": {"name": name},
                "spec": {
                    "interval": "1h", "chart": "web", "version": "1.0.0",
                    "sourceRef": {"kind": "HelmRepository", "name": "repo"},
                    "verify": {"provider": "notation", "secretRef": {"name": name}},
                },
            }))
            .await?;
        let told = |o: &serde_json::Value| {
            let status = if good { "True" } else { "False" };
            expect::verdict(o).is_some_and(|v| v.status == status)
                && expect::condition(o, "SourceVerified").is_some_and(|v| v.status == status)
        };
        let what = format!("trust in {name}: {good}");
        let object = space.holds(&what, SOURCE, "HelmChart", name, told).await?;
        assert_eq!(object["status"]["artifact"].is_object(), good, "{object}");
    }
    Ok(())
}
