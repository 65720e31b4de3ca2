//! Checks a value against a schema, keyword by keyword.

mod parts;
mod scalars;

use super::resolve::{Document, Target};
use super::words::{Failure, Kind, shown, single};
use serde_json::{Map, Value as Json};
use std::cell::Cell;
use std::collections::{BTreeSet, HashMap};

/// Schemas that may be tried in all.
const MAX_STEPS: u32 = 2_000_000;
/// Deepest nesting of schemas being tried: references may go in circles.
const MAX_DEPTH: usize = 500;
/// Values that may be compared in all.
const MAX_COMPARED: u32 = 20_000_000;
/// Bytes of complaints in all: each may name all that a list of options allows.
const MAX_SAID: usize = 16 << 20;

pub(super) struct Validator<'d, 's> {
    document: &'d Document<'s>,
    steps: u32,
    compared: u32,
    said: Cell<usize>,
    place: Vec<String>,
    depth: usize,
    patterns: HashMap<String, regex::Regex>,
}

/// What a schema has looked at of an object or list.
#[derive(Default)]
struct Seen {
    names: BTreeSet<String>,
    items: BTreeSet<usize>,
}

impl Seen {
    fn add(&mut self, other: Seen) {
        self.names.extend(other.names);
        self.items.extend(other.items);
    }
}

/// A complaint, or what was looked at; the outer error is that checking cannot go on.
type Checked = Result<Result<Seen, Failure>, String>;

