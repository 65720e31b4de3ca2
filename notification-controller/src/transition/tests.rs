use super::*;
use serde_json::{Value, json};

fn reporter(keeps_messages: bool) -> Reporter<'static> {
    Reporter {
        kind: Kind::named("Kustomization").unwrap(),
        instance: "pod",
        keeps_messages,
        now: Time(Timestamp::UNIX_EPOCH),
        since: Timestamp::MIN,
    }
}

fn object(status: &Value) -> Reported {
    serde_json::from_value(json!({
        "metadata": {
            "name": "app", "namespace": "team", "uid": "u", "resourceVersion": "7",
            "annotations": {"event.toolkit.fluxcd.io/env": "prod", "other": "x"},
        },
        "status": status,
    }))
    .unwrap()
}

fn messages(numbers: std::ops::RangeInclusive<i64>) -> Value {
    let all: Vec<Value> = numbers
        .map(|n| {
            json!({
                "message": format!("m{n}"), "reason": "R", "severity": if n % 2 == 0 { "info" } else { "error" },
                "sequence": n, "time": "2026-01-02T03:04:05Z",
                "metadata": {"kustomize.toolkit.fluxcd.io/revision": "main@sha1:a"},
            })
        })
        .collect();
    json!({"messages": all})
}

fn told(sequence: i64) -> Cursor {
    Cursor {
        sequence,
        ready: None,
    }
}

fn texts(news: &News) -> Vec<&str> {
    news.events
        .iter()
        .map(|happened| happened.event.message.as_str())
        .collect()
}

#[test]
fn each_message_is_told_once_and_in_order() {
    // What was told, what the status has; the texts, how many were missed, and where the cursor is then.
    type Case = (Option<Cursor>, Value, &'static [&'static str], i64, i64);
    let mut with_gap = messages(7..=8);
    with_gap["messages"][0]["sequence"] = json!(3);
    let cases: [Case; 9] = [
        (None, messages(1..=2), &["m1", "m2"], 0, 2),
        (Some(told(1)), messages(1..=3), &["m2", "m3"], 0, 3),
        (Some(told(3)), messages(1..=3), &[], 0, 3),
        // Some have made room before anybody read them: that is said.
        (Some(told(1)), messages(4..=5), &["m4", "m5"], 2, 5),
        (None, messages(3..=3), &["m3"], 2, 3),
        // A failure was kept, and others after it were not.
        (Some(told(1)), with_gap.clone(), &["m7", "m8"], 5, 8),
        (Some(told(7)), with_gap, &["m8"], 0, 8),
        // The status was emptied and begun anew.
        (Some(told(9)), messages(1..=2), &["m1", "m2"], 0, 2),
        (Some(told(9)), json!({}), &[], 0, 0),
    ];
    for (cursor, status, expected, missed, sequence) in cases {
        let news = news(cursor.as_ref(), &object(&status), &reporter(true));
        assert_eq!(texts(&news), expected, "{cursor:?}");
        assert_eq!(
            (news.missed, news.cursor.sequence),
            (missed, sequence),
            "{cursor:?}"
        );
    }
}

#[test]
fn an_event_says_what_flux_says() {
    let news = news(None, &object(&messages(1..=1)), &reporter(true));
    let Happened { key, event, .. } = &news.events[0];
    assert_eq!(key, "u/1@1767323045");
    assert_eq!(
        serde_json::to_value(event).unwrap(),
        json!({
            "involvedObject": {
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "name": "app",
                "namespace": "team", "uid": "u", "resourceVersion": "7",
            },
            "severity": "error", "timestamp": "2026-01-02T03:04:05Z", "message": "m1", "reason": "R",
            "metadata": {
                "event.toolkit.fluxcd.io/env": "prod", "kustomize.toolkit.fluxcd.io/revision": "main@sha1:a",
            },
            "reportingController": "kustomize-controller", "reportingInstance": "pod",
        })
    );
}

