//! JSON patches (RFC 6902) as the library behind kustomize applies them.

use serde_json::{Map, Value};
use yaml::{Node, Scalar, Style, Tag};

/// An operation as decoded; what it lacks is noticed when it is applied.
#[derive(Debug, Clone)]
pub(crate) struct Operation(Map<String, Value>);

/// Most values that `copy` may bring into one object.
const COPY_LIMIT: usize = 1_000_000;

/// Reads a patch: JSON if it begins with `[`, else YAML.
///
/// # Errors
/// Text that is no list of objects.
pub(crate) fn decode(text: &str) -> Result<Vec<Operation>, String> {
    let value: Value = if text.starts_with('[') {
        serde_json::from_str(text).map_err(|e| e.to_string())?
    } else {
        yaml::parse(text.as_bytes()).map_err(|e| e.to_string())?
    };
    match value {
        Value::Null => Ok(Vec::new()),
        Value::Array(items) => items
            .into_iter()
            .map(|item| match item {
                Value::Object(map) => Ok(Operation(map)),
                Value::Null => Ok(Operation(Map::new())),
                _ => Err("json: cannot unmarshal into Go value of type jsonpatch.Operation".to_string()),
            })
            .collect(),
        _ => Err("json: cannot unmarshal object into Go value of type jsonpatch.Patch".to_string()),
    }
}

/// Applies the operations in order.
///
/// # Errors
/// A path that is not there, an index out of range, a test that fails, an unknown operation.
pub(crate) fn apply(document: &mut Value, operations: &[Operation]) -> Result<(), String> {
    let mut copied = 0;
    for operation in operations {
        let word = operation.text("op").unwrap_or("unknown");
        match word {
            "add" => operation.add(document)?,
            "remove" => operation.remove(document)?,
            "replace" => operation.replace(document)?,
            "move" => operation.shift(document)?,
            "copy" => operation.copy(document, &mut copied)?,
            "test" => operation.test(document)?,
            other => return Err(format!("Unexpected kind: {other}")),
        }
    }
    Ok(())
}

/// The object's nodes after a patch. Numbers have been 64-bit floats on the way.
pub(crate) fn to_node(value: &Value) -> Node {
    let scalar = |text: String, tag| {
        Node::Scalar(Scalar {
            text,
            tag,
            style: Style::Plain,
        })
    };
    match value {
        Value::Null => Node::null(),
        Value::Bool(value) => scalar(value.to_string(), Tag::Bool),
        Value::Number(number) => {
            // kustomize reads the result into floats and writes it again.
            let float = number.as_f64().filter(|float| *float != 0.0).unwrap_or_default();
            let text = yaml::shortest(float);
            let tag = yaml::resolve(&text, yaml::Schema::GoV3);
            scalar(text, tag)
        }
        Value::String(text) => Node::string(text),
        Value::Array(items) => Node::Seq(items.iter().map(to_node).collect()),
        Value::Object(map) => {
            let pairs = map
                .iter()
                .map(|(key, value)| (Scalar::string(key), to_node(value)))
                .collect();
            Node::Map(yaml::Map { pairs })
        }
    }
}

impl Operation {
    fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    fn path(&self, word: &str, name: &str) -> Result<&str, String> {
        self.text(name)
            .ok_or_else(|| format!("{word} operation failed to decode {name}: missing value"))
    }

    fn value(&self) -> Value {
        self.0.get("value").cloned().unwrap_or(Value::Null)
    }

    fn add(&self, document: &mut Value) -> Result<(), String> {
        let path = self.path("add", "path")?;
        let (parent, key) = parent(document, path).ok_or_else(|| {
            format!("add operation does not apply: doc is missing path: \"{path}\": missing value")
        })?;
        let value = self.value();
        fits(path, &value)?;
        insert(parent, &key, value).map_err(|e| format!("error in add for path: '{path}': {e}"))
    }

    fn remove(&self, document: &mut Value) -> Result<(), String> {
        let path = self.path("remove", "path")?;
        let (parent, key) = parent(document, path).ok_or_else(|| {
            format!("remove operation does not apply: doc is missing path: \"{path}\": missing value")
        })?;
        take(parent, &key)
            .map(|_| ())
            .map_err(|e| format!("error in remove for path: '{path}': {e}"))
    }

    /// A key that a map does not have is created: the library does not look.
    fn replace(&self, document: &mut Value) -> Result<(), String> {
        let path = self.path("replace", "path")?;
        fits(path, &self.value())?;
        if path.is_empty() {
            let value = self.value();
            if !value.is_object() && !value.is_array() {
                return Err("replace operation value must be object or array".to_string());
            }
            *document = value;
            return Ok(());
        }
        let (parent, key) = parent(document, path).ok_or_else(|| {
            format!("replace operation does not apply: doc is missing path: {path}: missing value")
        })?;
        match parent {
            Value::Array(items) => {
                let at = index(&key, items.len()).map_err(|_| {
                    format!("replace operation does not apply: doc is missing key: {path}: missing value")
                })?;
                items[at] = self.value();
            }
            Value::Object(map) => {
                map.insert(key, self.value());
            }
            _ => {}
        }
        Ok(())
    }

