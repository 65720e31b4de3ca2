//! PURE: bodies that are objects of JSON, of a size that they may have in memory.

use serde_json::{Map, Value};

/// So many values a body may have. As a tree each takes some thirty times of its shortest spelling; the largest payloads of Git
/// hosts have half of that.
const VALUES: usize = 100_000;

/// Why a body is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnObject {
    /// It is no JSON, or no object.
    #[error("the body is no JSON object: {0}")]
    Malformed(String),
    /// It has too many values.
    #[error("the body has more than {VALUES} values")]
    TooMany,
}

/// A body as an object.
///
/// # Errors
/// See [`NotAnObject`].
pub fn object(body: &[u8]) -> Result<Map<String, Value>, NotAnObject> {
    if values(body) > VALUES {
        return Err(NotAnObject::TooMany);
    }
    serde_json::from_slice(body).map_err(|error| NotAnObject::Malformed(error.to_string()))
}

/// How many values a text has at the most, if it is JSON: one begins it, and one follows each mark outside of strings.
fn values(text: &[u8]) -> usize {
    let (mut count, mut inside, mut escaped) = (1_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b',' | b'[' | b'{' if !inside => count = count.saturating_add(1),
            _ => {}
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        for (text, most) in [
            ("{}", 2),
            (r#"{"a":1}"#, 2),
            (r#"{"a":[1,2,{"b":null}]}"#, 6),
            (r#"{"a":"1,2,[{\",,\\"}"#, 2),
            (r#"{"a":"\\",}"#, 3),
        ] {
            assert_eq!(values(text.as_bytes()), most, "{text}");
        }
    }

    #[test]
    fn a_body_that_would_be_large_in_memory_is_refused() {
        let zeros = format!("{{\"a\":[{}0]}}", "0,".repeat(1 << 20));
        assert_eq!(object(zeros.as_bytes()), Err(NotAnObject::TooMany));
        let text = format!("{{\"a\":\"{}\"}}", ",[{".repeat(1 << 20));
        assert_eq!(object(text.as_bytes()).unwrap().len(), 1);
    }
}
