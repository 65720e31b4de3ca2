//! Go's `path`: slash-separated names.

use super::{Function, Ty, fixed, string};
use crate::template::value::Value;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("base", &[Ty::Str], |c| string(base(&c.text(0)))),
    fixed("dir", &[Ty::Str], |c| string(dir(&c.text(0)))),
    fixed("clean", &[Ty::Str], |c| string(clean(&c.text(0)))),
    fixed("ext", &[Ty::Str], |c| string(ext(&c.text(0)))),
    fixed("isAbs", &[Ty::Str], |c| {
        Ok(Value::Bool(c.bytes(0).starts_with(b"/")))
    }),
    fixed("osBase", &[Ty::Str], |c| string(base(&c.text(0)))),
    fixed("osDir", &[Ty::Str], |c| string(dir(&c.text(0)))),
    fixed("osClean", &[Ty::Str], |c| string(clean(&c.text(0)))),
    fixed("osExt", &[Ty::Str], |c| string(ext(&c.text(0)))),
    fixed("osIsAbs", &[Ty::Str], |c| {
        Ok(Value::Bool(c.bytes(0).starts_with(b"/")))
    }),
];

/// The last part of a path.
pub(crate) fn base(path: &str) -> String {
    if path.is_empty() {
        return ".".to_string();
    }
    let trimmed = path.trim_end_matches('/');
    match trimmed.rsplit('/').next() {
        Some("") | None => "/".to_string(),
        Some(last) => last.to_string(),
    }
}

fn dir(path: &str) -> String {
    clean(&path[..path.rfind('/').map_or(0, |at| at + 1)])
}

fn ext(path: &str) -> String {
    let last = &path[path.rfind('/').map_or(0, |at| at + 1)..];
    last.rfind('.').map_or(String::new(), |at| last[at..].to_string())
}

/// The shortest path of the same meaning.
pub(crate) fn clean(path: &str) -> String {
    let rooted = path.starts_with('/');
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => match parts.last() {
                Some(&last) if last != ".." => {
                    parts.pop();
                }
                _ if rooted => {}
                _ => parts.push(".."),
            },
            part => parts.push(part),
        }
    }
    let joined = parts.join("/");
    match (rooted, joined.is_empty()) {
        (true, _) => format!("/{joined}"),
        (false, true) => ".".to_string(),
        (false, false) => joined,
    }
}
