//! A regular expression that has to match the whole text, as kustomize's and Flux's selectors have it.

use regex::Regex;
use thiserror::Error;

/// A pattern for a whole text; an empty one matches all.
#[derive(Debug, Clone)]
pub struct Pattern(Option<Regex>);

/// A pattern that is no regular expression.
#[derive(Debug, Error)]
#[error("'{pattern}' is no regular expression: {problem}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong.
    pub problem: String,
}

impl Pattern {
    /// Compiles a pattern in RE2's syntax.
    ///
    /// # Errors
    /// When it is no regular expression, or one that would be too large.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Ok(Self(None));
        }
        let compiled = re2::compile(&format!("^(?:{text})$"));
        compiled.map(|regex| Self(Some(regex))).map_err(|e| PatternError {
            pattern: text.to_owned(),
            problem: e.to_string(),
        })
    }

    /// Whether the whole text matches.
    pub fn matches(&self, text: &str) -> bool {
        self.0.as_ref().is_none_or(|regex| regex.is_match(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_text_has_to_match() {
        for (pattern, text, expected) in [
            ("", "anything", true),
            ("a|b", "b", true),
            ("a|b", "ab", false),
            ("web.*", "web-1", true),
            ("web", "web-1", false),
        ] {
            assert_eq!(
                Pattern::new(pattern).unwrap().matches(text),
                expected,
                "{pattern} {text}"
            );
        }
        let error = Pattern::new("(").unwrap_err();
        assert_eq!(error.pattern, "(");
    }
}