    fn shift(&self, document: &mut Value) -> Result<(), String> {
        let from = self.path("move", "from")?;
        let (source, key) = parent(document, from).ok_or_else(|| {
            format!("move operation does not apply: doc is missing from path: {from}: missing value")
        })?;
        let value = take(source, &key).map_err(|e| format!("error in move for path: '{key}': {e}"))?;
        let path = self.path("move", "path")?;
        let (target, key) = parent(document, path).ok_or_else(|| {
            format!("move operation does not apply: doc is missing destination path: {path}: missing value")
        })?;
        fits(path, &value)?;
        insert(target, &key, value).map_err(|e| format!("error in move for path: '{path}': {e}"))
    }

    fn copy(&self, document: &mut Value, copied: &mut usize) -> Result<(), String> {
        let from = self.path("copy", "from")?;
        let (source, key) = parent(document, from).ok_or_else(|| {
            format!("copy operation does not apply: doc is missing from path: {from}: missing value")
        })?;
        let value = get(source, &key)
            .map_err(|e| format!("error in copy for from: '{from}': {e}"))?
            .clone();
        *copied += count(&value);
        if *copied > COPY_LIMIT {
            return Err(format!(
                "copy operations bring more than {COPY_LIMIT} values into one object"
            ));
        }
        let path = self.path("copy", "path")?;
        let (target, key) = parent(document, path).ok_or_else(|| {
            format!("copy operation does not apply: doc is missing destination path: {path}: missing value")
        })?;
        fits(path, &value)?;
        insert(target, &key, value).map_err(|e| format!("error while adding value during copy: {e}"))
    }

    /// A missing key counts as null.
    fn test(&self, document: &mut Value) -> Result<(), String> {
        let path = self.path("test", "path")?;
        let failed = || Err(format!("testing value {path} failed: test failed"));
        if path.is_empty() {
            return if *document == self.value() {
                Ok(())
            } else {
                failed()
            };
        }
        let (parent, key) = parent(document, path).ok_or_else(|| {
            format!("test operation does not apply: is missing path: {path}: missing value")
        })?;
        let value = get(parent, &key).map_err(|e| format!("error in test for path: '{path}': {e}"))?;
        if *value == self.value() { Ok(()) } else { failed() }
    }
}

/// The map or list that a path's last part is in, and that part.
fn parent<'v>(document: &'v mut Value, path: &str) -> Option<(&'v mut Value, String)> {
    let mut parts: Vec<String> = path
        .split('/')
        .skip(1)
        .map(|part| part.replace("~1", "/").replace("~0", "~"))
        .collect();
    let key = parts.pop()?;
    let mut node = document;
    for part in parts {
        node = match node {
            Value::Object(map) => map.get_mut(&part)?,
            Value::Array(items) => {
                let at = index(&part, items.len()).ok()?;
                items.get_mut(at)?
            }
            _ => return None,
        };
    }
    matches!(node, Value::Object(_) | Value::Array(_)).then_some((node, key))
}

/// Every value put into a document keeps it this shallow, which bounds the recursion of all later steps.
const MAX_DEPTH: usize = 400;

fn fits(path: &str, value: &Value) -> Result<(), String> {
    if path.matches('/').count() + depth(value) > MAX_DEPTH {
        return Err(format!("values nested deeper than {MAX_DEPTH}"));
    }
    Ok(())
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

fn get<'v>(node: &'v Value, key: &str) -> Result<&'v Value, String> {
    match node {
        Value::Array(items) => Ok(&items[index(key, items.len())?]),
        node => Ok(node.get(key).unwrap_or(&Value::Null)),
    }
}

fn insert(node: &mut Value, key: &str, value: Value) -> Result<(), String> {
    match node {
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let at = index(key, items.len() + 1).map_err(|e| {
                if key.parse::<i64>().is_err() {
                    format!("value was not a proper array index: '{key}': {e}")
                } else {
                    e
                }
            })?;
            items.insert(at, value);
        }
        Value::Object(map) => {
            map.insert(key.to_string(), value);
        }
        _ => {}
    }
    Ok(())
}

fn take(node: &mut Value, key: &str) -> Result<Value, String> {
    match node {
        Value::Array(items) => {
            let at = index(key, items.len())?;
            Ok(items.remove(at))
        }
        Value::Object(map) => map
            .shift_remove(key)
            .ok_or_else(|| format!("Unable to remove nonexistent key: {key}: missing value")),
        _ => Ok(Value::Null),
    }
}

/// An index below `len`; negative ones count from the end.
fn index(key: &str, len: usize) -> Result<usize, String> {
    let at: i64 = key
        .parse()
        .map_err(|_| format!("strconv.Atoi: parsing {key:?}: invalid syntax"))?;
    let signed = i64::try_from(len).unwrap_or(i64::MAX);
    let real = if at < 0 { at + signed } else { at };
    usize::try_from(real)
        .ok()
        .filter(|&real| real < len)
        .ok_or_else(|| format!("Unable to access invalid index: {at}: invalid index referenced"))
}

fn count(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(count).sum::<usize>(),
        Value::Object(map) => 1 + map.values().map(count).sum::<usize>(),
        _ => 1,
    }
}
