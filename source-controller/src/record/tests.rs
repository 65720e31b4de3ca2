use super::*;
use crds::source::GitRepository;
use runtime::conditions::find;
use serde_json::json;

fn failed_with(failure: Failure, artifact: serde_json::Value) -> Vec<Condition> {
    let object: GitRepository = serde_json::from_value(json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": "a", "generation": 1},
        "spec": {"url": "https://h/r", "interval": "1m"}, "status": {"artifact": artifact},
    }))
    .unwrap();
    let status = object.status.clone().unwrap();
    let now = runtime::conditions::now();
    failed(&object, status, failure, &now, Duration::ZERO)
        .status
        .conditions
}

#[test]
fn an_artifact_is_outdated_while_a_newer_one_cannot_be_made() {
    let artifact = json!({"path": "p", "url": "u", "revision": "r1", "digest": "d", "lastUpdateTime": "2026-01-01T00:00:00Z"});
    let has: Artifact = serde_json::from_value(artifact.clone()).unwrap();
    let to = |revision: &str, has: Option<&Artifact>| {
        let failure = Failure::storage_text(source::ARCHIVE_OPERATION_FAILED, "no".to_owned());
        failure.on_way_to(revision, has, format!("new upstream revision '{revision}'"))
    };
    let conditions = failed_with(to("r2", Some(&has)), artifact.clone());
    let outdated = find(&conditions, ARTIFACT_OUTDATED).unwrap();
    assert_eq!(outdated.reason, "NewRevision");
    assert_eq!(outdated.message, "new upstream revision 'r2'");
    let reconciling = find(&conditions, RECONCILING).unwrap();
    assert_eq!(
        reconciling.message,
        "building artifact: new upstream revision 'r2'"
    );
    let conditions = failed_with(to("r1", Some(&has)), artifact);
    assert!(find(&conditions, ARTIFACT_OUTDATED).is_none());
    let conditions = failed_with(to("r1", None), json!(null));
    assert!(find(&conditions, ARTIFACT_OUTDATED).is_none());
}

#[test]
fn who_is_ready_stays_so_until_there_is_news() {
    let shown = |change: serde_json::Value, ready: serde_json::Value, news: Option<News>| {
        let mut object = json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": {"name": "a", "generation": 2},
            "spec": {"url": "https://h/r", "interval": "1m"}, "status": {"conditions": [ready]},
        });
        object["metadata"]["annotations"] = change;
        let object: GitRepository = serde_json::from_value(object).unwrap();
        let status = in_progress(&object, news, runtime::conditions::now())?;
        Some(find(&status.conditions, READY).unwrap().status)
    };
    let ready = |status: &str, generation: i64| json!({"type": "Ready", "status": status, "reason": "R", "message": "m", "observedGeneration": generation, "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let requested = json!({REQUESTED_AT: "now"});
    let news = || Some((source::NEW_REVISION, "new upstream revision 'r'".to_owned()));
    for (change, ready, news, expected) in [
        (json!(null), ready("True", 2), None, None),
        (json!(null), ready("False", 2), None, None),
        (
            json!(null),
            ready("Unknown", 2),
            None,
            Some(ConditionStatus::Unknown),
        ),
        (json!(null), ready("True", 1), None, Some(ConditionStatus::True)),
        (requested, ready("False", 2), None, Some(ConditionStatus::False)),
        (
            json!(null),
            ready("True", 2),
            news(),
            Some(ConditionStatus::Unknown),
        ),
    ] {
        assert_eq!(
            shown(change.clone(), ready.clone(), news),
            expected,
            "{change} {ready}"
        );
    }
}

#[test]
fn nobody_waits_for_ever() {
    for (given, expected) in [(None, 60), (Some(0), 60), (Some(5), 5), (Some(86_400), 3600)] {
        let given = given.map(Duration::from_secs);
        assert_eq!(patience(given), Duration::from_secs(expected), "{given:?}");
    }
}
