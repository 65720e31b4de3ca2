//! What a JSON text will weigh, before it is read.

/// About how many values a JSON text has: what opens one, and what comes after another. As a tree each takes some thirty times of
/// its shortest spelling.
pub fn count(json: &[u8]) -> usize {
    let (mut count, mut text, mut escaped) = (1, false, false);
    for byte in json {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = text,
            b'"' => text = !text,
            b',' | b'[' | b'{' if !text => count += 1,
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    #[test]
    fn values_are_counted_outside_of_texts() {
        for (text, expected) in [
            ("{}", 2),
            (r#"{"a":[1,2,{"b":null}]}"#, 6),
            (r#"{"a":"1,2,[{\",,\\"}"#, 2),
        ] {
            assert_eq!(super::count(text.as_bytes()), expected, "{text}");
        }
    }
}
