//! Taking values apart without recursion.

use super::{List, Map, Value};
use std::rc::Rc;

/// A template can nest lists as deep as it has steps: they are taken apart one by one, not by recursion.
fn dismantle(mut waiting: Vec<Value>) {
    while let Some(value) = waiting.pop() {
        match value {
            Value::List(list) => {
                if let Some(mut list) = Rc::into_inner(list) {
                    waiting.append(&mut list.items);
                }
            }
            Value::Map(map) => {
                if let Some(map) = Rc::into_inner(map)
                    && Rc::strong_count(&map.entries) == 1
                {
                    waiting.extend(std::mem::take(&mut *map.entries.borrow_mut()).into_values());
                }
            }
            _ => {}
        }
    }
}

fn is_container(value: &Value) -> bool {
    matches!(value, Value::List(_) | Value::Map(_))
}

impl Drop for List {
    fn drop(&mut self) {
        if self.items.iter().any(is_container) {
            dismantle(std::mem::take(&mut self.items));
        }
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        if let Some(entries) = Rc::get_mut(&mut self.entries) {
            let entries = entries.get_mut();
            if entries.values().any(is_container) {
                dismantle(std::mem::take(entries).into_values().collect());
            }
        }
    }
}