impl<'s> Validator<'_, 's> {
    pub fn new<'d>(document: &'d Document<'s>) -> Validator<'d, 's> {
        Validator {
            document,
            steps: 0,
            compared: 0,
            said: Cell::new(0),
            place: Vec::new(),
            depth: 0,
            patterns: HashMap::new(),
        }
    }

    pub fn root(&mut self, instance: &Json) -> Result<Option<Failure>, String> {
        Ok(self.schema(self.document.root, instance)?.err())
    }

    fn failure(&self, words: impl Into<String>, causes: Vec<Failure>) -> Failure {
        let words = words.into();
        let place: usize = self.place.iter().map(String::len).sum();
        self.said.set(self.said.get().saturating_add(words.len() + place));
        Failure {
            place: self.place.clone(),
            words,
            causes,
            kind: Kind::Plain,
        }
    }

    fn schema(&mut self, schema: &'s Json, value: &Json) -> Checked {
        self.steps += 1;
        self.depth += 1;
        if self.steps > MAX_STEPS || self.depth > MAX_DEPTH {
            return Err("schema takes too long to check: references may go in circles".to_string());
        }
        if self.said.get() > MAX_SAID {
            return Err(format!(
                "values have more complaints than fit into {MAX_SAID} bytes"
            ));
        }
        let checked = match schema {
            Json::Bool(true) => Ok(Ok(Seen::default())),
            Json::Bool(false) => Ok(Err(self.failure("false schema", Vec::new()))),
            Json::Object(map) => self.keywords(map, value),
            _ => Err("schema must be an object or a boolean".to_string()),
        };
        self.depth -= 1;
        checked
    }

    fn is_among(&mut self, value: &Json, options: &[Json]) -> Result<bool, String> {
        for option in options {
            if self.equal(value, option)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Equality of JSON: numbers by value.
    fn equal(&mut self, a: &Json, b: &Json) -> Result<bool, String> {
        self.compared += 1;
        if self.compared > MAX_COMPARED {
            return Err("schema takes too long to check: it compares too much".to_string());
        }
        match (a, b) {
            (Json::Number(a), Json::Number(b)) => Ok(a.as_f64() == b.as_f64()),
            (Json::Array(a), Json::Array(b)) if a.len() == b.len() => {
                for (a, b) in a.iter().zip(b) {
                    if !self.equal(a, b)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Json::Object(a), Json::Object(b)) if a.len() == b.len() => {
                for (key, a) in a {
                    let Some(b) = b.get(key) else { return Ok(false) };
                    if !self.equal(a, b)? {
                        return Ok(false);
                    }
                }
                Ok(true)
            }
            (Json::Array(_) | Json::Object(_), _) => Ok(false),
            (a, b) => Ok(a == b),
        }
    }

    fn keywords(&mut self, schema: &'s Map<String, Json>, value: &Json) -> Checked {
        if self.document.draft < 2019
            && let Some(reference) = schema.get("$ref").and_then(Json::as_str)
        {
            return self.reference(reference, value);
        }
        if let Some(wanted) = schema.get("type") {
            let wanted = types(wanted)?;
            let found = type_of(value);
            let integer = found == "number" && is_integer(value) && wanted.contains(&"integer");
            if !wanted.contains(&found) && !integer && !wanted.is_empty() {
                let words = format!("got {found}, want {}", wanted.join(" or "));
                return Ok(Err(self.failure(words, Vec::new())));
            }
        }
        if let Some(wanted) = schema.get("const").filter(|_| self.document.draft >= 6)
            && !self.equal(value, wanted)?
        {
            let words = match wanted {
                Json::Array(_) | Json::Object(_) => "'const' failed".to_string(),
                wanted => format!("value must be {}", shown(wanted)),
            };
            return Ok(Err(self.failure(words, Vec::new())));
        }
        if let Some(Json::Array(options)) = schema.get("enum")
            && !self.is_among(value, options)?
        {
            let plain = !options
                .iter()
                .any(|o| matches!(o, Json::Array(_) | Json::Object(_)));
            let words = match options.as_slice() {
                [one] if plain => format!("value must be {}", shown(one)),
                options if plain => {
                    let options: Vec<String> = options.iter().map(shown).collect();
                    format!("value must be one of {}", options.join(", "))
                }
                _ => "'enum' failed".to_string(),
            };
            return Ok(Err(self.failure(words, Vec::new())));
        }
        let mut failures = Vec::new();
        let mut seen = Seen::default();
        if let Some(reference) = schema.get("$ref").and_then(Json::as_str) {
            let checked = self.reference(reference, value)?;
            collect(checked, &mut seen, &mut failures);
        }
        match value {
            Json::Object(object) => self.object(schema, object, value, &mut seen, &mut failures)?,
            Json::Array(items) => self.array(schema, items, &mut seen, &mut failures)?,
            Json::String(text) => self.text(schema, text, &mut failures)?,
            Json::Number(number) => self.number(schema, number.as_f64().unwrap_or(0.0), &mut failures),
            Json::Null | Json::Bool(_) => {}
        }
        for keyword in ["$recursiveRef", "$dynamicRef"] {
            if self.document.draft >= 2019
                && let Some(reference) = schema.get(keyword).and_then(Json::as_str)
            {
                let checked = self.reference(reference, value)?;
                collect(checked, &mut seen, &mut failures);
            }
        }
        self.combined(schema, value, &mut seen, &mut failures)?;
        if self.document.draft >= 2019 {
            self.unevaluated(schema, value, &mut seen, &mut failures)?;
        }
        Ok(match failures.len() {
            0 => Ok(seen),
            1 => Err(failures.remove(0)),
            _ => {
                let mut group = self.failure("validation failed", failures);
                group.kind = Kind::Group;
                Err(group)
            }
        })
    }

    fn reference(&mut self, reference: &str, value: &Json) -> Checked {
        let Target::Schema(target) = self.document.target(reference)? else {
            return Ok(Ok(Seen::default()));
        };
        Ok(self.schema(target, value)?.map_err(|failure| {
            let causes = if failure.kind == Kind::Group {
                failure.causes
            } else {
                vec![failure]
            };
            let mut outer = self.failure("validation failed", causes);
            outer.kind = Kind::Reference;
            outer
        }))
    }

    /// Checks a part of the value, which lies at `name`.
    fn part(
        &mut self,
        schema: &'s Json,
        value: &Json,
        name: &str,
        failures: &mut Vec<Failure>,
    ) -> Result<bool, String> {
        self.place.push(name.to_string());
        let checked = self.schema(schema, value);
        self.place.pop();
        match checked? {
            Ok(_) => Ok(true),
            Err(failure) => {
                failures.push(failure);
                Ok(false)
            }
        }
    }

    fn combined(
        &mut self,
        schema: &'s Map<String, Json>,
        value: &Json,
        seen: &mut Seen,
        failures: &mut Vec<Failure>,
    ) -> Result<(), String> {
        if let Some(not) = schema.get("not")
            && self.schema(not, value)?.is_ok()
        {
            failures.push(self.failure("'not' failed", Vec::new()));
        }
        if let Some(Json::Array(all)) = schema.get("allOf") {
            let mut causes = Vec::new();
            for part in all {
                let checked = self.schema(part, value)?;
                collect(checked, seen, &mut causes);
            }
            if !causes.is_empty() {
                failures.push(self.failure("'allOf' failed", causes));
            }
        }
        if let Some(Json::Array(any)) = schema.get("anyOf") {
            let mut causes = Vec::new();
            let mut matched = false;
            for part in any {
                match self.schema(part, value)? {
                    Ok(more) => {
                        seen.add(more);
                        matched = true;
                    }
                    Err(failure) => causes.push(failure),
                }
            }
            if !matched {
                failures.push(self.failure("'anyOf' failed", causes));
            }
        }
        if let Some(Json::Array(one)) = schema.get("oneOf") {
            let mut causes = Vec::new();
            let mut matched = None;
            for (i, part) in one.iter().enumerate() {
                match (self.schema(part, value)?, matched) {
                    (Ok(more), None) => {
                        seen.add(more);
                        matched = Some(i);
                    }
                    (Ok(_), Some(first)) => {
                        let words = format!("'oneOf' failed, subschemas {first}, {i} matched");
                        failures.push(self.failure(words, Vec::new()));
                        break;
                    }
                    (Err(failure), None) => causes.push(failure),
                    (Err(_), Some(_)) => {}
                }
            }
            if matched.is_none() {
                failures.push(self.failure("'oneOf' failed, none matched", causes));
            }
        }
        if let Some(condition) = schema.get("if").filter(|_| self.document.draft >= 7) {
            let branch = match self.schema(condition, value)? {
                Ok(more) => {
                    seen.add(more);
                    schema.get("then")
                }
                Err(_) => schema.get("else"),
            };
            if let Some(branch) = branch {
                let checked = self.schema(branch, value)?;
                collect(checked, seen, failures);
            }
        }
        Ok(())
    }

    fn unevaluated(
        &mut self,
        schema: &'s Map<String, Json>,
        value: &Json,
        seen: &mut Seen,
        failures: &mut Vec<Failure>,
    ) -> Result<(), String> {
        if let (Json::Object(object), Some(rest)) = (value, schema.get("unevaluatedProperties")) {
            for (name, part) in object {
                if !seen.names.contains(name) {
                    self.part(rest, part, name, failures)?;
                    seen.names.insert(name.clone());
                }
            }
        }
        if let (Json::Array(items), Some(rest)) = (value, schema.get("unevaluatedItems")) {
            for (i, item) in items.iter().enumerate() {
                if !seen.items.contains(&i) {
                    self.part(rest, item, &i.to_string(), failures)?;
                    seen.items.insert(i);
                }
            }
        }
        Ok(())
    }
}

fn collect(checked: Result<Seen, Failure>, seen: &mut Seen, failures: &mut Vec<Failure>) {
    match checked {
        Ok(more) => seen.add(more),
        Err(failure) => failures.push(failure),
    }
}

fn size(schema: &Map<String, Json>, name: &str) -> Option<usize> {
    schema.get(name)?.as_f64().map(|size| size as usize)
}

/// The types that a schema allows, in the order in which complaints list them.
fn types(wanted: &Json) -> Result<Vec<&'static str>, String> {
    let names: Vec<&str> = match wanted {
        Json::String(name) => vec![name],
        Json::Array(names) => names.iter().filter_map(Json::as_str).collect(),
        _ => Vec::new(),
    };
    let known = [
        "null", "boolean", "number", "integer", "string", "array", "object",
    ];
    if let Some(name) = names.iter().find(|name| !known.contains(*name)) {
        return Err(format!("schema has the unknown type {}", single(name)));
    }
    Ok(known.into_iter().filter(|name| names.contains(name)).collect())
}

fn type_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "boolean",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}

fn is_integer(value: &Json) -> bool {
    value.as_f64().is_some_and(|value| value.fract() == 0.0)
}
