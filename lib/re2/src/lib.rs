//! PURE: regular expressions as Go's `regexp` takes them (RE2's syntax): in the syntax of the `regex` crate, and Go's words for what is
//! wrong with one.
//!
//! Whatever users write for Flux and Helm means here what it means to Go: `\w` is ASCII, and `{` may stand for itself.

mod folds;

use folds::folds;
use regex::{Regex, RegexBuilder};

/// An expression may be so long, in bytes: each letter of it may stand for hundreds of ranges.
pub const LARGEST: usize = 16 << 10;
/// So many characters are looked up for their other case, which takes some 60 ms: with `(?i)`, an expression of [`LARGEST`] bytes could
/// have a thousand classes of all characters, and take seconds before it is known how large it is.
pub const FOLDS: usize = 10 << 20;
/// What stands in braces is no longer, in characters: an expression may be all braces.
const LONGEST: usize = 64;

/// What is compiled may take so many bytes, as the crate has it.
const SIZE: usize = 10 << 20;

/// An expression of [`LARGEST`] bytes at most that is matched as Go does.
///
/// # Errors
/// What the crate says of it.
pub fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    if pattern.len() > LARGEST {
        return Err(regex::Error::CompiledTooBig(LARGEST));
    }
    compile_within(pattern, SIZE)
}

/// An expression that is matched as Go does, and takes so many bytes at the most when it is compiled.
///
/// # Errors
/// What the crate says of it.
pub fn compile_within(pattern: &str, size: usize) -> Result<Regex, regex::Error> {
    RegexBuilder::new(&translate(pattern)?).size_limit(size).build()
}

/// Go's syntax where the crate's differs: classes and ends of text are ASCII, `{` may stand for itself.
///
/// # Errors
/// When it would take too long to understand it.
pub fn translate(pattern: &str) -> Result<String, regex::Error> {
    translate_within(pattern, &mut { FOLDS })
}

/// As [`translate`], for one of several expressions: `left` is what is left of [`FOLDS`] for all of them.
///
/// # Errors
/// When it would take too long to understand them.
pub fn translate_within(pattern: &str, left: &mut usize) -> Result<String, regex::Error> {
    let translated = rewritten(pattern);
    let rest = left.checked_sub(folds(&translated));
    *left = rest.ok_or(regex::Error::CompiledTooBig(FOLDS))?;
    Ok(translated)
}

fn rewritten(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let chars: Vec<char> = pattern.chars().collect();
    let mut in_class = false;
    // What came last in a class: only after a character that is no end of a range may `-` begin one.
    let mut member = Member::Whole;
    let mut at = 0;
    while at < chars.len() {
        let c = chars[at];
        match c {
            '\\' if at + 1 < chars.len() => {
                let next = chars[at + 1];
                at += 2;
                member = match "dDsSwWpP".contains(next) {
                    true => Member::Whole,
                    false => member.then(),
                };
                match (next, in_class) {
                    ('d', false) => out.push_str("[0-9]"),
                    ('D', false) => out.push_str("[^0-9]"),
                    ('w', false) => out.push_str("[0-9A-Za-z_]"),
                    ('W', false) => out.push_str("[^0-9A-Za-z_]"),
                    ('s', false) => out.push_str("[\\t\\n\\x0c\\r ]"),
                    ('S', false) => out.push_str("[^\\t\\n\\x0c\\r ]"),
                    ('d', true) => out.push_str("0-9"),
                    ('w', true) => out.push_str("0-9A-Za-z_"),
                    ('s', true) => out.push_str("\\t\\n\\x0c\\r "),
                    ('D', true) => out.push_str("[^0-9]"),
                    ('W', true) => out.push_str("[^0-9A-Za-z_]"),
                    ('S', true) => out.push_str("[^\\t\\n\\x0c\\r ]"),
                    ('b', false) => out.push_str("(?-u:\\b)"),
                    ('B', false) => out.push_str("(?-u:\\B)"),
                    ('C', false) => out.push_str("(?s-u:.)"),
                    ('Q', false) => {
                        let rest = &chars[at..];
                        let end = rest.windows(2).position(|pair| pair == ['\\', 'E']);
                        let literal: String = rest[..end.unwrap_or(rest.len())].iter().collect();
                        out.push_str(&regex::escape(&literal));
                        at += end.map_or(rest.len(), |end| end + 2);
                    }
                    ('p' | 'P' | 'x', _) => {
                        out.push('\\');
                        out.push(next);
                        if chars.get(at) == Some(&'{') {
                            let name = chars[at..].iter().take_while(|c| **c != '}').count();
                            let end = chars.len().min(at + name + 1);
                            out.extend(&chars[at..end]);
                            at = end;
                        } else if next != 'x' && at < chars.len() {
                            // A class that is named by one letter.
                            out.push(chars[at]);
                            at += 1;
                        }
                    }
                    (next, _) if next.is_ascii_alphanumeric() => {
                        out.push('\\');
                        out.push(next);
                    }
                    (next, _) => out.push_str(&regex::escape(&next.to_string())),
                }
                continue;
            }
            '[' if !in_class => {
                in_class = true;
                member = Member::Whole;
                out.push('[');
                if chars.get(at + 1) == Some(&'^') {
                    out.push('^');
                    at += 1;
                }
                // A bracket right at the beginning stands for itself.
                if chars.get(at + 1) == Some(&']') {
                    out.push_str("\\]");
                    at += 1;
                    member = Member::First;
                }
            }
            '[' if chars.get(at + 1) == Some(&':') => {
                // No class has a longer name.
                let rest: String = chars[at..].iter().take(LONGEST).collect();
                match rest.find(":]") {
                    Some(end) => {
                        out.push_str(&rest[..end + 2]);
                        at += rest[..end + 2].chars().count();
                        member = Member::Whole;
                        continue;
                    }
                    None => {
                        out.push_str("\\[");
                        member = member.then();
                    }
                }
            }
            '[' => {
                out.push_str("\\[");
                member = member.then();
            }
            ']' if in_class => {
                in_class = false;
                out.push(']');
            }
            '-' if in_class && member == Member::First && chars.get(at + 1) != Some(&']') => {
                out.push('-');
                member = Member::Until;
            }
            '&' | '~' | '-' if in_class => {
                out.push('\\');
                out.push(c);
                member = member.then();
            }
            '{' if !in_class && !is_repetition(&chars[at..]) => out.push_str("\\{"),
            '}' if !in_class && !closes_repetition(&chars, at) => out.push_str("\\}"),
            c => {
                out.push(c);
                member = member.then();
            }
        }
        at += 1;
    }
    out
}

