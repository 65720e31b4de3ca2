//! PURE: where each message of a lane is saved. A message stays in the part that it was put in, so that each part can be written by
//! itself and no kill between two writes loses one.

use super::Item;
use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

/// A lane is saved in so many ConfigMaps at most: there is room for all that may wait, and for as much that has left and is not saved
/// elsewhere yet, whatever their sizes.
pub const PARTS: u8 = 16;
/// So many bytes of messages are in one of them, which holds a mebibyte.
const PART_BYTES: usize = 700 << 10;

/// What tells messages of a lane apart: their key, and whose they are.
type Id = (String, String);

fn id(item: &Item) -> Id {
    (item.key.clone(), item.alert_uid.clone())
}

/// The parts of a lane.
#[derive(Debug, Default)]
pub struct Parts {
    of: HashMap<Id, u8>,
    bytes: [usize; PARTS as usize],
    /// What was put together, by the message that it became: it is saved as it was until that has arrived.
    members: HashMap<Id, Vec<Arc<Item>>>,
}

impl Parts {
    /// Whether a message has its place already, by itself or in what it was put together with.
    pub fn hold(&self, item: &Item) -> bool {
        self.of.contains_key(&id(item))
    }

    /// Gives a message its place, the first with room: few messages need one part.
    pub fn put(&mut self, item: &Item) -> u8 {
        if let Some(part) = self.of.get(&id(item)) {
            return *part;
        }
        let size = item.bytes();
        let fits = |part: &u8| self.bytes[usize::from(*part)] + size <= PART_BYTES;
        let part = (0..PARTS).find(fits).unwrap_or(PARTS - 1);
        self.pin(item, part);
        part
    }

    /// Gives a message the place that it was saved in.
    pub fn pin(&mut self, item: &Item, part: u8) {
        self.bytes[usize::from(part)] += item.bytes();
        self.of.insert(id(item), part);
    }

    /// Takes all places away from these; what they were put together of.
    pub fn clear<'a>(&mut self, items: impl Iterator<Item = &'a Arc<Item>>) -> Vec<Arc<Item>> {
        self.of.clear();
        self.bytes = Default::default();
        items.flat_map(|item| self.saved_as(item)).cloned().collect()
    }

    /// Notes what a message was put together of, which have their places.
    pub fn together(&mut self, group: &Item, members: Vec<Arc<Item>>) {
        self.members.insert(id(group), members);
    }

    /// Forgets a message, or what it was put together of. The parts that are others now.
    pub fn remove(&mut self, item: &Arc<Item>) -> BTreeSet<u8> {
        let members = self.members.remove(&id(item));
        let items = members.unwrap_or_else(|| vec![item.clone()]);
        let mut changed = BTreeSet::new();
        for item in items {
            if let Some(part) = self.of.remove(&id(&item)) {
                let bytes = &mut self.bytes[usize::from(part)];
                *bytes = bytes.saturating_sub(item.bytes());
                changed.insert(part);
            }
        }
        changed
    }

    /// How much is saved of all.
    pub fn bytes(&self) -> usize {
        self.bytes.iter().sum()
    }

    /// How much is saved of one.
    pub fn bytes_of(&self, item: &Arc<Item>) -> usize {
        self.saved_as(item).iter().map(|item| item.bytes()).sum()
    }

    /// What a message is saved as: what it was put together of, or itself.
    fn saved_as<'a>(&'a self, item: &'a Arc<Item>) -> &'a [Arc<Item>] {
        let members = self.members.get(&id(item));
        members.map_or(std::slice::from_ref(item), Vec::as_slice)
    }

    /// What is saved of these in a part.
    pub fn saved<'a>(&self, items: impl Iterator<Item = &'a Arc<Item>>, part: u8) -> Vec<Arc<Item>> {
        items
            .flat_map(|item| self.saved_as(item))
            .filter(|item| self.of.get(&id(item)) == Some(&part))
            .cloned()
            .collect()
    }
}
