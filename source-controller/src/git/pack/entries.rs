//! PURE: the objects of a pack, one after the other, by gitformat-pack.

use flate2::{Decompress, FlushDecompress, Status};

use super::families::{Base, Delta, Families};
use super::{Most, PackError};

/// `PACK`, a version and the number of objects.
const HEADER: usize = 12;
/// The checksum at the end.
const SUM: usize = 20;
/// No entry says more about itself than this, in bytes: a size, and the name of another object or the way to it.
const MAX_HEAD: usize = 40;
/// A delta begins with two sizes, of so many bytes at the most.
const MAX_SIZES: usize = 20;
/// So much is inflated at a time.
const SCRATCH: usize = 64 << 10;

/// What is looked for next.
enum Next {
    Header,
    Entry,
    Content(Content),
    Sum,
    /// Whatever follows.
    End,
}

/// An object whose content is coming.
struct Content {
    /// Where its entry began.
    at: u64,
    /// Of what is inflated.
    size: u64,
    base: Option<Base>,
    inflated: u64,
    deflated: u64,
    /// The beginning of a delta.
    sizes: Vec<u8>,
}

/// The objects of a pack.
pub(super) struct Entries {
    most: Most,
    next: Next,
    /// Of a header or an entry, what has come.
    head: Vec<u8>,
    /// How many bytes of the pack were seen.
    at: u64,
    /// How many are still to come.
    objects: u32,
    /// How many there are, once that is known.
    begun: Option<u32>,
    /// How many bytes they have together, as they are when they are put together.
    made: u64,
    /// How much memory they need, once that is known.
    need: Option<u64>,
    inflate: Decompress,
    scratch: Vec<u8>,
    families: Families,
}

impl Entries {
    pub(super) fn new(most: Most) -> Entries {
        Entries {
            most,
            next: Next::Header,
            head: Vec::new(),
            at: 0,
            objects: 0,
            begun: None,
            made: 0,
            need: None,
            inflate: Decompress::new(true),
            scratch: Vec::new(),
            families: Families::default(),
        }
    }

    /// Takes in the next bytes of the pack.
    pub(super) fn weigh(&mut self, mut pack: &[u8]) -> Result<(), PackError> {
        while !pack.is_empty() {
            let used = match &mut self.next {
                Next::End => return Ok(()),
                Next::Header => self.header(pack[0])?,
                Next::Entry => self.entry(pack[0])?,
                Next::Content(_) => self.content(pack)?,
                Next::Sum => self.sum(pack),
            };
            self.at += used as u64;
            pack = &pack[used..];
        }
        Ok(())
    }

    /// Whether all of the pack has come.
    pub(super) fn are_over(&self) -> bool {
        matches!(self.next, Next::End)
    }

    /// How many there are, as soon as that is known, and once.
    pub(super) fn begun(&mut self) -> Option<u32> {
        self.begun.take()
    }

    /// How much memory they need, as soon as all have come, and once.
    pub(super) fn complete(&mut self) -> Option<u64> {
        self.are_over().then(|| self.need.take()).flatten()
    }

    fn header(&mut self, byte: u8) -> Result<usize, PackError> {
        self.head.push(byte);
        if self.head.len() == HEADER {
            if !self.head.starts_with(b"PACK") {
                return Err(PackError::Damaged("it does not begin as one"));
            }
            let number = self.head.last_chunk().copied().unwrap_or_default();
            self.objects = u32::from_be_bytes(number);
            let (objects, most) = (self.objects, self.most.objects);
            if objects > most {
                return Err(PackError::Objects { objects, most });
            }
            self.begun = Some(objects);
            self.head.clear();
            self.next = match self.objects {
                0 => Next::Sum,
                _ => Next::Entry,
            };
        }
        Ok(1)
    }

    fn entry(&mut self, byte: u8) -> Result<usize, PackError> {
        self.head.push(byte);
        let at = self.at + 1 - self.head.len() as u64;
        match entry(&self.head, at)? {
            None if self.head.len() < MAX_HEAD => {}
            None => return Err(PackError::Damaged("an object says nothing of itself")),
            Some((size, base)) => {
                self.fits(size)?;
                self.head.clear();
                self.inflate.reset(true);
                self.next = Next::Content(Content {
                    at,
                    size,
                    base,
                    inflated: 0,
                    deflated: 0,
                    sizes: Vec::new(),
                });
            }
        }
        Ok(1)
    }

    /// Inflates some of an object's content; gives how many bytes were used.
    fn content(&mut self, pack: &[u8]) -> Result<usize, PackError> {
        let Next::Content(content) = &mut self.next else {
            return Ok(0);
        };
        self.scratch.resize(SCRATCH, 0);
        let (read, written) = (self.inflate.total_in(), self.inflate.total_out());
        let status = self
            .inflate
            .decompress(pack, &mut self.scratch, FlushDecompress::None)
            .map_err(|_| PackError::Damaged("an object cannot be inflated"))?;
        let used = self.inflate.total_in() - read;
        let inflated = (self.inflate.total_out() - written) as usize;
        content.deflated += used;
        content.inflated += inflated as u64;
        // What cannot be made smaller becomes a little larger.
        let padded = content.deflated > content.size + content.size / 100 + SCRATCH as u64;
        if content.inflated > content.size || padded {
            return Err(PackError::Larger(content.size));
        }
        if content.base.is_some() {
            let room = MAX_SIZES.saturating_sub(content.sizes.len());
            content
                .sizes
                .extend_from_slice(&self.scratch[..inflated.min(room)]);
        }
        match status {
            Status::StreamEnd => self.enter()?,
            Status::Ok | Status::BufError if used == 0 && inflated == 0 => {
                return Err(PackError::Damaged("an object cannot be inflated"));
            }
            Status::Ok | Status::BufError => {}
        }
        Ok(used as usize)
    }

