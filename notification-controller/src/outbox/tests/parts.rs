//! Which part of a lane a message is saved in, and when.

use super::*;
use std::collections::BTreeSet;

/// What is saved, as writes one by one make it of what was saved before.
fn write(saved: &mut BTreeMap<(Key, u8), Vec<Arc<Item>>>, parts: &[Part]) {
    for part in parts {
        saved.insert((part.provider.clone(), part.number), part.items.clone());
    }
}

fn keys(saved: &BTreeMap<(Key, u8), Vec<Arc<Item>>>) -> BTreeSet<&str> {
    saved.values().flatten().map(|item| &*item.key).collect()
}

#[test]
fn a_storm_of_long_messages_waits_in_several_parts_and_none_moves_to_another() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let text = "x".repeat(6 << 10);
    let mut given_up = 0;
    for n in 0..400 {
        let item = item(&n.to_string(), &format!("app{n}"), "BuildFailed", &text);
        given_up += outbox.post(&sink(), [(item, None)], now).given_up.len();
    }
    assert_eq!(given_up, 0, "2.5 MB are less than a lane holds");
    let parts = outbox.changed().parts;
    assert!(parts.len() > 3, "{}", parts.len());
    for part in &parts {
        let size = serde_json::to_string(&part.items).unwrap().len();
        assert!(size < 720 << 10, "part {} has {size} bytes", part.number);
    }
    // One message that has arrived changes one part.
    let first = sent(outbox.next(&sink(), now)).unwrap();
    outbox.done(&sink(), &first);
    let changed = outbox.changed().parts;
    assert_eq!(changed.len(), 1);
    assert_eq!(changed[0].items.len() + 1, parts[0].items.len());

    // The next process has something already, which was saved nowhere.
    let next = Outbox::default();
    for n in 0..60 {
        next.post(
            &sink(),
            [(item(&format!("new{n}"), "app", "R", &text), None)],
            now,
        );
    }
    let all = changed.iter().chain(&parts[1..]);
    let waiting = all.flat_map(|part| {
        let items = part.items.iter();
        items.map(|item| (part.number, Item::clone(item), None))
    });
    next.resume(&sink(), waiting, now);
    assert_eq!(next.waiting(&sink(), &Key::new("team", "all")), 459);
    let mut disk = BTreeMap::new();
    write(&mut disk, &parts);
    write(&mut disk, &changed);
    let before: Vec<Vec<Arc<Item>>> = disk.values().cloned().collect();
    write(&mut disk, &next.changed().parts);
    assert_eq!(keys(&disk).len(), 459);
    for (before, now) in before.iter().zip(disk.values()) {
        assert!(before.iter().all(|item| now.contains(item)), "none is elsewhere");
        let size = serde_json::to_string(now).unwrap().len();
        assert!(size < 720 << 10, "{size}");
    }
}

#[test]
fn what_was_put_together_is_saved_as_it_was_until_it_has_arrived() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    for n in 0..3 {
        let item = item(&n.to_string(), &format!("app{n}"), "R", "m");
        outbox.post(&sink(), [(item, Some(Duration::ZERO))], now);
    }
    let before = outbox.changed().parts;
    let group = sent(outbox.next(&sink(), now)).unwrap();
    outbox.touch(&before[0]);
    assert_eq!(outbox.changed().parts, before);
    outbox.done(&sink(), &group);
    let empty = Part {
        provider: sink(),
        number: 0,
        items: Vec::new(),
    };
    assert_eq!(outbox.changed().parts, [empty]);
}

