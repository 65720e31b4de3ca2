//! Tables over what passes and actions leave in the status.

mod newer;

use super::{Draft, pass::End};
use crate::{
    context::Settings,
    next::Action,
    release::job::{ActionError, Ended, Inputs, Job, Observed},
    state::Desired,
};
use artifact::Algorithm;
use crds::{
    helm::{HelmRelease, HelmReleaseStatus},
    meta::ConditionStatus,
};
use helm::release::{Info, Release, Status};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use runtime::{access::Access, acting, client::Identity, conditions::find, requeue::Requeue};
use serde_json::{Map, Value, json};
use std::{sync::Arc, time::Duration};

fn settings() -> Settings {
    Settings {
        scope: None,
        access: Access::default(),
        acting: acting::Rules::default(),
        requeue_dependency: Duration::from_secs(30),
        algorithm: Algorithm::Sha256,
        additive_ready_expr: false,
        retry_by_default: false,
        helm3_defaults: false,
        overrides: Vec::new(),
        plain_versions: false,
    }
}

fn object(metadata: &Value, spec: &Value, status: &Value) -> Arc<HelmRelease> {
    let mut object = json!({
        "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
        "metadata": {"name": "web", "namespace": "apps", "generation": 2}, "spec": {"interval": "1h"}, "status": status,
    });
    for (key, more) in [("metadata", metadata), ("spec", spec)] {
        object[key]
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
    }
    Arc::new(serde_json::from_value(object).unwrap())
}

fn release(version: i64, status: Status) -> Release {
    Release {
        name: "web".into(),
        namespace: "apps".into(),
        version,
        info: Info {
            status,
            ..Info::default()
        },
        chart: json!({"metadata": {"name": "c", "version": "1.0.0", "appVersion": "7"}}),
        config: Map::new(),
        manifest: "---\n".into(),
        hooks: Vec::new(),
        apply_method: "ssa".into(),
    }
}

fn ended(
    object: &Arc<HelmRelease>,
    action: Action,
    result: Result<(), ActionError>,
    wrote: &[Release],
) -> Ended {
    let observed = wrote.iter().map(|release| Observed {
        release: release.clone(),
        writes: 2,
        resource_version: Some("7".into()),
    });
    Ended {
        job: Job {
            action,
            object: object.clone(),
            identity: Identity::Controller,
            name: "web".into(),
            namespace: "apps".into(),
            storage_namespace: "apps".into(),
            last: None,
            chart: None,
            values: Map::new(),
            inputs: Inputs {
                generation: 2,
                artifact: String::new(),
            },
            health: Arc::default(),
        },
        result,
        observed: observed.collect(),
        inventory: None,
        took: Duration::from_secs(1),
        log: Vec::new(),
    }
}

fn now() -> Time {
    Time(jiff::Timestamp::UNIX_EPOCH)
}

/// `type=status/reason` of each condition, in order.
fn told(status: &HelmReleaseStatus) -> Vec<String> {
    let shown = status
        .conditions
        .iter()
        .map(|c| format!("{}={}/{}", c.type_, c.status, c.reason));
    shown.collect()
}

