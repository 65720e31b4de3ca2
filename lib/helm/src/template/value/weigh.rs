//! How much a value is, so that a budget can be charged before it is gone through, and for what it holds in memory.

use super::Value;
use std::rc::Rc;

/// The bytes of a map's entry or a list's element, about.
const ENTRY: usize = 64;
const ELEMENT: usize = 24;

/// What is nested deeper, writers refuse by themselves: a map that holds itself has no end.
const DEEPEST: usize = 2_000;

/// The nodes to go through all of a value, one that is there twice counted twice; more than `most` are not counted.
pub(crate) fn nodes(value: &Value, most: usize) -> usize {
    let mut count = 0;
    let mut waiting = vec![(value.clone(), 0)];
    while let Some((value, depth)) = waiting.pop() {
        count += 1;
        let below = |value: &Value| (value.clone(), depth + 1);
        match &value {
            _ if depth > DEEPEST => {}
            Value::Str(text) => count += text.len() / 64,
            Value::List(list) => {
                if count + list.items.len() <= most {
                    waiting.extend(list.items.iter().map(below));
                } else {
                    count += list.items.len();
                }
            }
            Value::Map(map) => {
                let entries = map.entries.borrow();
                if count + entries.len() <= most {
                    waiting.extend(entries.values().map(below));
                } else {
                    count += entries.len();
                }
            }
            _ => {}
        }
        if count > most {
            return count;
        }
    }
    count
}

/// The bytes of what only this value holds, about; more than `most` are not counted. What others hold too was counted
/// when it was made.
pub(crate) fn bytes(value: &Value, most: usize) -> usize {
    let mut sum = 0;
    let mut waiting: Vec<Value> = Vec::new();
    let take = |value: &Value, others: usize, waiting: &mut Vec<Value>| -> usize {
        match value {
            Value::Str(text) => text.len(),
            Value::Bytes(bytes) => bytes.len(),
            Value::List(list) if Rc::strong_count(list) == 1 + others => {
                waiting.extend(list.items.iter().cloned());
                list.items.len() * ELEMENT
            }
            Value::Map(map) if Rc::strong_count(map) == 1 + others && Rc::strong_count(&map.entries) == 1 => {
                let entries = map.entries.borrow();
                waiting.extend(entries.values().cloned());
                entries.keys().map(|key| ENTRY + key.len()).sum()
            }
            _ => 0,
        }
    };
    sum += take(value, 0, &mut waiting);
    // What waits is held once more, by the list of what waits.
    while let Some(value) = waiting.pop() {
        if sum > most {
            break;
        }
        sum += take(&value, 1, &mut waiting);
    }
    sum
}
