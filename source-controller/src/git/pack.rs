//! PURE: a pack, weighed while it arrives. A few bytes may stand for more than there is memory, and it is known what they stand
//! for before anything is held for it.
//!
//! Whoever receives a pack holds an object's compressed bytes until its end, and when the objects are put together every object
//! that several others are made of, for as long as one of them is missing. Both are bounded here.

mod entries;
mod families;

use entries::Entries;

/// What a remote may ask for, in bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// Of one object.
    pub(super) object: u64,
    /// Of memory to put all objects together.
    pub(super) memory: u64,
    /// Of memory for what is known of objects that have come, and still come.
    pub(super) arriving: u64,
    /// Objects.
    pub(super) objects: u32,
    /// Of memory for each object besides.
    pub(super) each: u64,
    /// Of all objects as they are when they are put together.
    pub(super) made: u64,
    /// Of memory for what a remote says that is no pack.
    pub(super) talk: u64,
}

/// The most bytes that an object may have.
const MAX_OBJECT: u64 = 512 << 20;
const MAX_MEMORY: u64 = 4 * MAX_OBJECT;
const MIN_MEMORY: u64 = MAX_OBJECT / 2;
/// Whoever puts objects together keeps so many bytes of each: where it is, its name, what is made of it; so do we.
const EACH: u64 = 500;
/// So many of them before all have come.
const ARRIVED: u64 = 300;
/// To put together is a thousandth of a second for each megabyte, so that the largest pack takes some minutes.
const MADE: u64 = 256;

impl Most {
    /// What a remote may ask for of the memory that a process may have, if that is bounded: half of it to put a pack together, and
    /// a quarter while packs arrive. What comes is kept in room that is doubled as it grows, and two objects may be coming: one
    /// may have a quarter of that half.
    pub(super) fn within(limit: Option<u64>) -> Most {
        let memory = limit.map_or(MAX_MEMORY, |limit| (limit / 2).clamp(MIN_MEMORY, MAX_MEMORY));
        let arriving = memory / 2;
        Most {
            object: memory / 4,
            memory,
            arriving,
            objects: u32::try_from(arriving / EACH).unwrap_or(u32::MAX),
            each: EACH,
            made: memory * MADE,
            talk: memory / 4,
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
    /// To put all objects together would take too long.
    #[error("the remote sent objects that have more than {0} bytes together")]
    Made(u64),
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
    /// How many objects a pack has that has begun; of several the largest.
    begun: Option<u32>,
    /// What a pack needs whose last packet has come; of several the largest.
    due: Option<u64>,
    /// How many packets were no part of a pack.
    lines: u64,
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
            begun: None,
            due: None,
            lines: 0,
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
            if self.left == 0 {
                self.length.push(*first);
                answer = &answer[1..];
                if self.length.len() == SHORTEST {
                    self.packet();
                }
                continue;
            }
            if self.band.is_none() {
                self.band = Some(*first);
                self.left -= 1;
                answer = &answer[1..];
            } else {
                let (packet, rest) = answer.split_at(answer.len().min(self.left));
                self.left -= packet.len();
                answer = rest;
                // Where everything is in bands, lines come before the pack. None begins as a pack does.
                let is_pack = self.entries.is_some() || packet.first() == Some(&b'P');
                if self.band == Some(PACK_BAND) && is_pack {
                    self.pack(packet)?;
                }
            }
            if self.left == 0 {
                // Whoever reads a packet sees nothing of it before its end.
                let need = self.entries.as_mut().and_then(Entries::complete);
                self.due = need.max(self.due);
            }
        }
        Ok(())
    }

    /// Whether what comes now is a pack; nobody keeps all of that.
    pub(super) fn is_in_pack(&self) -> bool {
        let begun = self.entries.as_ref().is_some_and(|entries| !entries.are_over());
        begun && !self.is_greeting
    }

    /// How much memory it takes to know the objects of a pack that has begun, once.
    pub(super) fn begun(&mut self) -> Option<u64> {
        let objects = self.begun.take()?;
        Some(u64::from(objects) * ARRIVED.min(self.most.each))
    }

    /// How much memory a pack needs, once: as soon as its last packet has come, when whoever reads it begins to put it together.
    pub(super) fn complete(&mut self) -> Option<u64> {
        self.due.take()
    }

    /// How many packets have come that are no part of a pack; whoever reads them keeps each.
    pub(super) fn lines(&self) -> u64 {
        self.lines
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
        if !self.is_in_pack() {
            self.lines += 1;
        }
        self.left = length.saturating_sub(SHORTEST);
        self.length.clear();
        self.band = None;
    }

    fn pack(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        let most = self.most;
        let entries = self.entries.get_or_insert_with(|| Entries::new(most));
        entries.weigh(bytes)?;
        // Of several the largest counts: whoever reads them has one after the other.
        self.begun = entries.begun().max(self.begun);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
