//! What a schema complains of, as text.

use crate::template::quote::quote;
use serde_json::Value as Json;

/// A complaint about a value, with those it comes from.
pub(super) struct Failure {
    pub place: Vec<String>,
    pub words: String,
    pub causes: Vec<Failure>,
    pub kind: Kind,
}

/// How a complaint is shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Plain,
    /// Several complaints of one schema.
    Group,
    /// Through a reference: not shown if there is only one cause.
    Reference,
}

impl Failure {
    /// The causes of the root, one a line.
    pub fn lines(&self) -> String {
        let mut out = String::new();
        let causes: &[Failure] = if self.kind == Kind::Group {
            &self.causes
        } else {
            std::slice::from_ref(self)
        };
        for cause in causes {
            cause.write(&mut out, 1);
        }
        out.trim_start_matches('\n').to_string()
    }

    fn write(&self, out: &mut String, indent: usize) {
        let skip = self.kind == Kind::Reference && self.causes.len() == 1;
        let mut inner = indent;
        if !skip {
            out.push('\n');
            out.push_str(&"  ".repeat(indent - 1));
            let place: String = self
                .place
                .iter()
                .map(|part| format!("/{}", escaped(part)))
                .collect();
            out.push_str(&format!("- at {}: {}", single(&place), self.words));
            inner += 1;
        }
        for cause in &self.causes {
            cause.write(out, inner);
        }
    }
}

fn escaped(part: &str) -> String {
    part.replace('~', "~0").replace('/', "~1")
}

/// A text in single quotes.
pub(super) fn single(text: &str) -> String {
    let quoted = quote(text.as_bytes()).replace("\\\"", "\"").replace('\'', "\\'");
    format!("'{}'", &quoted[1..quoted.len() - 1])
}

/// Texts in single quotes, in a row.
pub(super) fn singles<'a>(texts: impl IntoIterator<Item = &'a str>) -> String {
    texts.into_iter().map(single).collect::<Vec<_>>().join(", ")
}

/// A value in a complaint.
pub(super) fn shown(value: &Json) -> String {
    match value {
        Json::String(text) => single(text),
        Json::Array(_) | Json::Object(_) => "value".to_string(),
        Json::Null => "<nil>".to_string(),
        other => other.to_string(),
    }
}

/// A whole number with commas between thousands.
pub(super) fn count(number: usize) -> String {
    grouped(&number.to_string())
}

/// A number with commas between thousands.
pub(super) fn number(value: f64) -> String {
    let text = format!("{}", value.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let sign = if value < 0.0 { "-" } else { "" };
    let point = if fraction.is_empty() { "" } else { "." };
    format!("{sign}{}{point}{fraction}", grouped(whole))
}

fn grouped(digits: &str) -> String {
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
