//! Which earlier bytes are repeated: hash chains over a sliding window, with one step of second thoughts.

use std::io::{self, Write};

use super::bits::BitWriter;
use super::block::{self, Block};

/// How far back a match may reach, and by how much the window moves.
const REACH: usize = 1 << 15;
const WINDOW: usize = 2 * REACH;
/// Shorter repeats are not looked for, though the format allows three bytes.
const SHORTEST: usize = 4;
const LONGEST: usize = 258;
/// So much input must be ahead of a position before it is looked at, so that no decision depends on where input ends.
const AHEAD: usize = SHORTEST + LONGEST;
const HASH_BITS: u32 = 17;
/// Level 6: with a match this long in hand, the next position is not searched.
const CONTENT: usize = 16;
/// Level 6: a match this long ends the search.
const NICE: usize = 128;
/// Level 6: the most candidates that a search looks at.
const CANDIDATES: usize = 128;
/// A match of the shortest length is worth its bits only if it is this near.
const NEAR: usize = 4096;
/// Chains count positions of the stream; before the count gets here it starts again.
const REBASE: u32 = 1 << 30;

/// The window, the chains through it, and the decision that waits for the next position.
pub(super) struct Matcher {
    window: Box<[u8; WINDOW]>,
    /// Input ends here in the window.
    end: usize,
    /// The next position to look at.
    at: usize,
    /// Where the current block began, unless that has left the window.
    block_start: Option<usize>,
    block: Block,
    /// Whether the byte before `at` is not coded yet.
    waiting: bool,
    /// The match that was found at the byte that waits.
    found: Match,
    /// Chain links are window positions plus this, so that they survive a move of the window. Never zero.
    base: u32,
    /// The latest link for each hash.
    heads: Box<[u32; 1 << HASH_BITS]>,
    /// The link before, for each position modulo `REACH`.
    links: Box<[u32; REACH]>,
}

#[derive(Clone, Copy)]
struct Match {
    /// Below `SHORTEST` there is none.
    length: usize,
    distance: usize,
}

impl Match {
    const NONE: Match = Match {
        length: SHORTEST - 1,
        distance: 0,
    };
}

impl Matcher {
    pub(super) fn new() -> Matcher {
        Matcher {
            window: zeroed(),
            end: 0,
            at: 0,
            block_start: Some(0),
            block: Block::new(),
            waiting: false,
            found: Match::NONE,
            base: 1,
            heads: zeroed(),
            links: zeroed(),
        }
    }

    /// Takes one write's input: works off what the window has before each refill, as Go does.
    pub(super) fn write<W: Write>(&mut self, mut input: &[u8], out: &mut BitWriter<W>) -> io::Result<()> {
        while !input.is_empty() {
            self.advance(false, out)?;
            if self.at >= WINDOW - AHEAD {
                self.slide();
            }
            let taken = input.len().min(WINDOW - self.end);
            self.window[self.end..self.end + taken].copy_from_slice(&input[..taken]);
            self.end += taken;
            input = &input[taken..];
        }
        Ok(())
    }

    /// Codes what is left and ends the stream.
    pub(super) fn finish<W: Write>(&mut self, out: &mut BitWriter<W>) -> io::Result<()> {
        self.advance(true, out)?;
        if self.waiting {
            self.block.literal(self.window[self.at - 1]);
        }
        if !self.block.is_empty() {
            self.end_block(out)?;
        }
        block::write_end(out)
    }

    /// Moves the window on by half. What was older than the kept half can no longer be matched.
    fn slide(&mut self) {
        self.window.copy_within(REACH.., 0);
        self.at -= REACH;
        self.end -= REACH;
        self.block_start = self.block_start.and_then(|start| start.checked_sub(REACH));
        self.base += REACH as u32;
        if self.base > REBASE {
            let surplus = self.base - 1;
            for link in self.heads.iter_mut().chain(self.links.iter_mut()) {
                *link = link.saturating_sub(surplus);
            }
            self.base = 1;
        }
    }