#[test]
fn without_messages_the_condition_speaks_when_it_changes() {
    let ready = |status: &str, message: &str| {
        json!({
            "conditions": [{"type": "Ready", "status": status, "reason": "R", "message": message}],
            "lastAttemptedRevision": "v1",
        })
    };
    let mut cursor = None;
    let mut heard = Vec::new();
    for status in [
        json!({}),
        ready("Unknown", "begins"),
        ready("False", "broken"),
        ready("False", "broken"),
        ready("Unknown", "tries"),
        ready("False", "broken"),
        ready("True", "fine"),
        ready("False", "broken"),
    ] {
        let news = news(cursor.as_ref(), &object(&status), &reporter(false));
        for Happened { event, .. } in &news.events {
            assert_eq!(event.metadata["kustomize.toolkit.fluxcd.io/revision"], "v1");
            heard.push((event.severity, event.message.clone()));
        }
        cursor = Some(news.cursor);
    }
    let expected = [
        (Severity::Error, "broken"),
        (Severity::Info, "fine"),
        (Severity::Error, "broken"),
    ];
    assert_eq!(
        heard,
        expected.map(|(severity, text)| (severity, text.to_owned()))
    );
    let silent = news(
        None,
        &object(&ready("False", "no message of ours")),
        &reporter(true),
    );
    assert_eq!(
        texts(&silent),
        [""; 0],
        "a controller that keeps messages has nothing to tell"
    );
}

#[test]
fn what_cannot_be_read_counts_as_absent() {
    for status in [
        json!("text"),
        json!({"messages": "none", "conditions": 7, "artifact": []}),
        json!({"messages": [{"sequence": "one"}], "conditions": [{"type": 1}]}),
        json!(null),
    ] {
        let news = news(Some(&told(3)), &object(&status), &reporter(true));
        assert_eq!(texts(&news), [""; 0], "{status}");
    }
}

#[test]
fn the_end_of_a_failure_is_known_as_one() {
    let mut all = messages(1..=4);
    all["messages"][2]["endsFailure"] = json!(true);
    let news = news(Some(&told(1)), &object(&all), &reporter(true));
    let ends: Vec<(&str, bool)> = news
        .events
        .iter()
        .map(|happened| (happened.event.message.as_str(), happened.ends_failure))
        .collect();
    assert_eq!(ends, [("m2", false), ("m3", true), ("m4", false)]);
}

#[test]
fn the_end_of_a_failure_is_known_where_conditions_speak() {
    let ready = |status: &str, message: &str| json!({"conditions": [{"type": "Ready", "status": status, "reason": "R", "message": message}]});
    let after = |cursor: Option<&Cursor>, status: &Value| news(cursor, &object(status), &reporter(false));
    let broken = after(None, &ready("False", "broken"));
    let ends = |news: &News| news.events[0].ends_failure;
    assert!(!ends(&broken));
    assert!(ends(&after(Some(&broken.cursor), &ready("True", "fine"))));
    assert!(!ends(&after(Some(&broken.cursor), &ready("False", "otherwise"))));
    assert!(!ends(&after(None, &ready("True", "fine"))));
    // As an earlier version has saved it: known, and not told again.
    let mut saved = broken.cursor.clone();
    if let Some(ready) = &mut saved.ready {
        ready.fingerprint = ready.fingerprint.trim_end_matches('!').to_owned();
    }
    assert_ne!(saved, broken.cursor);
    let again = after(Some(&saved), &ready("False", "broken"));
    assert_eq!(texts(&again), [""; 0]);
    assert_eq!(again.cursor, broken.cursor);
}

#[test]
fn what_an_object_waits_for_is_read_from_its_condition() {
    let status = |reason: &str, text: &str| {
        json!({
            "messages": [{
                "message": text, "reason": "DependencyNotReady", "severity": "info", "sequence": 1,
                "time": "2026-01-02T03:04:05Z",
            }],
            "conditions": [{
                "type": "Ready", "status": "False", "reason": reason, "message": "dependency 'team/base' is not ready",
            }],
        })
    };
    let vague = "Dependencies do not meet ready condition, retrying in 30s";
    for (status, expected) in [
        (
            status("DependencyNotReady", vague),
            &["Kustomization/team/base"][..],
        ),
        // It is not ready for another reason by now.
        (status("BuildFailed", vague), &[]),
        (
            status("BuildFailed", "dependency 'team/other' is not ready"),
            &["Kustomization/team/other"],
        ),
    ] {
        let news = news(None, &object(&status), &reporter(true));
        assert_eq!(news.events[0].causes, expected, "{status}");
    }
}

