//! The fields of a JSON object as Go's `encoding/json` reads them into a struct.

use crate::manifest::scalar_text;
use crate::template::quote::quote;
use serde_json::{Map, Value as Json};

/// A JSON object whose fields Go finds whatever their case.
pub(crate) struct Fields<'a> {
    pub(crate) map: &'a Map<String, Json>,
    pub(crate) path: &'static str,
    /// Whether only texts are texts.
    pub(crate) strict: bool,
}

impl<'a> Fields<'a> {
    pub(crate) fn new(map: &'a Map<String, Json>, path: &'static str) -> Fields<'a> {
        Fields {
            map,
            path,
            strict: false,
        }
    }

    /// # Errors
    /// A field whose name is none of these, in Go's words.
    pub(crate) fn known_only(&self, names: &[&str]) -> Result<(), String> {
        let known = |key: &&String| names.iter().any(|name| name.eq_ignore_ascii_case(key));
        match self.map.keys().find(|key| !known(key)) {
            Some(key) => Err(format!("unknown field {}", quote(key.as_bytes()))),
            None => Ok(()),
        }
    }

    /// The value of a field; null is as good as none.
    pub(crate) fn get(&self, name: &str) -> Option<&'a Json> {
        let exact = self.map.get(name);
        let found = exact.or_else(|| {
            let found = self.map.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value)
        });
        found.filter(|value| !value.is_null())
    }

    /// A value as a text, if Go makes one of it there.
    pub(crate) fn as_text(&self, value: &Json) -> Option<String> {
        match value {
            Json::String(text) => Some(text.clone()),
            _ if self.strict => None,
            other => scalar_text(other),
        }
    }

    fn wrong(&self, value: &Json, name: &str, wanted: &str) -> String {
        wrong(value, &format!("struct field {}.{name}", self.path), wanted)
    }

    pub(crate) fn text(&self, name: &str, target: &mut String) -> Result<(), String> {
        match self.get(name) {
            None => {}
            Some(value) => {
                *target = self
                    .as_text(value)
                    .ok_or_else(|| self.wrong(value, name, "string"))?
            }
        }
        Ok(())
    }

    pub(crate) fn truth(&self, name: &str, target: &mut bool) -> Result<(), String> {
        match self.get(name) {
            None => {}
            Some(Json::Bool(truth)) => *target = *truth,
            Some(other) => return Err(self.wrong(other, name, "bool")),
        }
        Ok(())
    }

    pub(crate) fn list(&self, name: &str, wanted: &str) -> Result<Option<&'a Vec<Json>>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Array(items)) => Ok(Some(items)),
            Some(other) => Err(self.wrong(other, name, wanted)),
        }
    }

    pub(crate) fn map(&self, name: &str, wanted: &str) -> Result<Option<&'a Map<String, Json>>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Json::Object(map)) => Ok(Some(map)),
            Some(other) => Err(self.wrong(other, name, wanted)),
        }
    }

    pub(crate) fn texts(&self, name: &str, target: &mut Vec<String>) -> Result<(), String> {
        if let Some(items) = self.list(name, "[]string")? {
            *target = items
                .iter()
                .map(|item| match item {
                    Json::Null => Ok(String::new()),
                    other => self
                        .as_text(other)
                        .ok_or_else(|| self.wrong(other, name, "string")),
                })
                .collect::<Result<_, _>>()?;
        }
        Ok(())
    }
}

/// What Go says of a value of another type than it wanted.
pub(crate) fn wrong(value: &Json, place: &str, wanted: &str) -> String {
    format!(
        "cannot unmarshal {} into Go {place} of type {wanted}",
        kind_of(value)
    )
}

/// What Go calls a JSON value.
pub(crate) fn kind_of(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "bool",
        Json::Number(_) => "number",
        Json::String(_) => "string",
        Json::Array(_) => "array",
        Json::Object(_) => "object",
    }
}
