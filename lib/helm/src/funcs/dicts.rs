//! Sprig's dictionaries: shared maps that templates change.

use super::reflect::{is_empty, key};
use super::{Answer, Call, Function, Ty, fixed, list, variadic};
use crate::template::error::Fault;
use crate::template::value::{List, Map, MapKind, Text, Value};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Maps nested deeper are not merged.
const MAX_DEPTH: usize = 2_000;

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("dict", &[Ty::Any], dict),
    fixed("get", &[Ty::Dict, Ty::Str], |c| {
        Ok(c.dict(0).get(c.bytes(1)).unwrap_or_else(|| Value::string("")))
    }),
    fixed("set", &[Ty::Dict, Ty::Str, Ty::Any], |c| {
        let map = match c.any(0) {
            Value::Map(map) if !map.kind.is_nil() => map.clone(),
            _ => return Err("assignment to entry in nil map".into()),
        };
        c.run.changed(&map);
        c.run.spend(64)?;
        map.set(Text::new(c.bytes(1)), c.any(2).clone());
        Ok(Value::Map(map))
    }),
    fixed("unset", &[Ty::Dict, Ty::Str], |c| {
        let map = c.dict(0);
        map.remove(c.bytes(1));
        Ok(Value::Map(map))
    }),
    fixed("hasKey", &[Ty::Dict, Ty::Str], |c| {
        Ok(Value::Bool(c.dict(0).get(c.bytes(1)).is_some()))
    }),
    variadic("pluck", &[Ty::Str, Ty::Dict], |c| {
        let key = c.bytes(0);
        list(
            c.rest(1)
                .iter()
                .filter_map(|value| value.as_map()?.get(key))
                .collect(),
        )
    }),
    variadic("keys", &[Ty::Dict], |c| {
        let mut keys = Vec::new();
        for i in 0..c.args.len() {
            keys.extend(c.dict(i).pairs().into_iter().map(|(key, _)| key));
        }
        c.step(keys.len())?;
        Ok(List::strings(keys))
    }),
    fixed("values", &[Ty::Dict], |c| {
        let values: Vec<Value> = c.dict(0).pairs().into_iter().map(|(_, value)| value).collect();
        c.step(values.len())?;
        list(values)
    }),
    variadic("pick", &[Ty::Dict, Ty::Str], |c| {
        let map = c.dict(0);
        let mut out = BTreeMap::new();
        for i in 1..c.args.len() {
            if let Some(value) = map.get(c.bytes(i)) {
                out.insert(Text::new(c.bytes(i)), value);
            }
        }
        Ok(Value::Map(Map::new(MapKind::Any, out)))
    }),
    variadic("omit", &[Ty::Dict, Ty::Str], |c| {
        let mut out = c.dict(0).entries.borrow().clone();
        c.step(out.len())?;
        for i in 1..c.args.len() {
            out.remove(c.bytes(i));
        }
        Ok(Value::Map(Map::new(MapKind::Any, out)))
    }),
    variadic("merge", &[Ty::Dict, Ty::Dict], |c| merge_all(c, false)),
    variadic("mustMerge", &[Ty::Dict, Ty::Dict], |c| merge_all(c, false)),
    variadic("mergeOverwrite", &[Ty::Dict, Ty::Dict], |c| merge_all(c, true)),
    variadic("mustMergeOverwrite", &[Ty::Dict, Ty::Dict], |c| {
        merge_all(c, true)
    }),
    variadic("dig", &[Ty::Any], dig),
];

fn dict(call: &mut Call<'_, '_>) -> Answer {
    let mut out = BTreeMap::new();
    for pair in call.args.chunks(2) {
        let value = pair.get(1).cloned().unwrap_or_else(|| Value::string(""));
        out.insert(key(&pair[0])?, value);
    }
    call.run.spend(call.args.len() * 32)?;
    Ok(Value::Map(Map::new(MapKind::Any, out)))
}

fn merge_all(call: &mut Call<'_, '_>, overwrite: bool) -> Answer {
    let target = call.dict(0);
    for i in 1..call.args.len() {
        let source = call.dict(i);
        merge(call, &target, &source, overwrite, 0)?;
    }
    Ok(Value::Map(target))
}

/// mergo's merge: without `overwrite` what is empty is filled, with it everything is replaced; maps go into maps.
fn merge(
    call: &mut Call<'_, '_>,
    target: &Rc<Map>,
    source: &Rc<Map>,
    overwrite: bool,
    depth: usize,
) -> Result<(), Fault> {
    if depth > MAX_DEPTH {
        return Err(Fault::Limit(format!("maps are nested deeper than {MAX_DEPTH}")));
    }
    if target.same(source) {
        return Ok(());
    }
    call.run.changed(target);
    let pairs = source.pairs();
    call.step(pairs.len())?;
    call.run.spend(pairs.len() * 48)?;
    for (key, value) in pairs {
        if value.is_nil() {
            if overwrite {
                target.set(key, value);
            }
            continue;
        }
        let old = target.get(key.bytes());
        if let (Value::Map(source), Some(Value::Map(target))) = (&value, &old) {
            merge(call, target, source, overwrite, depth + 1)?;
            if target.len() > 0 {
                continue;
            }
        }
        if overwrite || old.as_ref().is_none_or(is_empty) {
            target.set(key, value);
        }
    }
    Ok(())
}

fn dig(call: &mut Call<'_, '_>) -> Answer {
    let count = call.args.len();
    if count < 3 {
        return Err("dig needs at least three arguments".into());
    }
    let conversion = |value: &Value, wanted: &str| {
        let found = match value {
            Value::Nil | Value::NilInterface => "nil".into(),
            other => other.type_name(),
        };
        Fault::Message(format!(
            "interface conversion: interface {{}} is {found}, not {wanted}"
        ))
    };
    let as_dict = |value: &Value| match value {
        Value::Map(map) if map.kind == MapKind::Any => Ok(map.clone()),
        other => Err(conversion(other, "map[string]interface {}")),
    };
    let mut map = as_dict(call.any(count - 1))?;
    let mut keys = Vec::new();
    for value in &call.args[..count - 2] {
        match value {
            Value::Str(key) => keys.push(key.clone()),
            other => return Err(conversion(other, "string")),
        }
    }
    for (i, key) in keys.iter().enumerate() {
        let Some(step) = map.get(key.bytes()) else {
            break;
        };
        if i + 1 == keys.len() {
            return Ok(step);
        }
        map = as_dict(&step)?;
    }
    Ok(call.any(count - 2).clone())
}
