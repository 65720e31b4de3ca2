//! A deflate block: its tokens, and the cheapest of the three ways to code it (RFC 1951 §3.2.3).

use std::io::{self, Write};
use std::sync::LazyLock;

use super::bits::BitWriter;
use super::huffman::Code;

/// A block ends when it has this many literals and matches (Go's limit; the format has none).
const MAX_TOKENS: usize = 1 << 14;
/// The most bytes that one stored block can hold.
const MAX_STORED: usize = 65_535;
const LITERALS: usize = 286;
const DISTANCES: usize = 30;
const END: usize = 256;
const FIRST_LENGTH: usize = 257;
/// Bit 31 says that a token is a match: length - 3 from bit 16 up, distance - 1 below. Otherwise it is a literal byte.
const MATCH: u32 = 1 << 31;
/// Codes of the code that codes code lengths, in the order in which the header has them.
const HEADER_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
/// Bits that follow a code length of 16 (repeat the last), 17 and 18 (repeat zero).
const REPEAT_BITS: [u32; 3] = [2, 3, 7];

/// Collects literals and matches until they fill a block.
pub(super) struct Block {
    tokens: Vec<u32>,
    literals: [u32; LITERALS],
    distances: [u32; DISTANCES],
}

/// A dynamic block's header, worked out before it is known whether it is worth it.
struct Header {
    literals: usize,
    distances: usize,
    /// How many of [`HEADER_ORDER`] are listed.
    listed: usize,
    /// Code lengths, run by run: a symbol of `code`, and what follows it.
    runs: Vec<(u8, u8)>,
    code: Code<19>,
    cost: u32,
}

struct Fixed {
    literals: Code<LITERALS>,
    distances: Code<DISTANCES>,
}

static FIXED: LazyLock<Fixed> = LazyLock::new(|| {
    // The code is complete only with 288 symbols; the last two have the longest-but-one length and never occur.
    let lengths: [u8; 288] = std::array::from_fn(|symbol| match symbol {
        0..144 => 8,
        144..256 => 9,
        256..280 => 7,
        _ => 8,
    });
    let all = Code::canonical(lengths);
    Fixed {
        literals: Code {
            bits: std::array::from_fn(|symbol| all.bits[symbol]),
            lengths: std::array::from_fn(|symbol| all.lengths[symbol]),
        },
        distances: Code::canonical([5; DISTANCES]),
    }
});

impl Block {
    pub(super) fn new() -> Block {
        Block {
            tokens: Vec::with_capacity(MAX_TOKENS),
            literals: [0; LITERALS],
            distances: [0; DISTANCES],
        }
    }

    #[inline]
    pub(super) fn literal(&mut self, byte: u8) {
        self.tokens.push(u32::from(byte));
        self.literals[usize::from(byte)] += 1;
    }

    /// A copy of `length` (3 to 258) bytes from `distance` (1 to 32768) bytes back.
    #[inline]
    pub(super) fn copy(&mut self, length: usize, distance: usize) {
        let (length, distance) = ((length - 3) as u32, (distance - 1) as u32);
        self.tokens.push(MATCH | length << 16 | distance);
        self.literals[FIRST_LENGTH + length_code(length).0] += 1;
        self.distances[distance_code(distance).0] += 1;
    }

    pub(super) fn is_full(&self) -> bool {
        self.tokens.len() == MAX_TOKENS
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tokens.is_empty()
    }

    /// Writes the block and begins an empty one. `input` is what it stands for, if that is still at hand.
    pub(super) fn write<W: Write>(&mut self, input: Option<&[u8]>, out: &mut BitWriter<W>) -> io::Result<()> {
        self.literals[END] = 1;
        let used_distances = self
            .distances
            .iter()
            .rposition(|count| *count > 0)
            .map_or(0, |last| last + 1);
        if used_distances == 0 {
            // A code needs a symbol; this one is described and never used.
            self.distances[0] = 1;
        }
        let literals = Code::optimal(&self.literals, 15);
        let distances = Code::optimal(&self.distances, 15);
        let header = Header::new(&literals, &distances);

        let extra = self.extra_bits();
        let fixed = 3 + FIXED.literals.cost(&self.literals) + FIXED.distances.cost(&self.distances) + extra;
        let dynamic = header.cost + literals.cost(&self.literals) + distances.cost(&self.distances) + extra;
        let stored = input.filter(|input| input.len() <= MAX_STORED);

        match stored {
            Some(input) if ((input.len() + 5) * 8) < fixed.min(dynamic) as usize => {
                stored_header(input.len() as u16, false, out)?;
                out.bytes(input)?;
            }
            _ if dynamic < fixed => {
                header.write(out)?;
                self.write_tokens(&literals, &distances, out)?;
            }
            _ => {
                out.bits(0b010, 3)?;
                self.write_tokens(&FIXED.literals, &FIXED.distances, out)?;
            }
        }
        self.tokens.clear();
        self.literals = [0; LITERALS];
        self.distances = [0; DISTANCES];
        Ok(())
    }

