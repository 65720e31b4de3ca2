//! What is refused, and what passes it.

use super::*;

/// What arrives at a service that refuses some messages, and in what order; it is down for the first attempts.
fn arrived(posted: &[(&str, &str)], down: usize, refuses: &[&str]) -> (Vec<String>, Duration) {
    let (outbox, start) = (Outbox::default(), Instant::now());
    let items = posted.iter().map(|(key, name)| (item(key, name, "R", "m"), None));
    outbox.post(&sink(), items, start);
    let (mut now, mut told) = (start, Vec::new());
    let pause = |failures: u32| Duration::from_secs(1 << (failures - 1).min(8));
    for attempt in 0..200 {
        match outbox.next(&sink(), now) {
            Next::Nothing => break,
            Next::Wait(until, _) => now = until,
            Next::Send(item) if attempt < down || refuses.contains(&&*item.key) => {
                let refused = outbox.refused(&sink(), (&item, false), now, pause);
                if refused.failures > 0 {
                    now += pause(refused.failures.min(4));
                }
            }
            Next::Send(item) => {
                outbox.arrived(&sink());
                outbox.done(&sink(), &item);
                told.push(item.key.clone());
                if told.len() + refuses.len() == posted.len() {
                    break;
                }
            }
        }
    }
    (told, now - start)
}

#[test]
fn a_message_that_is_refused_for_itself_holds_no_other_up() {
    let posted = [
        ("1", "a"),
        ("2", "b"),
        ("3", "a"),
        ("4", "c"),
        ("5", "d"),
        ("6", "b"),
    ];
    let (told, took) = arrived(&posted, 0, &["1"]);
    assert_eq!(told, ["2", "3", "4", "5", "6"]);
    assert!(took < Duration::from_secs(30), "{took:?}");
    let (told, took) = arrived(&posted, 0, &["1", "2", "3", "5"]);
    assert_eq!(told, ["4", "6"]);
    assert!(took < Duration::from_secs(60), "{took:?}");
}

#[test]
fn a_service_that_was_down_is_told_of_each_object_in_order() {
    let posted = [
        ("1", "a"),
        ("2", "a"),
        ("3", "b"),
        ("4", "a"),
        ("5", "b"),
        ("6", "c"),
    ];
    for down in 0..40 {
        let (told, _) = arrived(&posted, down, &[]);
        let of = |name| {
            let keys = posted
                .iter()
                .filter(move |(_, n)| *n == name)
                .map(|(key, _)| *key);
            keys.map(|key| told.iter().position(|told| told == key).expect("it arrives"))
        };
        assert!(
            of("a").is_sorted() && of("b").is_sorted(),
            "down for {down}: {told:?}"
        );
        assert_eq!(told.len(), posted.len());
        if down < 3 {
            assert!(told.is_sorted(), "nothing passes: {told:?}");
        }
    }
}

#[test]
fn what_is_refused_for_itself_is_tried_again_and_at_once_by_another_provider() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let items = [("1", "a"), ("2", "b")].map(|(key, name)| (item(key, name, "R", "m"), None));
    outbox.post(&sink(), items, now);
    let hour = |_| Duration::from_secs(3600);
    for _ in 0..3 {
        let first = sent(outbox.next(&sink(), now)).unwrap();
        assert_eq!(first.key, "1");
        outbox.refused(&sink(), (&first, false), now, hour);
    }
    let second = sent(outbox.next(&sink(), now)).unwrap();
    assert_eq!(second.key, "2");
    outbox.done(&sink(), &second);
    assert!(matches!(outbox.next(&sink(), now), Next::Wait(until, _) if until == now + hour(0)));
    assert_eq!(saved(&outbox).len(), 1, "it is saved meanwhile");
    outbox.forgive(&sink());
    assert_eq!(sent(outbox.next(&sink(), now)).unwrap().key, "1");
}

#[test]
fn a_status_of_another_commit_passes() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let items = [("1", "a"), ("2", "a"), ("3", "b")].map(|(key, commit)| {
        let mut item = item(key, "a", "R", "m");
        let revision = format!("main@sha1:{}", commit.repeat(40));
        item.event.metadata.insert("revision".into(), revision);
        (item, None)
    });
    outbox.post(&sink(), items, now);
    for _ in 0..3 {
        let first = sent(outbox.next(&sink(), now)).unwrap();
        outbox.refused(&sink(), (&first, true), now, |_| Duration::from_secs(60));
    }
    assert_eq!(sent(outbox.next(&sink(), now)).unwrap().key, "3");
}
