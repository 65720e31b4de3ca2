//! The functions that templates call: Go's own, sprig's and Helm's, by family.

pub(crate) mod builtin;
pub(crate) mod cast;
pub(crate) mod certificates;
pub(crate) mod clock;
pub(crate) mod cluster;
pub(crate) mod crypto;
pub(crate) mod dates;
pub(crate) mod decimal;
pub(crate) mod dicts;
pub(crate) mod encoding;
pub(crate) mod json;
pub(crate) mod layout;
pub(crate) mod lists;
pub(crate) mod methods;
pub(crate) mod numbers;
pub(crate) mod passwords;
pub(crate) mod paths;
pub(crate) mod pretty;
pub(crate) mod reflect;
pub(crate) mod regex;
pub(crate) mod semver;
pub(crate) mod strings;
pub(crate) mod toml;
pub(crate) mod urls;
pub(crate) mod words;

use crate::template::error::Fault;
use crate::template::run::{Run, Set};
use crate::template::value::{List, ListKind, Map, MapKind, Text, Value};
use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::OnceLock;

/// A function with its Go signature.
pub(crate) struct Function {
    pub name: &'static str,
    pub params: &'static [Ty],
    /// The last parameter may be given any number of times.
    pub variadic: bool,
    pub call: fn(&mut Call<'_, '_>) -> Answer,
}

/// What a function gives.
pub(crate) type Answer = Result<Value, Fault>;

/// The Go type of a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ty {
    /// `interface {}`
    Any,
    /// `reflect.Value`: only Go's own functions.
    Reflect,
    Str,
    Int,
    /// `uint32`
    Uint,
    Float,
    Bool,
    /// `map[string]interface {}`
    Dict,
    /// `[]interface {}`
    List,
    /// `time.Time`
    Time,
    /// `time.Duration`
    Duration,
    /// `*semver.Version`
    Version,
    /// `certificate` of sprig
    Certificate,
}

/// A call: its arguments, of the types that the signature asks for.
pub(crate) struct Call<'r, 'e> {
    pub run: &'r mut Run<'e>,
    pub set: &'r Rc<Set>,
    pub args: Vec<Value>,
}

/// A function of fixed parameters.
pub(crate) const fn fixed(
    name: &'static str,
    params: &'static [Ty],
    call: fn(&mut Call<'_, '_>) -> Answer,
) -> Function {
    Function {
        name,
        params,
        variadic: false,
        call,
    }
}

/// A function whose last parameter is variadic.
pub(crate) const fn variadic(
    name: &'static str,
    params: &'static [Ty],
    call: fn(&mut Call<'_, '_>) -> Answer,
) -> Function {
    Function {
        name,
        params,
        variadic: true,
        call,
    }
}

/// The function of that name.
pub(crate) fn find(name: &str) -> Option<&'static Function> {
    static TABLE: OnceLock<HashMap<&'static str, &'static Function>> = OnceLock::new();
    let table = TABLE.get_or_init(|| {
        let families: [&'static [Function]; 18] = [
            builtin::FUNCTIONS,
            strings::FUNCTIONS,
            words::FUNCTIONS,
            lists::FUNCTIONS,
            dicts::FUNCTIONS,
            numbers::FUNCTIONS,
            reflect::FUNCTIONS,
            dates::FUNCTIONS,
            encoding::FUNCTIONS,
            toml::FUNCTIONS,
            crypto::FUNCTIONS,
            passwords::FUNCTIONS,
            certificates::FUNCTIONS,
            semver::FUNCTIONS,
            paths::FUNCTIONS,
            urls::FUNCTIONS,
            regex::FUNCTIONS,
            cluster::FUNCTIONS,
        ];
        families
            .into_iter()
            .flatten()
            .map(|function| (function.name, function))
            .collect()
    });
    table.get(name).copied()
}

impl Ty {
    pub fn name(self) -> &'static str {
        match self {
            Ty::Any => "interface {}",
            Ty::Reflect => "reflect.Value",
            Ty::Str => "string",
            Ty::Int => "int",
            Ty::Uint => "uint32",
            Ty::Float => "float64",
            Ty::Bool => "bool",
            Ty::Dict => "map[string]interface {}",
            Ty::List => "[]interface {}",
            Ty::Time => "time.Time",
            Ty::Duration => "time.Duration",
            Ty::Version => "*semver.Version",
            Ty::Certificate => "sprig.certificate",
        }
    }

    pub fn can_be_nil(self) -> bool {
        matches!(self, Ty::Any | Ty::Reflect | Ty::Dict | Ty::List | Ty::Version)
    }

    /// Whether a value can be given to a parameter of this type.
    pub fn takes(self, value: &Value) -> bool {
        match (self, value) {
            (Ty::Any | Ty::Reflect, _) => true,
            (Ty::Str, Value::Str(_))
            | (Ty::Int, Value::Int(_))
            | (Ty::Float, Value::Float(_))
            | (Ty::Bool, Value::Bool(_))
            | (Ty::Time, Value::Time(_))
            | (Ty::Duration, Value::Duration(_))
            | (Ty::Version, Value::Version(_)) => true,
            (Ty::Dict, Value::Map(map)) => {
                matches!(map.kind, MapKind::Any | MapKind::NilAny | MapKind::Values)
            }
            (Ty::List, Value::List(list)) => matches!(list.kind, ListKind::Any | ListKind::NilAny),
            (Ty::Certificate, Value::Object(object)) => object.name == "sprig.certificate",
            _ => false,
        }
    }
}

impl Call<'_, '_> {
    /// Argument `i`; none gives nil.
    pub fn any(&self, i: usize) -> &Value {
        self.args.get(i).unwrap_or(&Value::Nil)
    }

    /// The arguments from `i` on.
    pub fn rest(&self, i: usize) -> &[Value] {
        self.args.get(i..).unwrap_or_default()
    }

    /// The bytes of a string argument.
    pub fn bytes(&self, i: usize) -> &[u8] {
        match self.any(i) {
            Value::Str(text) => text.bytes(),
            _ => b"",
        }
    }

    /// The text of a string argument.
    pub fn text(&self, i: usize) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes(i))
    }

    pub fn int(&self, i: usize) -> i64 {
        match self.any(i) {
            Value::Int(int) => *int,
            _ => 0,
        }
    }

    pub fn truth(&self, i: usize) -> bool {
        matches!(self.any(i), Value::Bool(true))
    }

    /// A map argument; nil is one without entries that nobody else sees.
    pub fn dict(&self, i: usize) -> Rc<Map> {
        match self.any(i) {
            Value::Map(map) => map.clone(),
            _ => Map::new(MapKind::Any, Default::default()),
        }
    }

    /// Counts the elements a function goes through.
    pub fn step(&mut self, count: usize) -> Result<(), Fault> {
        self.run.step(count)
    }
}

/// A string of bytes.
pub(crate) fn raw(bytes: Vec<u8>) -> Answer {
    Ok(Value::bytes(bytes))
}

/// A string.
pub(crate) fn string(text: impl Into<Text>) -> Answer {
    Ok(Value::string(text))
}

/// A list of any values.
pub(crate) fn list(items: Vec<Value>) -> Answer {
    Ok(List::any(items))
}

/// Go's words when something is done to nil that cannot be.
pub(crate) const NIL_DEREFERENCE: &str = "runtime error: invalid memory address or nil pointer dereference";