    fn extra_bits(&self) -> u32 {
        let lengths = (0..29u32).map(|code| self.literals[FIRST_LENGTH + code as usize] * length_extra(code));
        let distances = (0..30u32).map(|code| self.distances[code as usize] * distance_extra(code));
        lengths.sum::<u32>() + distances.sum::<u32>()
    }

    fn write_tokens<W: Write>(
        &self,
        literals: &Code<LITERALS>,
        distances: &Code<DISTANCES>,
        out: &mut BitWriter<W>,
    ) -> io::Result<()> {
        let literal = |symbol: usize| {
            (
                u32::from(literals.bits[symbol]),
                u32::from(literals.lengths[symbol]),
            )
        };
        for token in &self.tokens {
            if token & MATCH == 0 {
                let (bits, count) = literal(*token as usize);
                out.bits(bits, count)?;
                continue;
            }
            let (code, extra, count) = length_code((token >> 16) & 0xff);
            let (bits, width) = literal(FIRST_LENGTH + code);
            out.bits(bits | extra << width, width + count)?;
            let (code, extra, count) = distance_code(token & 0x7fff);
            let width = u32::from(distances.lengths[code]);
            out.bits(u32::from(distances.bits[code]) | extra << width, width + count)?;
        }
        let (bits, count) = literal(END);
        out.bits(bits, count)
    }
}

impl Header {
    fn new(literals: &Code<LITERALS>, distances: &Code<DISTANCES>) -> Header {
        let used = |lengths: &[u8]| {
            lengths
                .iter()
                .rposition(|length| *length > 0)
                .map_or(0, |last| last + 1)
        };
        let (used_literals, used_distances) = (used(&literals.lengths), used(&distances.lengths));
        let mut runs = Vec::new();
        let mut lengths = literals.lengths[..used_literals]
            .iter()
            .chain(&distances.lengths[..used_distances])
            .peekable();
        while let Some(length) = lengths.next() {
            let mut count = 1;
            while lengths.next_if_eq(&length).is_some() {
                count += 1;
            }
            push_run(*length, count, &mut runs);
        }
        let mut frequencies = [0; 19];
        for (symbol, _) in &runs {
            frequencies[usize::from(*symbol)] += 1;
        }
        let code = Code::optimal(&frequencies, 7);
        let listed = HEADER_ORDER
            .iter()
            .rposition(|symbol| frequencies[*symbol] > 0)
            .map_or(4, |last| (last + 1).max(4));
        let repeats: u32 = (0..3)
            .map(|repeat| frequencies[16 + repeat] * REPEAT_BITS[repeat])
            .sum();
        let cost = 3 + 5 + 5 + 4 + 3 * listed as u32 + code.cost(&frequencies) + repeats;
        Header {
            literals: used_literals,
            distances: used_distances,
            listed,
            runs,
            code,
            cost,
        }
    }

    fn write<W: Write>(&self, out: &mut BitWriter<W>) -> io::Result<()> {
        out.bits(0b100, 3)?;
        out.bits((self.literals - 257) as u32, 5)?;
        out.bits((self.distances - 1) as u32, 5)?;
        out.bits((self.listed - 4) as u32, 4)?;
        for symbol in &HEADER_ORDER[..self.listed] {
            out.bits(u32::from(self.code.lengths[*symbol]), 3)?;
        }
        for (symbol, operand) in &self.runs {
            let symbol = usize::from(*symbol);
            out.bits(
                u32::from(self.code.bits[symbol]),
                u32::from(self.code.lengths[symbol]),
            )?;
            if symbol >= 16 {
                out.bits(u32::from(*operand), REPEAT_BITS[symbol - 16])?;
            }
        }
        Ok(())
    }
}

