//! PURE: which objects of a pack are made of which, and how much of that has to be in memory at one time.
//!
//! An object that one other is made of goes when that one is there. One that several are made of stays until the last of them
//! is, and with it all of that kind on the way up to it.

use std::collections::{HashMap, HashSet};

use super::PackError;

/// Of what a delta is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Base {
    /// The object whose entry is there.
    At(u64),
    /// The object of this name, in this pack or not.
    Named([u8; 20]),
}

/// The objects of a pack, in its order.
#[derive(Default)]
pub(super) struct Families {
    members: Vec<Member>,
    /// What is named, by its name.
    named: HashMap<[u8; 20], Named>,
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

const NONE: u32 = u32::MAX;
/// As the base of a member: it is made of something that has only a name.
const BY_NAME: u32 = u32::MAX - 1;

impl Families {
    /// An object that is made of no other.
    pub(super) fn root(&mut self, at: u64, size: u64) {
        self.push(at, size, NONE);
    }

    /// An object that is made of another; the sizes of both, the other's first.
    pub(super) fn child(&mut self, at: u64, base: Base, (base_size, size): (u64, u64)) {
        let base = match base {
            // What is not there is missed by whoever puts the pack together.
            Base::At(base) => self.members.binary_search_by_key(&base, |member| member.at).ok(),
            Base::Named(name) => {
                let named = self.named.entry(name).or_insert(Named {
                    size: base_size,
                    children: 0,
                });
                named.children = named.children.saturating_add(1);
                named.size = named.size.max(base_size);
                return self.push(at, size, BY_NAME);
            }
        };
        let base = base.and_then(|base| u32::try_from(base).ok()).unwrap_or(NONE);
        self.push(at, size, base);
    }

    fn push(&mut self, at: u64, size: u64, base: u32) {
        let size = u32::try_from(size).unwrap_or(u32::MAX);
        self.members.push(Member { at, size, base });
    }

    /// Whether no more has to be in memory at one time than may be.
    ///
    /// Where an object that has only a name is in the pack, if it is, nobody knows yet: those that could be are taken to lie all
    /// on one way. Of an honest server, which names what is not in its pack, hardly any could be.
    ///
    /// # Errors
    /// When more has to be.
    pub(super) fn weigh(&self, most: u64) -> Result<(), PackError> {
        let mut children = vec![0_u8; self.members.len()];
        for member in &self.members {
            if let Some(children) = children.get_mut(member.base as usize) {
                *children = children.saturating_add(1);
            }
        }
        // Of each member: what is held above it and for it, and where its family begins. A base comes before what is made of it.
        let mut ways: Vec<(u64, u32)> = Vec::with_capacity(self.members.len());
        let (mut longest, mut families) = (0, HashMap::<u32, u64>::new());
        for ((place, member), children) in (0..).zip(&self.members).zip(&children) {
            let own = match children {
                0 | 1 => 0,
                _ => u64::from(member.size),
            };
            let (above, first) = ways.get(member.base as usize).copied().unwrap_or((0, place));
            let held = above.saturating_add(own);
            ways.push((held, first));
            if self.members[first as usize].base != BY_NAME {
                longest = held.max(longest);
            } else if held > 0 {
                let family = families.entry(first).or_default();
                *family = held.max(*family);
            }
        }
        let single = self.members.iter().zip(&children);
        let single: HashSet<u64> = single
            .filter(|(_, children)| **children == 1)
            .map(|(member, _)| u64::from(member.size))
            .collect();
        let named = self.named.values();
        let named = named.filter(|named| named.children > 1 || single.contains(&named.size));
        let all = named.map(|named| named.size).chain(families.into_values());
        match all.fold(longest, u64::saturating_add) <= most {
            true => Ok(()),
            false => Err(PackError::Bases(most)),
        }
    }
}
