//! PURE: what the fields of a HelmRelease mean, with Flux's defaults.

use crds::helm::{
    ActionStrategyName, AttemptedAction, DriftMode, HelmRelease, HelmReleaseStatus, RemediationStrategy,
    WaitStrategyName,
};
use crds::meta;
use kube::ResourceExt as _;
use sha2::{Digest as _, Sha256};
use std::time::Duration;

/// The longest name that a release may have.
const MAX_NAME: usize = 53;
/// How much of a longer name is kept, before a hyphen and twelve digits of its hash.
const KEPT_NAME: usize = 40;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
const DEFAULT_RETRY: Duration = Duration::from_secs(300);
const DEFAULT_HISTORY: i64 = 5;

/// The object's own namespace.
pub fn namespace(object: &HelmRelease) -> String {
    object.namespace().unwrap_or_default()
}

/// The release's name: as said, or composed of target namespace and name; cut and hashed if Helm would find it too long.
pub fn release_name(object: &HelmRelease) -> String {
    let spec = &object.spec;
    let name = match (given(&spec.release_name), given(&spec.target_namespace)) {
        (Some(name), _) => name.to_owned(),
        (None, Some(target)) => format!("{target}-{}", object.name_any()),
        (None, None) => object.name_any(),
    };
    shorten(&name)
}

fn shorten(name: &str) -> String {
    if name.len() <= MAX_NAME {
        return name.to_owned();
    }
    let hash = hex::encode(Sha256::digest(name.as_bytes()));
    let kept: String = name.chars().take(KEPT_NAME).collect();
    format!("{kept}-{}", &hash[..12])
}

/// The namespace that the release is made in.
pub fn release_namespace(object: &HelmRelease) -> String {
    given(&object.spec.target_namespace).map_or_else(|| namespace(object), str::to_owned)
}

/// The namespace that the release's records are kept in.
pub fn storage_namespace(object: &HelmRelease) -> String {
    given(&object.spec.storage_namespace).map_or_else(|| namespace(object), str::to_owned)
}

/// The object's interval; an hour where it cannot be read, so that it is not for ever.
pub fn interval(object: &HelmRelease) -> Duration {
    let interval = object.spec.interval.get().ok().filter(|i| !i.is_zero());
    interval.unwrap_or(Duration::from_secs(3600))
}

/// How long an action may take: as it says itself, or as the object says for all.
pub fn timeout(object: &HelmRelease, own: Option<&meta::Duration>) -> Duration {
    let read = |t: Option<&meta::Duration>| t.and_then(|t| t.get().ok());
    read(own)
        .or_else(|| read(object.spec.timeout.as_ref()))
        .unwrap_or(DEFAULT_TIMEOUT)
}

/// How many records of a release are kept; 0 is all.
pub fn max_history(object: &HelmRelease) -> usize {
    usize::try_from(object.spec.max_history.unwrap_or(DEFAULT_HISTORY)).unwrap_or(0)
}

/// What to do about changes by others.
pub fn drift_mode(object: &HelmRelease) -> DriftMode {
    let detection = object.spec.drift_detection.as_ref();
    detection.and_then(|d| d.mode).unwrap_or_default()
}

/// Whether objects are waited for as Helm 3 did; also by default, where Helm 3's defaults are asked for.
pub fn waits_as_helm_3(object: &HelmRelease, helm3_defaults: bool) -> bool {
    match &object.spec.wait_strategy {
        Some(strategy) => strategy.name == WaitStrategyName::Legacy,
        None => helm3_defaults,
    }
}

/// Whether the chart's tests are run.
pub fn tests(object: &HelmRelease) -> bool {
    object.spec.test.as_ref().is_some_and(|t| t.enable)
}

/// Whether tests that fail are passed over, unless a remediation says otherwise.
pub fn ignores_test_failures(object: &HelmRelease) -> bool {
    object.spec.test.as_ref().is_some_and(|t| t.ignore_failures)
}

/// How failures of one action are dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remediation {
    /// The action.
    pub of: AttemptedAction,
    /// How often it is tried again; without end if negative.
    pub retries: i64,
    /// Tests that fail are no failure of it.
    pub ignores_tests: bool,
    /// Also the last attempt is undone.
    pub undoes_last: bool,
    /// How it is undone.
    pub strategy: RemediationStrategy,
}

