//! I/O: the chart's archive, downloaded, read, and given the version that its source says.

use super::step::{Loaded, Stop};
use crate::{charts, context::Context};
use crds::{
    helm::{ChartReferenceKind, HelmRelease, reason as hr},
    meta::{Artifact, format_go},
};
use helm::Chart;
use runtime::{fetch::FetchError, telemetry::chain};
use std::sync::Arc;
use versions::Version;

/// So much of a digest is part of a version.
const DIGITS: usize = 12;

/// Loads the chart that an artifact holds.
pub async fn run(context: &Context, object: &HelmRelease, artifact: Artifact) -> Result<Loaded, Stop> {
    let chart = load(context, &artifact).await?;
    let kind = object.spec.chart_ref.as_ref().map(|r| r.kind);
    let has_digest = match kind {
        Some(ChartReferenceKind::OciRepository) => true,
        Some(ChartReferenceKind::ExternalArtifact) => artifact.revision.contains(':'),
        Some(ChartReferenceKind::HelmChart) | None => false,
    };
    if !has_digest {
        return Ok(Loaded {
            chart,
            oci_digest: None,
            artifact,
        });
    }
    let (version, digest) =
        versioned(&chart.metadata.version, &artifact.revision).map_err(|message| Stop::Failed {
            reason: hr::CHART_MUTATE_ERROR,
            message,
            tells: false,
        })?;
    let chart = match context.settings.plain_versions || chart.metadata.version == version {
        true => chart,
        false => {
            let mut versioned = Chart::clone(&chart);
            versioned.metadata.version = version;
            Arc::new(versioned)
        }
    };
    Ok(Loaded {
        chart,
        oci_digest: Some(digest),
        artifact,
    })
}

async fn load(context: &Context, artifact: &Artifact) -> Result<Arc<Chart>, Stop> {
    if let Some(chart) = context.charts.get(&artifact.digest) {
        return Ok(chart);
    }
    let failed = |error: String| Stop::Failed {
        reason: hr::ARTIFACT_FAILED,
        message: format!("Could not load chart: {error}"),
        tells: true,
    };
    let bytes = match context.artifacts.bytes(artifact).await {
        Ok(bytes) => bytes,
        Err(FetchError::NotFound { .. }) => {
            let pause = format_go(context.settings.requeue_dependency);
            return Err(Stop::Waiting {
                reason: hr::ARTIFACT_FAILED,
                message: format!("Source not ready: artifact not found. Retrying in {pause}"),
                tells: false,
            });
        }
        Err(error) => return Err(failed(chain(&error))),
    };
    let chart = Arc::new(charts::read(bytes).await.map_err(failed)?);
    context.charts.put(&artifact.digest, chart.clone());
    Ok(chart)
}

/// The chart's version with the beginning of the artifact's digest as build metadata, and the digest.
fn versioned(chart: &str, revision: &str) -> Result<(String, String), String> {
    let mut version = Version::parse(chart).map_err(|_| format!("invalid chart version {chart}"))?;
    let tag = revision.split_once('@').map(|(tag, _)| tag);
    let digest = match tag.and_then(|tag| Version::parse(&tag.replace('_', "+")).ok()) {
        Some(tagged) => {
            let parts: Vec<&str> = revision.split('@').collect();
            let same = tagged.precedence(&version).is_eq();
            match parts.as_slice() {
                [_, digest] if same => *digest,
                _ => {
                    return Err(format!(
                        "artifact revision {} does not match chart version {chart}",
                        parts.first().copied().unwrap_or_default()
                    ));
                }
            }
        }
        None => revision,
    };
    let hash = match digest.split(':').collect::<Vec<_>>().as_slice() {
        [_, hash] if hash.len() >= DIGITS => *hash,
        _ => return Err(format!("invalid artifact revision {digest}")),
    };
    version.metadata = hash.chars().take(DIGITS).collect();
    Ok((version.to_string(), digest.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_carry_the_digest() {
        let digest = format!("sha256:{}", "ab".repeat(32));
        for (chart, revision, expected) in [
            ("0.1.0", format!("0.1.0@{digest}"), Ok("0.1.0+abababababab")),
            (
                "v1.2.3-rc.1",
                format!("1.2.3-rc.1@{digest}"),
                Ok("1.2.3-rc.1+abababababab"),
            ),
            (
                "1.2.3+build.1",
                format!("1.2.3_build.1@{digest}"),
                Ok("1.2.3+abababababab"),
            ),
            ("1.2.3", digest.clone(), Ok("1.2.3+abababababab")),
            (
                "1.2.3",
                format!("1.2.4@{digest}"),
                Err("artifact revision 1.2.4 does not match chart version 1.2.3"),
            ),
            ("x", digest.clone(), Err("invalid chart version x")),
            (
                "1.2.3",
                "latest".to_owned(),
                Err("invalid artifact revision latest"),
            ),
        ] {
            let found = versioned(chart, &revision);
            match expected {
                Ok(version) => assert_eq!(
                    found,
                    Ok((version.to_owned(), digest.clone())),
                    "{chart} {revision}"
                ),
                Err(text) => assert_eq!(found, Err(text.to_owned()), "{chart} {revision}"),
            }
        }
    }
}