/// The last block of a stream: stored, empty, and marked as last (Go never marks another).
pub(super) fn write_end<W: Write>(out: &mut BitWriter<W>) -> io::Result<()> {
    stored_header(0, true, out)
}

fn stored_header<W: Write>(length: u16, last: bool, out: &mut BitWriter<W>) -> io::Result<()> {
    out.bits(u32::from(last), 3)?;
    out.align();
    out.bits(u32::from(length) | u32::from(!length) << 16, 32)
}

/// Codes a run of equal code lengths greedily: the longest repeats first.
fn push_run(length: u8, mut count: usize, runs: &mut Vec<(u8, u8)>) {
    if length == 0 {
        while count >= 11 {
            let repeat = count.min(138);
            runs.push((18, (repeat - 11) as u8));
            count -= repeat;
        }
        if count >= 3 {
            runs.push((17, (count - 3) as u8));
            count = 0;
        }
    } else {
        runs.push((length, 0));
        count -= 1;
        while count >= 3 {
            let repeat = count.min(6);
            runs.push((16, (repeat - 3) as u8));
            count -= repeat;
        }
    }
    runs.extend(std::iter::repeat_n((length, 0), count));
}

/// For a match length less 3: its code less 257, what is left over, and in how many bits that is written.
#[inline]
fn length_code(length: u32) -> (usize, u32, u32) {
    match length {
        0..8 => (length as usize, 0, 0),
        // 258 has a code of its own.
        255 => (28, 0, 0),
        _ => {
            let extra = length.ilog2() - 2;
            (
                (4 * extra + (length >> extra)) as usize,
                length & ((1 << extra) - 1),
                extra,
            )
        }
    }
}

/// For a distance less 1: its code, what is left over, and in how many bits that is written.
#[inline]
fn distance_code(distance: u32) -> (usize, u32, u32) {
    if distance < 4 {
        return (distance as usize, 0, 0);
    }
    let extra = distance.ilog2() - 1;
    (
        (2 * extra + (distance >> extra)) as usize,
        distance & ((1 << extra) - 1),
        extra,
    )
}

fn length_extra(code: u32) -> u32 {
    if code < 8 || code == 28 { 0 } else { code / 4 - 1 }
}

fn distance_extra(code: u32) -> u32 {
    (code / 2).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each code's extra bits and first value, from the tables of RFC 1951 §3.2.5.
    #[test]
    fn codes() {
        let lengths = [
            (0, 0),
            (7, 7),
            (8, 8),
            (9, 8),
            (10, 9),
            (12, 10),
            (16, 12),
            (31, 15),
            (64, 20),
            (254, 27),
            (255, 28),
        ];
        for (length, code) in lengths {
            assert_eq!(length_code(length).0, code, "length {}", length + 3);
            assert_eq!(
                length_code(length).2,
                length_extra(code as u32),
                "length {}",
                length + 3
            );
        }
        let distances = [
            (0, 0),
            (3, 3),
            (4, 4),
            (5, 4),
            (6, 5),
            (8, 6),
            (255, 15),
            (256, 16),
            (24576, 29),
            (32767, 29),
        ];
        for (distance, code) in distances {
            assert_eq!(distance_code(distance).0, code, "distance {}", distance + 1);
            assert_eq!(
                distance_code(distance).2,
                distance_extra(code as u32),
                "distance {}",
                distance + 1
            );
        }
    }

    #[test]
    fn runs() {
        let check = |length: u8, count: usize, expected: &[(u8, u8)]| {
            let mut runs = Vec::new();
            push_run(length, count, &mut runs);
            assert_eq!(runs, expected, "{count} of {length}");
        };
        check(0, 2, &[(0, 0), (0, 0)]);
        check(0, 10, &[(17, 7)]);
        check(0, 138 + 13, &[(18, 127), (18, 2)]);
        check(0, 140, &[(18, 127), (0, 0), (0, 0)]);
        check(5, 3, &[(5, 0), (5, 0), (5, 0)]);
        check(5, 9, &[(5, 0), (16, 3), (5, 0), (5, 0)]);
    }
}
