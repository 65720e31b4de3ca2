//! The patterns of `${v#glob}`: `*`, `?`, `[a-z]`, `[^a]` and `\` before a character that shall mean itself.

/// A pattern, ready to be held against the start of a text.
pub(super) struct Glob {
    tokens: Vec<Token>,
}

/// How many characters the shortest and the longest start of a text have that a pattern matches; both at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Starts {
    pub shortest: usize,
    pub longest: usize,
}

enum Token {
    /// `*`: any characters, `/` included.
    Many,
    /// `?`
    One,
    Literal(char),
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
    /// From here on the pattern cannot be read. Flux notices only when a match gets as far as this.
    Malformed,
}

impl Glob {
    /// Reads a pattern; what cannot be read makes no error, but a pattern that trims nothing.
    pub(super) fn parse(pattern: impl Iterator<Item = char>) -> Self {
        let mut tokens = Vec::new();
        let mut rest = pattern.peekable();
        while let Some(c) = rest.next() {
            let token = match c {
                // Two stars are one, which keeps `reach` short.
                '*' if matches!(tokens.last(), Some(Token::Many)) => continue,
                '*' => Some(Token::Many),
                '?' => Some(Token::One),
                '\\' => rest.next().map(Token::Literal),
                '[' => class(&mut rest),
                c => Some(Token::Literal(c)),
            };
            let malformed = token.is_none();
            tokens.push(token.unwrap_or(Token::Malformed));
            if malformed {
                break;
            }
        }
        Self { tokens }
    }

    /// An upper bound for the steps that [`Glob::starts`] takes on a text of that many characters.
    pub(super) fn cost(&self, length: usize) -> usize {
        self.tokens.len().saturating_add(1).saturating_mul(length)
    }

    /// The starts of `text` that match. All possible matches go forward together, so that no pattern can make this
    /// slower than text times pattern.
    pub(super) fn starts(&self, text: impl Iterator<Item = char>) -> Option<Starts> {
        let mut found = None;
        let mut here = vec![false; self.tokens.len() + 1];
        let mut next = here.clone();
        self.reach(&mut here, 0);
        for (count, c) in text.enumerate() {
            next.fill(false);
            for (at, token) in self.tokens.iter().enumerate().filter(|(at, _)| here[*at]) {
                match token {
                    Token::Malformed => return None,
                    Token::Many => self.reach(&mut next, at),
                    Token::One => self.reach(&mut next, at + 1),
                    Token::Literal(l) if *l == c => self.reach(&mut next, at + 1),
                    Token::Class { negated, ranges } if holds(ranges, c) != *negated => {
                        self.reach(&mut next, at + 1);
                    }
                    Token::Literal(_) | Token::Class { .. } => {}
                }
            }
            std::mem::swap(&mut here, &mut next);
            if here[self.tokens.len()] {
                let longest = count + 1;
                let shortest = found.map_or(longest, |f: Starts| f.shortest);
                found = Some(Starts { shortest, longest });
            }
        }
        found
    }

    /// Marks a position, and the one behind it where a `*` may stand for nothing.
    fn reach(&self, positions: &mut [bool], at: usize) {
        positions[at] = true;
        if matches!(self.tokens.get(at), Some(Token::Many)) {
            positions[at + 1] = true;
        }
    }
}

fn holds(ranges: &[(char, char)], c: char) -> bool {
    ranges.iter().any(|(low, high)| (*low..=*high).contains(&c))
}

/// After `[`, to its `]`; `None` when it is malformed.
fn class(rest: &mut std::iter::Peekable<impl Iterator<Item = char>>) -> Option<Token> {
    let negated = rest.next_if_eq(&'^').is_some();
    let mut ranges = Vec::new();
    while ranges.is_empty() || rest.next_if_eq(&']').is_none() {
        let low = member(rest)?;
        let high = if rest.next_if_eq(&'-').is_some() {
            member(rest)?
        } else {
            low
        };
        ranges.push((low, high));
    }
    Some(Token::Class { negated, ranges })
}

fn member(rest: &mut impl Iterator<Item = char>) -> Option<char> {
    match rest.next()? {
        '-' | ']' => None,
        '\\' => rest.next(),
        c => Some(c),
    }
}
