//! PURE: which objects of a pack are made of which, and how much memory it takes to put them together.
//!
//! gix goes from each object to those that are made of it, the last of them first. An object that one other is made of goes when
//! that one is there. One that several are made of stays until the last of them is, and with it all of that kind on the way up to
//! it. Whatever goes leaves its room to the next: a small object may lie in the room of a large one, if that was made before it.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::PackError;

/// Of what a delta is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// The object whose entry is there.
    At(u64),
    /// The object of this name, in this pack or not.
    Named([u8; 20]),
}

/// What a delta says of itself, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Delta {
    /// Of its own.
    pub(super) length: u64,
    /// Of what it is made of.
    pub(super) base: u64,
    /// Of what it makes.
    pub(super) result: u64,
}

/// The objects of a pack, in its order.
#[derive(Default)]
pub(super) struct Families {
    members: Vec<Member>,
    /// What is named, by its name.
    named: HashMap<[u8; 20], Named>,
    largest: Largest,
}

/// There are millions of them.
struct Member {
    at: u64,
    size: u32,
    /// Its place among the members, or [`NONE`].
    base: u32,
}

struct Named {
    size: u64,
    children: u32,
}

/// Sizes in bytes.
#[derive(Default)]
struct Largest {
    /// Of an object that is no delta.
    root: u64,
    /// Of one that is made of another, or of which another is made.
    relative: u64,
    delta: u64,
}

/// What is held above a member and for it.
#[derive(Clone, Copy)]
struct Way {
    held: u64,
    /// How many objects that is.
    steps: u32,
    /// Where its family begins.
    first: u32,
}

const NONE: u32 = u32::MAX;
/// As the base of a member: it is made of something that has only a name.
const BY_NAME: u32 = u32::MAX - 1;

impl Families {
    /// An object that is made of no other.
    pub(super) fn root(&mut self, at: u64, size: u64) {
        self.largest.root = self.largest.root.max(size);
        self.push(at, size, NONE);
    }

    /// An object that is made of another.
    ///
    /// # Errors
    /// When there is no entry where its base should be.
    pub(super) fn child(&mut self, at: u64, base: Base, delta: Delta) -> Result<(), PackError> {
        let largest = &mut self.largest;
        largest.relative = largest.relative.max(delta.base).max(delta.result);
        largest.delta = largest.delta.max(delta.length);
        let base = match base {
            Base::At(base) => {
                // gix, which puts what is missing between the entries, would find another one there.
                let place = self.members.binary_search_by_key(&base, |member| member.at).ok();
                let place = place.and_then(|place| u32::try_from(place).ok());
                place.ok_or(PackError::Damaged(
                    "an object is made of one that does not begin where it should",
                ))?
            }
            Base::Named(name) => {
                let named = self.named.entry(name).or_insert(Named {
                    size: delta.base,
                    children: 0,
                });
                named.children = named.children.saturating_add(1);
                named.size = named.size.max(delta.base);
                BY_NAME
            }
        };
        self.push(at, delta.result, base);
        Ok(())
    }

    fn push(&mut self, at: u64, size: u64, base: u32) {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.members.push(Member { at, size, base });
    }

    /// How many bytes of memory it takes at the most to put all of them together, one after the other, and so many for `each`.
    ///
    /// What is held may lie in the room of anything that is made of it. Where an object that has only a name is in the pack, if it
    /// is, nobody knows yet: those that could be are taken to lie all on one way, and whatever is held there may lie in the room of
    /// what is made of them. Of an honest server, which names what is not in its pack, hardly any could be.
    ///
    /// Besides there are the one that is being made and what it is made of, both of which may lie in the largest room, a room that
    /// grows and is there twice as long as that takes, and the delta.
    pub(super) fn need(&self, each: u64) -> u64 {
        let children = self.children();
        let rooms = self.rooms();
        let (mut longest, mut steps) = (0, 0);
        let mut by_name = ByName::default();
        let mut ways: Vec<Way> = Vec::with_capacity(self.members.len());
        // A base comes before what is made of it.
        for (place, member) in (0..).zip(&self.members) {
            let Way {
                held,
                steps: above,
                first,
            } = ways.get(member.base as usize).copied().unwrap_or(Way {
                held: 0,
                steps: 0,
                first: place,
            });
            let own = u32::from(children[place as usize] > 1);
            let way = Way {
                held: held + u64::from(own) * u64::from(rooms[place as usize]),
                steps: above + own,
                first,
            };
            ways.push(way);
            if self.members[first as usize].base == BY_NAME {
                by_name.add(member, way);
            } else {
                longest = way.held.max(longest);
                steps = way.steps.max(steps);
            }
        }
        let mut joints = 0;
        for room in self.joints(&children, &rooms) {
            joints += room;
            steps = steps.saturating_add(1);
        }
        let Largest {
            root,
            relative,
            delta,
        } = self.largest;
        let making = (3 * relative).max(root + relative) + delta;
        let all = (self.members.len() as u64).saturating_mul(each);
        [all, joints, by_name.rooms(steps), making]
            .into_iter()
            .fold(longest, u64::saturating_add)
    }

    /// Of each member, how many others are made of it; not more than there is room to count.
    fn children(&self) -> Vec<u8> {
        let mut children = vec![0_u8; self.members.len()];
        for member in &self.members {
            if let Some(children) = children.get_mut(member.base as usize) {
                *children = children.saturating_add(1);
            }
        }
        children
    }

    /// Of each member, the largest size of its own and of all that is made of it.
    fn rooms(&self) -> Vec<u32> {
        let mut rooms: Vec<u32> = self.members.iter().map(|member| member.size).collect();
        for (place, member) in self.members.iter().enumerate().rev() {
            let room = rooms[place];
            if let Some(base) = rooms.get_mut(member.base as usize) {
                *base = room.max(*base);
            }
        }
        rooms
    }

    /// Of each object that may be held only because others name it, the room that it may lie in.
    fn joints(&self, children: &[u8], rooms: &[u32]) -> impl Iterator<Item = u64> {
        let mut single: HashMap<u64, u32> = HashMap::new();
        if !self.named.is_empty() {
            let members = self.members.iter().zip(children).zip(rooms);
            for ((member, _), room) in members.filter(|((_, children), _)| **children == 1) {
                let largest = single.entry(u64::from(member.size)).or_default();
                *largest = *room.max(largest);
            }
        }
        self.named
            .values()
            .filter_map(move |named| match single.get(&named.size) {
                Some(room) => Some(named.size.max(u64::from(*room))),
                None => (named.children > 1).then_some(named.size),
            })
    }
}

/// The families whose first has only a name for what it is made of.
#[derive(Default)]
struct ByName {
    sizes: Vec<u32>,
    /// How many of each are held at one time, by where it begins; of those of which any is.
    steps: HashMap<u32, u32>,
}

impl ByName {
    fn add(&mut self, member: &Member, way: Way) {
        self.sizes.push(member.size);
        if way.steps > 0 {
            let steps = self.steps.entry(way.first).or_default();
            *steps = way.steps.max(*steps);
        }
    }

    /// The largest rooms that they leave, for all that is held: theirs, and so many others.
    fn rooms(mut self, others: u32) -> u64 {
        let steps = self
            .steps
            .values()
            .fold(others, |sum, steps| sum.saturating_add(*steps)) as usize;
        if (1..self.sizes.len()).contains(&steps) {
            self.sizes.select_nth_unstable_by(steps - 1, |a, b| b.cmp(a));
        }
        self.sizes.iter().take(steps).map(|size| u64::from(*size)).sum()
    }
}