    /// An object is complete.
    fn enter(&mut self) -> Result<(), PackError> {
        self.objects -= 1;
        let next = match self.objects {
            0 => Next::Sum,
            _ => Next::Entry,
        };
        if let Next::Content(content) = std::mem::replace(&mut self.next, next) {
            match content.base {
                None => {
                    self.makes(content.size)?;
                    self.families.root(content.at, content.size);
                }
                Some(base) => {
                    let sizes = delta(&content.sizes).ok_or(PackError::Damaged("a delta has no sizes"))?;
                    let (base_size, result) = sizes;
                    self.fits(base_size)?;
                    self.fits(result)?;
                    self.makes(result)?;
                    let delta = Delta {
                        length: content.size,
                        base: base_size,
                        result,
                    };
                    self.families.child(content.at, base, delta)?;
                }
            }
        }
        if self.objects > 0 {
            return Ok(());
        }
        let families = std::mem::take(&mut self.families);
        let need = families.need(self.most.each);
        self.need = Some(need);
        match need <= self.most.memory {
            true => Ok(()),
            false => Err(PackError::Memory(self.most.memory)),
        }
    }

    /// Takes the checksum, which whoever puts the pack together waits for.
    fn sum(&mut self, pack: &[u8]) -> usize {
        let used = pack.len().min(SUM - self.head.len());
        self.head.extend_from_slice(&pack[..used]);
        if self.head.len() == SUM {
            self.next = Next::End;
        }
        used
    }

    fn makes(&mut self, size: u64) -> Result<(), PackError> {
        self.made = self.made.saturating_add(size);
        match self.made <= self.most.made {
            true => Ok(()),
            false => Err(PackError::Made(self.most.made)),
        }
    }

    fn fits(&self, size: u64) -> Result<(), PackError> {
        let most = self.most.object;
        match size <= most {
            true => Ok(()),
            false => Err(PackError::Object { size, most }),
        }
    }
}

/// What an entry at this place says of itself: its size, and of what it is made if it is a delta. Nothing, if more has to come.
fn entry(head: &[u8], at: u64) -> Result<Option<(u64, Option<Base>)>, PackError> {
    let Some((first, mut rest)) = head.split_first() else {
        return Ok(None);
    };
    let mut size = u64::from(first & 15);
    if first & 128 != 0 {
        let Some((more, after)) = number(rest) else {
            return Ok(None);
        };
        // Whoever puts the pack together counts in the fewest bytes, and would find other objects than we at a distance.
        if rest.get(rest.len() - after.len() - 1) == Some(&0) {
            return Err(PackError::Damaged("an object has a size of too many bytes"));
        }
        // A size that does not fit is too large in any case.
        size |= more.saturating_mul(16);
        rest = after;
    }
    let base = match (first >> 4) & 7 {
        1..=4 => None,
        6 => {
            let Some(distance) = distance(rest) else {
                return Ok(None);
            };
            let base = at.checked_sub(distance).filter(|base| *base < at);
            Some(Base::At(base.ok_or(PackError::Damaged(
                "an object is made of one that is not before it",
            ))?))
        }
        7 => match rest.first_chunk() {
            None => return Ok(None),
            Some(id) => Some(Base::Named(*id)),
        },
        _ => return Err(PackError::Damaged("an object is of no kind")),
    };
    Ok(Some((size, base)))
}

/// The sizes of what a delta is made of, and of what it makes.
fn delta(sizes: &[u8]) -> Option<(u64, u64)> {
    let (base, rest) = number(sizes)?;
    let (result, _) = number(rest)?;
    Some((base, result))
}

/// A number in groups of seven bits, the lowest first, and what follows it. One that is too large is the largest.
fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = bytes.iter().position(|byte| byte & 128 == 0)?;
    let mut number = 0_u64;
    for byte in bytes[..=end].iter().rev() {
        number = number.saturating_mul(128) | u64::from(byte & 127);
    }
    Some((number, &bytes[end + 1..]))
}

/// How far before a delta its base is: groups of seven bits, the highest first, and one more for each that follows.
fn distance(bytes: &[u8]) -> Option<u64> {
    let end = bytes.iter().position(|byte| byte & 128 == 0)?;
    let mut distance = u64::from(bytes[0] & 127);
    for byte in &bytes[1..=end] {
        distance = distance.saturating_add(1).saturating_mul(128) | u64::from(byte & 127);
    }
    Some(distance)
}
