use super::*;
use crate::message::example::event;

const START: Timestamp = Timestamp::UNIX_EPOCH;

fn empty() -> Digest {
    Digest::new(&Key::new("team", "all"), "a", START)
}

fn happened(kind: &str, name: &str, number: i64, reason: &str, message: &str) -> Happened {
    let mut event = event(Severity::Info);
    event.involved_object.kind = Some(kind.into());
    event.involved_object.namespace = Some("team".into());
    event.involved_object.name = Some(name.into());
    event.timestamp = Time(Timestamp::from_second(number).unwrap());
    event.reason = reason.into();
    event.message = message.into();
    Happened {
        key: format!("{kind}-{name}/{number}"),
        event,
        ends_failure: false,
        causes: Vec::new(),
    }
}

#[test]
fn it_counts_by_kind_and_reason_and_tells_the_last_of_each_object() {
    let mut digest = empty();
    for (kind, name, number, reason, text) in [
        (
            "Kustomization",
            "app",
            1,
            "Progressing",
            "ConfigMap/team/a created\nConfigMap/team/b created",
        ),
        ("GitRepository", "fleet", 1, "NewArtifact", "stored"),
        (
            "Kustomization",
            "web",
            1,
            "Progressing",
            "ConfigMap/team/c created",
        ),
        (
            "Kustomization",
            "app",
            2,
            "ReconciliationSucceeded",
            "finished in 2s",
        ),
    ] {
        assert!(digest.add(&happened(kind, name, number, reason, text)));
    }
    let event = digest.event(START, "pod");
    assert_eq!(
        event.message,
        "4 messages since 1970-01-01T00:00:00Z\n\
         Kustomization Progressing: 2\nGitRepository NewArtifact: 1\nKustomization ReconciliationSucceeded: 1\n\
         - Kustomization/team/app: ReconciliationSucceeded: finished in 2s\n\
         - Kustomization/team/web: Progressing: ConfigMap/team/c created\n\
         - GitRepository/team/fleet: NewArtifact: stored"
    );
    assert_eq!(
        (event.kind(), event.namespace(), event.name()),
        ("Alert", "team", "all")
    );
    assert_eq!((event.severity, &*event.reason), (Severity::Info, "Digest"));
    assert_eq!(event.group(), "notification.toolkit.fluxcd.io");
}

#[test]
fn what_a_crash_has_told_again_is_counted_once() {
    let mut digest = empty();
    let first = happened("Kustomization", "app", 1, "R", "m");
    assert!(digest.add(&first));
    let mut saved: Digest = serde_json::from_str(&serde_json::to_string(&digest).unwrap()).unwrap();
    assert_eq!(saved, digest);
    assert!(!saved.add(&first));
    assert!(saved.add(&happened("Kustomization", "app", 2, "R", "m")));
    assert_eq!(saved.messages(), 2);
    assert_eq!(saved.key(), digest.key(), "it is the same digest");
}

#[test]
fn what_two_replicas_gathered_is_put_together() {
    let (mut digest, mut earlier) = (empty(), empty());
    digest.since = Timestamp::from_second(60).unwrap();
    digest.add(&happened("Kustomization", "app", 9, "R", "new"));
    earlier.add(&happened("Kustomization", "app", 1, "R", "old"));
    earlier.add(&happened("Kustomization", "web", 2, "R", "other"));
    digest.absorb(earlier);
    assert_eq!(
        digest.text(),
        "3 messages since 1970-01-01T00:00:00Z\nKustomization R: 3\n\
         - Kustomization/team/app: R: new\n- Kustomization/team/web: R: other"
    );
}

#[test]
fn it_stays_small_whatever_happens() {
    let mut digest = empty();
    let long = "\u{1}é".repeat(10_000);
    for n in 0..2_000 {
        digest.add(&happened(
            &format!("{long}{n}"),
            &format!("{long}{n}"),
            n,
            &long,
            &long,
        ));
        digest.add(&happened(
            "Kustomization",
            &format!("app{n}"),
            n,
            &format!("R{n}"),
            &long,
        ));
    }
    let saved = serde_json::to_string(&digest).unwrap().len();
    assert!(saved < 600 << 10, "{saved}");
    assert_eq!(digest.objects.len(), OBJECTS);
    let text = digest.text();
    assert!(text.len() < 3 * TEXT, "{}", text.len());
    assert!(text.starts_with("4000 messages since"));
    assert!(text.contains("\nothers: "));
    assert!(text.ends_with(" more, and others before"), "{text}");
}

#[test]
fn failures_and_their_end_do_not_wait() {
    let info = happened("Kustomization", "app", 1, "R", "m");
    assert!(may_wait(&info));
    let end = Happened {
        ends_failure: true,
        ..info.clone()
    };
    assert!(!may_wait(&end));
    let mut failure = info;
    failure.event.severity = Severity::Error;
    assert!(!may_wait(&failure));
}
