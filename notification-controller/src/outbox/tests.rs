mod asides;

use super::{item::ITEM_BYTES, *};
use crate::event::{Event, Marks, Severity};
use jiff::Timestamp;
use k8s_openapi::{api::core::v1::ObjectReference, apimachinery::pkg::apis::meta::v1::Time};
use std::collections::BTreeMap;

fn item(key: &str, name: &str, reason: &str, message: &str) -> Item {
    Item {
        key: key.into(),
        ends_failure: false,
        marks: Marks::default(),
        causes: Vec::new(),
        held: false,
        alert_namespace: "team".into(),
        alert_name: "all".into(),
        alert_uid: "a".into(),
        event: Event {
            involved_object: ObjectReference {
                kind: Some("Kustomization".into()),
                name: Some(name.into()),
                namespace: Some("team".into()),
                ..Default::default()
            },
            severity: Severity::Error,
            timestamp: Time(Timestamp::UNIX_EPOCH),
            message: message.into(),
            reason: reason.into(),
            metadata: BTreeMap::from([("revision".into(), "main".into()), ("name".into(), name.into())]),
            reporting_controller: "kustomize-controller".into(),
            reporting_instance: String::new(),
        },
        since: Timestamp::UNIX_EPOCH,
    }
}

fn sink() -> Key {
    Key::new("team", "sink")
}

/// What is to be saved.
fn saved(outbox: &Outbox) -> Vec<Arc<Item>> {
    outbox
        .changed()
        .into_iter()
        .flat_map(|(.., items)| items)
        .collect()
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
        for _ in 0..2 {
            assert_eq!(sent(outbox.next(&sink(), now)).unwrap().key, key);
        }
        outbox.done(&sink(), key, "a");
    }
    assert!(matches!(outbox.next(&sink(), now), Next::Nothing));
    assert_eq!(
        outbox.changed(),
        [(sink(), 0, vec![])],
        "that it is empty is to be saved"
    );
    assert_eq!(outbox.changed(), []);
    assert!(
        outbox
            .post(&sink(), [(item("3", "c", "R", "m"), None)], now)
            .new_lane
    );
}

#[test]
fn the_oldest_make_room_and_are_named() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let mut given_up = 0;
    for n in 0..LANE_ITEMS + 5 {
        given_up += outbox
            .post(
                &sink(),
                [(item(&n.to_string(), "a", "R", ""), Some(Duration::from_secs(1)))],
                now,
            )
            .given_up
            .len();
    }
    assert!(given_up >= 5);
    let mut large = 0;
    for n in 0..400 {
        let text = "x".repeat(12 * 1024);
        large += outbox
            .post(&sink(), [(item(&format!("l{n}"), "a", "R", &text), None)], now)
            .given_up
            .len();
    }
    assert!(large > 0);
    let saved = saved(&outbox);
    let bytes: usize = saved
        .iter()
        .map(|item| serde_json::to_string(item).unwrap().len())
        .sum();
    assert!(bytes < LANE_BYTES, "{bytes}");
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
    outbox.done(&sink(), &first.key, "a");
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
    assert_eq!(
        sent(outbox.next(&sink(), now)).unwrap().key,
        "2",
        "this one never was"
    );
    outbox.done(&sink(), "2", "a");
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
fn the_message_under_way_does_not_make_room() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    for n in 0..=LANE_ITEMS {
        let posted = outbox.post(&sink(), [(item(&n.to_string(), "a", "R", ""), None)], now);
        let given_up: Vec<&str> = posted
            .given_up
            .iter()
            .map(|(_, item)| item.key.as_str())
            .collect();
        if n == LANE_ITEMS {
            assert_eq!(given_up, ["1"]);
        }
    }
    assert_eq!(sent(outbox.next(&sink(), now)).unwrap().key, "0");
}

#[test]
fn a_message_that_is_too_large_leaves_metadata_out() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let mut large = item("1", "a", "R", "m");
    // Control characters are six times as long where they are saved.
    large
        .event
        .metadata
        .insert("odd".into(), "\u{1}".repeat(200 << 10));
    large.event.metadata.insert("vast".into(), "x".repeat(1200 << 10));
    for n in 0..5000 {
        large.event.metadata.insert(format!("k{n}"), "v".repeat(100));
    }
    outbox.post(&sink(), [(large, None)], now);
    let sent = sent(outbox.next(&sink(), now)).unwrap();
    assert!(sent.bytes() <= ITEM_BYTES + 10_000, "{}", sent.bytes());
    let metadata = &sent.event.metadata;
    assert!(!metadata.contains_key("odd") && !metadata.contains_key("vast"));
    assert!(metadata["metadataLeftOut"].starts_with("vast, odd, "));
    assert_eq!((&*sent.event.message, &*metadata["name"]), ("m", "a"));
    assert!(
        outbox
            .post(&sink(), [(item("2", "b", "R", "m"), None)], now)
            .given_up
            .is_empty()
    );
}

