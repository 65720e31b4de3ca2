//! Tables over the determination of a release's state (spec §1.9).

use super::{Desired, State, of};
use crate::{digests, history};
use artifact::Algorithm;
use crds::helm::{HelmRelease, HelmReleaseStatus, ReleaseAction};
use helm::release::{Info, Release, Status};
use serde_json::{Value, json};

const ALGORITHM: Algorithm = Algorithm::Sha256;

fn object(spec: &Value, status: &HelmReleaseStatus) -> HelmRelease {
    let mut object = json!({
        "apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease",
        "metadata": {"name": "web", "namespace": "apps", "generation": 2}, "spec": {"interval": "1h"}, "status": status,
    });
    object["spec"]
        .as_object_mut()
        .unwrap()
        .extend(spec.as_object().unwrap().clone());
    serde_json::from_value(object).unwrap()
}

fn release(status: Status) -> Release {
    Release {
        name: "web".into(),
        namespace: "apps".into(),
        version: 3,
        info: Info {
            status,
            first_deployed: Some("2026-01-02T03:04:05.678Z".into()),
            ..Info::default()
        },
        chart: json!({"metadata": {"name": "c", "version": "1.0.0"}}),
        config: json!({"a": 1.0}).as_object().unwrap().clone(),
        manifest: "---\n".into(),
        hooks: Vec::new(),
        apply_method: "ssa".into(),
    }
}

fn desired() -> Desired {
    Desired {
        chart_name: "c".into(),
        chart_version: "1.0.0".into(),
        values: json!({"a": 1.0}).as_object().unwrap().clone(),
    }
}

/// A status that has observed `release`.
fn observed(release: &Release) -> HelmReleaseStatus {
    let snapshot = history::snapshot(
        ALGORITHM,
        release,
        Some("sha256:abc"),
        Some(ReleaseAction::Upgrade),
    );
    HelmReleaseStatus {
        observed_generation: 2,
        history: vec![snapshot],
        ..HelmReleaseStatus::default()
    }
}

#[test]
fn the_status_of_the_stored_release_decides_first() {
    for (status, known, expected) in [
        (Status::PendingInstall, false, Ok(State::Locked)),
        (Status::PendingRollback, true, Ok(State::Locked)),
        (
            Status::Deployed,
            false,
            Ok(State::Unmanaged("found existing release in storage")),
        ),
        (Status::Uninstalled, false, Ok(State::Absent)),
        (Status::Uninstalled, true, Ok(State::Absent)),
        (Status::Failed, true, Ok(State::Failed)),
        (Status::Deployed, true, Ok(State::InSync)),
        (
            Status::Superseded,
            true,
            Err("unable to determine state for release with status 'superseded'"),
        ),
        (Status::Uninstalling, true, Ok(State::HalfGone)),
        (Status::Uninstalling, false, Ok(State::HalfGone)),
    ] {
        let release = release(status);
        let known = if known {
            observed(&release)
        } else {
            HelmReleaseStatus::default()
        };
        let found = of(
            &object(&json!({}), &known),
            &known,
            Some(&release),
            &desired(),
            ALGORITHM,
        );
        assert_eq!(
            found.map_err(|e| e.to_string()),
            expected.map_err(str::to_owned),
            "{status:?}"
        );
    }
    let none = HelmReleaseStatus::default();
    assert_eq!(
        of(&object(&json!({}), &none), &none, None, &desired(), ALGORITHM).unwrap(),
        State::Absent
    );
}

