//! A shell pattern for one path segment, with the rules of Go's `filepath.Match`.

/// A pattern. One that is malformed matches nothing.
#[derive(Debug, Clone)]
pub(super) struct Glob {
    items: Option<Vec<Item>>,
}

#[derive(Debug, Clone)]
enum Item {
    Byte(u8),
    /// `?`: one character.
    One,
    /// `*`: any characters.
    Many,
    /// `[a-z]` or `[^a-z]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

impl Glob {
    /// Reads `*`, `?`, `[…]`, `[^…]` and `\` before a literal character. Not `[!…]` and not `[:alpha:]`: Go has neither.
    pub(super) fn parse(pattern: &[u8]) -> Glob {
        Glob {
            items: items(pattern),
        }
    }

    /// Whether the whole name matches. Linear in the name for each `*` (only the last one is ever reconsidered); `steps` is
    /// raised by the comparisons.
    pub(super) fn matches(&self, name: &[u8], steps: &mut u64) -> bool {
        let Some(items) = &self.items else { return false };
        let (mut item, mut at) = (0, 0);
        // Where to go on if the attempt fails: behind the last `*`, one character later in the name.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            *steps += items.get(item).map_or(1, Item::cost);
            let step = match items.get(item) {
                None if at == name.len() => return true,
                None => None,
                Some(Item::Many) => {
                    retry = Some((item + 1, at));
                    Some(0)
                }
                Some(single) => single.width(&name[at..]),
            };
            match (step, retry) {
                (Some(width), _) => (item, at) = (item + 1, at + width),
                (None, Some((resume, start))) if start < name.len() => {
                    retry = Some((resume, start + 1));
                    (item, at) = (resume, start + 1);
                }
                (None, _) => return false,
            }
        }
    }
}

impl Item {
    /// How many comparisons one question takes.
    fn cost(&self) -> u64 {
        match self {
            Item::Class { ranges, .. } => 1 + ranges.len() as u64,
            Item::Byte(_) | Item::One | Item::Many => 1,
        }
    }

    /// How many bytes at the start of `name` it matches, if it does.
    fn width(&self, name: &[u8]) -> Option<usize> {
        let (first, width) = character(name)?;
        match self {
            Item::Byte(byte) => (name.first() == Some(byte)).then_some(1),
            Item::One => Some(width),
            Item::Many => None,
            Item::Class { negated, ranges } => {
                let inside = ranges.iter().any(|(low, high)| (*low..=*high).contains(&first));
                (inside != *negated).then_some(width)
            }
        }
    }
}

fn items(mut pattern: &[u8]) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    while let Some((first, rest)) = pattern.split_first() {
        pattern = rest;
        items.push(match first {
            b'*' => Item::Many,
            b'?' => Item::One,
            b'[' => class(&mut pattern)?,
            b'\\' => {
                let (escaped, rest) = pattern.split_first()?;
                pattern = rest;
                Item::Byte(*escaped)
            }
            byte => Item::Byte(*byte),
        });
    }
    Some(items)
}

/// The inside of brackets; leaves the pattern behind the closing one.
fn class(pattern: &mut &[u8]) -> Option<Item> {
    let negated = pattern.starts_with(b"^");
    if negated {
        *pattern = &pattern[1..];
    }
    let mut ranges = Vec::new();
    loop {
        if pattern.starts_with(b"]") && !ranges.is_empty() {
            *pattern = &pattern[1..];
            return Some(Item::Class { negated, ranges });
        }
        let low = bound(pattern)?;
        let high = match pattern.strip_prefix(b"-") {
            Some(rest) => {
                *pattern = rest;
                bound(pattern)?
            }
            None => low,
        };
        ranges.push((low, high));
    }
}

/// One end of a range; an unescaped `-` or `]` is not one, and something must follow it.
fn bound(pattern: &mut &[u8]) -> Option<char> {
    let text = match pattern.first()? {
        b'-' | b']' => return None,
        b'\\' => &pattern[1..],
        _ => pattern,
    };
    let (bound, width) = character(text)?;
    if bound == char::REPLACEMENT_CHARACTER && width == 1 {
        return None;
    }
    *pattern = &text[width..];
    (!pattern.is_empty()).then_some(bound)
}

/// The first character and its width; a byte that is not UTF-8 counts as one replacement character, as in Go.
fn character(text: &[u8]) -> Option<(char, usize)> {
    let first = *text.first()?;
    if first.is_ascii() {
        return Some((first.into(), 1));
    }
    let valid = |width: usize| std::str::from_utf8(text.get(..width)?).ok()?.chars().next();
    Some(
        (2..=4)
            .find_map(|width| Some((valid(width)?, width)))
            .unwrap_or((char::REPLACEMENT_CHARACTER, 1)),
    )
}
