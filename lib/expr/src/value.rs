//! JSON as CEL sees it.

use cel::common::types::{CelBool, CelDouble, CelInt, CelList, CelMap, CelMapKey, CelNull, CelString};
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
