use super::*;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Time, jiff::Timestamp};
use serde_json::{Value, json};

fn route(spec: Value) -> (Option<Route>, Vec<Complaint>) {
    let alert: Alert = serde_json::from_value(json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1beta3", "kind": "Alert",
        "metadata": {"name": "all", "namespace": "team", "uid": "a"}, "spec": spec,
    }))
    .unwrap();
    Route::of(&alert, Access::default())
}

fn event(severity: Severity, message: &str) -> Event {
    Event {
        involved_object: ObjectReference {
            api_version: Some("source.toolkit.fluxcd.io/v1".into()),
            kind: Some("GitRepository".into()),
            name: Some("fleet".into()),
            namespace: Some("team".into()),
            ..Default::default()
        },
        severity,
        timestamp: Time(Timestamp::UNIX_EPOCH),
        message: message.into(),
        reason: "R".into(),
        metadata: BTreeMap::new(),
        reporting_controller: "source-controller".into(),
        reporting_instance: String::new(),
    }
}

fn sources(source: &Value) -> Value {
    json!({"providerRef": {"name": "sink"}, "eventSources": [source]})
}

#[test]
fn alerts_want_what_they_name() {
    use Severity::{Error, Info, Trace};
    let git = json!({"kind": "GitRepository", "name": "*"});
    let with = |change: Value| {
        let mut spec = sources(&git);
        spec.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        spec
    };
    let cases = [
        (sources(&git), Info, "m", true),
        (
            sources(&json!({"kind": "GitRepository", "name": "fleet"})),
            Info,
            "m",
            true,
        ),
        (
            sources(&json!({"kind": "GitRepository", "name": "flee"})),
            Info,
            "m",
            false,
        ),
        (sources(&json!({"kind": "Bucket", "name": "*"})), Info, "m", false),
        (
            sources(&json!({"kind": "GitRepository", "name": "*", "namespace": "other"})),
            Info,
            "m",
            false,
        ),
        (with(json!({"eventSeverity": "error"})), Info, "m", false),
        (with(json!({"eventSeverity": "error"})), Error, "m", true),
        // Of Flux's own controllers none sends these; who gets one from others asked for all or for failures.
        (with(json!({"eventSeverity": "error"})), Trace, "m", false),
        (with(json!({})), Trace, "m", true),
        (with(json!({"inclusionList": ["^a", "b$"]})), Info, "crab", true),
        (with(json!({"inclusionList": ["^a", "b$"]})), Info, "bca", false),
        (with(json!({"exclusionList": ["b"]})), Info, "abc", false),
        (
            with(json!({"inclusionList": ["a"], "exclusionList": ["b"]})),
            Info,
            "ab",
            false,
        ),
        // A pattern that is none is left out; if it was the only one, nothing is included.
        (with(json!({"inclusionList": ["("]})), Info, "(", false),
        (with(json!({"inclusionList": ["(", "a"]})), Info, "a", true),
        (with(json!({"exclusionList": ["("]})), Info, "(", true),
    ];
    for (spec, severity, message, expected) in cases {
        let (route, event) = (route(spec.clone()).0.unwrap(), event(severity, message));
        let wanted = !route.candidates(&event).is_empty() && route.passes(&event.message);
        assert_eq!(wanted, expected, "{spec} {message}");
    }
    assert!(route(with(json!({"suspend": true}))).0.is_none());
}

#[test]
fn patterns_see_the_beginning_of_a_text() {
    let mut spec = sources(&json!({"kind": "GitRepository", "name": "*"}));
    spec["exclusionList"] = json!(["end$", "late"]);
    let route = route(spec).0.unwrap();
    let long = |end: &str| format!("{}{end}", "é".repeat(3 << 10));
    assert!(!route.passes("it is late") && !route.passes("the end"));
    assert!(route.passes(&long(" late")), "it comes after what is seen");
    assert!(
        route.passes(&format!("x{}", long(""))),
        "a letter is not cut in two"
    );
}

#[test]
fn what_is_wrong_with_an_alert_is_said() {
    let mut spec = sources(&json!({"kind": "GitRepository", "name": "*"}));
    spec["inclusionList"] = json!(["a(b"]);
    spec["exclusionList"] = json!(["x{1000}{1000}{1000}"]);
    let (_, complaints) = route(spec.clone());
    let texts: Vec<&str> = complaints.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts.len(), 2);
    assert!(
        texts[0].contains("inclusionList") && texts[0].contains("unclosed group"),
        "{texts:?}"
    );
    assert!(texts[1].contains("exclusionList"), "{texts:?}");
    // Of ten thousand the first, and whatever has the alert tell nothing.
    spec["inclusionList"] = json!(vec!["("; 10_000]);
    let (none, complaints) = route(spec);
    assert!(none.is_none());
    let texts: Vec<&str> = complaints.iter().map(|(_, text)| text.as_str()).collect();
    assert_eq!(texts.len(), 12, "{texts:?}");
    assert_eq!(texts[10], "9990 more malformed patterns are left out");
    assert!(texts[11].ends_with("nothing is told"), "{texts:?}");
}

