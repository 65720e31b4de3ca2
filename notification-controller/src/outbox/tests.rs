mod asides;
mod parts;
mod room;

use super::{example::item, *};

fn sink() -> Key {
    Key::new("team", "sink")
}

/// What is to be saved.
fn saved(outbox: &Outbox) -> Vec<Arc<Item>> {
    let parts = outbox.changed().parts.into_iter();
    parts.flat_map(|part| part.items).collect()
}

fn sent(next: Next) -> Option<Arc<Item>> {
    match next {
        Next::Send(item) => Some(item),
        Next::Wait(..) | Next::Nothing => None,
    }
}

#[test]
fn what_an_earlier_version_saved_can_be_read() {
    let item = item("1", "a", "R", "m");
    let mut saved = serde_json::to_value(&item).unwrap();
    saved.as_object_mut().unwrap().remove("marks");
    assert_eq!((saved.get("held"), saved.get("causes")), (None, None), "{saved}");
    assert_eq!(serde_json::from_value::<Item>(saved).unwrap(), item);
}

#[test]
fn messages_leave_in_order_and_stay_until_they_are_done() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    assert!(
        outbox
            .post(&sink(), [(item("1", "a", "R", "m"), None)], now)
            .new_lane
    );
    assert!(
        !outbox
            .post(&sink(), [(item("2", "b", "R", "m"), None)], now)
            .new_lane
    );
    for key in ["1", "2"] {
        let first = sent(outbox.next(&sink(), now)).unwrap();
        assert_eq!(first.key, key);
        assert_eq!(sent(outbox.next(&sink(), now)).unwrap(), first);
        outbox.done(&sink(), &first);
    }
    assert!(matches!(outbox.next(&sink(), now), Next::Nothing));
    let changed = outbox.changed().parts;
    assert!(
        matches!(&changed[..], [part] if part.provider == sink() && part.items.is_empty()),
        "that it is empty is to be saved: {changed:?}"
    );
    assert_eq!(outbox.changed().parts, []);
    assert!(
        outbox
            .post(&sink(), [(item("3", "c", "R", "m"), None)], now)
            .new_lane
    );
}

#[test]
fn what_belongs_together_leaves_as_one() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let window = Some(Duration::from_secs(10));
    for n in 0..40 {
        outbox.post(
            &sink(),
            [(
                item(&n.to_string(), &format!("app{n}"), "BuildFailed", "no such file"),
                window,
            )],
            now,
        );
    }
    outbox.post(
        &sink(),
        [(item("x", "other", "HealthCheckFailed", "timeout"), window)],
        now,
    );
    let later = now + Duration::from_secs(10);
    assert!(matches!(outbox.next(&sink(), now), Next::Wait(due, _) if due == later));
    assert_eq!(outbox.waiting(&sink(), &Key::new("team", "all")), 41);
    let first = sent(outbox.next(&sink(), later)).unwrap();
    assert!(
        first
            .event
            .message
            .starts_with("40 Kustomization objects: BuildFailed: no such file\n- team/app0\n"),
        "{}",
        first.event.message
    );
    assert!(first.event.message.ends_with("- and 20 more"));
    assert_eq!(first.event.metadata["revision"], "main");
    assert_eq!(first.event.metadata["count"], "40");
    assert!(
        !first.event.metadata.contains_key("name"),
        "they do not agree on it"
    );
    outbox.done(&sink(), &first);
    let second = sent(outbox.next(&sink(), later)).unwrap();
    assert_eq!(second.event.message, "timeout", "alone, it is what it was");
}

#[test]
fn what_is_held_back_when_the_process_ends_is_held_back_by_the_next() {
    let (before, now) = (Outbox::default(), Instant::now());
    let minute = Duration::from_secs(60);
    let mut waits = item(
        "1",
        "web",
        "DependencyNotReady",
        "dependency 'team/base' is not ready",
    );
    waits.causes = vec!["Kustomization/team/base".into()];
    before.post(
        &sink(),
        [(waits, Some(minute)), (item("2", "x", "R", "m"), None)],
        now,
    );
    let saved = serde_json::to_string(&saved(&before)).unwrap();

    let (outbox, rest) = (Outbox::default(), Duration::from_secs(20));
    let items: Vec<Item> = serde_json::from_str(&saved).unwrap();
    let with_rest = items.into_iter().map(|item| (item.held.then_some(rest), item));
    outbox.post(&sink(), with_rest.map(|(rest, item)| (item, rest)), now);
    let second = sent(outbox.next(&sink(), now)).unwrap();
    assert_eq!(second.key, "2", "this one never was");
    outbox.done(&sink(), &second);
    assert!(matches!(outbox.next(&sink(), now), Next::Wait(due, _) if due == now + rest));
    // What it waits for fails: one cause, one message, and the first one's time counts.
    outbox.post(
        &sink(),
        [(item("3", "base", "BuildFailed", "m"), Some(minute))],
        now,
    );
    let told = sent(outbox.next(&sink(), now + rest)).unwrap();
    assert!(
        told.event
            .message
            .starts_with("2 objects because of Kustomization/team/base"),
        "{}",
        told.event.message
    );
    assert!(!told.held && told.causes.is_empty(), "it is on its way");
}

#[test]
fn what_was_held_back_long_enough_leaves_as_one_at_once() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let items = (0..40).map(|n| {
        (
            item(&n.to_string(), &format!("app{n}"), "R", "m"),
            Some(Duration::ZERO),
        )
    });
    outbox.post(&sink(), items, now);
    let told = sent(outbox.next(&sink(), now)).unwrap();
    assert_eq!(told.event.metadata["count"], "40");
    let since = item("1", "a", "R", "m").since;
    assert!(told.since > since, "it waits to be sent from now on");
}

#[tokio::test]
async fn what_is_held_back_holds_no_other_message_up() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let hour = Duration::from_secs(3600);
    outbox.post(&sink(), [(item("1", "a", "R", "m"), Some(hour))], now);
    let Next::Wait(until, bell) = outbox.next(&sink(), now) else {
        panic!("it is held back");
    };
    assert_eq!(until, now + hour);
    outbox.post(&sink(), [(item("2", "b", "R", "m"), None)], now);
    let rung = tokio::time::timeout(Duration::from_secs(5), async {
        // Once for the message that was there before.
        bell.notified().await;
        outbox.next(&sink(), now)
    });
    assert_eq!(sent(rung.await.unwrap()).unwrap().key, "2");
}

#[test]
fn what_waits_already_does_not_wait_twice() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    for _ in 0..2 {
        outbox.post(&sink(), [(item("1", "a", "R", "m"), None)], now);
    }
    assert_eq!(saved(&outbox).len(), 1);
    let sent = sent(outbox.next(&sink(), now)).unwrap();
    outbox.done(&sink(), &sent);
    assert!(matches!(outbox.next(&sink(), now), Next::Nothing));
}
