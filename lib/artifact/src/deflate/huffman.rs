//! Optimal prefix codes of limited length, with ties broken as Go breaks them.

/// A prefix code over up to `N` symbols: for each symbol its bits, ready to be written, and how many there are.
#[derive(Clone)]
pub(super) struct Code<const N: usize> {
    pub(super) bits: [u16; N],
    /// Zero for symbols that have no code.
    pub(super) lengths: [u8; N],
}

/// One thing to choose at a depth of the tree: a symbol, or two choices of the depth below taken together.
#[derive(Clone, Copy)]
struct Item {
    weight: u32,
    symbol: bool,
}

impl<const N: usize> Code<N> {
    /// The code that spends the fewest bits on symbols of these frequencies, none longer than `limit`.
    ///
    /// One or two symbols get one bit each. `limit` must leave room for all symbols (15 and 7 in deflate do).
    pub(super) fn optimal(frequencies: &[u32; N], limit: usize) -> Code<N> {
        let mut symbols: Vec<(u32, u16)> = (0u16..)
            .zip(frequencies)
            .filter(|(_, f)| **f > 0)
            .map(|(s, f)| (*f, s))
            .collect();
        let mut lengths = [0; N];
        if symbols.len() <= 2 {
            for (_, symbol) in symbols {
                lengths[usize::from(symbol)] = 1;
            }
            return Code::canonical(lengths);
        }
        symbols.sort_unstable();
        let deepest = limit.min(symbols.len() - 1);
        // At `deepest - depth` steps from the leaves' level, `longer` symbols (the rarest) need yet one bit more.
        for longer in symbols_by_depth(&symbols, deepest) {
            for (_, symbol) in &symbols[..longer] {
                lengths[usize::from(*symbol)] += 1;
            }
        }
        Code::canonical(lengths)
    }

    /// The code that lengths alone determine (RFC 1951 §3.2.2): shorter first, then by symbol.
    pub(super) fn canonical(lengths: [u8; N]) -> Code<N> {
        let mut per_length = [0u16; 16];
        for length in lengths.iter().filter(|length| **length > 0) {
            per_length[usize::from(*length)] += 1;
        }
        let mut next = [0u16; 16];
        for length in 1..16 {
            next[length] = (next[length - 1] + per_length[length - 1]) << 1;
        }
        let mut bits = [0; N];
        for (symbol, length) in lengths.iter().enumerate().filter(|(_, length)| **length > 0) {
            let code = &mut next[usize::from(*length)];
            // Huffman codes go out most significant bit first, all else least significant first.
            bits[symbol] = code.reverse_bits() >> (16 - u16::from(*length));
            *code += 1;
        }
        Code { bits, lengths }
    }

    /// The bits that symbols of these frequencies take.
    pub(super) fn cost(&self, frequencies: &[u32; N]) -> u32 {
        self.lengths
            .iter()
            .zip(frequencies)
            .map(|(length, frequency)| u32::from(*length) * frequency)
            .sum()
    }
}

/// Package-merge: how many of the rarest symbols are chosen at each depth, the top first.
///
/// At every depth, symbols and pairs from the depth below are merged by weight; **where weights tie, the pair goes first**
/// (Go's rule; the other rule gives other lengths of the same cost). Of the top, `2n - 2` items are taken; the pairs among
/// them say how many are taken one depth below, and so on.
fn symbols_by_depth(symbols: &[(u32, u16)], depths: usize) -> Vec<usize> {
    let mut levels: Vec<Vec<Item>> = Vec::with_capacity(depths);
    for _ in 0..depths {
        let below = levels.last().map_or(&[][..], |level| level);
        let mut pairs = below
            .chunks_exact(2)
            .map(|pair| pair[0].weight + pair[1].weight)
            .peekable();
        let mut level = Vec::with_capacity(symbols.len() + below.len() / 2);
        for (weight, _) in symbols {
            while let Some(pair) = pairs.next_if(|pair| pair <= weight) {
                level.push(Item {
                    weight: pair,
                    symbol: false,
                });
            }
            level.push(Item {
                weight: *weight,
                symbol: true,
            });
        }
        level.extend(pairs.map(|weight| Item {
            weight,
            symbol: false,
        }));
        levels.push(level);
    }
    let mut taken = 2 * symbols.len() - 2;
    let mut chosen = Vec::with_capacity(depths);
    for level in levels.iter().rev() {
        let longer = level.iter().take(taken).filter(|item| item.symbol).count();
        chosen.push(longer);
        taken = 2 * (taken - longer);
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths() {
        let check = |frequencies: [u32; 6], limit: usize, expected: [u8; 6]| {
            assert_eq!(
                Code::optimal(&frequencies, limit).lengths,
                expected,
                "{frequencies:?}"
            );
        };
        check([0; 6], 15, [0; 6]);
        check([0, 9, 0, 0, 0, 0], 15, [0, 1, 0, 0, 0, 0]);
        check([0, 9, 0, 1, 0, 0], 15, [0, 1, 0, 1, 0, 0]);
        check([1, 2, 4, 8, 16, 32], 15, [5, 5, 4, 3, 2, 1]);
        check([1, 2, 4, 8, 16, 32], 4, [4, 4, 4, 4, 2, 1]);
        check([1, 1, 1, 1, 1, 1], 3, [3, 3, 3, 3, 2, 2]);
    }

    #[test]
    fn codes_follow_the_rfc() {
        // The example of RFC 1951 §3.2.2: lengths 3,3,3,3,3,2,4,4 give 010 011 100 101 110 00 1110 1111.
        let code = Code::canonical([3u8, 3, 3, 3, 3, 2, 4, 4]);
        assert_eq!(
            code.bits,
            [0b010, 0b110, 0b001, 0b101, 0b011, 0b00, 0b0111, 0b1111]
        );
    }
}
