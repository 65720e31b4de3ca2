//! Go's own functions: index, len, comparison, print, escapes.

use super::{Answer, Call, Function, Ty, fixed, raw, string, variadic};
use crate::template::compare;
use crate::template::error::Fault;
use crate::template::print;
use crate::template::quote::is_print;
use crate::template::value::{Map, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    // The evaluator itself does these two: they do not evaluate all their arguments.
    variadic("and", &[Ty::Reflect, Ty::Reflect], |_| Ok(Value::Nil)),
    variadic("or", &[Ty::Reflect, Ty::Reflect], |_| Ok(Value::Nil)),
    variadic("call", &[Ty::Reflect, Ty::Reflect], |_| Ok(Value::Nil)),
    fixed("not", &[Ty::Reflect], |c| Ok(Value::Bool(!c.any(0).truth()))),
    variadic("index", &[Ty::Reflect, Ty::Reflect], index),
    fixed("len", &[Ty::Reflect], len),
    variadic("eq", &[Ty::Reflect, Ty::Reflect], |c| {
        Ok(Value::Bool(compare::eq(c.any(0), c.rest(1))?))
    }),
    fixed("ne", &[Ty::Reflect, Ty::Reflect], |c| {
        Ok(Value::Bool(!compare::eq(c.any(0), c.rest(1))?))
    }),
    fixed("lt", &[Ty::Reflect, Ty::Reflect], |c| {
        Ok(Value::Bool(compare::lt(c.any(0), c.any(1))?))
    }),
    fixed("le", &[Ty::Reflect, Ty::Reflect], |c| {
        Ok(Value::Bool(compare::le(c.any(0), c.any(1))?))
    }),
    fixed("gt", &[Ty::Reflect, Ty::Reflect], |c| {
        Ok(Value::Bool(!compare::le(c.any(0), c.any(1))?))
    }),
    fixed("ge", &[Ty::Reflect, Ty::Reflect], |c| {
        Ok(Value::Bool(!compare::lt(c.any(0), c.any(1))?))
    }),
    variadic("print", &[Ty::Any], |c| raw(print::sprint(c.rest(0))?)),
    variadic("println", &[Ty::Any], |c| raw(print::sprintln(c.rest(0))?)),
    variadic("printf", &[Ty::Str, Ty::Any], |c| {
        raw(print::sprintf(c.bytes(0), c.rest(1))?)
    }),
    variadic("html", &[Ty::Any], |c| raw(html(&text(c)?))),
    variadic("js", &[Ty::Any], |c| string(js(&text(c)?))),
    variadic("urlquery", &[Ty::Any], |c| {
        string(super::urls::escape(&text(c)?, super::urls::Part::Query))
    }),
];

/// The arguments as an action would print them.
fn text(call: &Call<'_, '_>) -> Result<Vec<u8>, Fault> {
    let args: Vec<Value> = call
        .args
        .iter()
        .map(|arg| match arg {
            Value::Nil => Value::string("<no value>"),
            other => other.clone(),
        })
        .collect();
    print::sprint(&args)
}

fn index(call: &mut Call<'_, '_>) -> Answer {
    let mut item = call.any(0).clone();
    if item.is_nil() {
        return Err("index of untyped nil".into());
    }
    for index in call.rest(1) {
        item = match &item {
            Value::Nil | Value::NilInterface => return Err("index of nil pointer".into()),
            Value::List(list) => {
                let at = position(index, list.items.len())?;
                match list.items.get(at) {
                    Some(item) => item.clone(),
                    None => return Err("reflect: slice index out of range".into()),
                }
            }
            Value::Str(text) => {
                let at = position(index, text.len())?;
                match text.bytes().get(at) {
                    Some(&byte) => Value::Byte(byte),
                    None => return Err("reflect: string index out of range".into()),
                }
            }
            Value::Bytes(bytes) => {
                let at = position(index, bytes.len())?;
                match bytes.get(at) {
                    Some(&byte) => Value::Byte(byte),
                    None => return Err("reflect: slice index out of range".into()),
                }
            }
            Value::Map(map) => entry(map, index)?,
            other => return Err(format!("can't index item of type {}", other.type_name()).into()),
        }
        .taken();
    }
    Ok(item)
}

fn entry(map: &Map, index: &Value) -> Answer {
    match index {
        Value::Str(key) => Ok(map.get(key.bytes()).unwrap_or_else(|| map.zero())),
        Value::Nil | Value::NilInterface => Err("value is nil; should be of type string".into()),
        other => Err(format!("value has type {}; should be string", other.type_name()).into()),
    }
}

fn position(index: &Value, length: usize) -> Result<usize, Fault> {
    let at = match index {
        Value::Byte(byte) => i64::from(*byte),
        Value::Nil | Value::NilInterface => return Err("cannot index slice/array with nil".into()),
        other => match other.as_int() {
            Some(at) => at,
            None => {
                return Err(format!("cannot index slice/array with type {}", other.type_name()).into());
            }
        },
    };
    match usize::try_from(at) {
        Ok(at) if at <= length => Ok(at),
        _ => Err(format!("index out of range: {at}").into()),
    }
}

fn len(call: &mut Call<'_, '_>) -> Answer {
    let length = match call.any(0) {
        Value::Nil => return Err("reflect: call of reflect.Value.Type on zero Value".into()),
        Value::NilInterface => return Err("len of nil pointer".into()),
        Value::List(list) => list.items.len(),
        Value::Map(map) => map.len(),
        Value::Str(text) => text.len(),
        Value::Bytes(bytes) => bytes.len(),
        other => return Err(format!("len of type {}", other.type_name()).into()),
    };
    Ok(Value::Int(length as i64))
}

fn html(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    for &byte in text {
        match byte {
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            byte => out.push(byte),
        }
    }
    out
}

fn js(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len());
    for c in String::from_utf8_lossy(text).chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", c as u32)),
            c if c < ' ' => out.push_str(&format!("\\u{:04X}", c as u32)),
            c if c.is_ascii() || is_print(c) => out.push(c),
            c => out.push_str(&format!("\\u{:04X}", c as u32)),
        }
    }
    out
}
