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
    /// Of objects that others are made of, all together at one time.
    pub(super) bases: u64,
    /// Objects: whoever puts them together keeps some hundred bytes of each.
    pub(super) objects: u32,
}

/// The most bytes that an object may have.
pub(super) const MAX_OBJECT: u64 = 512 << 20;

impl Default for Most {
    /// An object of 512 MiB, four times that of those that others are made of, and five million of all.
    fn default() -> Self {
        Most {
            object: MAX_OBJECT,
            bases: 4 * MAX_OBJECT,
            objects: 5_000_000,
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
    /// Objects are made of each other in a way that needs much memory.
    #[error("the remote sent objects that need more than {0} bytes of memory to be put together")]
    Bases(u64),
    /// No pack at all.
    #[error("the remote sent a damaged pack: {0}")]
    Damaged(&'static str),
}

/// Looks at an answer of a remote, and at the pack in it if there is one.
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
    most: Most,
}

/// Of the bands in which a remote speaks (gitprotocol-pack, "Packfile Data") the one that has the pack.
const PACK_BAND: u8 = 1;

impl Scale {
    pub(super) fn new(most: Most) -> Scale {
        Scale {
            length: Vec::with_capacity(4),
            left: 0,
            band: None,
            entries: None,
            is_bare: false,
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
                    // What is no length ends the conversation; whoever reads it says so.
                    let length = std::str::from_utf8(&self.length).ok();
                    let length = length.and_then(|digits| usize::from_str_radix(digits, 16).ok());
                    self.left = length.unwrap_or(0).saturating_sub(4);
                    self.length.clear();
                    self.band = None;
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

    fn pack(&mut self, bytes: &[u8]) -> Result<(), PackError> {
        let most = self.most;
        self.entries
            .get_or_insert_with(|| Entries::new(most))
            .weigh(bytes)
    }
}

#[cfg(test)]
mod tests;
