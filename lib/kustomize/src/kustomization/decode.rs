//! Strict reading of fields, as Go's JSON decoder reads them: names in any case, unknown ones refused.

use crate::Error;
use serde_json::{Map, Value};

/// The fields of one object that have not been read yet.
pub(crate) struct Fields {
    map: Map<String, Value>,
    /// `Kustomization.images`, for messages.
    path: String,
    /// How many fields other than `kind`, `apiVersion` said something.
    read: usize,
    /// Unknown fields are passed over instead of refused.
    lax: bool,
}

impl Fields {
    /// Opens an object; null counts as one without fields.
    pub(crate) fn open(value: Value, path: &str, kind: &str) -> Result<Fields, Error> {
        match value {
            Value::Object(map) => Ok(Fields {
                map,
                path: path.to_string(),
                read: 0,
                lax: false,
            }),
            Value::Null => Ok(Fields {
                map: Map::new(),
                path: path.to_string(),
                read: 0,
                lax: false,
            }),
            other => Err(wrong_type(&other, path, kind)),
        }
    }

    /// Opens an object as the configuration of a plugin is read: what is unknown is passed over.
    pub(crate) fn open_lax(value: Value, path: &str) -> Result<Fields, Error> {
        let mut fields = Fields::open(value, path, "object")?;
        fields.lax = true;
        Ok(fields)
    }

    fn open_within(&self, value: Value, path: &str) -> Result<Fields, Error> {
        let mut fields = Fields::open(value, path, "object")?;
        fields.lax = self.lax;
        Ok(fields)
    }

    /// True if nothing but `kind` and `apiVersion` was there.
    pub(crate) fn is_empty(&self) -> bool {
        self.read == 0 && self.map.is_empty()
    }

    /// True if a field is there and not null.
    pub(crate) fn has(&self, name: &str) -> bool {
        let named = |key: &str| key.eq_ignore_ascii_case(name);
        self.map.iter().any(|(key, value)| named(key) && !value.is_null())
    }

    /// Takes a field as known without reading it.
    pub(crate) fn ignore(&mut self, name: &str) {
        self.take(name);
    }

    /// A map of values of any type.
    pub(crate) fn any_map(&mut self, name: &str) -> Result<Map<String, Value>, Error> {
        match self.take(name) {
            None => Ok(Map::new()),
            Some(Value::Object(map)) => Ok(map),
            Some(other) => Err(wrong_type(&other, &self.at(name), "map[string]interface {}")),
        }
    }

    pub(crate) fn string(&mut self, name: &str) -> Result<String, Error> {
        match self.take(name) {
            None => Ok(String::new()),
            Some(value) => text(value, &self.at(name)),
        }
    }

    pub(crate) fn optional_string(&mut self, name: &str) -> Result<Option<String>, Error> {
        self.take(name)
            .map(|value| text(value, &self.at(name)))
            .transpose()
    }

    pub(crate) fn boolean(&mut self, name: &str) -> Result<bool, Error> {
        match self.take(name) {
            None => Ok(false),
            Some(Value::Bool(value)) => Ok(value),
            Some(other) => Err(wrong_type(&other, &self.at(name), "bool")),
        }
    }

    pub(crate) fn integer(&mut self, name: &str) -> Result<i64, Error> {
        match self.take(name) {
            None => Ok(0),
            Some(value) => value
                .as_i64()
                .ok_or_else(|| wrong_type(&value, &self.at(name), "int64")),
        }
    }

    pub(crate) fn strings(&mut self, name: &str) -> Result<Vec<String>, Error> {
        let path = self.at(name);
        let items = self.array(name, "[]string")?;
        items.into_iter().map(|item| text(item, &path)).collect()
    }

    /// Pairs of strings, sorted by key.
    pub(crate) fn map(&mut self, name: &str) -> Result<Vec<(String, String)>, Error> {
        let path = self.at(name);
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Object(map)) => {
                let pairs = map.into_iter().map(|(key, value)| Ok((key, text(value, &path)?)));
                let mut pairs = pairs.collect::<Result<Vec<_>, Error>>()?;
                pairs.sort();
                Ok(pairs)
            }
            Some(other) => Err(wrong_type(&other, &path, "map[string]string")),
        }
    }

    pub(crate) fn object<T>(
        &mut self,
        name: &str,
        read: impl FnOnce(&mut Fields) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        let path = self.at(name);
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let mut fields = self.open_within(value, &path)?;
        let object = read(&mut fields)?;
        fields.finish()?;
        Ok(Some(object))
    }

    pub(crate) fn list<T>(
        &mut self,
        name: &str,
        read: impl Fn(&mut Fields) -> Result<T, Error>,
    ) -> Result<Vec<T>, Error> {
        let path = self.at(name);
        let mut list = Vec::new();
        for item in self.array(name, "[]object")? {
            let mut fields = self.open_within(item, &path)?;
            list.push(read(&mut fields)?);
            fields.finish()?;
        }
        Ok(list)
    }

    /// Fails if a field was not read: Go finds the first one in sorted order.
    pub(crate) fn finish(self) -> Result<(), Error> {
        match self.map.keys().min() {
            None => Ok(()),
            Some(_) if self.lax => Ok(()),
            Some(name) => Err(Error::KustomizationField {
                problem: format!("unknown field \"{name}\""),
            }),
        }
    }

    fn array(&mut self, name: &str, kind: &str) -> Result<Vec<Value>, Error> {
        match self.take(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(wrong_type(&other, &self.at(name), kind)),
        }
    }

    /// Go takes each spelling of a name in its turn, sorted, and the last one stays; a null changes nothing.
    fn take(&mut self, name: &str) -> Option<Value> {
        let named = |key: &&String| key.eq_ignore_ascii_case(name);
        let mut spellings: Vec<String> = self.map.keys().filter(named).cloned().collect();
        spellings.sort_unstable();
        let values = spellings.iter().filter_map(|key| self.map.swap_remove(key));
        let value = values.filter(|value| !value.is_null()).last()?;
        let says_nothing = match &value {
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty() && MOVED.contains(&name),
            _ => false,
        };
        if name != "kind" && name != "apiVersion" && !says_nothing {
            self.read += 1;
        }
        Some(value)
    }

    fn at(&self, name: &str) -> String {
        format!("{}.{name}", self.path)
    }
}

/// Fields whose items are moved to others, so that without items nothing of them is left.
const MOVED: [&str; 3] = ["bases", "imageTags", "helmChartInflationGenerator"];

fn text(value: Value, path: &str) -> Result<String, Error> {
    match value {
        Value::String(text) => Ok(text),
        Value::Null => Ok(String::new()),
        other => Err(wrong_type(&other, path, "string")),
    }
}

fn wrong_type(value: &Value, path: &str, kind: &str) -> Error {
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    Error::KustomizationField {
        problem: format!("cannot unmarshal {found} into Go struct field {path} of type {kind}"),
    }
}
