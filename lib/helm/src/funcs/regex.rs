//! Sprig's regular expressions: RE2 syntax, Go's replacement templates.

use super::{Answer, Call, Function, Ty, fixed, raw};
use crate::template::error::Fault;
use crate::template::value::{List, ListKind, Text, Value};
use ::regex::bytes::{Captures, Regex, RegexBuilder};
use re2::{explain, translate};
use std::rc::Rc;

/// A compiled expression may take that many bytes.
const MAX_SIZE: usize = 10 << 20;
/// So many expressions are kept compiled: they may be as large as they may.
const MAX_KEPT: usize = 32;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("regexMatch", &[Ty::Str, Ty::Str], |c| {
        // Sprig ignores the error of an expression that does not compile.
        match compile(c) {
            Ok(regex) => Ok(Value::Bool(regex.is_match(c.bytes(1)))),
            Err(Fault::Message(_)) => Ok(Value::Bool(false)),
            Err(other) => Err(other),
        }
    }),
    fixed("mustRegexMatch", &[Ty::Str, Ty::Str], |c| {
        Ok(Value::Bool(compile(c)?.is_match(c.bytes(1))))
    }),
    fixed("regexFind", &[Ty::Str, Ty::Str], |c| find(c, true)),
    fixed("mustRegexFind", &[Ty::Str, Ty::Str], |c| find(c, false)),
    fixed("regexFindAll", &[Ty::Str, Ty::Str, Ty::Int], |c| {
        find_all(c, true)
    }),
    fixed("mustRegexFindAll", &[Ty::Str, Ty::Str, Ty::Int], |c| {
        find_all(c, false)
    }),
    fixed("regexReplaceAll", &[Ty::Str, Ty::Str, Ty::Str], |c| {
        replace(c, true, false)
    }),
    fixed("mustRegexReplaceAll", &[Ty::Str, Ty::Str, Ty::Str], |c| {
        replace(c, false, false)
    }),
    fixed("regexReplaceAllLiteral", &[Ty::Str, Ty::Str, Ty::Str], |c| {
        replace(c, true, true)
    }),
    fixed("mustRegexReplaceAllLiteral", &[Ty::Str, Ty::Str, Ty::Str], |c| {
        replace(c, false, true)
    }),
    fixed("regexSplit", &[Ty::Str, Ty::Str, Ty::Int], |c| split(c, true)),
    fixed("mustRegexSplit", &[Ty::Str, Ty::Str, Ty::Int], |c| {
        split(c, false)
    }),
    fixed("regexQuoteMeta", &[Ty::Str], |c| {
        let mut out = Vec::new();
        for &byte in c.bytes(0) {
            if b"\\.+*?()|[]{}^$".contains(&byte) {
                out.push(b'\\');
            }
            out.push(byte);
        }
        raw(out)
    }),
];

/// The expression that is the first argument.
fn compile(call: &mut Call<'_, '_>) -> Result<Rc<Regex>, Fault> {
    let pattern = call.text(0).into_owned();
    call.run.step(call.bytes(1).len() / 64)?;
    if let Some(regex) = call.run.regexes.get(&pattern) {
        return Ok(regex.clone());
    }
    call.run.step(pattern.len())?;
    let built = translate(&pattern)
        .and_then(|translated| RegexBuilder::new(&translated).size_limit(MAX_SIZE).build());
    let regex = Rc::new(built.map_err(|error| Fault::Message(explain(&pattern, &error)))?);
    if call.run.regexes.len() < MAX_KEPT {
        call.run.regexes.insert(pattern, regex.clone());
    }
    Ok(regex)
}

/// As [`compile`]; what Go's `MustCompile` says when it panics is sprig's error.
fn must(call: &mut Call<'_, '_>, panics: bool) -> Result<Rc<Regex>, Fault> {
    compile(call).map_err(|fault| match fault {
        Fault::Message(error) if panics => {
            let pattern = call.text(0);
            let shown = if pattern.contains('`') {
                crate::template::quote::quote(pattern.as_bytes())
            } else {
                format!("`{pattern}`")
            };
            Fault::Message(format!("regexp: Compile({shown}): {error}"))
        }
        other => other,
    })
}

fn find(call: &mut Call<'_, '_>, panics: bool) -> Answer {
    let regex = must(call, panics)?;
    raw(regex
        .find(call.bytes(1))
        .map_or(Vec::new(), |found| found.as_bytes().to_vec()))
}

