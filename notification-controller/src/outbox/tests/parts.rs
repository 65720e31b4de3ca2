//! Which part of a lane a message is saved in, and when.

use super::*;

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
    for part in &parts {
        let size = serde_json::to_string(&part.items).unwrap().len();
        assert!(size < 720 << 10, "part {} has {size} bytes", part.number);
    }
    // One message that has arrived changes one part.
    let first = sent(outbox.next(&sink(), now)).unwrap();
    outbox.done(&sink(), &first.key, "a");
    let changed = outbox.changed();
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].items.len() + 1, parts[0].items.len());

    let next = Outbox::default();
    let all = parts[1..].iter().flat_map(|part| &part.items);
    let waiting = changed[0].items.iter().chain(all);
    next.resume(&sink(), waiting.map(|item| (Item::clone(item), None)), now);
    let again = next.changed();
    assert_eq!(
        again.len(),
        usize::from(PARTS),
        "those that are gone are told as well"
    );
    let all: usize = again.iter().map(|part| part.items.len()).sum();
    assert_eq!(all, 399);
    for part in &again {
        for item in &part.items {
            let before = parts.iter().find(|part| part.items.contains(item)).unwrap();
            assert!(part.number <= before.number);
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
    let before = outbox.changed();
    let group = sent(outbox.next(&sink(), now)).unwrap();
    outbox.touch(&before[0]);
    assert_eq!(outbox.changed(), before);
    outbox.done(&sink(), &group.key, "a");
    let empty = Part {
        provider: sink(),
        number: 0,
        items: Vec::new(),
        has_gained: false,
    };
    assert_eq!(outbox.changed(), [empty]);
}

#[test]
fn where_something_was_put_is_saved_before_what_it_may_have_been_taken_from() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let (old, new) = (Key::new("team", "a"), Key::new("team", "b"));
    outbox.post(&old, [(item("1", "a", "R", "m"), None)], now);
    outbox.changed();
    // As a message goes to another Provider, whose name comes later.
    outbox.post(&new, [(item("1", "a", "R", "m"), None)], now);
    outbox.done(&old, "1", "a");
    let changed = outbox.changed();
    let order: Vec<_> = changed
        .iter()
        .map(|part| (&part.provider, part.has_gained))
        .collect();
    assert_eq!(order, [(&new, true), (&old, false)]);
    // What could not be saved has still gained.
    outbox.touch(&changed[0]);
    outbox.done(&new, "1", "a");
    assert!(outbox.changed()[0].has_gained);
}
