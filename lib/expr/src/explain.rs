//! The interpreter's errors in the words of cel-go, without the operands that its own messages print.

use crate::attributes::Attribute;
use cel::{ExecutionError, Value};

/// Functions that convert a text, and the name that cel-go has for what they make of it.
const CONVERSIONS: [(&str, &str); 6] = [
    ("bool", "bool"),
    ("double", "double"),
    ("duration", "google.protobuf.Duration"),
    ("int", "int"),
    ("timestamp", "google.protobuf.Timestamp"),
    ("uint", "uint"),
];

/// Types of CEL by the names that cel-go calls them in its own code, which slip into one message.
const INTERNAL: [(&str, &str); 6] = [
    ("bool", "types.Bool"),
    ("bytes", "types.Bytes"),
    ("double", "types.Double"),
    ("int", "types.Int"),
    ("null_type", "types.Null"),
    ("string", "types.String"),
];

/// What cel-go would say. `present` are the variables that the evaluation had.
pub(crate) fn explain(error: &ExecutionError, attributes: &[Attribute], present: &[&str]) -> String {
    match error {
        ExecutionError::UndeclaredReference(name) => {
            let missing = |a: &&Attribute| !present.contains(&a.variable.as_str());
            let mut missing = attributes.iter().filter(missing);
            match missing.find(|a| a.variable == **name) {
                Some(attribute) => format!("no such attribute(s): {}", attribute.path),
                None => format!("no such overload: {name}"),
            }
        }
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::Overflow(..) => "integer overflow".to_owned(),
        ExecutionError::IndexOutOfBounds(Value::Int(index)) => format!("index out of bounds: {index}"),
        ExecutionError::IndexOutOfBounds(_) => "index out of bounds".to_owned(),
        ExecutionError::UnexpectedType { got, want } if want == "iterable" => {
            format!(
                "got '{}', expected iterable type",
                known(&INTERNAL, got).unwrap_or(got)
            )
        }
        ExecutionError::FunctionError { function, message } => match known(&CONVERSIONS, function) {
            Some(wanted) => format!("type conversion error from 'string' to '{wanted}'"),
            None => message.clone(),
        },
        // Operands or arguments of types that do not go together. Their values are in the other messages.
        _ => "no such overload".to_owned(),
    }
}

fn known<'t>(table: &[(&str, &'t str)], name: &str) -> Option<&'t str> {
    table
        .iter()
        .find(|(key, _)| *key == name)
        .map(|(_, value)| *value)
}