impl Remediation {
    /// The rules for an action.
    pub fn of(object: &HelmRelease, of: AttemptedAction) -> Self {
        let ignored = ignores_test_failures(object);
        match of {
            AttemptedAction::Install => {
                let own = object.spec.install.as_ref().and_then(|i| i.remediation.as_ref());
                Self {
                    of,
                    retries: own.map_or(0, |r| r.retries),
                    ignores_tests: own.and_then(|r| r.ignore_test_failures).unwrap_or(ignored),
                    undoes_last: own.and_then(|r| r.remediate_last_failure).unwrap_or(false),
                    strategy: RemediationStrategy::Uninstall,
                }
            }
            AttemptedAction::Upgrade => {
                let own = object.spec.upgrade.as_ref().and_then(|u| u.remediation.as_ref());
                let retries = own.map_or(0, |r| r.retries);
                Self {
                    of,
                    retries,
                    ignores_tests: own.and_then(|r| r.ignore_test_failures).unwrap_or(ignored),
                    undoes_last: own.and_then(|r| r.remediate_last_failure).unwrap_or(retries > 0),
                    strategy: own.and_then(|r| r.strategy).unwrap_or_default(),
                }
            }
        }
    }

    /// The rules for the action that was tried last, if any was.
    pub fn active(object: &HelmRelease, status: &HelmReleaseStatus) -> Option<Self> {
        status
            .last_attempted_release_action
            .map(|of| Self::of(object, of))
    }

    /// How often the action failed in a row.
    pub fn failures(&self, status: &HelmReleaseStatus) -> i64 {
        match self.of {
            AttemptedAction::Install => status.install_failures,
            AttemptedAction::Upgrade => status.upgrade_failures,
        }
    }

    /// Counts a failure.
    pub fn count(&self, status: &mut HelmReleaseStatus) {
        match self.of {
            AttemptedAction::Install => status.install_failures += 1,
            AttemptedAction::Upgrade => status.upgrade_failures += 1,
        }
    }

    /// Whether no attempt is left.
    pub fn exhausted(&self, status: &HelmReleaseStatus) -> bool {
        self.retries >= 0 && self.failures(status) > self.retries
    }
}

/// The pause before an action is tried again on top of its failure, where its strategy is `RetryOnFailure`.
pub fn retry(object: &HelmRelease, of: AttemptedAction, by_default: bool) -> Option<Duration> {
    let strategy = match of {
        AttemptedAction::Install => object.spec.install.as_ref().and_then(|i| i.strategy.as_ref()),
        AttemptedAction::Upgrade => object.spec.upgrade.as_ref().and_then(|u| u.strategy.as_ref()),
    };
    match strategy {
        None => by_default.then_some(DEFAULT_RETRY),
        Some(s) if s.name == ActionStrategyName::RetryOnFailure => {
            let pause = s.retry_interval.as_ref().and_then(|i| i.get().ok());
            Some(pause.unwrap_or(DEFAULT_RETRY))
        }
        Some(_) => None,
    }
}

/// As [`retry`], for the action that was tried last.
pub fn active_retry(object: &HelmRelease, status: &HelmReleaseStatus, by_default: bool) -> Option<Duration> {
    retry(object, status.last_attempted_release_action?, by_default)
}

/// The word for an action in messages.
pub fn word(action: AttemptedAction) -> &'static str {
    match action {
        AttemptedAction::Install => "install",
        AttemptedAction::Upgrade => "upgrade",
    }
}

fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|t| !t.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn object(spec: serde_json::Value) -> HelmRelease {
        serde_json::from_value(json!({
            "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
            "metadata": {"name": "web", "namespace": "apps"}, "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn names_are_composed_and_cut_as_flux_does() {
        let long = "a".repeat(60);
        for (spec, name) in [
            (json!({"interval": "1h"}), "web".to_owned()),
            (
                json!({"interval": "1h", "targetNamespace": "prod"}),
                "prod-web".into(),
            ),
            (
                json!({"interval": "1h", "targetNamespace": "prod", "releaseName": "x"}),
                "x".into(),
            ),
            (
                json!({"interval": "1h", "releaseName": long}),
                format!("{}-11ee391211c6", "a".repeat(40)),
            ),
        ] {
            assert_eq!(release_name(&object(spec.clone())), name, "{spec}");
        }
    }

    #[test]
    fn retries_end_when_all_are_used() {
        let status = |install, upgrade| HelmReleaseStatus {
            install_failures: install,
            upgrade_failures: upgrade,
            ..HelmReleaseStatus::default()
        };
        for (retries, failures, exhausted) in [
            (0, 0, false),
            (0, 1, true),
            (3, 3, false),
            (3, 4, true),
            (-1, 99, false),
        ] {
            let object = object(json!({"interval": "1h", "upgrade": {"remediation": {"retries": retries}}}));
            let rules = Remediation::of(&object, AttemptedAction::Upgrade);
            assert_eq!(
                rules.exhausted(&status(7, failures)),
                exhausted,
                "{retries} {failures}"
            );
            assert_eq!(rules.undoes_last, retries > 0);
        }
    }
}
