//! PURE: a pack, weighed while it arrives. A few bytes may stand for more than there is memory, and it is known what they stand
//! for before anything is held for it.
//!
//! Whoever receives a pack holds an object's compressed bytes until its end, and when the objects are put together every object
//! that several others are made of, for as long as one of them is missing. Both are bounded here.

mod entries;
mod families;

use entries::Entries;

/// What a pack may need, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// Of one object.
    pub(super) object: u64,
    /// Of memory to put all objects together.
    pub(super) memory: u64,
    /// Objects.
    pub(super) objects: u32,
    /// Of memory for each object besides.
    pub(super) each: u64,
    /// Of what a remote says that is no pack.
    pub(super) talk: u64,
}

/// The most bytes that an object may have.
pub(super) const MAX_OBJECT: u64 = 512 << 20;
const MAX_MEMORY: u64 = 4 * MAX_OBJECT;
const MIN_MEMORY: u64 = MAX_OBJECT / 2;
const MAX_OBJECTS: u64 = 5_000_000;
const MAX_TALK: u64 = 128 << 20;
/// Whoever puts objects together keeps so many bytes of each: where it is, its name, what is made of it; so do we.
const EACH: u64 = 400;

impl Most {
    /// What a pack may need of the memory that a process may have, if that is bounded: half of it. What comes is kept in room that is
    /// doubled as it grows, so that an object may be half of that.
    pub(super) fn within(limit: Option<u64>) -> Most {
        let memory = limit.map_or(MAX_MEMORY, |limit| (limit / 2).clamp(MIN_MEMORY, MAX_MEMORY));
        let objects = (memory / EACH).min(MAX_OBJECTS);
        Most {
            object: (memory / 2).min(MAX_OBJECT),
            memory,
            objects: u32::try_from(objects).unwrap_or(u32::MAX),
            each: EACH,
            talk: (memory / 8).min(MAX_TALK),
        }
    }
}

/// Why a pack is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PackError {
    /// An object is too large.
    #[error("the remote sent an object of {size} bytes, where {most} are allowed")]
    Object {
        /// What it says of itself.
        size: u64,
        /// What is allowed.
        most: u64,
    },
    /// More comes out of an object, or went into it, than it says of itself.
    #[error("the remote sent an object that is larger than the {0} bytes it says it has")]
    Larger(u64),
    /// There are too many objects.
    #[error("the remote sent {objects} objects, where {most} are allowed")]
    Objects {
        /// What it says of its pack.
        objects: u32,
        /// What is allowed.
        most: u32,
    },
    /// Objects are so many, or made of each other in such a way, that they need much memory.
    #[error(
        "the remote sent objects that need more than {0} bytes of memory to be put together (half of what the container may have, 2 GiB at the most)"
    )]
    Memory(u64),
    /// No pack at all.
    #[error("the remote sent a damaged pack: {0}")]
    Damaged(&'static str),
}

/// Looks at what a remote says, and at the packs in it.
pub(super) struct Scale {
    /// The length of a packet as far as it has come.
    length: Vec<u8>,
    /// How much of the packet is still to come.
    left: usize,
    /// What the packet begins with, once that is known.
    band: Option<u8>,
    /// The pack, once it has begun.
    entries: Option<Entries>,
    /// Whether the pack is all that still comes, as from a server that knows no bands.
    is_bare: bool,
    /// Whether a greeting is still to come, or its end.
    is_greeting: bool,
    most: Most,
}

/// Of the bands in which a remote speaks (gitprotocol-pack, "Packfile Data") the one that has the pack.
const PACK_BAND: u8 = 1;
/// The shortest packet (gitprotocol-common, "pkt-line Format"). What is shorter ends something: an answer, or a part of one.
const SHORTEST: usize = 4;

impl Scale {
    /// For an answer, or a greeting and answers.
    pub(super) fn new(most: Most, greeting: bool) -> Scale {
        Scale {
            length: Vec::with_capacity(4),
            left: 0,
            band: None,
            entries: None,
            is_bare: false,
            is_greeting: greeting,
            most,
        }
    }

    /// Takes in the next bytes of the answer.
    ///
    /// # Errors
    /// When they are of a pack that is not taken.
    pub(super) fn weigh(&mut self, mut answer: &[u8]) -> Result<(), PackError> {
        while let Some(first) = answer.first() {
            if self.is_bare {
                return self.pack(answer);
            }
            if self.left == 0 {
                self.length.push(*first);
                answer = &answer[1..];
                if self.length == *b"PACK" {
                    self.is_bare = true;
                    self.pack(b"PACK")?;
                } else if self.length.len() == 4 {
                    self.packet();
                }
                continue;
            }
            if self.band.is_none() {
                self.band = Some(*first);
                self.left -= 1;
                answer = &answer[1..];
                continue;
            }
            let (packet, rest) = answer.split_at(answer.len().min(self.left));
            self.left -= packet.len();
            answer = rest;
            if self.band == Some(PACK_BAND) {
                // Where everything is in bands, lines come before the pack. None begins as a pack does.
                if self.entries.is_some() || packet.first() == Some(&b'P') {
                    self.pack(packet)?;
                }
            }
        }
        Ok(())
    }

    /// Whether what comes now is a pack; nobody keeps all of that.
    pub(super) fn is_in_pack(&self) -> bool {
        let begun = self.entries.as_ref().is_some_and(|entries| !entries.are_over());
        begun && !self.is_greeting
    }

    /// How much memory the pack needs, as soon as all of it has come, and once.
    pub(super) fn complete(&mut self) -> Option<u64> {
        self.entries.as_mut()?.complete()
    }

    /// A packet begins whose length has come.
    fn packet(&mut self) {
        // What is no length ends the conversation; whoever reads it says so.
        let length = std::str::from_utf8(&self.length).ok();
        let length = length.and_then(|digits| usize::from_str_radix(digits, 16).ok());
        let length = length.unwrap_or(0);
        if length < SHORTEST {
            // What looked like a pack in what is over was none, or is over, too.
            self.entries = None;
            self.is_greeting = false;
        }
        self.left = length.saturating_sub(SHORTEST);
        self.length.clear();
        self.band = None;
    }

    fn pack(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        let most = self.most;
        self.entries
            .get_or_insert_with(|| Entries::new(most))
            .weigh(bytes)
    }
}

#[cfg(test)]
mod tests;
