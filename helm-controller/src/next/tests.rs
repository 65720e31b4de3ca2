//! Tables over the matrix of remediation (spec §1.10 to §1.12): state, counters, rules → what comes next.

use super::{Action, Next, of};
use crate::state::State;
use crds::helm::{HelmRelease, HelmReleaseStatus};
use serde_json::{Value, json};

fn object(spec: Value) -> HelmRelease {
    let mut object = json!({
        "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
        "metadata": {"name": "web", "namespace": "apps"}, "spec": {"interval": "1h"},
    });
    object["spec"]
        .as_object_mut()
        .unwrap()
        .extend(spec.as_object().unwrap().clone());
    serde_json::from_value(object).unwrap()
}

/// A status after `action`, with its counter, and a history of `version:status` entries.
fn status(action: &str, failures: i64, history: &[&str]) -> HelmReleaseStatus {
    let snapshots: Vec<Value> = history
        .iter()
        .map(|entry| {
            let (version, status) = entry.split_once(':').unwrap();
            let (status, test) = status.split_once('!').map_or((status, None), |(s, t)| (s, Some(t)));
            let mut snapshot = json!({
                "apiVersion": "v2", "name": "web", "namespace": "apps", "version": version.parse::<i64>().unwrap(),
                "status": status, "digest": "", "configDigest": "", "chartName": "c", "chartVersion": "1.0.0",
                "firstDeployed": "2026-01-01T00:00:00Z", "lastDeployed": "2026-01-01T00:00:00Z",
            });
            if let Some(phase) = test {
                snapshot["testHooks"] = json!({"t": {"phase": phase}});
            }
            snapshot
        })
        .collect();
    let mut status = json!({"history": snapshots});
    if !action.is_empty() {
        status["lastAttemptedReleaseAction"] = json!(action);
        status[format!("{action}Failures")] = json!(failures);
    }
    serde_json::from_value(status).unwrap()
}

fn word(next: &Next) -> String {
    match next {
        Next::Done => "done".into(),
        Next::Act(action) => match action {
            Action::UninstallRemediation => "undo".into(),
            other => other.name().into(),
        },
        Next::RollBackTo(snapshot) => format!("roll back to {}", snapshot.version),
        Next::RetriesExceeded => "retries exceeded".into(),
        Next::MissingRollbackTarget => "no target".into(),
    }
}

#[test]
fn failures_are_dealt_with_as_the_matrix_says() {
    let install = |retries: i64, last: Option<bool>| json!({"install": {"remediation": {"retries": retries, "remediateLastFailure": last}}});
    let upgrade = |retries: i64, last: Option<bool>, strategy: &str| json!({"upgrade": {"remediation": {"retries": retries, "remediateLastFailure": last, "strategy": strategy}}});
    let failed = ["1:failed"];
    let upgraded = ["2:failed", "1:deployed"];
    for (spec, action, count, history, expected) in [
        // An install that failed.
        (json!({}), "install", 1, &failed[..], "retries exceeded"),
        (install(0, Some(true)), "install", 1, &failed, "undo"),
        (install(2, None), "install", 1, &failed, "undo"),
        (install(2, None), "install", 2, &failed, "undo"),
        (install(2, None), "install", 3, &failed, "retries exceeded"),
        (install(2, Some(true)), "install", 3, &failed, "undo"),
        (install(-1, None), "install", 99, &failed, "undo"),
        // An upgrade that failed.
        (json!({}), "upgrade", 1, &upgraded, "retries exceeded"),
        (
            upgrade(0, Some(true), "rollback"),
            "upgrade",
            1,
            &upgraded,
            "roll back to 1",
        ),
        (
            upgrade(2, None, "rollback"),
            "upgrade",
            1,
            &upgraded,
            "roll back to 1",
        ),
        (
            upgrade(2, None, "rollback"),
            "upgrade",
            3,
            &upgraded,
            "roll back to 1",
        ),
        (
            upgrade(2, Some(false), "rollback"),
            "upgrade",
            3,
            &upgraded,
            "retries exceeded",
        ),
        (upgrade(2, None, "uninstall"), "upgrade", 1, &upgraded, "undo"),
        (
            upgrade(-1, None, "rollback"),
            "upgrade",
            99,
            &upgraded,
            "roll back to 1",
        ),
        // What there is to go back to.
        (upgrade(1, None, "rollback"), "upgrade", 1, &failed, "no target"),
        (
            upgrade(1, None, "rollback"),
            "upgrade",
            1,
            &["3:failed", "2:failed", "1:superseded"],
            "roll back to 1",
        ),
        (
            upgrade(1, None, "rollback"),
            "upgrade",
            1,
            &["3:failed", "2:superseded!Failed", "1:superseded"],
            "roll back to 1",
        ),
        (
            upgrade(1, None, "rollback"),
            "upgrade",
            1,
            &["2:failed", "1:uninstalled"],
            "no target",
        ),
        // What it failed of has changed since, or nobody knows what it was.
        (upgrade(0, None, "rollback"), "upgrade", 0, &upgraded, "upgrade"),
        (json!({}), "", 0, &failed, "upgrade"),
        // It is tried again on top.
        (
            json!({"upgrade": {"strategy": {"name": "RetryOnFailure"}}}),
            "upgrade",
            9,
            &upgraded,
            "upgrade",
        ),
        (
            json!({"install": {"strategy": {"name": "RetryOnFailure"}}}),
            "install",
            9,
            &failed,
            "upgrade",
        ),
    ] {
        let mut status = status(action, count, history);
        let next = of(&object(spec.clone()), &mut status, &State::Failed, false, false);
        assert_eq!(
            word(&next),
            expected,
            "{spec} after {count} of {action}, {history:?}"
        );
        let forced = of(&object(spec.clone()), &mut status, &State::Failed, true, false);
        assert_eq!(word(&forced), "upgrade", "{spec} forced");
    }
}