#[test]
fn a_storm_of_long_messages_waits_in_several_parts_and_none_moves_to_a_later_one() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let text = "x".repeat(6 << 10);
    let mut given_up = 0;
    for n in 0..400 {
        let item = item(&n.to_string(), &format!("app{n}"), "BuildFailed", &text);
        given_up += outbox.post(&sink(), [(item, None)], now).given_up.len();
    }
    assert_eq!(given_up, 0, "2.5 MB are less than a lane holds");
    let parts = outbox.changed();
    assert!(parts.len() > 3, "{}", parts.len());
    for (_, part, items) in &parts {
        let size = serde_json::to_string(items).unwrap().len();
        assert!(size < 720 << 10, "part {part} has {size} bytes");
    }
    // One message that has arrived changes one part.
    let first = sent(outbox.next(&sink(), now)).unwrap();
    outbox.done(&sink(), &first.key, "a");
    let changed = outbox.changed();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].2.len() + 1, parts[0].2.len());

    let next = Outbox::default();
    let all = parts[1..].iter().flat_map(|(.., items)| items);
    let waiting = changed[0].2.iter().chain(all);
    next.resume(&sink(), waiting.map(|item| (Item::clone(item), None)), now);
    let again = next.changed();
    assert_eq!(
        again.len(),
        usize::from(PARTS),
        "those that are gone are told as well"
    );
    let all: usize = again.iter().map(|(.., items)| items.len()).sum();
    assert_eq!(all, 399);
    for (_, part, items) in &again {
        for item in items {
            let before = parts.iter().find(|(.., items)| items.contains(item)).unwrap();
            assert!(*part <= before.1);
        }
    }
}

#[test]
fn what_was_put_together_is_saved_as_it_was_until_it_has_arrived() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    for n in 0..3 {
        let item = item(&n.to_string(), &format!("app{n}"), "R", "m");
        outbox.post(&sink(), [(item, Some(Duration::ZERO))], now);
    }
    let before = saved(&outbox);
    let group = sent(outbox.next(&sink(), now)).unwrap();
    outbox.touch(&sink(), 0);
    assert_eq!(saved(&outbox), before);
    outbox.done(&sink(), &group.key, "a");
    assert_eq!(outbox.changed(), [(sink(), 0, vec![])]);
}

#[test]
fn many_providers_of_a_namespace_do_not_fill_the_memory_or_cost_others_messages() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let quiet = Key::new("quiet", "sink");
    outbox.post(&quiet, [(item("q", "a", "R", "m"), None)], now);
    let text = "x".repeat(200 << 10);
    let mut given_up = Vec::new();
    for n in 0..60 {
        let provider = Key::new("loud", n.to_string());
        for key in ["1", "2"] {
            given_up.extend(
                outbox
                    .post(&provider, [(item(key, "a", "R", &text), None)], now)
                    .given_up,
            );
        }
    }
    let bytes = |namespace: &str| -> usize {
        let inside = outbox.lock();
        let lanes = inside.lanes.iter().filter(|(key, _)| key.namespace == namespace);
        lanes.map(|(_, lane)| lane.parts.bytes()).sum()
    };
    assert!(bytes("loud") <= NAMESPACE_BYTES && bytes("loud") > NAMESPACE_BYTES / 2);
    assert!(given_up.len() > 40 && given_up.iter().all(|(lane, _)| lane.namespace == "loud"));
    assert_eq!(sent(outbox.next(&quiet, now)).unwrap().key, "q");
    for n in 0..400 {
        let provider = Key::new(format!("team{}", n % 10), n.to_string());
        outbox.post(&provider, [(item("1", "a", "R", &text), None)], now);
    }
    let inside = outbox.lock();
    let all: usize = inside.lanes.values().map(|lane| lane.parts.bytes()).sum();
    assert!(all <= ALL_BYTES, "{all}");
}

#[test]
fn who_has_much_in_many_short_lanes_makes_room_for_who_has_little_in_a_long_one() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let text = "x".repeat(200 << 10);
    let long = Key::new("quiet", "sink");
    let items = (0..4).map(|n| (item(&n.to_string(), "a", "R", &text), None));
    outbox.post(&long, items, now);
    for n in 0..400 {
        let provider = Key::new(format!("loud{}", n % 5), n.to_string());
        let posted = outbox.post(&provider, [(item("1", "a", "R", &text), None)], now);
        let loud = |(lane, _): &(Key, Arc<Item>)| lane.namespace != "quiet";
        assert!(posted.given_up.iter().all(loud), "{n}");
    }
    let inside = outbox.lock();
    assert_eq!(inside.lanes[&long].all().count(), 4);
}

#[test]
fn a_group_has_the_same_key_whatever_the_order_of_its_members() {
    let of = |keys: [&str; 3]| {
        let items = keys.map(|key| Arc::new(item(key, key, "R", "m")));
        group::together(&items).unwrap().key
    };
    assert_eq!(of(["1", "2", "3"]), of(["3", "1", "2"]));
    assert_ne!(of(["1", "2", "3"]), of(["1", "2", "4"]));
}

#[test]
fn a_text_of_a_megabyte_is_cut() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let huge = "\u{1}".repeat(1 << 20);
    outbox.post(&sink(), [(item("1", "a", &huge, &huge), None)], now);
    let kept = sent(outbox.next(&sink(), now)).unwrap();
    // Where it is saved each of these letters has six.
    assert!(
        kept.bytes() <= ITEM_BYTES && kept.event.message.ends_with('…'),
        "{}",
        kept.bytes()
    );
}

#[test]
fn what_waits_already_does_not_wait_twice() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    for _ in 0..2 {
        outbox.post(&sink(), [(item("1", "a", "R", "m"), None)], now);
    }
    assert_eq!(saved(&outbox).len(), 1);
    let sent = sent(outbox.next(&sink(), now)).unwrap();
    outbox.done(&sink(), &sent.key, &sent.alert_uid);
    assert!(matches!(outbox.next(&sink(), now), Next::Nothing));
}