#[test]
fn other_namespaces_can_be_forbidden() {
    let spec = sources(&json!({"kind": "GitRepository", "name": "*", "namespace": "other"}));
    let alert: Alert = serde_json::from_value(json!({
        "apiVersion": "notification.toolkit.fluxcd.io/v1beta3", "kind": "Alert",
        "metadata": {"name": "all", "namespace": "team"}, "spec": spec,
    }))
    .unwrap();
    let mut other = event(Severity::Info, "m");
    other.involved_object.namespace = Some("other".into());
    for (forbidden, wanted) in [(false, 1), (true, 0)] {
        let access = Access {
            no_cross_namespace_refs: forbidden,
        };
        let (route, complaints) = Route::of(&alert, access);
        assert_eq!(route.unwrap().candidates(&other).len(), wanted);
        assert_eq!(complaints.len(), usize::from(forbidden));
    }
}

#[test]
fn metadata_of_the_controller_beats_the_alert_and_the_alert_the_object() {
    let mut spec = sources(&json!({"kind": "GitRepository", "name": "*"}));
    spec["eventMetadata"] = json!({"env": "alert", "summary": "low", "team": "a"});
    spec["summary"] = json!("high");
    let mut event = event(Severity::Info, "m");
    for (key, value) in [
        ("event.toolkit.fluxcd.io/env", "object"),
        ("event.toolkit.fluxcd.io/owner", "object"),
        ("source.toolkit.fluxcd.io/revision", "main@sha1:a"),
        ("source.toolkit.fluxcd.io/team", "controller"),
        ("source.toolkit.fluxcd.io/digest", "sha256:x"),
        ("source.toolkit.fluxcd.io/token", "t"),
        ("kustomize.toolkit.fluxcd.io/revision", "another group's"),
        ("bare", "dropped"),
    ] {
        event.metadata.insert(key.into(), value.into());
    }
    let (dressed, contradictions) = route(spec).0.unwrap().dressed(&event);
    let metadata = serde_json::to_value(&dressed.metadata).unwrap();
    assert_eq!(
        metadata,
        json!({"env": "alert", "owner": "object", "revision": "main@sha1:a", "summary": "high", "team": "controller"})
    );
    let keys: Vec<&str> = contradictions.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(keys, ["env", "summary", "team"]);
    assert!(contradictions[0].1.contains("annotations") && contradictions[0].1.contains("eventMetadata"));
}

#[test]
fn labels_are_asked_of_the_object() {
    let spec = sources(&json!({"kind": "GitRepository", "name": "*", "matchLabels": {"a": "1", "b": "2"}}));
    let route = route(spec).0.unwrap();
    let happened = event(Severity::Info, "m");
    let selectors: Vec<_> = route.candidates(&happened).into_iter().cloned().collect();
    let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
    assert!(labelled(
        &selectors,
        &labels(&[("a", "1"), ("b", "2"), ("c", "3")])
    ));
    assert!(!labelled(&selectors, &labels(&[("a", "1")])));
    assert!(!labelled(&[], &labels(&[])));
}

#[test]
fn times_of_grouping_are_bounded_and_checked() {
    let git = json!({"kind": "GitRepository", "name": "*"});
    let hours = |hours: u64| Some(Duration::from_secs(hours * 3600));
    for (grouping, window, digest, complaint) in [
        (json!({"window": "1h"}), hours(1), None, None),
        (json!({"digest": "24h"}), None, hours(24), None),
        (
            json!({"window": "1000h", "digest": "1000h"}),
            hours(24),
            hours(168),
            None,
        ),
        (json!({"window": "0s", "digest": "0s"}), None, None, None),
        (
            json!({"window": "1x"}),
            None,
            None,
            Some("spec.grouping.window: "),
        ),
        (
            json!({"digest": "soon", "window": "1h"}),
            hours(1),
            None,
            Some("spec.grouping.digest: "),
        ),
        (json!({}), None, None, None),
    ] {
        let mut spec = sources(&git);
        spec["grouping"] = grouping.clone();
        let (route, complaints) = route(spec);
        let route = route.unwrap();
        assert_eq!((route.window, route.digest), (window, digest), "{grouping}");
        let said = complaints.first().map(|(_, text)| text.as_str());
        assert_eq!(said.is_some(), complaint.is_some(), "{grouping}");
        assert!(
            said.unwrap_or_default()
                .starts_with(complaint.unwrap_or_default()),
            "{said:?}"
        );
    }
}