#[test]
fn what_an_action_came_to_is_told_and_counted() {
    let failed = || Err(ActionError::helm("no"));
    let (one, two) = (release(1, Status::Deployed), release(2, Status::Deployed));
    let bad = release(1, Status::Failed);
    let known = json!({"history": [serde_json::to_value(crate::history::snapshot(Algorithm::Sha256, &one, None, None)).unwrap()]});
    for (what, action, status, result, wrote, end, conditions, counters) in [
        (
            "an install",
            Action::Install,
            json!({}),
            Ok(()),
            vec![one.clone()],
            None,
            "Ready=True/InstallSucceeded Released=True/InstallSucceeded",
            (0, 0, 0),
        ),
        (
            "one that failed",
            Action::Install,
            json!({}),
            failed(),
            vec![bad.clone()],
            None,
            "Ready=False/InstallFailed Released=False/InstallFailed",
            (1, 1, 0),
        ),
        (
            "one that stored nothing",
            Action::Install,
            json!({}),
            failed(),
            vec![],
            Some(End::Failed("no".into())),
            "Ready=False/InstallFailed Released=False/InstallFailed",
            (1, 0, 0),
        ),
        (
            "an upgrade",
            Action::Upgrade,
            known.clone(),
            Ok(()),
            vec![two.clone(), release(1, Status::Superseded)],
            None,
            "Ready=True/UpgradeSucceeded Released=True/UpgradeSucceeded",
            (0, 0, 0),
        ),
        (
            "one that was given up",
            Action::Upgrade,
            known.clone(),
            Err(ActionError::Canceled),
            vec![release(2, Status::Failed)],
            Some(End::Again),
            "Ready=False/HealthCheckCanceled Released=False/UpgradeFailed",
            (1, 0, 1),
        ),
        (
            "an uninstall elsewhere",
            Action::Uninstall,
            known.clone(),
            Ok(()),
            vec![one.clone()],
            Some(End::Again),
            "Released=False/UninstallSucceeded",
            (0, 0, 0),
        ),
        (
            "one of what is gone",
            Action::Uninstall,
            known,
            Err(ActionError::NotFound("web".into())),
            vec![],
            Some(End::Again),
            "Released=False/UninstallSucceeded",
            (0, 0, 0),
        ),
    ] {
        let (object, settings) = (object(&json!({}), &json!({}), &status), settings());
        let mut draft = Draft::new(&object, &settings, now());
        assert_eq!(draft.ended(ended(&object, action, result, &wrote)), end, "{what}");
        let outcome = draft.end(End::Acting);
        assert_eq!(told(&outcome.status).join(" "), conditions, "{what}");
        let status = outcome.status;
        assert_eq!(
            (status.failures, status.install_failures, status.upgrade_failures),
            counters,
            "{what}"
        );
    }
}

#[test]
fn history_follows_what_was_written() {
    let one = release(1, Status::Deployed);
    let mut first = crate::history::snapshot(
        Algorithm::Sha256,
        &one,
        Some("sha256:one"),
        Some(crds::helm::ReleaseAction::Install),
    );
    first.test_hooks = Some(std::collections::BTreeMap::new());
    let status = json!({"history": [first], "lastAttemptedRevisionDigest": "sha256:two"});
    let (object, settings) = (object(&json!({}), &json!({}), &status), settings());
    let mut draft = Draft::new(&object, &settings, now());
    let wrote = [release(2, Status::Deployed), release(1, Status::Superseded)];
    draft.ended(ended(&object, Action::Upgrade, Ok(()), &wrote));
    let history: Vec<_> = draft
        .status
        .history
        .iter()
        .map(|s| {
            (
                s.version,
                s.status.as_str(),
                s.action.as_deref(),
                s.oci_digest.as_deref(),
                s.test_hooks.is_some(),
            )
        })
        .collect();
    assert_eq!(
        history,
        [
            (2, "deployed", Some("upgrade"), Some("sha256:two"), false),
            // As in Flux, the older one forgets what made it.
            (1, "superseded", None, Some("sha256:one"), true),
        ]
    );
}

#[test]
fn counters_are_cleared_by_what_is_new() {
    let digest = crate::digests::of_values(Algorithm::Sha256, &Map::new());
    let same = json!({"lastAttemptedGeneration": 2, "lastAttemptedRevision": "1.0.0", "lastAttemptedConfigDigest": digest, "failures": 3, "installFailures": 3});
    let with = |key: &str, value: Value| {
        let mut status = same.clone();
        status[key] = value;
        status
    };
    let asked = |reset: &str, requested: &str| json!({"annotations": {"reconcile.fluxcd.io/resetAt": reset, "reconcile.fluxcd.io/requestedAt": requested}});
    for (what, metadata, status, cleared) in [
        ("nothing new", json!({}), same.clone(), false),
        (
            "a generation",
            json!({}),
            with("lastAttemptedGeneration", json!(1)),
            true,
        ),
        (
            "a chart",
            json!({}),
            with("lastAttemptedRevision", json!("0.9.0")),
            true,
        ),
        (
            "values",
            json!({}),
            with("lastAttemptedConfigDigest", json!("sha256:0")),
            true,
        ),
        ("a reset", asked("1", "1"), same.clone(), true),
        ("one without a request", asked("1", "2"), same.clone(), false),
        (
            "one that was handled",
            asked("1", "1"),
            with("lastHandledResetAt", json!("1")),
            false,
        ),
        (
            "one whose request was handled",
            asked("1", "1"),
            with("lastHandledReconcileAt", json!("1")),
            false,
        ),
    ] {
        let (object, settings) = (object(&metadata, &json!({}), &status), settings());
        let mut draft = Draft::new(&object, &settings, now());
        let desired = Desired {
            chart_name: "c".into(),
            chart_version: "1.0.0".into(),
            values: Map::new(),
        };
        draft.attempt(&desired, None);
        assert_eq!(draft.status.install_failures == 0, cleared, "{what}");
        assert_eq!(draft.status.storage_namespace.as_deref(), Some("apps"));
    }
}

