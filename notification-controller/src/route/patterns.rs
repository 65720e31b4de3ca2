//! PURE: a list of patterns of an alert, as one automaton of bounded size: whoever writes an Alert decides how many there are, and
//! everybody's events meet them.

use regex_automata::meta::{Builder, Config, Regex};
use regex_syntax::{Parser, hir::Hir};

/// So large may the patterns of a list be when they are compiled, in bytes. The time that they take goes with it: for the longest text
/// that they see some 65 ms (measured with as many states as have room, and a text that reaches all of them).
pub const LIST_BYTES: usize = 128 << 10;
/// What a list takes besides, however small it is.
const BESIDE: usize = 1 << 10;
/// The least and the most of what is remembered of matches, in bytes; in between, as much as belongs to the size.
const CACHES: (usize, usize) = (16 << 10, 128 << 10);

/// Patterns of which one is enough.
#[derive(Debug, Clone, Default)]
pub struct Patterns {
    regex: Option<Regex>,
    weight: usize,
}

/// A pattern that is none, and what is wrong with it.
pub type Malformed = (String, String);

impl Patterns {
    /// Compiles a list; patterns that are none are left out, and told beside.
    ///
    /// # Errors
    /// When all of them together are too large.
    pub fn of(patterns: &[String]) -> (Result<Self, TooLarge>, Vec<Malformed>) {
        if patterns.iter().map(String::len).sum::<usize>() > re2::LARGEST {
            return (Err(TooLarge), Vec::new());
        }
        let (mut parsed, mut malformed, mut left) = (Vec::new(), Vec::new(), re2::FOLDS);
        for pattern in patterns {
            let Ok(translated) = re2::translate_within(pattern, &mut left) else {
                return (Err(TooLarge), malformed);
            };
            match Parser::new().parse(&translated) {
                Ok(hir) => parsed.push(hir),
                Err(error) => malformed.push((pattern.clone(), last_line(&error))),
            }
        }
        (Self::compiled(&parsed), malformed)
    }

    fn compiled(parsed: &[Hir]) -> Result<Self, TooLarge> {
        if parsed.is_empty() {
            return Ok(Self::default());
        }
        let build = |cache: usize| {
            let config = Config::new()
                .nfa_size_limit(Some(LIST_BYTES))
                // What looks for words in them first would take its own time for each.
                .auto_prefilter(false)
                .onepass(false)
                .dfa(false)
                .hybrid_cache_capacity(cache);
            Builder::new()
                .configure(config)
                .build_many_from_hir(parsed)
                .map_err(|_| TooLarge)
        };
        let small = build(CACHES.0)?;
        let cache = (4 * small.memory_usage()).min(CACHES.1);
        let regex = match cache > CACHES.0 {
            true => build(cache)?,
            false => small,
        };
        Ok(Self {
            weight: regex.memory_usage() + BESIDE,
            regex: Some(regex),
        })
    }

    /// Whether one of them is found in a text.
    pub fn find(&self, text: &str) -> bool {
        self.regex.as_ref().is_some_and(|regex| regex.is_match(text))
    }

    /// How many bytes they take.
    pub fn weight(&self) -> usize {
        self.weight
    }
}

/// The patterns of a list are too large together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooLarge;

/// What is wrong, without the drawing of where.
fn last_line(error: &regex_syntax::Error) -> String {
    let text = error.to_string();
    let last = text.lines().last().unwrap_or_default().trim();
    last.strip_prefix("error: ").unwrap_or(last).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(patterns: &[&str]) -> (Result<Patterns, TooLarge>, Vec<Malformed>) {
        let patterns: Vec<String> = patterns.iter().map(|pattern| (*pattern).to_owned()).collect();
        Patterns::of(&patterns)
    }

    #[test]
    fn one_of_them_is_enough_and_what_is_none_is_left_out() {
        let (patterns, malformed) = of(&["^waiting", "(", r"\d+ of \w+$"]);
        let patterns = patterns.unwrap();
        for (text, found) in [
            ("waiting for it", true),
            ("still waiting", false),
            ("3 of all", true),
            ("٣ of all", false),
        ] {
            assert_eq!(patterns.find(text), found, "{text}");
        }
        assert!(
            matches!(&malformed[..], [(pattern, problem)] if pattern == "(" && problem == "unclosed group"),
            "{malformed:?}"
        );
        assert!(!of(&[]).0.unwrap().find(""), "none is none");
    }

    #[test]
    fn a_list_is_bounded_however_many_patterns_it_has() {
        assert_eq!(of(&[&r"\pL".repeat(400_000)]).0.err(), Some(TooLarge));
        for pattern in [r"\w{40}", r"\pL{40}", ".{900}", "(a|b|c){1000}"] {
            let many = vec![pattern; 2000];
            assert_eq!(of(&many).0.err(), Some(TooLarge), "{pattern}");
        }
        // Nor may all together take long to be understood.
        let many = vec![r"(?i)[a-\x{10FFFF}]"; 10];
        assert_eq!(of(&many).0.err(), Some(TooLarge));
        // What people write is far from that.
        let words: Vec<String> = (0..40)
            .map(|n| format!("^message number {n}: .*ready$"))
            .collect();
        let patterns = Patterns::of(&words).0.unwrap();
        assert!(patterns.weight() < 2 * LIST_BYTES, "{}", patterns.weight());
        assert!(patterns.find("message number 30: it is ready"));
        let one = of(&["waiting for socket"]).0.unwrap();
        assert!(one.weight() < 8 << 10, "{}", one.weight());
    }
}
