//! PURE: patterns for paths, in the two dialects that ArtifactGenerators know.

/// A pattern for clean paths.
#[derive(Debug, Clone)]
pub struct Glob {
    /// With braces there are several; one has to match.
    alternatives: Vec<Vec<Segment>>,
}

/// What a pattern means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// As Go's `path.Match`: nothing matches a slash.
    Go,
    /// As the library doublestar: `**` is any number of segments, `{a,b}` one of several.
    Doublestar,
}

/// What one segment of a path has to be.
#[derive(Debug, Clone)]
pub enum Segment {
    /// Any number of segments, also none.
    Any,
    /// One segment.
    One(Vec<Token>),
}

/// A piece of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// This character.
    Literal(char),
    /// Any one character.
    One,
    /// Any characters, also none.
    Many,
    /// One of these characters, or none of them.
    Class {
        /// None of them.
        negated: bool,
        /// First and last of each range.
        ranges: Vec<(char, char)>,
    },
}

/// Why a text is no pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bad {
    /// It is malformed.
    Syntax,
    /// It stands for more than [`MAX_ALTERNATIVES`] patterns, or for more than [`MAX_BYTES`] of them.
    TooMuch,
}

/// More alternatives are no pattern.
const MAX_ALTERNATIVES: usize = 256;
/// Nor are those that have more bytes together: each character is held as a token of some 32 bytes.
const MAX_BYTES: usize = 32 << 10;

impl Glob {
    /// Reads a pattern.
    ///
    /// # Errors
    /// It is malformed, or its braces stand for too much.
    pub fn parse(pattern: &str, dialect: Dialect) -> Result<Glob, Bad> {
        if pattern.len() > MAX_BYTES {
            return Err(Bad::TooMuch);
        }
        let patterns = match dialect {
            Dialect::Go => vec![pattern.to_owned()],
            Dialect::Doublestar => alternatives(pattern)?,
        };
        let parse = |pattern: &String| pattern.split('/').map(|s| segment(s, dialect)).collect();
        let alternatives = patterns.iter().map(parse).collect::<Option<_>>();
        Ok(Glob {
            alternatives: alternatives.ok_or(Bad::Syntax)?,
        })
    }

    /// What comparing it with a name of one character costs at the most; also about how many tokens are held.
    pub fn weight(&self) -> usize {
        self.alternatives.iter().flatten().map(Segment::weight).sum()
    }

    /// Whether a clean path matches as a whole.
    pub fn matches(&self, path: &str) -> bool {
        let names: Vec<&str> = path.split('/').collect();
        self.alternatives
            .iter()
            .any(|segments| all_match(segments, &names))
    }

    /// The segments, in a dialect without alternatives.
    pub fn segments(&self) -> &[Segment] {
        self.alternatives.first().map_or(&[], Vec::as_slice)
    }
}

impl Segment {
    /// As [`Glob::weight`].
    pub fn weight(&self) -> usize {
        match self {
            Segment::Any => 1,
            Segment::One(tokens) => 1 + tokens.iter().map(Token::weight).sum::<usize>(),
        }
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        match self {
            Segment::Any => true,
            Segment::One(tokens) => token_match(tokens, name),
        }
    }
}

/// Whether segments match names, one row of the table of what matches what at a time.
fn all_match(segments: &[Segment], names: &[&str]) -> bool {
    // reached[n]: the segments so far match the first n names.
    let mut reached: Vec<bool> = (0..=names.len()).map(|n| n == 0).collect();
    for segment in segments {
        let next: Vec<bool> = match segment {
            Segment::Any => reached
                .iter()
                .scan(false, |any, now| {
                    *any |= now;
                    Some(*any)
                })
                .collect(),
            one => (0..=names.len())
                .map(|n| n > 0 && reached[n - 1] && one.matches(names[n - 1]))
                .collect(),
        };
        reached = next;
    }
    reached.last().is_some_and(|matched| *matched)
}

