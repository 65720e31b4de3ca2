//! Where references of a schema lead.

use serde_json::Value as Json;
use std::collections::HashMap;

/// A schema with the places that references name.
pub(super) struct Document<'s> {
    pub root: &'s Json,
    pub draft: u32,
    /// Schemas by their own `$id`, and by anchors (`#name`).
    names: HashMap<String, &'s Json>,
}

/// What a reference leads to.
pub(super) enum Target<'s> {
    Schema(&'s Json),
    /// A name that nobody resolves: everything is valid.
    Anything,
}

/// Schemas nested deeper are refused.
const MAX_DEPTH: usize = 300;

impl<'s> Document<'s> {
    pub fn new(root: &'s Json) -> Result<Document<'s>, String> {
        let draft = match root.get("$schema").and_then(Json::as_str) {
            Some(uri) if uri.contains("draft-04") => 4,
            Some(uri) if uri.contains("draft-06") => 6,
            Some(uri) if uri.contains("draft-07") => 7,
            Some(uri) if uri.contains("2019-09") => 2019,
            _ => 2020,
        };
        let mut document = Document {
            root,
            draft,
            names: HashMap::new(),
        };
        document.index(root, 0)?;
        Ok(document)
    }

    fn index(&mut self, schema: &'s Json, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(format!("schema is nested deeper than {MAX_DEPTH}"));
        }
        match schema {
            Json::Object(map) => {
                let key = if self.draft == 4 { "id" } else { "$id" };
                if let Some(id) = map.get(key).and_then(Json::as_str) {
                    self.names.insert(id.trim_end_matches('#').to_string(), schema);
                }
                for key in ["$anchor", "$dynamicAnchor"] {
                    if let Some(anchor) = map.get(key).and_then(Json::as_str) {
                        self.names.insert(format!("#{anchor}"), schema);
                    }
                }
                for (key, value) in map {
                    // What is data, not schema, holds no names.
                    if !matches!(key.as_str(), "enum" | "const" | "default" | "examples") {
                        self.index(value, depth + 1)?;
                    }
                }
            }
            Json::Array(items) => {
                for item in items {
                    self.index(item, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Follows a reference.
    pub fn target(&self, reference: &str) -> Result<Target<'s>, String> {
        if reference.starts_with("urn:") {
            return Ok(Target::Anything);
        }
        if let Some(found) = self.names.get(reference) {
            return Ok(Target::Schema(found));
        }
        let (base, fragment) = reference.split_once('#').unwrap_or((reference, ""));
        let start = if base.is_empty() {
            self.root
        } else {
            match self.names.get(base) {
                Some(found) => found,
                None => return Err(format!("cannot load {reference:?}: schemas are not fetched")),
            }
        };
        if fragment.is_empty() {
            return Ok(Target::Schema(start));
        }
        let pointer = percent_decoded(fragment);
        match start.pointer(&pointer).filter(|_| pointer.starts_with('/')) {
            Some(found) => Ok(Target::Schema(found)),
            None => Err(format!("jsonpointer {reference:?} in schema is not found")),
        }
    }
}

fn percent_decoded(text: &str) -> String {
    let mut out = Vec::new();
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        let hex = text
            .get(at + 1..at + 3)
            .and_then(|hex| u8::from_str_radix(hex, 16).ok());
        match (bytes[at], hex) {
            (b'%', Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, _) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
