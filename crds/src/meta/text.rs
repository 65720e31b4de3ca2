//! Texts within the limits that the API has for them.

/// A text of at most `limit` bytes: one that is longer is cut at a character and marked with `...`.
pub fn cut(mut text: String, limit: usize) -> String {
    const MARK: &str = "...";
    if text.len() <= limit {
        return text;
    }
    let mut end = limit.saturating_sub(MARK.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text.push_str(MARK);
    text
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_long_text_is_cut_at_a_character() {
        for (text, limit, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "..."),
            ("abcdef", 5, "ab..."),
            ("ééé", 5, "é..."),
            ("éééé", 6, "é..."),
        ] {
            assert_eq!(cut(text.into(), limit), expected, "{text} {limit}");
        }
    }
}