/// Whether tokens match a name: a star takes one character more each time the rest does not fit.
fn token_match(tokens: &[Token], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut token) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < name.len() {
        match tokens.get(token) {
            Some(Token::Many) => {
                star = Some((token + 1, at));
                token += 1;
            }
            Some(one) if one.matches(name[at]) => {
                token += 1;
                at += 1;
            }
            _ => match star {
                Some((after, from)) => {
                    (token, at) = (after, from + 1);
                    star = Some((after, from + 1));
                }
                None => return false,
            },
        }
    }
    tokens[token..].iter().all(|rest| *rest == Token::Many)
}

impl Token {
    /// How many comparisons one character takes.
    fn weight(&self) -> usize {
        match self {
            Token::Literal(_) | Token::One | Token::Many => 1,
            Token::Class { ranges, .. } => 1 + ranges.len(),
        }
    }

    fn matches(&self, c: char) -> bool {
        match self {
            Token::Literal(wanted) => *wanted == c,
            Token::One => true,
            Token::Many => false,
            Token::Class { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *negated
            }
        }
    }
}

fn segment(text: &str, dialect: Dialect) -> Option<Segment> {
    if text == "**" && dialect == Dialect::Doublestar {
        return Some(Segment::Any);
    }
    let mut tokens = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let token = match c {
            '*' if tokens.last() == Some(&Token::Many) => continue,
            '*' => Token::Many,
            '?' => Token::One,
            '\\' => Token::Literal(chars.next()?),
            '[' => class(&mut chars, dialect)?,
            c => Token::Literal(c),
        };
        tokens.push(token);
    }
    Some(Segment::One(tokens))
}

/// The rest of a class, whose bracket was read.
fn class(chars: &mut std::str::Chars<'_>, dialect: Dialect) -> Option<Token> {
    let negates = |c: char| c == '^' || (c == '!' && dialect == Dialect::Doublestar);
    let negated = chars.clone().next().is_some_and(negates);
    if negated {
        chars.next();
    }
    let mut ranges = Vec::new();
    loop {
        if !ranges.is_empty() && chars.clone().next() == Some(']') {
            chars.next();
            return Some(Token::Class { negated, ranges });
        }
        let first = member(chars)?;
        let last = if chars.clone().next() == Some('-') {
            chars.next();
            member(chars)?
        } else {
            first
        };
        ranges.push((first, last));
    }
}

fn member(chars: &mut std::str::Chars<'_>) -> Option<char> {
    match chars.next()? {
        '-' | ']' => None,
        '\\' => chars.next(),
        c => Some(c),
    }
}

/// The patterns that braces stand for.
fn alternatives(pattern: &str) -> Result<Vec<String>, Bad> {
    let mut pending = vec![pattern.to_owned()];
    let (mut done, mut bytes) = (Vec::new(), pattern.len());
    while let Some(pattern) = pending.pop() {
        let Some((before, choices, after)) = braces(&pattern).ok_or(Bad::Syntax)? else {
            done.push(pattern);
            continue;
        };
        bytes -= pattern.len();
        for choice in choices {
            bytes += before.len() + choice.len() + after.len();
            if bytes > MAX_BYTES || done.len() + pending.len() == MAX_ALTERNATIVES {
                return Err(Bad::TooMuch);
            }
            pending.push(format!("{before}{choice}{after}"));
        }
    }
    Ok(done)
}

/// What stands before, in and after the first braces. The outer nothing is for braces without their other half.
fn braces(pattern: &str) -> Option<Option<(&str, Vec<&str>, &str)>> {
    let (mut open, mut depth, mut choices, mut begin) = (None, 0usize, Vec::new(), 0);
    let (mut escaped, mut in_class) = (false, false);
    for (at, c) in pattern.char_indices() {
        if std::mem::take(&mut escaped) {
            continue;
        }
        match c {
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            _ if in_class => {}
            '{' => {
                depth += 1;
                if depth == 1 {
                    (open, begin) = (Some(at), at + 1);
                }
            }
            ',' if depth == 1 => {
                choices.push(&pattern[begin..at]);
                begin = at + 1;
            }
            '}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    choices.push(&pattern[begin..at]);
                    let before = &pattern[..open?];
                    return Some(Some((before, choices, &pattern[at + 1..])));
                }
            }
            _ => {}
        }
    }
    (depth == 0).then_some(None)
}

