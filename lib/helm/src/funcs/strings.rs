//! Sprig's functions on text: cutting, padding, joining, quoting.

use super::reflect::items;
use super::{Answer, Call, Function, Ty, fixed, raw, string, variadic};
use crate::template::error::Fault;
use crate::template::print;
use crate::template::quote;
use crate::template::value::{List, Map, MapKind, Text, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("hello", &[], |_| string("Hello!")),
    fixed("abbrev", &[Ty::Int, Ty::Str], |c| {
        let (width, text) = (c.int(0), c.bytes(1));
        raw(if width < 4 {
            text.to_vec()
        } else {
            abbreviate(text, 0, width)
        })
    }),
    fixed("abbrevboth", &[Ty::Int, Ty::Int, Ty::Str], |c| {
        let (left, right, text) = (c.int(0), c.int(1), c.bytes(2));
        raw(if right < 4 || left > 0 && right < 7 {
            text.to_vec()
        } else {
            abbreviate(text, left, right)
        })
    }),
    fixed("trunc", &[Ty::Int, Ty::Str], |c| {
        let (count, text) = (c.int(0), c.bytes(1));
        let length = text.len() as i64;
        raw(if count < 0 && length + count > 0 {
            text[(length + count) as usize..].to_vec()
        } else if count >= 0 && length > count {
            text[..count as usize].to_vec()
        } else {
            text.to_vec()
        })
    }),
    fixed("substr", &[Ty::Int, Ty::Int, Ty::Str], substr),
    fixed("trim", &[Ty::Str], |c| string(trim_space(&c.text(0)))),
    fixed("trimall", &[Ty::Str, Ty::Str], |c| {
        string(trim_set(&c.text(1), &c.text(0)))
    }),
    fixed("trimAll", &[Ty::Str, Ty::Str], |c| {
        string(trim_set(&c.text(1), &c.text(0)))
    }),
    fixed("trimSuffix", &[Ty::Str, Ty::Str], |c| {
        let text = c.bytes(1);
        raw(text.strip_suffix(c.bytes(0)).unwrap_or(text).to_vec())
    }),
    fixed("trimPrefix", &[Ty::Str, Ty::Str], |c| {
        let text = c.bytes(1);
        raw(text.strip_prefix(c.bytes(0)).unwrap_or(text).to_vec())
    }),
    fixed("contains", &[Ty::Str, Ty::Str], |c| {
        Ok(Value::Bool(find(c.bytes(1), c.bytes(0)).is_some()))
    }),
    fixed("hasPrefix", &[Ty::Str, Ty::Str], |c| {
        Ok(Value::Bool(c.bytes(1).starts_with(c.bytes(0))))
    }),
    fixed("hasSuffix", &[Ty::Str, Ty::Str], |c| {
        Ok(Value::Bool(c.bytes(1).ends_with(c.bytes(0))))
    }),
    fixed("replace", &[Ty::Str, Ty::Str, Ty::Str], |c| {
        let (old, new, text) = (c.bytes(0).to_vec(), c.bytes(1).to_vec(), c.bytes(2).to_vec());
        let places = if old.is_empty() {
            text.len() + 1
        } else {
            text.len() / old.len()
        };
        // Only a replacement that grows the text can make much of little.
        if new.len() > old.len() {
            c.run.step(places / 8)?;
            c.run
                .spend(count(&text, &old).saturating_mul(new.len() - old.len()))?;
        }
        raw(replace(&text, &old, &new))
    }),
    fixed("repeat", &[Ty::Int, Ty::Str], |c| {
        let times = c.int(0);
        let text = c.bytes(1).to_vec();
        let Ok(times) = usize::try_from(times) else {
            return Err("strings: negative Repeat count".into());
        };
        c.run.spend(text.len().saturating_mul(times))?;
        raw(text.repeat(if text.is_empty() { 0 } else { times }))
    }),
    fixed("indent", &[Ty::Int, Ty::Str], |c| {
        let text = indent(c, false)?;
        raw(text)
    }),
    fixed("nindent", &[Ty::Int, Ty::Str], |c| {
        let text = indent(c, true)?;
        raw(text)
    }),
    variadic("quote", &[Ty::Any], |c| {
        let mut out = String::new();
        for value in c.args.iter().filter(|value| !value.is_nil()) {
            if !out.is_empty() {
                out.push(' ');
            }
            out.push_str(&quote::quote(strval(value)?.bytes()));
        }
        string(out)
    }),
    variadic("squote", &[Ty::Any], |c| {
        let mut out = Vec::new();
        for value in c.args.iter().filter(|value| !value.is_nil()) {
            if !out.is_empty() {
                out.push(b' ');
            }
            out.push(b'\'');
            out.extend(print::to_bytes(value)?);
            out.push(b'\'');
        }
        raw(out)
    }),
    variadic("cat", &[Ty::Any], |c| {
        let mut out = Vec::new();
        for value in c.args.iter().filter(|value| !value.is_nil()) {
            if !out.is_empty() {
                out.push(b' ');
            }
            out.extend(print::to_bytes(value)?);
        }
        raw(out)
    }),
    fixed("plural", &[Ty::Str, Ty::Str, Ty::Int], |c| {
        Ok(c.any(if c.int(2) == 1 { 0 } else { 1 }).clone())
    }),
    fixed("toString", &[Ty::Any], |c| Ok(Value::Str(strval(c.any(0))?))),
    fixed("toStrings", &[Ty::Any], |c| Ok(List::strings(strings(c.any(0))?))),
    fixed("join", &[Ty::Str, Ty::Any], |c| {
        let parts = strings(c.any(1))?;
        c.step(parts.len())?;
        let separator = c.bytes(0);
        let mut out = Vec::new();
        for (i, part) in parts.iter().enumerate() {
            if i > 0 {
                out.extend_from_slice(separator);
            }
            out.extend_from_slice(part.bytes());
        }
        raw(out)
    }),
    fixed("sortAlpha", &[Ty::Any], |c| {
        if items(c.any(0)).is_none() {
            return Ok(List::strings([strval(c.any(0))?]));
        }
        let mut parts = strings(c.any(0))?;
        c.step(parts.len())?;
        parts.sort();
        Ok(List::strings(parts))
    }),
    fixed("split", &[Ty::Str, Ty::Str], |c| {
        let parts = split(c.bytes(1), c.bytes(0), None);
        c.step(parts.len())?;
        Ok(numbered(parts))
    }),
    fixed("splitn", &[Ty::Str, Ty::Int, Ty::Str], |c| {
        let count = c.int(1);
        let parts = if count == 0 {
            Vec::new()
        } else {
            split(c.bytes(2), c.bytes(0), usize::try_from(count).ok())
        };
        c.step(parts.len())?;
        Ok(numbered(parts))
    }),
    fixed("splitList", &[Ty::Str, Ty::Str], |c| {
        let parts = split(c.bytes(1), c.bytes(0), None);
        c.step(parts.len())?;
        Ok(List::strings(parts))
    }),
];