#[test]
fn what_others_changed_is_noticed_by_the_digest() {
    let release = release(Status::Deployed);
    type Change = fn(&mut Release, &mut HelmReleaseStatus);
    let unmanaged = State::Unmanaged("release was changed by others");
    for (what, change, expected) in [
        ("nothing", (|_, _| {}) as Change, State::InSync),
        ("revision", |r, _| r.version = 4, unmanaged.clone()),
        ("manifest", |r, _| r.manifest.push('x'), unmanaged.clone()),
        (
            "description",
            |r, _| r.info.description.push('x'),
            unmanaged.clone(),
        ),
        (
            "a fraction of a second",
            |r, _| r.info.first_deployed = Some("2026-01-02T03:04:05Z".into()),
            unmanaged.clone(),
        ),
        (
            "files of the chart",
            |r, _| r.chart["files"] = json!([1]),
            State::InSync,
        ),
        (
            "no digest",
            |_, s| s.history[0].digest = "nonsense".into(),
            unmanaged,
        ),
        (
            "an older scheme",
            |r, s| {
                s.history[0].api_version = None;
                r.manifest.push('x');
            },
            State::InSync,
        ),
    ] {
        let (mut release, mut status) = (release.clone(), observed(&release));
        change(&mut release, &mut status);
        let found = of(
            &object(&json!({}), &status),
            &status,
            Some(&release),
            &desired(),
            ALGORITHM,
        );
        assert_eq!(found.unwrap(), expected, "{what}");
    }
}

#[test]
fn what_is_asked_for_is_compared_with_what_is_there() {
    let release = release(Status::Deployed);
    let tested = |phase: &str| json!({"t": {"phase": phase}});
    for (spec, generation, tests, wanted, expected) in [
        (json!({}), 2, Value::Null, desired(), State::InSync),
        (
            json!({}),
            2,
            Value::Null,
            Desired {
                chart_version: "1.0.1".into(),
                ..desired()
            },
            State::OutOfSync("release chart changed"),
        ),
        (
            json!({}),
            2,
            Value::Null,
            Desired {
                chart_name: "d".into(),
                ..desired()
            },
            State::OutOfSync("release chart changed"),
        ),
        (
            json!({}),
            2,
            Value::Null,
            Desired {
                values: serde_json::Map::new(),
                ..desired()
            },
            State::OutOfSync("release config values changed"),
        ),
        // Changes of what is done to manifests count once, with a new generation.
        (
            json!({"commonMetadata": {"labels": {"a": "b"}}}),
            1,
            Value::Null,
            desired(),
            State::OutOfSync("common metadata digest has changed"),
        ),
        (
            json!({"commonMetadata": {"labels": {"a": "b"}}}),
            2,
            Value::Null,
            desired(),
            State::InSync,
        ),
        (
            json!({"postRenderers": [{}]}),
            1,
            Value::Null,
            desired(),
            State::OutOfSync("postrenderers digest has changed"),
        ),
        // Tests: not run, run to their end, failed, failed and passed over.
        (
            json!({"test": {"enable": true}}),
            2,
            Value::Null,
            desired(),
            State::Untested,
        ),
        (
            json!({"test": {"enable": true}}),
            2,
            json!({}),
            desired(),
            State::InSync,
        ),
        (
            json!({"test": {"enable": true}}),
            2,
            tested("Running"),
            desired(),
            State::Untested,
        ),
        (
            json!({"test": {"enable": true}}),
            2,
            tested("Succeeded"),
            desired(),
            State::InSync,
        ),
        (
            json!({"test": {"enable": true}}),
            2,
            tested("Failed"),
            desired(),
            State::Failed,
        ),
        (
            json!({"test": {"enable": true, "ignoreFailures": true}}),
            2,
            tested("Failed"),
            desired(),
            State::InSync,
        ),
        (json!({}), 2, tested("Failed"), desired(), State::InSync),
    ] {
        let mut status = observed(&release);
        status.observed_generation = generation;
        status.last_attempted_release_action = Some(crds::helm::AttemptedAction::Upgrade);
        status.history[0].test_hooks = serde_json::from_value(tests.clone()).unwrap();
        let found = of(
            &object(&spec, &status),
            &status,
            Some(&release),
            &wanted,
            ALGORITHM,
        );
        assert_eq!(found.unwrap(), expected, "{spec} {generation} {tests} {wanted:?}");
    }
}

#[test]
fn digests_of_values_are_verified_by_the_algorithm_that_made_them() {
    let release = release(Status::Deployed);
    let mut status = observed(&release);
    status.history[0].config_digest = digests::of_values(Algorithm::Sha512, &desired().values);
    let found = of(
        &object(&json!({}), &status),
        &status,
        Some(&release),
        &desired(),
        ALGORITHM,
    );
    assert_eq!(found.unwrap(), State::InSync);
}
