//! PURE: texts for people, in the size that a service takes.

use crate::event::Event;

/// What stands where a text was cut.
const CUT: &str = "…";

/// A text of at most so many characters; what was cut is marked.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some(_) => {
            let kept = text
                .char_indices()
                .nth(most.saturating_sub(1))
                .map_or(0, |(at, _)| at);
            format!("{}{CUT}", &text[..kept])
        }
    }
}

/// `kind/name.namespace`, with the kind in lower case.
pub fn object(event: &Event) -> String {
    format!(
        "{}/{}.{}",
        event.kind().to_lowercase(),
        event.name(),
        event.namespace()
    )
}

/// The first line of a text.
pub fn first_line(text: &str) -> &str {
    text.split('\n').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cuts() {
        for (text, most, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "ab…"),
            ("äöüß", 3, "äö…"),
            ("abc", 1, "…"),
            ("abc", 0, "…"),
            ("", 0, ""),
        ] {
            assert_eq!(cut(text, most), expected);
        }
    }
}
