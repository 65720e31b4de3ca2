//! What a template computes with: Go's dynamic values, with the Go type they would have.

mod dismantle;
pub(crate) mod weigh;

use super::object::Object;
use crate::funcs::clock::{Duration, Time};
use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;
use versions::Version;

/// A Go string: bytes that need not be UTF-8.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Text(Rc<[u8]>);

/// A value and its Go type.
#[derive(Clone)]
pub(crate) enum Value {
    /// No value at all (Go's zero `reflect.Value`).
    Nil,
    /// The nil that an element of a map or list holds: unlike [`Value::Nil`], asking it for a field is an error.
    NilInterface,
    Bool(bool),
    /// `int`
    Int(i64),
    /// `int64`
    Int64(i64),
    /// `uint8`: a byte of a string or of bytes.
    Byte(u8),
    /// `uint64`
    Uint(u64),
    /// `float64`
    Float(f64),
    /// `complex128`: only a constant can be one.
    Complex(f64, f64),
    Str(Text),
    /// `[]uint8`
    Bytes(Rc<[u8]>),
    List(Rc<List>),
    Map(Rc<Map>),
    Time(Rc<Time>),
    Duration(Duration),
    Month(i8),
    Weekday(i8),
    Version(Rc<Version>),
    Object(Rc<Object>),
}

/// The Go type of a list.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum ListKind {
    /// `[]interface {}`
    Any,
    /// `[]string`
    Str,
    /// `[]int`
    Int,
    /// `[][]interface {}`
    Lists,
    /// A `[]interface {}` that is nil: as an empty one, but null in JSON.
    NilAny,
    /// A `[]string` that is nil.
    NilStr,
    /// A list of a Go type that only charts and capabilities have.
    Named(&'static str),
}

/// A list that is never changed.
pub(crate) struct List {
    pub kind: ListKind,
    pub items: Vec<Value>,
}

/// The Go type of a map.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum MapKind {
    /// `map[string]interface {}`
    Any,
    /// `map[string]string`
    Str,
    /// A `map[string]interface {}` that is nil: as an empty one, but null in JSON, and not to be added to.
    NilAny,
    /// A `map[string]string` that is nil.
    NilStr,
    /// `common.Values`
    Values,
    /// `engine.files`
    Files,
}

/// A map that everyone who holds it sees changed.
pub(crate) struct Map {
    pub kind: MapKind,
    /// Shared with views of the map that have another type.
    pub entries: Rc<RefCell<BTreeMap<Text, Value>>>,
}

impl Text {
    pub fn new(text: impl AsRef<[u8]>) -> Text {
        Text(text.as_ref().into())
    }

