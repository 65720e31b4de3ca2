//! Sprig's lists.

use super::cast::to_int;
use super::reflect::{equal, is_empty, items};
use super::{Answer, Call, Function, NIL_DEREFERENCE, Ty, fixed, list, variadic};
use crate::template::error::Fault;
use crate::template::value::{List, ListKind, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    variadic("list", &[Ty::Any], |c| list(c.args.clone())),
    variadic("tuple", &[Ty::Any], |c| list(c.args.clone())),
    fixed("append", &[Ty::Any, Ty::Any], push),
    fixed("push", &[Ty::Any, Ty::Any], push),
    fixed("mustAppend", &[Ty::Any, Ty::Any], push),
    fixed("mustPush", &[Ty::Any, Ty::Any], push),
    fixed("prepend", &[Ty::Any, Ty::Any], prepend),
    fixed("mustPrepend", &[Ty::Any, Ty::Any], prepend),
    fixed("first", &[Ty::Any], first),
    fixed("mustFirst", &[Ty::Any], first),
    fixed("rest", &[Ty::Any], rest),
    fixed("mustRest", &[Ty::Any], rest),
    fixed("last", &[Ty::Any], last),
    fixed("mustLast", &[Ty::Any], last),
    fixed("initial", &[Ty::Any], initial),
    fixed("mustInitial", &[Ty::Any], initial),
    fixed("reverse", &[Ty::Any], reverse),
    fixed("mustReverse", &[Ty::Any], reverse),
    fixed("compact", &[Ty::Any], compact),
    fixed("mustCompact", &[Ty::Any], compact),
    fixed("uniq", &[Ty::Any], uniq),
    fixed("mustUniq", &[Ty::Any], uniq),
    variadic("without", &[Ty::Any, Ty::Any], without),
    variadic("mustWithout", &[Ty::Any, Ty::Any], without),
    fixed("has", &[Ty::Any, Ty::Any], has),
    fixed("mustHas", &[Ty::Any, Ty::Any], has),
    variadic("slice", &[Ty::Any, Ty::Any], slice),
    variadic("mustSlice", &[Ty::Any, Ty::Any], slice),
    variadic("concat", &[Ty::Any], concat),
    fixed("chunk", &[Ty::Int, Ty::Any], chunk),
    fixed("mustChunk", &[Ty::Int, Ty::Any], chunk),
];

/// The elements of argument `i`, or sprig's complaint.
fn elements(call: &mut Call<'_, '_>, i: usize, doing: &str) -> Result<Vec<Value>, Fault> {
    let value = call.any(i);
    if value.is_nil() {
        return Err(NIL_DEREFERENCE.into());
    }
    let Some(items) = items(value) else {
        return Err(format!("Cannot {doing} type {}", value.kind_name()).into());
    };
    let items = items.into_owned();
    call.step(items.len())?;
    Ok(items)
}

fn push(call: &mut Call<'_, '_>) -> Answer {
    let mut items = elements(call, 0, "push on")?;
    items.push(call.any(1).clone());
    list(items)
}

fn prepend(call: &mut Call<'_, '_>) -> Answer {
    let mut items = elements(call, 0, "prepend on")?;
    items.insert(0, call.any(1).clone());
    list(items)
}

fn first(call: &mut Call<'_, '_>) -> Answer {
    let items = elements(call, 0, "find first on")?;
    Ok(items.into_iter().next().unwrap_or(Value::Nil))
}

fn last(call: &mut Call<'_, '_>) -> Answer {
    let items = elements(call, 0, "find last on")?;
    Ok(items.into_iter().next_back().unwrap_or(Value::Nil))
}

fn rest(call: &mut Call<'_, '_>) -> Answer {
    let items = elements(call, 0, "find rest on")?;
    if items.is_empty() {
        return Ok(List::of(ListKind::NilAny, Vec::new()));
    }
    list(items.into_iter().skip(1).collect())
}

fn initial(call: &mut Call<'_, '_>) -> Answer {
    let mut items = elements(call, 0, "find initial on")?;
    if items.pop().is_none() {
        return Ok(List::of(ListKind::NilAny, Vec::new()));
    }
    list(items)
}

fn reverse(call: &mut Call<'_, '_>) -> Answer {
    let mut items = elements(call, 0, "find reverse on")?;
    items.reverse();
    list(items)
}

fn compact(call: &mut Call<'_, '_>) -> Answer {
    let mut items = elements(call, 0, "compact on")?;
    items.retain(|item| !is_empty(item));
    list(items)
}

fn contains(call: &mut Call<'_, '_>, items: &[Value], wanted: &Value) -> Result<bool, Fault> {
    call.step(items.len())?;
    for item in items {
        if equal(call, wanted, item, 0)? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn uniq(call: &mut Call<'_, '_>) -> Answer {
    let mut out = Vec::new();
    for item in elements(call, 0, "find uniq on")? {
        if !contains(call, &out, &item)? {
            out.push(item);
        }
    }
    list(out)
}

fn without(call: &mut Call<'_, '_>) -> Answer {
    let omit = call.rest(1).to_vec();
    let mut out = Vec::new();
    for item in elements(call, 0, "find without on")? {
        if !contains(call, &omit, &item)? {
            out.push(item);
        }
    }
    list(out)
}

fn has(call: &mut Call<'_, '_>) -> Answer {
    if call.any(1).is_nil() {
        return Ok(Value::Bool(false));
    }
    let items = elements(call, 1, "find has on")?;
    let needle = call.any(0).clone();
    Ok(Value::Bool(contains(call, &items, &needle)?))
}

fn slice(call: &mut Call<'_, '_>) -> Answer {
    let value = call.any(0).clone();
    if value.is_nil() {
        return Err(NIL_DEREFERENCE.into());
    }
    let Some(items) = items(&value) else {
        return Err(format!("list should be type of slice or array but {}", value.kind_name()).into());
    };
    let length = items.len() as i64;
    if length == 0 {
        return Ok(Value::Nil);
    }
    let start = if call.args.len() > 1 {
        to_int(call.any(1))
    } else {
        0
    };
    let end = if call.args.len() > 2 {
        to_int(call.any(2))
    } else {
        length
    };
    if start < 0 || start > end || end > length {
        return Err("reflect.Value.Slice: slice index out of bounds".into());
    }
    let part = start as usize..end as usize;
    Ok(match &value {
        Value::Bytes(bytes) => Value::Bytes(bytes[part].into()),
        Value::List(list) => List::of(list.kind, items[part].to_vec()),
        _ => Value::Nil,
    })
}

fn concat(call: &mut Call<'_, '_>) -> Answer {
    let mut out = Vec::new();
    for i in 0..call.args.len() {
        let value = call.any(i);
        if value.is_nil() {
            return Err(NIL_DEREFERENCE.into());
        }
        let Some(items) = items(value) else {
            return Err(format!("Cannot concat type {} as list", value.kind_name()).into());
        };
        out.extend(items.into_owned());
        call.step(out.len())?;
    }
    if out.is_empty() {
        return Ok(List::of(ListKind::NilAny, out));
    }
    list(out)
}

fn chunk(call: &mut Call<'_, '_>) -> Answer {
    let size = call.int(0);
    let items = elements(call, 1, "chunk")?;
    let Ok(size) = usize::try_from(size) else {
        return Err("runtime error: makeslice: len out of range".into());
    };
    if size == 0 {
        return Err("runtime error: makeslice: len out of range".into());
    }
    let chunks = items.chunks(size).map(|part| List::any(part.to_vec())).collect();
    Ok(List::of(ListKind::Lists, chunks))
}
