//! JSON as CEL sees it.

use cel::common::types::{
    CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelOptional, CelString, CelUInt,
};
use cel::common::value::Val;
use serde_json::{Number, Value};
use std::collections::HashMap;

/// The API server takes no deeper objects either.
const DEPTH: usize = 256;

/// The input is nested too deep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TooDeep;

/// `value` for an expression; texts are borrowed.
pub(crate) fn from_json(value: &Value) -> Result<Box<dyn Val + '_>, TooDeep> {
    nested(value, 0)
}

fn nested(value: &Value, depth: usize) -> Result<Box<dyn Val + '_>, TooDeep> {
    if depth > DEPTH {
        return Err(TooDeep);
    }
    Ok(match value {
        Value::Null => Box::new(CelNull),
        Value::Bool(b) => Box::new(CelBool::from(*b)),
        Value::Number(n) => number(n),
        Value::String(s) => Box::new(CelString::from(s.as_str())),
        Value::Array(items) => {
            let items: Result<Vec<_>, _> = items.iter().map(|v| nested(v, depth + 1)).collect();
            Box::new(CelList::from(items?))
        }
        Value::Object(fields) => {
            let mut map: HashMap<CelMapKey<'_>, Box<dyn Val + '_>> = HashMap::with_capacity(fields.len());
            for (key, value) in fields {
                map.insert(CelMapKey::from(key.as_str()), nested(value, depth + 1)?);
            }
            Box::new(CelMap::from(map))
        }
    })
}

/// Whole numbers are `int`, as in Flux; `uint` would make `replicas - 1` an error.
fn number(n: &Number) -> Box<dyn Val> {
    match n.as_i64() {
        Some(i) => Box::new(CelInt::from(i)),
        None => Box::new(CelDouble::from(n.as_f64().unwrap_or(f64::NAN))),
    }
}

/// What an expression yielded, if JSON has it. An optional value is what is in it, or null.
pub(crate) fn to_json(value: &dyn Val) -> Option<Value> {
    plain(value, 0)
}

fn plain(value: &dyn Val, depth: usize) -> Option<Value> {
    if depth > DEPTH {
        return None;
    }
    Some(if let Some(text) = value.downcast_ref::<CelString<'_>>() {
        Value::from(text.inner())
    } else if let Some(boolean) = value.downcast_ref::<CelBool>() {
        Value::from(*boolean.inner())
    } else if let Some(whole) = value.downcast_ref::<CelInt>() {
        Value::from(*whole.inner())
    } else if let Some(whole) = value.downcast_ref::<CelUInt>() {
        Value::from(*whole.inner())
    } else if let Some(number) = value.downcast_ref::<CelDouble>() {
        Value::from(*number.inner())
    } else if value.downcast_ref::<CelNull>().is_some() {
        Value::Null
    } else if let Some(list) = value.downcast_ref::<CelList<'_>>() {
        let items = list.inner().iter().map(|item| plain(item.as_ref(), depth + 1));
        Value::Array(items.collect::<Option<_>>()?)
    } else if let Some(map) = value.downcast_ref::<CelMap<'_>>() {
        let mut fields: Vec<(String, Value)> = Vec::with_capacity(map.inner().len());
        for (key, value) in map.inner() {
            let key = key.inner().downcast_ref::<CelString<'_>>()?.inner().to_owned();
            fields.push((key, plain(value.as_ref(), depth + 1)?));
        }
        // The interpreter's maps have no order.
        fields.sort_by(|(a, _), (b, _)| a.cmp(b));
        Value::Object(fields.into_iter().collect())
    } else {
        let optional = value.downcast_ref::<CelOptional<'_>>()?;
        match optional.inner() {
            Some(inner) => plain(inner, depth + 1)?,
            None => Value::Null,
        }
    })
}
