//! Who makes room, and for whom.

use super::{super::item::ITEM_BYTES, *};
use crate::{event::Severity, group::Like};

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
fn of_what_made_room_nothing_is_left() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let day = Some(Duration::from_secs(86400));
    for n in 0..2 * LANE_ITEMS {
        // Groups of their own, and one of many reasons at one revision.
        let mut item = item(&n.to_string(), &format!("app{n}"), &format!("R{n}"), "");
        if n % 2 == 0 {
            item.event.severity = Severity::Error;
            item.event.metadata = [("revision".to_owned(), format!("main@sha1:{}", "a".repeat(40)))].into();
        }
        outbox.post(&sink(), [(item, day)], now);
    }
    let inside = outbox.lock();
    let held = &inside.lanes[&sink()].held;
    assert_eq!(
        held.iter().map(|group| group.items.len()).sum::<usize>(),
        LANE_ITEMS
    );
    for group in held {
        let mut items = group.items.iter().map(|item| Like::of(item));
        let mut like = items.next().expect("no group is empty");
        items.for_each(|other| like.absorb(other));
        assert!(
            group.like == like,
            "{} messages are tied by more",
            group.items.len()
        );
    }
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
