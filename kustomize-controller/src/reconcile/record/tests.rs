//! What each end of a pass leaves on the object: the conditions that real Flux leaves (see its recordings), in its order.

use super::*;
use crate::{
    ledger::{BuildKey, Built},
    reconcile::step::{Resolved, Step},
};
use ::apply::id::ObjectRef;
use crds::meta::{Artifact, Inventory, InventoryEntry};
use jiff::Timestamp;
use runtime::{access::Access, acting};
use serde_json::{Value, json};
use std::sync::Arc;

const REVISION: &str = "main@sha1:1";

fn object(status: Value) -> Kustomization {
    let spec =
        json!({"interval": "10m", "prune": true, "sourceRef": {"kind": "GitRepository", "name": "fleet"}});
    let meta = json!({"name": "app", "namespace": "apps", "generation": 3});
    let api = "kustomize.toolkit.fluxcd.io/v1";
    serde_json::from_value(
        json!({"apiVersion": api, "kind": "Kustomization", "metadata": meta, "spec": spec, "status": status}),
    )
    .unwrap()
}

fn fresh() -> Kustomization {
    object(json!({"observedGeneration": -1}))
}

fn settings() -> Settings {
    Settings {
        access: Access::default(),
        acting: acting::Rules::default(),
        requeue_dependency: Duration::from_secs(30),
        custom_stage: Vec::new(),
        concurrent_ssa: 4,
        strict_substitution: true,
        additive_ready_expr: false,
    }
}

fn resolved(attentive: bool) -> Resolved {
    let artifact = json!({"digest": "sha256:a", "path": "p", "url": "u", "revision": REVISION, "lastUpdateTime": "2026-01-01T00:00:00Z"});
    Resolved {
        artifact: serde_json::from_value::<Artifact>(artifact).unwrap(),
        timeout: Duration::from_secs(60),
        attentive,
        asked: false,
        health: Arc::new(expr::HealthExpressions::compile(&[]).unwrap()),
    }
}

fn built() -> Arc<Built> {
    let key = BuildKey {
        generation: ("u".into(), 3),
        variables: [0; 32],
    };
    Arc::new(Built {
        key,
        artifact: "a".into(),
        inputs: Default::default(),
        objects: Vec::new(),
        digest: "sha256:d".into(),
    })
}

fn applied(change: Change) -> Applied {
    let object = ObjectRef {
        group: String::new(),
        version: "v1".into(),
        kind: "ConfigMap".into(),
        namespace: "n".into(),
        name: "a".into(),
    };
    let entries = vec![InventoryEntry {
        id: object.id().to_string(),
        v: "v1".into(),
    }];
    Applied {
        changes: vec![(object, change)],
        inventory: Inventory { entries },
        ..Applied::default()
    }
}

fn done(attentive: bool, change: Change, health: Health) -> Result<Done, Stop> {
    Ok(Done {
        resolved: resolved(attentive),
        built: built(),
        applied: applied(change),
        health,
    })
}

fn end(object: &Kustomization, end: Result<Done, Stop>) -> Outcome<KustomizationStatus> {
    let now = Time(Timestamp::from_second(1_800_000_000).unwrap());
    outcome(object, end, Duration::from_millis(1500), now, &settings())
}

/// `Type Status Reason: message`, a line each, in the order of the API.
fn told(outcome: &Outcome<KustomizationStatus>) -> Vec<String> {
    let mut conditions = outcome.status.conditions.clone();
    Conditions::new(&mut conditions, 3, Time(Timestamp::UNIX_EPOCH)).sort();
    let line =
        |c: &crds::meta::Condition| format!("{} {} {}: {}", c.type_, c.status.as_str(), c.reason, c.message);
    conditions.iter().map(line).collect()
}

fn events(outcome: &Outcome<KustomizationStatus>) -> Vec<String> {
    outcome
        .events
        .iter()
        .map(|e| format!("{}: {}", e.reason, e.message))
        .collect()
}

#[test]
fn a_first_success() {
    let outcome = end(
        &fresh(),
        done(
            true,
            Change::Created,
            Health::Passed {
                after: Some(Duration::from_secs(2)),
            },
        ),
    );
    assert_eq!(
        told(&outcome),
        [
            "Ready True ReconciliationSucceeded: Applied revision: main@sha1:1",
            "Healthy True Succeeded: Health check passed in 2s"
        ]
    );
    assert_eq!(
        events(&outcome),
        [
            "Progressing: ConfigMap/n/a created",
            "Progressing: Health check passed in 2s",
            "ReconciliationSucceeded: Reconciliation finished in 1.5s, next run in 10m0s"
        ]
    );
    let status = &outcome.status;
    assert_eq!(
        (
            status.observed_generation,
            status.last_applied_revision.as_deref()
        ),
        (3, Some(REVISION))
    );
    assert_eq!(
        (status.history.len(), status.history[0].total_reconciliations),
        (1, 1)
    );
    assert_eq!(outcome.requeue, Requeue::Interval(Duration::from_secs(600)));
}

