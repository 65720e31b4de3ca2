//! Go's comparison functions: eq, ne, lt, le, gt, ge.

use super::print::to_string;
use super::value::Value;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Invalid,
    Bool,
    Complex,
    Int,
    Float,
    Str,
    Uint,
}

fn kind(value: &Value) -> Kind {
    match value {
        Value::Bool(_) => Kind::Bool,
        Value::Int(_) | Value::Int64(_) | Value::Duration(_) | Value::Month(_) | Value::Weekday(_) => {
            Kind::Int
        }
        Value::Byte(_) | Value::Uint(_) => Kind::Uint,
        Value::Float(_) => Kind::Float,
        Value::Complex(..) => Kind::Complex,
        Value::Str(_) => Kind::Str,
        _ => Kind::Invalid,
    }
}

/// `eq`: whether `first` equals any of the others.
pub(crate) fn eq(first: &Value, others: &[Value]) -> Result<bool, String> {
    if others.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in others {
        if equal(first, other)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn equal(a: &Value, b: &Value) -> Result<bool, String> {
    let (ka, kb) = (kind(a), kind(b));
    if ka != kb {
        return match (a, b) {
            (a, b) if integers(ka, kb) => Ok(wide(a) == wide(b)),
            (a, b) if !a.is_nil() && !b.is_nil() => Err(incompatible(a, b)),
            _ => Ok(false),
        };
    }
    Ok(match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Complex(a, b), Value::Complex(c, d)) => a == c && b == d,
        (Value::Str(a), Value::Str(b)) => a == b,
        (a, b) if integers(ka, kb) => wide(a) == wide(b),
        (a, b) => {
            let (na, nb) = (nil_of_its_type(a), nil_of_its_type(b));
            if !a.is_nil() && !b.is_nil() && a.kind_name() != b.kind_name() {
                return Err(format!(
                    "non-comparable types {}: {}, {}: {}",
                    as_text(a),
                    a.type_name(),
                    b.type_name(),
                    to_string(b)
                ));
            }
            match (a, b) {
                _ if na || nb => na && nb,
                (Value::Version(a), Value::Version(b)) => std::rc::Rc::ptr_eq(a, b),
                (Value::Time(a), Value::Time(b)) => a == b,
                (_, b) => return Err(format!("non-comparable type {}: {}", as_text(b), b.type_name())),
            }
        }
    })
}

/// Nil, or a list or map that is Go's nil.
fn nil_of_its_type(value: &Value) -> bool {
    match value {
        Value::List(list) => list.kind.is_nil(),
        Value::Map(map) => map.kind.is_nil(),
        other => other.is_nil(),
    }
}

/// `lt`.
pub(crate) fn lt(a: &Value, b: &Value) -> Result<bool, String> {
    let (ka, kb) = (kind(a), kind(b));
    if ka == Kind::Invalid || kb == Kind::Invalid {
        return Err("invalid type for comparison".into());
    }
    match (a, b) {
        (Value::Float(a), Value::Float(b)) => Ok(a < b),
        (Value::Str(a), Value::Str(b)) => Ok(a < b),
        (a, b) if integers(ka, kb) => Ok(wide(a) < wide(b)),
        (a, b) if ka != kb => Err(incompatible(a, b)),
        _ => Err("invalid type for comparison".into()),
    }
}

/// `le`: less, or else equal.
pub(crate) fn le(a: &Value, b: &Value) -> Result<bool, String> {
    Ok(lt(a, b)? || equal(a, b)?)
}

/// A value as `%s` prints it.
fn as_text(value: &Value) -> String {
    let text = super::print::sprintf(b"%s", std::slice::from_ref(value)).unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}

fn incompatible(a: &Value, b: &Value) -> String {
    format!(
        "incompatible types for comparison: {} and {}",
        a.type_name(),
        b.type_name()
    )
}

fn integers(a: Kind, b: Kind) -> bool {
    matches!(a, Kind::Int | Kind::Uint) && matches!(b, Kind::Int | Kind::Uint)
}

/// An integer of any kind.
fn wide(value: &Value) -> i128 {
    match value {
        Value::Byte(byte) => i128::from(*byte),
        Value::Uint(uint) => i128::from(*uint),
        other => i128::from(other.as_int().unwrap_or(0)),
    }
}