#[test]
fn what_was_before_the_first_start_is_old_news() {
    let mut status = messages(1..=3);
    for (at, day) in ["02", "03", "04"].iter().enumerate() {
        status["messages"][at]["time"] = json!(format!("2026-01-{day}T00:00:00Z"));
    }
    let first_start = |since: &str| Reporter {
        since: since.parse().unwrap(),
        ..reporter(true)
    };
    let made = |object: &mut Reported, time: &str| {
        object.metadata.creation_timestamp = Some(Time(time.parse().unwrap()));
    };
    for (since, expected) in [
        ("2026-01-01T00:00:00Z", &["m1", "m2", "m3"][..]),
        ("2026-01-03T00:00:00Z", &["m2", "m3"]),
        ("2026-01-03T12:00:00Z", &["m3"]),
        ("2026-01-05T00:00:00Z", &[]),
    ] {
        let mut object = object(&status);
        made(&mut object, "2026-01-02T00:00:00Z");
        let (first, later) = (
            news(None, &object, &first_start(since)),
            news(Some(&told(1)), &object, &first_start(since)),
        );
        assert_eq!(texts(&first), expected, "{since}");
        assert_eq!((first.missed, first.cursor.sequence), (0, 3), "{since}");
        assert_eq!(texts(&later), ["m2", "m3"], "what was told of goes on");
    }
    // What the status of an older object does not hold any more was before; of a newer one it is missed.
    let mut gone = object(&messages(4..=5));
    for (time, missed) in [("2026-01-01T00:00:00Z", 0), ("2026-01-02T00:00:00Z", 3)] {
        made(&mut gone, time);
        let news = news(None, &gone, &first_start("2026-01-01T12:00:00Z"));
        assert_eq!((texts(&news), news.missed), (vec!["m4", "m5"], missed), "{time}");
    }
}

fn ready_at(status: &str, message: &str, time: &str) -> Reported {
    object(&json!({"conditions": [
        {"type": "Ready", "status": status, "reason": "R", "message": message, "lastTransitionTime": time},
    ]}))
}

#[test]
fn a_condition_from_before_the_first_start_is_old_news() {
    let reporter = Reporter {
        since: "2026-01-02T00:00:00Z".parse().unwrap(),
        ..reporter(false)
    };
    for (time, expected) in [("2026-01-01T23:59:59Z", 0), ("2026-01-02T00:00:00Z", 1)] {
        let object = ready_at("False", "broken", time);
        let first = news(None, &object, &reporter);
        assert_eq!(first.events.len(), expected, "{time}");
        let again = news(Some(&first.cursor), &object, &reporter);
        assert_eq!((again.events.len(), again.cursor), (0, first.cursor.clone()));
        let end = news(
            Some(&first.cursor),
            &ready_at("True", "fine", "2026-01-03T00:00:00Z"),
            &reporter,
        );
        assert!(end.events[0].ends_failure, "{time}");
    }
}

#[test]
fn each_transition_has_a_key_of_its_own_and_keeps_it() {
    let keys = |times: [&str; 4], mut cursor: Option<Cursor>| {
        let states = [
            ("False", "broken"),
            ("True", "fine"),
            ("False", "broken"),
            ("True", "fine"),
        ];
        let mut keys = Vec::new();
        for ((status, message), time) in states.into_iter().zip(times) {
            let news = news(
                cursor.as_ref(),
                &ready_at(status, message, time),
                &reporter(false),
            );
            keys.extend(news.events.into_iter().map(|happened| happened.key));
            cursor = Some(news.cursor);
        }
        keys
    };
    let (a, b) = ("2026-01-02T03:04:05Z", "2026-01-02T03:04:06Z");
    // Also where all of it is in one second.
    for times in [[a, a, b, b], [a, a, a, a], [a, b, b, b]] {
        let told = keys(times, None);
        let distinct: std::collections::BTreeSet<&String> = told.iter().collect();
        assert_eq!((told.len(), distinct.len()), (4, 4), "{told:?}");
        assert_eq!(
            keys(times, None),
            told,
            "a process that tells it again says the same"
        );
    }
}