    pub fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text; what is not UTF-8 is replaced.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl std::borrow::Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(text.as_bytes().into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Text {
        Text(text.into_bytes().into())
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

impl List {
    pub fn any(items: Vec<Value>) -> Value {
        List::of(ListKind::Any, items)
    }

    pub fn strings<T: Into<Text>>(items: impl IntoIterator<Item = T>) -> Value {
        List::of(
            ListKind::Str,
            items.into_iter().map(|item| Value::Str(item.into())).collect(),
        )
    }

    pub fn of(kind: ListKind, items: Vec<Value>) -> Value {
        Value::List(Rc::new(List { kind, items }))
    }
}

impl Map {
    pub fn new(kind: MapKind, entries: BTreeMap<Text, Value>) -> Rc<Map> {
        Rc::new(Map {
            kind,
            entries: Rc::new(RefCell::new(entries)),
        })
    }

    pub fn any<K: Into<Text>>(entries: impl IntoIterator<Item = (K, Value)>) -> Value {
        let entries = entries
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect();
        Value::Map(Map::new(MapKind::Any, entries))
    }

    /// The same entries as a map of another type.
    pub fn view(&self, kind: MapKind) -> Rc<Map> {
        Rc::new(Map {
            kind,
            entries: self.entries.clone(),
        })
    }

    /// True if both are the same entries.
    pub fn same(&self, other: &Map) -> bool {
        Rc::ptr_eq(&self.entries, &other.entries)
    }

    pub fn remove(&self, key: &[u8]) {
        let old = self.entries.borrow_mut().remove(key);
        drop(old);
    }

    pub fn get(&self, key: &[u8]) -> Option<Value> {
        self.entries.borrow().get(key).cloned()
    }

    pub fn set(&self, key: Text, value: Value) {
        // The old value may be the last owner of a great deal: it goes when nothing is borrowed any more.
        let old = self.entries.borrow_mut().insert(key, value.element());
        drop(old);
    }

    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// A copy of keys and values, in order.
    pub fn pairs(&self) -> Vec<(Text, Value)> {
        self.entries
            .borrow()
            .iter()
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// What a key that is not there gives.
    pub fn zero(&self) -> Value {
        match self.kind {
            MapKind::Any | MapKind::NilAny | MapKind::Values => Value::NilInterface,
            MapKind::Str | MapKind::NilStr => Value::string(""),
            MapKind::Files => Value::Bytes(Rc::from([])),
        }
    }
}

impl Value {
    pub fn string(text: impl Into<Text>) -> Value {
        Value::Str(text.into())
    }

    pub fn bytes(bytes: Vec<u8>) -> Value {
        Value::Str(Text(bytes.into()))
    }

    pub fn is_nil(&self) -> bool {
        matches!(self, Value::Nil | Value::NilInterface)
    }

    /// As it is kept in a map or list, or given to a function as `interface {}`.
    pub fn element(self) -> Value {
        match self {
            Value::NilInterface => Value::Nil,
            other => other,
        }
    }

    /// As it comes out of a map or list.
    pub fn taken(self) -> Value {
        match self {
            Value::Nil => Value::NilInterface,
            other => other,
        }
    }

    /// The Go type, as `%T` prints it.
    pub fn type_name(&self) -> Cow<'static, str> {
        match self {
            Value::Nil => "<nil>".into(),
            Value::NilInterface => "interface {}".into(),
            Value::Bool(_) => "bool".into(),
            Value::Int(_) => "int".into(),
            Value::Int64(_) => "int64".into(),
            Value::Byte(_) => "uint8".into(),
            Value::Uint(_) => "uint64".into(),
            Value::Float(_) => "float64".into(),
            Value::Complex(..) => "complex128".into(),
            Value::Str(_) => "string".into(),
            Value::Bytes(_) => "[]uint8".into(),
            Value::List(list) => list.kind.type_name().into(),
            Value::Map(map) => map.kind.type_name().into(),
            Value::Time(_) => "time.Time".into(),
            Value::Duration(_) => "time.Duration".into(),
            Value::Month(_) => "time.Month".into(),
            Value::Weekday(_) => "time.Weekday".into(),
            Value::Version(_) => "*semver.Version".into(),
            Value::Object(object) => object.type_name().into(),
        }
    }

    /// The Go kind, as `reflect.Kind` prints it.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Value::Nil | Value::NilInterface => "invalid",
            Value::Bool(_) => "bool",
            Value::Int(_) | Value::Month(_) | Value::Weekday(_) => "int",
            Value::Int64(_) | Value::Duration(_) => "int64",
            Value::Byte(_) => "uint8",
            Value::Uint(_) => "uint64",
            Value::Float(_) => "float64",
            Value::Complex(..) => "complex128",
            Value::Str(_) => "string",
            Value::Bytes(_) | Value::List(_) => "slice",
            Value::Map(_) => "map",
            Value::Time(_) => "struct",
            Value::Version(_) => "ptr",
            Value::Object(object) if object.pointer => "ptr",
            Value::Object(_) => "struct",
        }
    }

    /// Truth as `if` sees it: not the zero of its type, not empty; structs are always true.
    pub fn truth(&self) -> bool {
        match self {
            Value::Nil | Value::NilInterface => false,
            Value::Bool(value) => *value,
            Value::Int(value) | Value::Int64(value) => *value != 0,
            Value::Duration(duration) => duration.0 != 0,
            Value::Month(value) | Value::Weekday(value) => *value != 0,
            Value::Byte(value) => *value != 0,
            Value::Uint(value) => *value != 0,
            Value::Float(value) => *value != 0.0,
            Value::Complex(re, im) => *re != 0.0 || *im != 0.0,
            Value::Str(text) => !text.is_empty(),
            Value::Bytes(bytes) => !bytes.is_empty(),
            Value::List(list) => !list.items.is_empty(),
            Value::Map(map) => map.len() > 0,
            Value::Time(_) | Value::Version(_) | Value::Object(_) => true,
        }
    }

    /// The integer of any of Go's signed integer kinds.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(value) | Value::Int64(value) => Some(*value),
            Value::Duration(duration) => Some(duration.0),
            Value::Month(value) | Value::Weekday(value) => Some(i64::from(*value)),
            _ => None,
        }
    }

    pub fn as_map(&self) -> Option<&Rc<Map>> {
        match self {
            Value::Map(map) => Some(map),
            _ => None,
        }
    }
}

impl ListKind {
    /// Go's nil, which prints as an empty list and marshals as null.
    pub fn is_nil(self) -> bool {
        matches!(self, ListKind::NilAny | ListKind::NilStr)
    }

    pub fn type_name(self) -> &'static str {
        match self {
            ListKind::Any | ListKind::NilAny => "[]interface {}",
            ListKind::Str | ListKind::NilStr => "[]string",
            ListKind::Int => "[]int",
            ListKind::Lists => "[][]interface {}",
            ListKind::Named(name) => name,
        }
    }
}

impl MapKind {
    /// Go's nil, which prints as an empty map and marshals as null.
    pub fn is_nil(self) -> bool {
        matches!(self, MapKind::NilAny | MapKind::NilStr)
    }

    pub fn type_name(self) -> &'static str {
        match self {
            MapKind::Any | MapKind::NilAny => "map[string]interface {}",
            MapKind::Str | MapKind::NilStr => "map[string]string",
            MapKind::Values => "common.Values",
            MapKind::Files => "engine.files",
        }
    }
}