#[test]
fn what_moves_is_saved_somewhere_whichever_write_is_the_last() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let (old, new) = (Key::new("team", "a"), Key::new("team", "b"));
    let messages = ["1", "2", "3"].map(|key| (item(key, key, "R", "m"), None));
    outbox.post(&old, messages, now);
    let mut disk = BTreeMap::new();
    write(&mut disk, &outbox.changed().parts);
    // Two go to another Provider, and a new one comes to the first.
    for _ in 0..2 {
        let leaving = sent(outbox.next(&old, now)).unwrap();
        outbox.moved(&old, &new, &leaving, now);
        outbox.done(&old, &leaving);
    }
    outbox.post(&old, [(item("4", "4", "R", "m"), None)], now);
    let unsaved = outbox.changed();
    assert_eq!(unsaved.parts.len(), 2);
    for (first, second) in [(0, 1), (1, 0)] {
        let mut disk = disk.clone();
        for part in [first, second] {
            write(&mut disk, std::slice::from_ref(&unsaved.parts[part]));
            assert!(keys(&disk).is_superset(&["1", "2", "3"].into()));
        }
        assert_eq!(keys(&disk), ["1", "2", "3", "4"].into());
    }
    // Before all of it is saved, nothing goes from where it was.
    for part in &unsaved.parts {
        outbox.touch(part);
    }
    let again = outbox.changed();
    assert_eq!(again.parts, unsaved.parts);
    outbox.settled(again);
    let after = outbox.changed().parts;
    let left: Vec<&str> = after
        .iter()
        .flat_map(|part| &part.items)
        .map(|item| &*item.key)
        .collect();
    assert_eq!((after[0].provider.clone(), left), (old, vec!["3", "4"]));
}

#[test]
fn what_comes_back_before_it_was_forgotten_waits_again() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let (old, new) = (Key::new("team", "a"), Key::new("team", "b"));
    outbox.post(&old, [(item("1", "1", "R", "m"), None)], now);
    let there = |from: &Key, to: &Key| {
        let item = sent(outbox.next(from, now)).unwrap();
        outbox.moved(from, to, &item, now)
    };
    assert!(there(&old, &new).new_lane);
    assert!(matches!(outbox.next(&old, now), Next::Nothing));
    let first = outbox.changed();
    let mut disk = BTreeMap::new();
    write(&mut disk, &first.parts);
    assert!(there(&new, &old).new_lane, "nobody is at work there any more");
    // Whoever has saved what was before, has not saved this.
    outbox.settled(first);
    assert_eq!(sent(outbox.next(&old, now)).unwrap().key, "1");
    assert!(matches!(outbox.next(&new, now), Next::Nothing));
    for _ in 0..2 {
        let unsaved = outbox.changed();
        write(&mut disk, &unsaved.parts);
        outbox.settled(unsaved);
    }
    assert_eq!(keys(&disk), ["1"].into());
    assert_eq!(disk[&(new, 0)], []);
}

#[test]
fn what_left_costs_its_lane_no_room_and_not_more_than_a_lane_of_its_own() {
    let (outbox, now) = (Outbox::default(), Instant::now());
    let old = Key::new("team", "a");
    let text = "x".repeat(30 << 10);
    let mut given_up = 0;
    // Nothing is saved for so long that all has been elsewhere three times.
    for round in 0..3 {
        let new = Key::new("team", format!("to{round}"));
        for n in 0..80 {
            let message = item(&format!("{round}.{n}"), "app", "R", &text);
            given_up += outbox.post(&old, [(message, None)], now).given_up.len();
        }
        while let Next::Send(item) = outbox.next(&old, now) {
            given_up += outbox.moved(&old, &new, &item, now).given_up.len();
        }
    }
    assert_eq!(given_up, 0);
    let parts = outbox.changed().parts;
    let of_old = parts.iter().filter(|part| part.provider == old);
    let sizes: Vec<usize> = of_old
        .map(|part| serde_json::to_string(&part.items).unwrap().len())
        .collect();
    assert!(sizes.iter().all(|size| *size < 720 << 10), "{sizes:?}");
    assert!(
        sizes.iter().sum::<usize>() <= LANE_BYTES + (100 << 10),
        "{sizes:?}"
    );
}