/// The text of any value, as sprig's `toString` has it.
pub(crate) fn strval(value: &Value) -> Result<Text, Fault> {
    match value {
        Value::Str(text) => Ok(text.clone()),
        Value::Bytes(bytes) => Ok(Text::new(bytes)),
        Value::Nil | Value::NilInterface => Ok(Text::from("<nil>")),
        other => Ok(Text::new(print::to_bytes(other)?)),
    }
}

/// The texts of a list's elements that are not nil, or of the one value.
pub(crate) fn strings(value: &Value) -> Result<Vec<Text>, Fault> {
    match items(value) {
        Some(items) => items.iter().filter(|item| !item.is_nil()).map(strval).collect(),
        None if value.is_nil() => Ok(Vec::new()),
        None => Ok(vec![strval(value)?]),
    }
}

/// Go's `strings.TrimSpace`.
pub(crate) fn trim_space(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Go's `unicode.IsSpace`.
pub(crate) fn is_space(c: char) -> bool {
    c.is_whitespace() && !matches!(c, '\u{1c}'..='\u{1f}')
}

fn trim_set<'a>(text: &'a str, set: &str) -> &'a str {
    text.trim_matches(|c| set.contains(c))
}

fn indent(call: &mut Call<'_, '_>, newline: bool) -> Result<Vec<u8>, Fault> {
    let Ok(spaces) = usize::try_from(call.int(0)) else {
        return Err("strings: negative Repeat count".into());
    };
    let text = call.bytes(1).to_vec();
    let lines = 1 + text.iter().filter(|&&b| b == b'\n').count();
    call.run.spend(lines.saturating_mul(spaces))?;
    let pad = " ".repeat(spaces);
    let mut out = Vec::with_capacity(text.len() + lines * spaces + 1);
    if newline {
        out.push(b'\n');
    }
    out.extend_from_slice(pad.as_bytes());
    for byte in text {
        out.push(byte);
        if byte == b'\n' {
            out.extend_from_slice(pad.as_bytes());
        }
    }
    Ok(out)
}

