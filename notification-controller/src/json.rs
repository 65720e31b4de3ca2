//! PURE: JSON of others, of a size that it may have in memory.

use serde_json::{Map, Value};

/// What a text may weigh. The largest payloads of Git hosts weigh less.
const WEIGHT: usize = 100_000;
/// What an object weighs, where a value weighs one: as a tree it takes some six hundred bytes, in which its first values have room.
const OBJECT: usize = 8;

/// Why a text is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAnObject {
    /// It is no JSON, or no object.
    #[error("the body is no JSON object: {0}")]
    Malformed(String),
    /// It has too many values.
    #[error("the body has more values than are read")]
    TooMany,
}

/// A body as an object.
///
/// # Errors
/// See [`NotAnObject`].
pub fn object(body: &[u8]) -> Result<Map<String, Value>, NotAnObject> {
    if weight(body) > WEIGHT {
        return Err(NotAnObject::TooMany);
    }
    serde_json::from_slice(body).map_err(|error| NotAnObject::Malformed(error.to_string()))
}

/// What somebody else says, whatever it is; nothing if it is no JSON or too much of it.
pub fn answer(text: &[u8]) -> Option<Value> {
    if weight(text) > WEIGHT {
        return None;
    }
    serde_json::from_slice(text).ok()
}

/// What a text weighs at the most, if it is JSON: one value begins it, and one follows each mark outside of strings.
fn weight(text: &[u8]) -> usize {
    let (mut weight, mut inside, mut escaped) = (1_usize, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if inside => escaped = true,
            b'"' => inside = !inside,
            b'{' if !inside => weight = weight.saturating_add(OBJECT),
            b',' | b'[' if !inside => weight = weight.saturating_add(1),
            _ => {}
        }
    }
    weight
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_counted_outside_of_strings() {
        for (text, most) in [
            ("{}", 9),
            (r#"{"a":1}"#, 9),
            (r#"{"a":[1,2,{"b":null}]}"#, 20),
            (r#"{"a":"1,2,[{\",,\\"}"#, 9),
            (r#"{"a":"\\",}"#, 10),
        ] {
            assert_eq!(weight(text.as_bytes()), most, "{text}");
        }
    }

    #[test]
    fn a_body_that_would_be_large_in_memory_is_refused() {
        let zeros = format!("{{\"a\":[{}0]}}", "0,".repeat(1 << 20));
        assert_eq!(object(zeros.as_bytes()), Err(NotAnObject::TooMany));
        let objects = format!("[{}{{}}]", r#"{"":0},"#.repeat(13_000));
        assert_eq!(answer(objects.as_bytes()), None);
        assert_eq!(answer(b"[{}, 1]"), Some(serde_json::json!([{}, 1])));
        assert_eq!(answer(b"words"), None);
        // Of what Git hosts send, a push of as many commits as there may be in one is the largest.
        let commit = r#"{"id":"a","tree_id":"b","distinct":true,"message":"m","timestamp":"t","url":"u","author":{"name":"n","email":"e","date":"d","username":"u"},"committer":{"name":"n","email":"e","date":"d","username":"u"},"added":[],"removed":[],"modified":["a.yaml"]}"#;
        let push = format!("{{\"commits\":[{}{commit}]}}", format!("{commit},").repeat(2047));
        assert!(object(push.as_bytes()).is_ok(), "{}", weight(push.as_bytes()));
        let text = format!("{{\"a\":\"{}\"}}", ",[{".repeat(1 << 20));
        assert_eq!(object(text.as_bytes()).unwrap().len(), 1);
    }
}