/// The matches as Go finds them: an empty one right behind another does not count.
fn matches(regex: &Regex, text: &[u8], limit: usize) -> Vec<(usize, usize)> {
    let mut out: Vec<(usize, usize)> = Vec::new();
    for found in regex.find_iter(text) {
        if out.len() >= limit {
            break;
        }
        if found.is_empty() && out.last().is_some_and(|last| last.1 == found.start()) {
            continue;
        }
        out.push((found.start(), found.end()));
    }
    out
}

fn find_all(call: &mut Call<'_, '_>, panics: bool) -> Answer {
    let regex = must(call, panics)?;
    let limit = usize::try_from(call.int(2)).unwrap_or(usize::MAX);
    let text = call.bytes(1);
    let found: Vec<Text> = matches(&regex, text, limit)
        .into_iter()
        .map(|(start, end)| Text::new(&text[start..end]))
        .collect();
    call.step(found.len())?;
    if found.is_empty() {
        return Ok(List::of(ListKind::NilStr, Vec::new()));
    }
    Ok(List::strings(found))
}

fn replace(call: &mut Call<'_, '_>, panics: bool, literal: bool) -> Answer {
    let regex = must(call, panics)?;
    let text = call.bytes(1).to_vec();
    let template = call.bytes(2).to_vec();
    let mut out = Vec::with_capacity(text.len());
    let mut last = 0;
    let mut before = None;
    for captures in regex.captures_iter(&text) {
        let Some(found) = captures.get(0) else {
            continue;
        };
        if found.is_empty() && before == Some(found.start()) {
            continue;
        }
        before = Some(found.end());
        out.extend_from_slice(&text[last..found.start()]);
        last = found.end();
        if literal {
            out.extend_from_slice(&template);
        } else {
            expand(&regex, &captures, &template, &mut out);
        }
        call.run.step(1 + template.len() / 16)?;
        call.run.spend(template.len())?;
    }
    out.extend_from_slice(&text[last..]);
    raw(out)
}

/// Go's `Expand`: `$name` takes as many letters, digits and underscores as there are; `${name}` is explicit.
fn expand(regex: &Regex, captures: &Captures<'_>, template: &[u8], out: &mut Vec<u8>) {
    let mut rest = template;
    while let Some(at) = rest.iter().position(|&b| b == b'$') {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        if rest.get(1) == Some(&b'$') {
            out.push(b'$');
            rest = &rest[2..];
            continue;
        }
        let braced = rest.get(1) == Some(&b'{');
        let from = if braced { 2 } else { 1 };
        let size = String::from_utf8_lossy(&rest[from.min(rest.len())..])
            .chars()
            .take_while(|&c| c == '_' || c.is_alphanumeric())
            .map(char::len_utf8)
            .sum::<usize>();
        let end = (from + size).min(rest.len());
        let name = String::from_utf8_lossy(&rest[from.min(end)..end]).into_owned();
        let closed = !braced || rest.get(end) == Some(&b'}');
        if name.is_empty() || !closed {
            out.push(b'$');
            rest = &rest[1..];
            continue;
        }
        let group = if name.bytes().all(|b| b.is_ascii_digit()) {
            name.parse().ok().and_then(|i| captures.get(i))
        } else {
            regex
                .capture_names()
                .any(|known| known == Some(name.as_str()))
                .then(|| captures.name(&name))
                .flatten()
        };
        if let Some(group) = group {
            out.extend_from_slice(group.as_bytes());
        }
        rest = &rest[if braced { end + 1 } else { end }..];
    }
    out.extend_from_slice(rest);
}

fn split(call: &mut Call<'_, '_>, panics: bool) -> Answer {
    let regex = must(call, panics)?;
    let count = call.int(2);
    if count == 0 {
        return Ok(List::of(ListKind::NilStr, Vec::new()));
    }
    let limit = usize::try_from(count).unwrap_or(usize::MAX);
    let text = call.bytes(1).to_vec();
    if !call.bytes(0).is_empty() && text.is_empty() {
        return Ok(List::strings([""]));
    }
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for (start, stop) in matches(&regex, &text, limit) {
        if parts.len() + 1 >= limit {
            break;
        }
        end = start;
        if stop != 0 {
            parts.push(Text::new(&text[begin..end]));
        }
        begin = stop;
    }
    if end != text.len() {
        parts.push(Text::new(&text[begin..]));
    }
    call.step(parts.len())?;
    Ok(List::strings(parts))
}