fn substr(call: &mut Call<'_, '_>) -> Answer {
    let (start, end, text) = (call.int(0), call.int(1), call.bytes(2));
    let length = text.len() as i64;
    let out_of_range = |text: String| {
        Err(Fault::Message(format!(
            "runtime error: slice bounds out of range {text}"
        )))
    };
    let (from, to) = if start < 0 {
        (0, end)
    } else if end < 0 || end > length {
        (start, length)
    } else {
        (start, end)
    };
    if to < 0 || to > length {
        return if to < 0 {
            out_of_range(format!("[:{to}]"))
        } else {
            out_of_range(format!("[:{to}] with length {length}"))
        };
    }
    if from > to {
        return out_of_range(format!("[{from}:{to}]"));
    }
    raw(text[from as usize..to as usize].to_vec())
}

fn abbreviate(text: &[u8], offset: i64, width: i64) -> Vec<u8> {
    let length = text.len() as i64;
    if length <= width {
        return text.to_vec();
    }
    let mut offset = offset.min(length);
    if length - offset < width - 3 {
        offset = length - (width - 3);
    }
    let part = |from: i64, to: i64| {
        text.get(from.max(0) as usize..to.max(0) as usize)
            .unwrap_or_default()
    };
    if offset <= 4 {
        return [part(0, width - 3), b"..."].concat();
    }
    if width < 7 {
        return Vec::new();
    }
    if offset + width - 3 < length {
        let rest = if width - 3 < 4 {
            Vec::new()
        } else {
            abbreviate(part(offset, length), 0, width - 3)
        };
        return [b"...", rest.as_slice()].concat();
    }
    [b"...", part(length - (width - 3), length)].concat()
}

/// Where `needle` begins in `text`.
pub(crate) fn find(text: &[u8], needle: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, needle)
}

fn count(text: &[u8], needle: &[u8]) -> usize {
    if needle.is_empty() {
        return text.len() + 1;
    }
    let mut rest = text;
    let mut count = 0;
    while let Some(at) = find(rest, needle) {
        count += 1;
        rest = &rest[at + needle.len()..];
    }
    count
}

/// Every `old` made `new`; an empty `old` stands before each character and at the end.
pub(crate) fn replace(text: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    if old.is_empty() {
        for piece in characters(text) {
            out.extend_from_slice(new);
            out.extend_from_slice(piece);
        }
        out.extend_from_slice(new);
        return out;
    }
    let mut rest = text;
    while let Some(at) = find(rest, old) {
        out.extend_from_slice(&rest[..at]);
        out.extend_from_slice(new);
        rest = &rest[at + old.len()..];
    }
    out.extend_from_slice(rest);
    out
}

/// The characters, as slices; a byte that is no UTF-8 is one.
fn characters(text: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    let mut at = 0;
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            out.push(&text[at..at + c.len_utf8()]);
            at += c.len_utf8();
        }
        for _ in chunk.invalid() {
            out.push(&text[at..=at]);
            at += 1;
        }
    }
    out
}

/// Go's `strings.Split` and `strings.SplitN`.
pub(crate) fn split(text: &[u8], separator: &[u8], limit: Option<usize>) -> Vec<Text> {
    let limit = limit.unwrap_or(usize::MAX);
    if separator.is_empty() {
        let mut pieces = characters(text);
        if pieces.len() > limit {
            let joined = pieces.split_off(limit - 1).concat();
            let mut out: Vec<Text> = pieces.iter().map(Text::new).collect();
            out.push(Text::new(joined));
            return out;
        }
        return pieces.iter().map(Text::new).collect();
    }
    let mut out = Vec::new();
    let mut rest = text;
    while out.len() + 1 < limit {
        let Some(at) = find(rest, separator) else {
            break;
        };
        out.push(Text::new(&rest[..at]));
        rest = &rest[at + separator.len()..];
    }
    out.push(Text::new(rest));
    out
}

fn numbered(parts: Vec<Text>) -> Value {
    let entries = parts
        .into_iter()
        .enumerate()
        .map(|(i, part)| (Text::from(format!("_{i}")), Value::Str(part)))
        .collect();
    Value::Map(Map::new(MapKind::Str, entries))
}
