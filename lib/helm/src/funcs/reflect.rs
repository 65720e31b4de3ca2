//! Sprig's functions about values themselves: emptiness, types, equality, copies.

use super::strings::strval;
use super::{Answer, Call, Function, Ty, fixed, string, variadic};
use crate::template::error::Fault;
use crate::template::value::{List, Map, Value};
use std::borrow::Cow;
use std::rc::Rc;

/// Values nested deeper are neither copied nor compared.
const MAX_DEPTH: usize = 2_000;

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("default", &[Ty::Any, Ty::Any], |c| {
        let given = c.any(1);
        Ok(if is_empty(given) { c.any(0) } else { given }.clone())
    }),
    fixed("empty", &[Ty::Any], |c| Ok(Value::Bool(is_empty(c.any(0))))),
    variadic("coalesce", &[Ty::Any], |c| {
        Ok(c.args
            .iter()
            .find(|value| !is_empty(value))
            .cloned()
            .unwrap_or(Value::Nil))
    }),
    variadic("all", &[Ty::Any], |c| {
        Ok(Value::Bool(!c.args.iter().any(is_empty)))
    }),
    variadic("any", &[Ty::Any], |c| {
        Ok(Value::Bool(!c.args.iter().all(is_empty)))
    }),
    fixed("ternary", &[Ty::Any, Ty::Any, Ty::Bool], |c| {
        Ok(c.any(if c.truth(2) { 0 } else { 1 }).clone())
    }),
    fixed("typeOf", &[Ty::Any], |c| {
        string(c.any(0).type_name().into_owned())
    }),
    fixed("typeIs", &[Ty::Str, Ty::Any], |c| {
        Ok(Value::Bool(c.text(0) == c.any(1).type_name()))
    }),
    fixed("typeIsLike", &[Ty::Str, Ty::Any], |c| {
        let (target, name) = (c.text(0), c.any(1).type_name());
        Ok(Value::Bool(
            target == name || name.strip_prefix('*') == Some(&*target),
        ))
    }),
    fixed("kindOf", &[Ty::Any], |c| string(c.any(0).kind_name())),
    fixed("kindIs", &[Ty::Str, Ty::Any], |c| {
        Ok(Value::Bool(c.text(0) == c.any(1).kind_name()))
    }),
    fixed("deepEqual", &[Ty::Any, Ty::Any], |c| {
        let (a, b) = (c.any(0).clone(), c.any(1).clone());
        Ok(Value::Bool(equal(c, &a, &b, 0)?))
    }),
    fixed("deepCopy", &[Ty::Any], copy_of),
    fixed("mustDeepCopy", &[Ty::Any], copy_of),
];

/// Sprig's `empty`.
pub(crate) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Time(_) | Value::Version(_) => false,
        Value::Object(_) => false,
        other => !other.truth(),
    }
}

/// The elements of a list or of bytes.
pub(crate) fn items(value: &Value) -> Option<Cow<'_, [Value]>> {
    match value {
        Value::List(list) => Some(Cow::Borrowed(&list.items)),
        Value::Bytes(bytes) => Some(Cow::Owned(bytes.iter().map(|&b| Value::Byte(b)).collect())),
        _ => None,
    }
}

/// Go's `reflect.DeepEqual`: the types count too.
pub(crate) fn equal(call: &mut Call<'_, '_>, a: &Value, b: &Value, depth: usize) -> Result<bool, Fault> {
    if depth > MAX_DEPTH {
        return Err(Fault::Limit(format!("values are nested deeper than {MAX_DEPTH}")));
    }
    Ok(match (a, b) {
        (Value::Nil | Value::NilInterface, Value::Nil | Value::NilInterface) => true,
        (Value::List(a), Value::List(b)) => {
            if Rc::ptr_eq(a, b) {
                return Ok(true);
            }
            if a.kind != b.kind || a.items.len() != b.items.len() {
                return Ok(false);
            }
            call.step(a.items.len())?;
            for (a, b) in a.items.iter().zip(&b.items) {
                if !equal(call, a, b, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Map(a), Value::Map(b)) => {
            if Rc::ptr_eq(a, b) {
                return Ok(true);
            }
            if a.kind != b.kind || a.len() != b.len() {
                return Ok(false);
            }
            let (a, b) = (a.pairs(), b.pairs());
            call.step(a.len())?;
            for ((ka, va), (kb, vb)) in a.iter().zip(&b) {
                if ka != kb || !equal(call, va, vb, depth + 1)? {
                    return Ok(false);
                }
            }
            true
        }
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Int(a), Value::Int(b)) | (Value::Int64(a), Value::Int64(b)) => a == b,
        (Value::Byte(a), Value::Byte(b)) => a == b,
        (Value::Uint(a), Value::Uint(b)) => a == b,
        (Value::Float(a), Value::Float(b)) => a == b,
        (Value::Complex(a, b), Value::Complex(c, d)) => a == c && b == d,
        (Value::Str(a), Value::Str(b)) => a == b,
        (Value::Bytes(a), Value::Bytes(b)) => a == b,
        (Value::Duration(a), Value::Duration(b)) => a == b,
        (Value::Month(a), Value::Month(b)) | (Value::Weekday(a), Value::Weekday(b)) => a == b,
        (Value::Time(a), Value::Time(b)) => a == b,
        (Value::Version(a), Value::Version(b)) => a == b,
        (Value::Object(a), Value::Object(b)) => Rc::ptr_eq(a, b),
        _ => false,
    })
}

fn copy_of(call: &mut Call<'_, '_>) -> Answer {
    let value = call.any(0).clone();
    if value.is_nil() {
        return Err("reflect: call of reflect.Value.Type on zero Value".into());
    }
    copy(call, &value, 0)
}

/// A copy that shares no map or list with the original.
pub(crate) fn copy(call: &mut Call<'_, '_>, value: &Value, depth: usize) -> Answer {
    if depth > MAX_DEPTH {
        return Err(Fault::Limit(format!("values are nested deeper than {MAX_DEPTH}")));
    }
    Ok(match value {
        Value::List(list) => {
            call.step(list.items.len())?;
            call.run.spend(list.items.len() * 16)?;
            let items = list
                .items
                .iter()
                .map(|item| copy(call, item, depth + 1))
                .collect::<Result<_, _>>()?;
            List::of(list.kind, items)
        }
        Value::Map(map) => {
            let pairs = map.pairs();
            call.step(pairs.len())?;
            call.run.spend(pairs.len() * 48)?;
            let entries = pairs
                .into_iter()
                .map(|(key, value)| Ok((key, copy(call, &value, depth + 1)?)))
                .collect::<Result<_, Fault>>()?;
            Value::Map(Map::new(map.kind, entries))
        }
        other => other.clone(),
    })
}

/// A key as `dict` makes it of a value.
pub(crate) fn key(value: &Value) -> Result<crate::template::value::Text, Fault> {
    strval(value)
}