#[test]
fn ready_is_the_newest_of_what_is_told() {
    let condition = |type_: &str, status: &str, generation: i64| json!({"type": type_, "status": status, "reason": type_, "message": "", "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let tests = json!({"test": {"enable": true}});
    for (spec, conditions, ready) in [
        (
            json!({}),
            vec![condition("Released", "True", 1)],
            Some((ConditionStatus::True, "Released")),
        ),
        (
            json!({}),
            vec![
                condition("Released", "True", 2),
                condition("Remediated", "True", 1),
            ],
            Some((ConditionStatus::True, "Released")),
        ),
        (
            json!({}),
            vec![
                condition("Released", "False", 2),
                condition("Remediated", "True", 2),
            ],
            Some((ConditionStatus::False, "Remediated")),
        ),
        (
            tests.clone(),
            vec![
                condition("Released", "True", 2),
                condition("TestSuccess", "Unknown", 2),
            ],
            Some((ConditionStatus::Unknown, "TestSuccess")),
        ),
        (
            json!({"test": {"enable": true, "ignoreFailures": true}}),
            vec![
                condition("Released", "True", 2),
                condition("TestSuccess", "False", 2),
            ],
            Some((ConditionStatus::True, "Released")),
        ),
        (
            json!({}),
            vec![
                condition("Released", "True", 2),
                condition("TestSuccess", "False", 2),
            ],
            Some((ConditionStatus::True, "Released")),
        ),
        (tests, vec![], None),
    ] {
        let (object, settings) = (
            object(&json!({}), &spec, &json!({"conditions": conditions})),
            settings(),
        );
        let mut draft = Draft::new(&object, &settings, now());
        draft.summarize();
        let found = find(&draft.status.conditions, "Ready").map(|c| (c.status, c.reason.as_str()));
        assert_eq!(found, ready, "{spec} {conditions:?}");
        let tested = find(&draft.status.conditions, "TestSuccess").is_some();
        assert_eq!(
            tested,
            conditions.iter().any(|c| c["type"] == "TestSuccess") && spec != json!({})
        );
    }
}

#[test]
fn an_end_says_when_to_look_again_and_what_was_observed() {
    for (end, requeue, observed) in [
        (End::Done, Requeue::Interval(Duration::from_secs(3600)), true),
        (End::Idle, Requeue::Interval(Duration::from_secs(3600)), true),
        (End::Acting, Requeue::Await(Duration::from_secs(60)), false),
        (End::Again, Requeue::After(Duration::ZERO), false),
        (End::Retry("x".into()), Requeue::Backoff, false),
        (End::Failed("x".into()), Requeue::Backoff, false),
        (
            End::RetryAfter(Duration::from_secs(5), None),
            Requeue::Interval(Duration::from_secs(5)),
            true,
        ),
        (End::Stalled("x".into()), Requeue::Never, true),
    ] {
        let (object, settings) = (
            object(&json!({}), &json!({}), &json!({"observedGeneration": 1})),
            settings(),
        );
        let outcome = Draft::new(&object, &settings, now()).end(end.clone());
        assert_eq!(outcome.requeue, requeue, "{end:?}");
        assert_eq!(outcome.status.observed_generation == 2, observed, "{end:?}");
    }
}
