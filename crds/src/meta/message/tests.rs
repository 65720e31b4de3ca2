use super::*;
use k8s_openapi::jiff::Timestamp;

const WELL: Left<'static> = Left::Well {
    reason: "Succeeded",
    message: "all is well",
};

fn now() -> Time {
    Time(Timestamp::UNIX_EPOCH)
}

fn message(severity: MessageSeverity, text: &str) -> Message {
    Message {
        ends_failure: false,
        message: text.into(),
        metadata: BTreeMap::new(),
        over: false,
        reason: "Failed".into(),
        sequence: 0,
        severity,
        time: now(),
    }
}

fn failed(text: &str) -> Message {
    message(MessageSeverity::Error, text)
}

fn done(text: &str) -> Message {
    message(MessageSeverity::Info, text)
}

fn texts(kept: &[Message]) -> Vec<(i64, &str)> {
    kept.iter().map(|m| (m.sequence, m.message.as_str())).collect()
}

fn ends(kept: &[Message]) -> Vec<&str> {
    let ends = kept.iter().filter(|m| m.ends_failure);
    ends.map(|m| m.message.as_str()).collect()
}

/// What is kept after passes that told this and left the object so.
fn after<const N: usize>(passes: [(Vec<Message>, Left<'_>); N]) -> Vec<Message> {
    let mut kept = Vec::new();
    for (told, left) in passes {
        add_messages(&mut kept, told, left, &now());
    }
    kept
}

#[test]
fn a_failure_that_lasts_is_told_once() {
    let failing = Left::Failing("Failed");
    let both = || vec![failed("a"), failed("b")];
    let mut kept = after([
        (both(), failing),
        (both(), failing),
        // Shown to be under way, known and not told again, and again.
        (vec![], Left::Undecided),
        (vec![], failing),
        (both(), failing),
        (vec![failed("b")], failing),
    ]);
    assert_eq!(texts(&kept), [(1, "a"), (2, "b")]);
    // Something is wrong though the object is ready: as long as it is told, it lasts.
    let again = kept.clone();
    add_messages(&mut kept, both(), WELL, &now());
    assert_eq!(kept, again);
    let long = || vec![failed(&"x".repeat(BYTES))];
    for _ in 0..3 {
        add_messages(&mut kept, long(), failing, &now());
    }
    assert_eq!(kept.last().unwrap().sequence, 3, "nor is what had to be cut");
}

#[test]
fn what_happens_again_is_told_again() {
    let failing = Left::Failing("Failed");
    for (what, between) in [
        ("it was well, and nobody said so", (vec![], WELL)),
        ("it was another failure, told", (vec![failed("other")], failing)),
        (
            "it was another failure, not told",
            (vec![], Left::Failing("Other")),
        ),
        ("it waited for something", (vec![done("waits")], failing)),
    ] {
        let kept = after([
            (vec![failed("a")], failing),
            between,
            (vec![failed("a")], failing),
            (vec![failed("a")], failing),
        ]);
        let count = kept.iter().filter(|m| m.message == "a").count();
        assert_eq!(count, 2, "{what}: {:?}", texts(&kept));
    }
    // A failure that is undone in the pass that finds it, and anything that went well.
    let drift = || vec![failed("drifted"), done("corrected")];
    let kept = after([
        (drift(), WELL),
        (drift(), WELL),
        (vec![done("x")], WELL),
        (vec![done("x")], WELL),
    ]);
    assert_eq!(
        texts(&kept),
        [
            (1, "drifted"),
            (2, "corrected"),
            (3, "drifted"),
            (4, "corrected"),
            (5, "x"),
            (6, "x")
        ]
    );
}

#[test]
fn the_end_of_a_failure_is_told_and_marked() {
    let failing = Left::Failing("Failed");
    for (what, passes, expected) in [
        ("nothing failed", vec![(vec![done("a")], WELL)], &[][..]),
        (
            "the pass says so itself, last",
            vec![
                (vec![failed("f")], failing),
                (vec![done("a"), done("b")], WELL),
                (vec![done("c")], WELL),
            ],
            &["b"],
        ),
        (
            "nobody says so",
            vec![(vec![failed("f")], failing), (vec![], WELL), (vec![], WELL)],
            &["all is well"],
        ),
        (
            "what went well did not help",
            vec![
                (vec![failed("f")], failing),
                (vec![done("a")], failing),
                (vec![done("b")], Left::Undecided),
            ],
            &[],
        ),
        (
            "it failed otherwise meanwhile",
            vec![
                (vec![failed("f")], failing),
                (vec![], Left::Failing("Other")),
                (vec![], WELL),
            ],
            &["all is well"],
        ),
        (
            "it is undone at once",
            vec![(vec![failed("f"), done("a")], WELL)],
            &["a"],
        ),
        (
            "it stands though the object is ready",
            vec![(vec![done("a"), failed("f")], WELL)],
            &[],
        ),
    ] {
        let mut kept = Vec::new();
        for (told, left) in passes {
            add_messages(&mut kept, told, left, &now());
        }
        assert_eq!(ends(&kept), expected, "{what}: {:?}", texts(&kept));
    }
}

#[test]
fn how_an_object_is_left_is_read_from_its_conditions() {
    let condition = |type_: &str, status: ConditionStatus, reason: &str| Condition {
        type_: type_.into(),
        status,
        observed_generation: None,
        last_transition_time: now(),
        reason: reason.into(),
        message: format!("{type_} {reason}"),
    };
    let (yes, no) = (ConditionStatus::True, ConditionStatus::False);
    let ready = |reason| condition(READY, yes, reason);
    let well = |reason, message| Left::Well { reason, message };
    let drifted = condition("Drifted", yes, "Failed");
    for (old, new, told, expected) in [
        (vec![], vec![], vec![], Left::Undecided),
        (
            vec![],
            vec![condition(READY, ConditionStatus::Unknown, "Progressing")],
            vec![],
            Left::Undecided,
        ),
        (
            vec![],
            vec![condition(READY, no, "Failed")],
            vec![],
            Left::Failing("Failed"),
        ),
        (vec![], vec![ready("Good")], vec![], well("Good", "Ready Good")),
        (
            vec![condition(READY, no, "Failed")],
            vec![ready("Good")],
            vec![failed("f")],
            well("Good", "Ready Good"),
        ),
        // The failure is another condition's.
        (
            vec![drifted.clone()],
            vec![ready("Good"), drifted.clone()],
            vec![failed("f")],
            Left::Undecided,
        ),
        (
            vec![drifted.clone()],
            vec![ready("Good"), condition("Drifted", no, "NoDrift")],
            vec![failed("f")],
            well("NoDrift", "Drifted NoDrift"),
        ),
        (
            vec![drifted.clone()],
            vec![ready("Good")],
            vec![failed("f")],
            well("Good", "Ready Good"),
        ),
    ] {
        assert_eq!(Left::of(&old, &new, &told), expected, "{old:?} {new:?}");
    }
}

#[test]
fn the_oldest_make_room() {
    let mut kept = Vec::new();
    for n in 0..100 {
        add_messages(&mut kept, vec![done(&n.to_string())], WELL, &now());
    }
    assert_eq!(kept.len(), KEPT);
    assert_eq!(texts(&kept).first(), Some(&(81, "80")));
    for _ in 0..9 {
        add_messages(&mut kept, vec![done(&"é".repeat(BYTES))], WELL, &now());
        let bytes: usize = kept.iter().map(size).sum();
        assert!(bytes <= BYTES, "{bytes}");
    }
    assert_eq!(kept.last().unwrap().sequence, 109);
    assert!(kept.last().unwrap().message.ends_with("é..."));
    assert!(kept.len() > 4);
}

#[test]
fn nothing_pushes_out_what_the_pass_tells_nor_the_last_failure() {
    let failing = Left::Failing("Failed");
    let long = |letter: &str| letter.repeat(39_000);
    let dressed = |mut message: Message| {
        let value = |n: usize| (format!("helm.toolkit.fluxcd.io/{n}"), "v".repeat(BYTES));
        message.metadata = (0..4).map(value).collect();
        message
    };
    // Two long ones of one pass, with all that may come along.
    let kept = after([(
        vec![dressed(done(&long("a"))), dressed(failed(&long("b")))],
        failing,
    )]);
    assert_eq!(kept.len(), 2);
    // A failure, and long and many messages after it, until it ends.
    let mut kept = after([(vec![failed("f")], failing)]);
    for _ in 0..100 {
        let changes = vec![dressed(done(&long("c"))), done(&long("d")), done(&long("e"))];
        add_messages(&mut kept, changes, Left::Undecided, &now());
        assert_eq!(texts(&kept)[0], (1, "f"));
        assert!(kept.len() <= KEPT, "{}", kept.len());
        let bytes: usize = kept.iter().map(size).sum();
        assert!(bytes <= BYTES, "{bytes}");
    }
    add_messages(&mut kept, vec![done("g")], WELL, &now());
    assert_eq!(ends(&kept), ["g"]);
    add_messages(&mut kept, vec![done(&long("h")); 4], WELL, &now());
    assert_ne!(texts(&kept)[0], (1, "f"), "its end was told");
}

#[test]
fn whatever_a_pass_tells_is_bounded() {
    for count in [1, 5, KEPT, 10 * KEPT] {
        let mut kept = after([(vec![failed("f")], Left::Failing("Failed"))]);
        let mut one = done(&"x".repeat(1 << 20));
        one.metadata = (0..4).map(|n| (n.to_string(), "v".repeat(1 << 20))).collect();
        for _ in 0..2 {
            add_messages(&mut kept, vec![one.clone(); count], Left::Undecided, &now());
            assert_eq!(kept.len(), (count + 1).min(KEPT), "{count}");
            kept.retain(is_failure);
        }
        let mut kept = after([(vec![one; count], WELL)]);
        let bytes: usize = kept.iter().map(size).sum();
        let least = count.min(KEPT) * (LEAST_BYTES + 4 * (VALUE_BYTES + 1) + 10);
        assert!(bytes <= BYTES.max(least), "{count}: {bytes}");
        add_messages(&mut kept, vec![done("end")], WELL, &now());
        assert_eq!(kept.last().unwrap().message, "end");
        let bytes: usize = kept.iter().map(size).sum();
        assert!(bytes <= BYTES, "{count}: {bytes}");
    }
}