    /// Looks at every position that has enough input ahead, or at all of them if the input is at its end.
    fn advance<W: Write>(&mut self, last: bool, out: &mut BitWriter<W>) -> io::Result<()> {
        loop {
            let ahead = self.end - self.at;
            if ahead == 0 || (ahead < AHEAD && !last) {
                return Ok(());
            }
            let candidate = self.enter(self.at);
            let before = self.found;
            self.found = match candidate {
                Some(candidate) if ahead > before.length && before.length < CONTENT => {
                    self.search(candidate, ahead)
                }
                _ => Match::NONE,
            };
            if before.length >= SHORTEST && self.found.length <= before.length {
                // The earlier match is at least as good. It began a byte ago and covers up to `next`.
                self.block.copy(before.length, before.distance);
                let next = self.at + before.length - 1;
                for position in self.at + 1..next {
                    self.enter(position);
                }
                self.at = next;
                self.waiting = false;
                self.found = Match::NONE;
                if self.block.is_full() {
                    self.end_block(out)?;
                }
            } else {
                if self.waiting {
                    self.block.literal(self.window[self.at - 1]);
                    if self.block.is_full() {
                        self.end_block(out)?;
                    }
                }
                self.at += 1;
                self.waiting = true;
            }
        }
    }

    /// Puts a position at the head of its hash's chain, and gives the position that was there, if it is in reach.
    #[inline]
    fn enter(&mut self, position: usize) -> Option<usize> {
        if position + SHORTEST > self.end {
            return None;
        }
        let bytes = u32::from_be_bytes(*self.window[position..].first_chunk()?);
        let head = &mut self.heads[(bytes.wrapping_mul(0x1e35_a7bd) >> (32 - HASH_BITS)) as usize];
        let previous = std::mem::replace(head, position as u32 + self.base);
        self.links[position % REACH] = previous;
        let previous = previous.checked_sub(self.base)? as usize;
        (previous >= position.saturating_sub(REACH)).then_some(previous)
    }

    /// The longest match at `at` among the chain's first candidates; of equals the nearest.
    #[inline]
    fn search(&self, mut candidate: usize, ahead: usize) -> Match {
        let longest = ahead.min(LONGEST);
        let nice = longest.min(NICE);
        let oldest = self.at.saturating_sub(REACH);
        let here = &self.window[self.at..self.at + longest];
        let mut best = Match::NONE;
        // A longer match agrees in particular in the four bytes that end just past the best one.
        let mut probe = four(here, 0);
        for _ in 0..CANDIDATES {
            if four(&self.window[..], candidate + best.length - 3) == probe {
                let length = common(&self.window[candidate..candidate + longest], here);
                let distance = self.at - candidate;
                if length > best.length && (length > SHORTEST || distance <= NEAR) {
                    best = Match { length, distance };
                    if length >= nice {
                        break;
                    }
                    probe = four(here, length - 3);
                }
            }
            if candidate + REACH == self.at {
                // Its link has just been overwritten by this position's.
                break;
            }
            match self.links[candidate % REACH].checked_sub(self.base) {
                Some(older) if older as usize >= oldest => candidate = older as usize,
                _ => break,
            }
        }
        best
    }

    fn end_block<W: Write>(&mut self, out: &mut BitWriter<W>) -> io::Result<()> {
        let input = self
            .block_start
            .filter(|start| *start <= self.at)
            .map(|start| &self.window[start..self.at]);
        self.block.write(input, out)?;
        self.block_start = Some(self.at);
        Ok(())
    }
}

#[inline]
fn four(bytes: &[u8], at: usize) -> u32 {
    bytes[at..]
        .first_chunk()
        .map_or(0, |four| u32::from_le_bytes(*four))
}

/// How many bytes two slices of one length have in common from the start.
#[inline]
fn common(a: &[u8], b: &[u8]) -> usize {
    let (a_words, a_rest) = a.as_chunks::<8>();
    let (b_words, b_rest) = b.as_chunks::<8>();
    for (at, (x, y)) in a_words.iter().zip(b_words).enumerate() {
        let differing = u64::from_le_bytes(*x) ^ u64::from_le_bytes(*y);
        if differing != 0 {
            return at * 8 + differing.trailing_zeros() as usize / 8;
        }
    }
    a_words.len() * 8 + a_rest.iter().zip(b_rest).take_while(|(x, y)| x == y).count()
}

/// A large array straight on the heap; as a local it would pass over the stack.
fn zeroed<T: Copy + Default, const N: usize>() -> Box<[T; N]> {
    match vec![T::default(); N].into_boxed_slice().try_into() {
        Ok(array) => array,
        Err(_) => unreachable!("the slice was made with the array's length"),
    }
}
