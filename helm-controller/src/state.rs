//! PURE: object, status and the last stored release → what state the release is in.

use crate::{
    digests, history,
    spec::{self, Remediation},
};
use artifact::Algorithm;
use crds::helm::{HelmRelease, HelmReleaseStatus};
use helm::release::{Release, Status};
use serde_json::{Map, Value};
use thiserror::Error;

/// What a HelmRelease asks for, as far as a stored release can be compared with it.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The chart's name.
    pub chart_name: String,
    /// The chart's version.
    pub chart_version: String,
    /// The composed values.
    pub values: Map<String, Value>,
}

/// The state of a release. The words are for the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// There is none.
    Absent,
    /// An action on it was interrupted.
    Locked,
    /// An uninstall of it was interrupted.
    HalfGone,
    /// It is not what this object made.
    Unmanaged(&'static str),
    /// It is not what this object asks for.
    OutOfSync(&'static str),
    /// It has not been tested.
    Untested,
    /// It failed, or its tests did.
    Failed,
    /// It is as asked for, as far as the records tell.
    InSync,
}

/// A release in a state that this controller does not leave it in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unable to determine state for release with status '{0}'")]
pub struct StateError(&'static str);

/// The state of the release; the first rule that fits counts.
///
/// # Errors
/// A last release that is superseded, or of a status that nobody knows.
pub fn of(
    object: &HelmRelease,
    status: &HelmReleaseStatus,
    last: Option<&Release>,
    desired: &Desired,
    algorithm: Algorithm,
) -> Result<State, StateError> {
    let Some(release) = last else {
        return Ok(State::Absent);
    };
    let found = release.info.status;
    if found.is_pending() {
        return Ok(State::Locked);
    }
    // Nothing but an uninstall can end what an uninstall began, whoever began it. (Flux asks for a person.)
    if found == Status::Uninstalling {
        return Ok(State::HalfGone);
    }
    let Some(current) = status.history.iter().max_by_key(|s| s.version) else {
        return Ok(match found {
            Status::Uninstalled => State::Absent,
            _ => State::Unmanaged("found existing release in storage"),
        });
    };
    if !history::holds(current, release) {
        return Ok(State::Unmanaged("release was changed by others"));
    }
    match found {
        Status::Failed => return Ok(State::Failed),
        Status::Uninstalled => return Ok(State::Absent),
        Status::Deployed => {}
        other => return Err(StateError(other.name())),
    }
    let metadata = |key: &str| {
        let field = release.chart.get("metadata").and_then(|m| m.get(key));
        field.and_then(Value::as_str).unwrap_or_default()
    };
    if metadata("name") != desired.chart_name || metadata("version") != desired.chart_version {
        return Ok(State::OutOfSync("release chart changed"));
    }
    if !digests::are_values(&current.config_digest, &desired.values) {
        return Ok(State::OutOfSync("release config values changed"));
    }
    if Some(status.observed_generation) != object.metadata.generation {
        let spec = &object.spec;
        if digests::of_post_renderers(algorithm, spec) != status.observed_post_renderers_digest {
            return Ok(State::OutOfSync("postrenderers digest has changed"));
        }
        if digests::of_common_metadata(algorithm, spec) != status.observed_common_metadata_digest {
            return Ok(State::OutOfSync("common metadata digest has changed"));
        }
    }
    if spec::tests(object) {
        if !history::is_tested(current) {
            return Ok(State::Untested);
        }
        let heeded = Remediation::active(object, status).is_some_and(|r| !r.ignores_tests);
        if heeded && history::has_failed_test(current) {
            return Ok(State::Failed);
        }
    }
    Ok(State::InSync)
}

#[cfg(test)]
mod tests;