/// What came last in a class of characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    /// Nothing, a whole range, or a class of its own such as `\w`: a `-` after it stands for itself.
    Whole,
    /// A character that may begin a range.
    First,
    /// A range that lacks its end.
    Until,
}

impl Member {
    /// After one more character.
    fn then(self) -> Self {
        match self {
            Self::Until => Self::Whole,
            Self::Whole | Self::First => Self::First,
        }
    }
}

/// `{n}`, `{n,}` or `{n,m}`.
fn is_repetition(rest: &[char]) -> bool {
    let Some(end) = rest.iter().take(LONGEST).position(|&c| c == '}') else {
        return false;
    };
    let inner = &rest[1..end];
    inner.first().is_some_and(char::is_ascii_digit)
        && inner.iter().all(|c| c.is_ascii_digit() || *c == ',')
        && inner.iter().filter(|&&c| c == ',').count() <= 1
}

fn closes_repetition(chars: &[char], at: usize) -> bool {
    let from = at.saturating_sub(LONGEST);
    match chars[from..at].iter().rposition(|&c| c == '{') {
        Some(open) => {
            let open = from + open;
            let named = chars[open + 1..at]
                .iter()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '^'));
            is_repetition(&chars[open..=at])
                || open >= 2 && matches!(chars[open - 1], 'p' | 'P' | 'x') && chars[open - 2] == '\\' && named
        }
        None => false,
    }
}

/// Go's words for an expression that does not compile, for what is common.
pub fn explain(pattern: &str, error: &regex::Error) -> String {
    let whole = |what: &str, part: &str| format!("error parsing regexp: {what}: `{part}`");
    if let regex::Error::CompiledTooBig(_) = error {
        return whole("expression too large", pattern);
    }
    let text = error.to_string();
    let last = text
        .lines()
        .last()
        .unwrap_or_default()
        .trim_start_matches("error: ")
        .to_string();
    match last.as_str() {
        "unclosed group" => whole("missing closing )", pattern),
        "unopened group" => whole("unexpected )", pattern),
        "unclosed character class" => {
            let at = pattern.rfind('[').unwrap_or(0);
            whole("missing closing ]", &pattern[at..])
        }
        "repetition operator missing expression" => {
            let at = pattern.find(['*', '+', '?']).unwrap_or(0);
            whole("missing argument to repetition operator", &pattern[at..=at])
        }
        "incomplete escape sequence, reached end of pattern prematurely" => {
            "error parsing regexp: trailing backslash at end of expression: ``".to_string()
        }
        "look-around, including look-ahead and look-behind, is not supported" => {
            let at = pattern.find("(?").unwrap_or(0);
            let end = (at + 3..=pattern.len())
                .find(|&end| pattern.is_char_boundary(end))
                .unwrap_or(pattern.len());
            whole(
                "invalid or unsupported Perl syntax",
                &pattern[at..end.min(pattern.len())],
            )
        }
        _ => whole("invalid regular expression", pattern),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expression_means_what_it_means_to_go() {
        for (pattern, text, expected) in [
            (r"^\w+$", "abc_1", true),
            (r"^\w+$", "ä", false),
            (r"^\d$", "٣", false),
            (r"\bb", "äb", true),
            (r"^[\w-]+$", "a-b", true),
            (r"a{,2}", "a{,2}", true),
            (r"{a}", "{a}", true),
            (r"\Qa.b\E", "a.b", true),
            (r"\Qa.b\E", "axb", false),
            (r"^\pL$", "ä", true),
            (r"(?i)READY", "not ready", true),
        ] {
            assert_eq!(
                compile(pattern).unwrap().is_match(text),
                expected,
                "{pattern} {text}"
            );
        }
        let error = compile("(").unwrap_err();
        assert_eq!(
            explain("(", &error),
            "error parsing regexp: missing closing ): `(`"
        );
        assert!(compile(r"^[\pL-_]+$").unwrap().is_match("ä-_"));
        // Each of these took the whole rest of the pattern anew.
        assert!(!rewritten(&"[:".repeat(500_000)).is_empty());
        assert!(compile(&r"\pL".repeat(400_000)).is_err());
        assert!(compile(r"\pL{5000}").is_err(), "what is compiled is bounded");
    }

    #[test]
    fn what_takes_long_to_understand_is_refused_before() {
        for dear in [r"[a-\x{10FFFF}]", r"[\W]", r"[\PL_]", r"[^\n][\D]"] {
            let many = format!("(?i){}", dear.repeat(800));
            let error = compile(&many).unwrap_err();
            assert_eq!(error, regex::Error::CompiledTooBig(FOLDS), "{dear}");
            assert!(explain("x", &error).contains("expression too large"));
        }
        // What people write is far from that.
        assert!(compile(r"(?i)^[^\s]+[\s\S]*\pL[a-z0-9_-]+$").is_ok());
    }
}