#[test]
fn every_state_has_its_action() {
    let used =
        json!({"install": {"remediation": {"retries": 1}}, "upgrade": {"remediation": {"retries": 1}}});
    for (state, action, count, forced, expected) in [
        (State::InSync, "install", 0, false, "done"),
        (State::InSync, "install", 0, true, "upgrade"),
        (State::Locked, "install", 9, false, "unlock"),
        (State::Absent, "", 0, false, "install"),
        (State::Absent, "install", 1, false, "install"),
        (State::Absent, "install", 2, false, "retries exceeded"),
        (State::Absent, "install", 2, true, "install"),
        (State::Unmanaged(""), "upgrade", 9, false, "upgrade"),
        (State::OutOfSync(""), "upgrade", 1, false, "upgrade"),
        (State::OutOfSync(""), "upgrade", 2, false, "retries exceeded"),
        (State::OutOfSync(""), "upgrade", 2, true, "upgrade"),
        (State::Untested, "upgrade", 0, false, "test"),
    ] {
        let mut status = status(action, count, &["1:deployed"]);
        let next = of(&object(used.clone()), &mut status, &state, forced, false);
        assert_eq!(
            word(&next),
            expected,
            "{state:?} after {count} of {action}, forced {forced}"
        );
        assert_eq!(
            status.history.is_empty(),
            matches!(state, State::Unmanaged(_)),
            "{state:?}"
        );
    }
}

#[test]
fn history_is_cut_behind_the_release_to_go_back_to() {
    let long = [
        "7:deployed",
        "6:failed",
        "5:superseded!Failed",
        "4:superseded",
        "3:superseded",
        "2:failed",
        "1:superseded",
    ];
    for (spec, kept) in [
        (json!({}), 4),
        (
            json!({"upgrade": {"remediation": {"ignoreTestFailures": true}}}),
            3,
        ),
        (json!({"upgrade": {"strategy": {"name": "RetryOnFailure"}}}), 5),
    ] {
        let mut status = status("upgrade", 0, &long);
        of(&object(spec.clone()), &mut status, &State::InSync, false, false);
        assert_eq!(status.history.len(), kept, "{spec}");
    }
    let mut hopeless = status(
        "upgrade",
        0,
        &[
            "7:failed", "6:failed", "5:failed", "4:failed", "3:failed", "2:failed",
        ],
    );
    of(&object(json!({})), &mut hopeless, &State::InSync, false, false);
    assert_eq!(hopeless.history.len(), 5);
}