#[test]
fn nothing_new_leaves_the_status_as_it_was() {
    let first = end(&fresh(), done(true, Change::Created, Health::NotAsked));
    let settled = Kustomization {
        status: Some(first.status.clone()),
        ..fresh()
    };
    let again = end(&settled, done(false, Change::Unchanged, Health::NotAsked));
    assert_eq!(again.status, first.status);
    assert!(again.events.is_empty());
    // Health that moves without a change of ours is watched, not announced.
    let waiting = end(
        &settled,
        done(
            false,
            Change::Unchanged,
            Health::Awaited {
                left: Duration::from_secs(9),
            },
        ),
    );
    assert_eq!(
        (waiting.status, waiting.requeue),
        (first.status, Requeue::After(Duration::from_secs(9)))
    );
}

#[test]
fn a_wait_for_health_is_shown() {
    let outcome = end(
        &fresh(),
        done(
            true,
            Change::Created,
            Health::Awaited {
                left: Duration::from_secs(50),
            },
        ),
    );
    let checking = "Running health checks for revision main@sha1:1 with a timeout of 1m0s";
    assert_eq!(
        told(&outcome),
        [
            format!("Reconciling True Progressing: {checking}"),
            "Ready Unknown Progressing: Reconciliation in progress".to_owned(),
            format!("Healthy Unknown Progressing: {checking}"),
        ]
    );
    assert_eq!(outcome.status.inventory.unwrap().entries.len(), 1);
    assert_eq!(outcome.status.last_applied_revision, None);
}

#[test]
fn ends_before_anything_was_tried() {
    let missing = Stop::NoSource {
        message: "gone".into(),
        again: Again::Retry,
    };
    let dependency = || Stop::Dependency {
        message: "'b' is not ready".into(),
        revision: REVISION.into(),
    };
    let denied = Stop::Terminal {
        reason: reason::ACCESS_DENIED,
        message: "no".into(),
    };
    let cases = [
        (
            missing,
            vec!["Ready False ArtifactFailed: gone"],
            Requeue::After(Duration::from_secs(600)),
        ),
        (
            dependency(),
            vec!["Ready False DependencyNotReady: 'b' is not ready"],
            Requeue::After(Duration::from_secs(30)),
        ),
        (
            denied,
            vec!["Stalled True AccessDenied: no", "Ready False AccessDenied: no"],
            Requeue::Never,
        ),
    ];
    for (stop, expected, requeue) in cases {
        let outcome = end(&fresh(), Err(stop));
        assert_eq!(told(&outcome), expected);
        assert_eq!(
            (outcome.requeue, outcome.status.observed_generation),
            (requeue, -1)
        );
    }
    // Waiting is told once, not at each look.
    let first = end(&fresh(), Err(dependency()));
    assert_eq!(
        events(&first),
        ["DependencyNotReady: Dependencies do not meet ready condition, retrying in 30s"]
    );
    let waiting = Kustomization {
        status: Some(first.status),
        ..fresh()
    };
    assert!(end(&waiting, Err(dependency())).events.is_empty());
}

#[test]
fn failures_say_which_step_they_were_at() {
    let doing = |what: &str| {
        format!(
            "Reconciling True ProgressingWithRetry: {what} for revision main@sha1:1 with a timeout of 9m30s"
        )
    };
    let cases = [
        (Step::Fetch, "Fetching manifests", "ArtifactFailed", None),
        (Step::Build, "Building manifests", "BuildFailed", Some(REVISION)),
        (
            Step::Apply,
            "Detecting drift",
            "ReconciliationFailed",
            Some(REVISION),
        ),
        (Step::Prune, "Detecting drift", "PruneFailed", Some(REVISION)),
    ];
    for (step, what, reason, attempted) in cases {
        let outcome = end(&fresh(), Err(Failure::new(step, "broken").at(&resolved(true))));
        assert_eq!(
            told(&outcome),
            [doing(what), format!("Ready False {reason}: broken")]
        );
        assert_eq!(
            outcome.status.last_attempted_revision.as_deref(),
            attempted,
            "{step:?}"
        );
        assert_eq!(outcome.requeue, Requeue::BackoffUpTo(Duration::from_secs(600)));
        assert_eq!(events(&outcome), [format!("{reason}: broken")]);
    }
    let failure = Failure::new(Step::Health, "timeout waiting for: [a]").lasting(Duration::from_secs(30));
    let outcome = end(
        &fresh(),
        Err(Stop::Failed(failure.after(
            &resolved(true),
            &built(),
            &applied(Change::Created),
        ))),
    );
    assert_eq!(
        told(&outcome)[1..],
        [
            "Ready False HealthCheckFailed: health check failed after 30s: timeout waiting for: [a]",
            "Healthy False HealthCheckFailed: timeout waiting for: [a]"
        ]
    );
    assert_eq!(outcome.status.inventory.unwrap().entries.len(), 1);
}

#[test]
fn history_counts_what_is_the_same_and_forgets_the_oldest() {
    let mut object = fresh();
    for round in 0..7 {
        let outcome = end(&object, done(true, Change::Unchanged, Health::NotAsked));
        object.status = Some(outcome.status);
        let failed = Failure::new(Step::Apply, "no").of(
            &resolved(true),
            &Built {
                digest: format!("sha256:{round}"),
                ..blank()
            },
        );
        object.status = Some(end(&object, Err(Stop::Failed(failed))).status);
    }
    let history = object.status.unwrap().history;
    assert_eq!(history.len(), HISTORY);
    assert_eq!(
        (history[0].digest.as_str(), history[1].digest.as_str()),
        ("sha256:6", "sha256:d")
    );
    assert_eq!(history[1].total_reconciliations, 7);
}

fn blank() -> Built {
    Arc::into_inner(built()).unwrap()
}
