//! PURE: the snapshots in a HelmRelease's status, newest first.

use crate::digests;
use artifact::Algorithm;
use crds::helm::{ReleaseAction, Snapshot, TestFilter, TestHookStatus};
use helm::{
    Event,
    release::{Release, Status},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use serde_json::Value;
use std::collections::BTreeMap;

/// The scheme of the snapshots that are made; digests of others are not compared.
const CURRENT: &str = "v2";
/// How many snapshots are kept where none of them is one to go back to.
const KEPT: usize = 5;
const FAILED: &str = "Failed";
const SUCCEEDED: &str = "Succeeded";

/// What tests came to, by the name of their object.
pub type Tests = BTreeMap<String, Option<TestHookStatus>>;

/// The snapshot of a release as it was written to storage.
pub fn snapshot(
    algorithm: Algorithm,
    release: &Release,
    oci_digest: Option<&str>,
    action: Option<ReleaseAction>,
) -> Snapshot {
    let metadata = |key: &str| {
        let field = release.chart.get("metadata").and_then(|m| m.get(key));
        field.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    let info = &release.info;
    Snapshot {
        api_version: Some(CURRENT.to_owned()),
        digest: digests::of_release(algorithm, release, oci_digest),
        name: release.name.clone(),
        namespace: release.namespace.clone(),
        version: release.version,
        status: info.status.name().to_owned(),
        action: action.map(|a| a.as_str().to_owned()),
        chart_name: metadata("name"),
        chart_version: metadata("version"),
        app_version: Some(metadata("appVersion")).filter(|v| !v.is_empty()),
        config_digest: digests::of_values(algorithm, &release.config),
        first_deployed: time(info.first_deployed.as_deref()),
        last_deployed: time(info.last_deployed.as_deref()),
        deleted: info.deleted.as_deref().map(|d| time(Some(d))),
        test_hooks: None,
        oci_digest: oci_digest.filter(|d| !d.is_empty()).map(str::to_owned),
    }
}

/// `<namespace>/<name>.v<version>`
pub fn full_name(snapshot: &Snapshot) -> String {
    format!("{}/{}.v{}", snapshot.namespace, snapshot.name, snapshot.version)
}

/// `<chart>@<version>`
pub fn versioned_chart(snapshot: &Snapshot) -> String {
    format!("{}@{}", snapshot.chart_name, snapshot.chart_version)
}

/// Whether a snapshot is of this release.
pub fn is_of(snapshot: &Snapshot, release: &Release) -> bool {
    snapshot.name == release.name
        && snapshot.namespace == release.namespace
        && snapshot.version == release.version
}

/// Whether a stored release is still what was observed. Older schemes of snapshots cannot tell, and are believed.
pub fn holds(snapshot: &Snapshot, release: &Release) -> bool {
    if snapshot.api_version.as_deref() != Some(CURRENT) {
        return true;
    }
    let Ok(digest) = snapshot.digest.parse::<artifact::Digest>() else {
        return false;
    };
    digests::of_release(digest.algorithm(), release, snapshot.oci_digest.as_deref()) == snapshot.digest
}

/// Sorts by version, newest first, and gives the newest.
pub fn latest(history: &mut [Snapshot]) -> Option<&Snapshot> {
    history.sort_by_key(|s| std::cmp::Reverse(s.version));
    history.first()
}

/// The release to go back to: the newest before the latest that was deployed, and whose tests did not fail.
pub fn previous(history: &[Snapshot], ignores_tests: bool) -> Option<&Snapshot> {
    history.iter().skip(1).find(|s| is_good(s, ignores_tests))
}

/// Forgets what is older than the release to go back to.
pub fn truncate(history: &mut Vec<Snapshot>, ignores_tests: bool) {
    let good = history.iter().skip(1).position(|s| is_good(s, ignores_tests));
    history.truncate(good.map_or(KEPT, |at| at + 2));
}

/// Forgets all but the newest five.
pub fn truncate_plainly(history: &mut Vec<Snapshot>) {
    history.truncate(KEPT);
}

/// Whether tests ran to their end, or there were none to run.
pub fn is_tested(snapshot: &Snapshot) -> bool {
    let Some(tests) = &snapshot.test_hooks else {
        return false;
    };
    let in_phase = |test: &Option<TestHookStatus>, phase: &str| {
        test.as_ref().and_then(|t| t.phase.as_deref()) == Some(phase)
    };
    tests.values().any(|t| in_phase(t, FAILED)) || tests.values().all(|t| in_phase(t, SUCCEEDED))
}

/// Whether a test failed.
pub fn has_failed_test(snapshot: &Snapshot) -> bool {
    let tests = snapshot.test_hooks.iter().flat_map(|t| t.values().flatten());
    tests.into_iter().any(|t| t.phase.as_deref() == Some(FAILED))
}

/// What the tests of a release came to, of those that the filters let through.
pub fn tests(release: &Release, filters: &[TestFilter]) -> Tests {
    let runs = release
        .hooks
        .iter()
        .filter(|run| run.hook.events.contains(&Event::Test));
    let mut tests = Tests::new();
    for run in runs.filter(|run| selected(&run.hook.name, filters)) {
        let at = |text: &Option<String>| text.as_deref().map(|t| time(Some(t)));
        let status = TestHookStatus {
            last_started: at(&run.last_run.started_at),
            last_completed: at(&run.last_run.completed_at),
            phase: Some(run.last_run.phase.clone()).filter(|p| !p.is_empty()),
        };
        tests.insert(run.hook.name.clone(), Some(status));
    }
    tests
}

/// Whether a test runs: all that no filter excludes, or of those the ones that filters name.
pub fn selected(name: &str, filters: &[TestFilter]) -> bool {
    let named = |exclude: bool| filters.iter().any(|f| f.exclude == exclude && f.name == name);
    let including = filters.iter().any(|f| !f.exclude);
    !named(true) && (!including || named(false))
}

/// A time of a record as a status holds it: whole seconds, the beginning of time for none.
fn time(text: Option<&str>) -> Time {
    let read = text.and_then(|t| t.parse::<jiff::Timestamp>().ok());
    let seconds = read.map_or(0, |t| t.as_second());
    Time(jiff::Timestamp::from_second(seconds).unwrap_or(jiff::Timestamp::UNIX_EPOCH))
}

fn is_good(snapshot: &Snapshot, ignores_tests: bool) -> bool {
    let status = Status::parse(&snapshot.status);
    matches!(status, Status::Deployed | Status::Superseded) && (ignores_tests || !has_failed_test(snapshot))
}
