//! PURE: what a pass over a HelmChart came to → the status, what to tell, and when to look again.

use super::{build::Made, proof::Proof};
use crate::{
    record::{self, Failure},
    storage::{Published, Urls},
};
use crds::{
    meta::{Artifact, reason as meta},
    source::{HelmChart, HelmChartStatus, Source as _, condition::SOURCE_VERIFIED, reason},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use runtime::{events::Event, reconciler::Outcome};
use std::time::Duration;

/// A pass.
#[derive(Debug)]
pub struct Pass {
    /// The revision of the source that was looked at, if it was found and has one.
    pub observed: Option<String>,
    /// What it came to.
    pub end: Result<End, Failure>,
}

/// A pass that came through.
#[derive(Debug)]
pub enum End {
    /// The chart that is on the shelf is the one that is wanted.
    UpToDate {
        /// Where it is served now.
        urls: Urls,
        /// What it is.
        made: Made,
    },
    /// A chart was stored.
    Stored(Box<(Published, Made)>),
}

impl End {
    /// What is on the shelf now, and what it is.
    pub fn chart<'a>(&'a self, object: &'a HelmChart) -> Option<(&'a Artifact, &'a Made)> {
        match self {
            Self::UpToDate { made, .. } => Some((object.artifact()?, made)),
            Self::Stored(stored) => Some((&stored.0.artifact, &stored.1)),
        }
    }
}

impl Pass {
    /// A pass that failed.
    pub fn failed(observed: Option<String>, failure: Failure) -> Self {
        Self {
            observed,
            end: Err(failure),
        }
    }
}

/// The status, events and requeue after a pass that ended at `now`.
pub fn outcome(
    object: &HelmChart,
    pass: Pass,
    now: Time,
    requeue_dependency: Duration,
) -> Outcome<HelmChartStatus> {
    let mut status = object.status.clone().unwrap_or_default();
    let recovered = record::had_failed(&status.conditions);
    if pass.observed.is_some() {
        status.observed_source_artifact_revision = pass.observed;
    }
    if object.spec.verify.is_none() {
        record::conditions(object, &mut status, &now).remove(SOURCE_VERIFIED);
    }
    let mut new = false;
    let made = match pass.end {
        Err(failure) => return record::failed(object, status, failure, &now, requeue_dependency),
        Ok(End::UpToDate { urls, made }) => {
            if let Some(artifact) = &mut status.artifact {
                artifact.url = urls.artifact;
            }
            status.url = status.url.map(|_| urls.latest);
            made
        }
        Ok(End::Stored(stored)) => {
            let (Published { artifact, latest }, made) = *stored;
            new = status.artifact.as_ref().map(|a| &a.digest) != Some(&artifact.digest);
            status.artifact = Some(artifact);
            status.url = latest.or(status.url);
            status.observed_chart_name = Some(made.name.clone());
            status.observed_values_files = match object.spec.ignore_missing_values_files {
                true => made.values_files.clone(),
                false => Vec::new(),
            };
            made
        }
    };
    let mut conditions = record::conditions(object, &mut status, &now);
    let verified = match &made.proof {
        Some(Proof::Signature) => format!("verified signature of version {}", made.version),
        Some(Proof::Provenance { signer, .. }) => format!(
            "verified provenance of version {} with key '{}'",
            made.version, signer.key
        ),
        Some(Proof::Ignored) | None => String::new(),
    };
    // What was proven of another source is not proven of this one.
    match verified.is_empty() {
        true => conditions.remove(SOURCE_VERIFIED),
        false => conditions.mark_true(SOURCE_VERIFIED, meta::SUCCEEDED, verified),
    }
    let summary = made.summary();
    record::succeed_as(object, &mut status, made.reason(), &summary, &now);
    let event = (new || recovered).then(|| Event::normal(made.reason(), summary));
    let artifact = status.artifact.clone();
    let mut outcome = record::good(object, status, artifact.as_ref(), event);
    if made.dependencies > 0 {
        let text = format!("resolved {} chart dependencies", made.dependencies);
        outcome
            .events
            .insert(0, Event::trace(reason::RESOLVED_DEPENDENCIES, text));
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::conditions::find;
    use serde_json::json;

    /// Whether a chart that was verified still is after a pass that came to this.
    fn verified(verify: serde_json::Value, end: Result<Option<Proof>, Failure>) -> Option<String> {
        let object: HelmChart = serde_json::from_value(json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmChart", "metadata": {"name": "a", "generation": 1},
            "spec": {
                "interval": "1m", "chart": "web", "verify": verify,
                "sourceRef": {"kind": "HelmRepository", "name": "r"},
            },
            "status": {"conditions": [{
                "type": SOURCE_VERIFIED, "status": "True", "reason": "Succeeded", "message": "of another",
                "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1,
            }]},
        }))
        .unwrap();
        let came = |proof| End::UpToDate {
            urls: Urls {
                artifact: "http://s/a".to_owned(),
                latest: "http://s/latest".to_owned(),
            },
            made: Made {
                name: "web".to_owned(),
                version: "1.0.0".to_owned(),
                values_files: Vec::new(),
                packaged: false,
                dependencies: 0,
                proof,
            },
        };
        let pass = Pass {
            observed: Some("r1".to_owned()),
            end: end.map(came),
        };
        let outcome = outcome(&object, pass, runtime::conditions::now(), Duration::ZERO);
        let conditions = outcome.status.conditions;
        find(&conditions, SOURCE_VERIFIED).map(|told| format!("{} {}", told.status, told.message))
    }

    #[test]
    fn nothing_is_verified_but_what_was_proven_in_this_pass() {
        let wanted = || json!({"provider": "cosign"});
        let proven = verified(wanted(), Ok(Some(Proof::Signature)));
        assert_eq!(
            proven.as_deref(),
            Some("True verified signature of version 1.0.0")
        );
        // Another source, of which nothing can be proven, or whose policy lets pass what is not.
        assert_eq!(verified(wanted(), Ok(None)), None);
        assert_eq!(verified(wanted(), Ok(Some(Proof::Ignored))), None);
        // Nobody wants it any longer, whatever became of the pass.
        assert_eq!(verified(json!(null), Ok(None)), None);
        let away = || Failure::fetch("ChartPullError", "away");
        assert_eq!(verified(json!(null), Err(away())), None);
        // What fails before its proof has not lost the last one.
        assert_eq!(
            verified(wanted(), Err(away())).as_deref(),
            Some("True of another")
        );
    }
}