#[cfg(test)]
mod tests {
    use super::{Bad, Dialect, Glob};

    #[test]
    fn dialects() {
        use Dialect::{Doublestar, Go};
        for (dialect, pattern, path, expected) in [
            (Go, "*.yaml", "a.yaml", Some(true)),
            (Go, "*.yaml", "b/a.yaml", Some(false)),
            (Go, "a/**", "a/b", Some(true)),
            (Go, "a/**", "a/b/c", Some(false)),
            (Go, "[a-c]?", "bz", Some(true)),
            (Go, "[^a-c]?", "bz", Some(false)),
            (Go, "[!a]", "b", Some(false)),
            (Go, "{a,b}", "a", Some(false)),
            (Go, "{a,b}", "{a,b}", Some(true)),
            (Go, "\\*", "*", Some(true)),
            (Go, "*a*b*c", "xaybzc", Some(true)),
            (Go, "*a*b*c", "xaybz", Some(false)),
            (Go, "[]", "a", None),
            (Go, "[a", "a", None),
            (Go, "[a-]", "a", None),
            (Go, "a\\", "a", None),
            (Doublestar, "**", "a/b/c", Some(true)),
            (Doublestar, "a/**", "a", Some(true)),
            (Doublestar, "a/**", "a/b/c", Some(true)),
            (Doublestar, "**/c", "c", Some(true)),
            (Doublestar, "**/c", "a/b/c", Some(true)),
            (Doublestar, "**/testdata/**", "x/testdata/y/z", Some(true)),
            (Doublestar, "a**c", "abc", Some(true)),
            (Doublestar, "a**c", "ab/c", Some(false)),
            (Doublestar, "{a,b/*}/x", "b/q/x", Some(true)),
            (Doublestar, "{a,{b,c}}", "c", Some(true)),
            (Doublestar, "[!a]", "b", Some(true)),
            (Doublestar, "{a", "a", None),
            (Doublestar, "a}", "a", None),
        ] {
            let found = Glob::parse(pattern, dialect).ok().map(|glob| glob.matches(path));
            assert_eq!(found, expected, "{dialect:?} {pattern:?} {path:?}");
        }
    }

    #[test]
    fn patterns_that_stand_for_too_much_are_refused() {
        let told = |pattern: &str| Glob::parse(pattern, Dialect::Doublestar).err();
        assert_eq!(told(&"{a,b}".repeat(30)), Some(Bad::TooMuch));
        assert_eq!(told(&format!("{{{}}}", ",".repeat(300))), Some(Bad::TooMuch));
        // Each of the alternatives has all that is around the braces.
        let around = |bytes: usize| "{a,b}".repeat(8) + &"x".repeat(bytes);
        assert_eq!(told(&around(100)), None);
        assert_eq!(told(&around(1000)), Some(Bad::TooMuch));
        assert_eq!(told(&"x".repeat(250_000)), Some(Bad::TooMuch));
        assert_eq!(told("{a"), Some(Bad::Syntax));
        let hard = Glob::parse(&"*a".repeat(300), Dialect::Go).unwrap();
        assert!(!hard.matches(&"a".repeat(250)));
    }

    /// A class is compared range by range.
    #[test]
    fn what_is_compared_is_counted() {
        let weight = |pattern: &str| Glob::parse(pattern, Dialect::Doublestar).unwrap().weight();
        assert_eq!(weight("abc"), 4);
        assert_eq!(weight("a/**"), 3);
        assert_eq!(weight("{a,b}c"), 6);
        assert_eq!(weight("*[a-c]!"), 5);
        let wide = format!("*[{}]!", "a".repeat(800));
        assert!(weight(&wide) > 800, "{}", weight(&wide));
    }
}
