//! `range`: over lists, maps, bytes and counts.

use super::{Exec, Flow, Result, Variable, of_interfaces};
use crate::template::ast::Branch;
use crate::template::print;
use crate::template::value::Value;

impl<'t> Exec<'_, '_, 't> {
    pub(super) fn range(&mut self, dot: &Value, branch: &'t Branch) -> Result<Flow> {
        let mark = self.vars.len();
        let value = self.pipeline(dot, &branch.pipe)?;
        let inner = self.vars.len();
        let mut ran = false;
        let outer = std::mem::replace(&mut self.dot_interface, of_interfaces(&value));
        let flow = match &value {
            Value::Int(count) | Value::Int64(count) => {
                self.counted(&value, *count, Value::Int64(0), branch, inner, &mut ran)
            }
            Value::Duration(count) => self.counted(&value, count.0, value.clone(), branch, inner, &mut ran),
            Value::Byte(count) => {
                self.counted(&value, i64::from(*count), value.clone(), branch, inner, &mut ran)
            }
            Value::List(list) => self.items(
                branch,
                inner,
                &mut ran,
                list.items
                    .iter()
                    .enumerate()
                    .map(|(i, item)| (Value::Int(i as i64), item.clone())),
            ),
            Value::Bytes(bytes) => self.items(
                branch,
                inner,
                &mut ran,
                bytes
                    .iter()
                    .enumerate()
                    .map(|(i, &byte)| (Value::Int(i as i64), Value::Byte(byte))),
            ),
            Value::Map(map) => {
                let pairs = map.pairs();
                self.items(
                    branch,
                    inner,
                    &mut ran,
                    pairs.into_iter().map(|(key, value)| (Value::Str(key), value)),
                )
            }
            Value::Nil | Value::NilInterface => Ok(Flow::Next),
            other => {
                let text = print::to_string(other);
                self.error(format!("range can't iterate over {text}"))
            }
        };
        self.dot_interface = outer;
        let flow = match flow {
            Ok(Flow::Next | Flow::Break | Flow::Continue) if ran => Ok(Flow::Next),
            // The else list of a range is inside no loop of its own.
            Ok(_) => self.otherwise(dot, branch),
            Err(error) => Err(error),
        };
        self.vars.truncate(mark);
        flow
    }

    pub(super) fn counted(
        &mut self,
        value: &Value,
        count: i64,
        sample: Value,
        branch: &'t Branch,
        inner: usize,
        ran: &mut bool,
    ) -> Result<Flow> {
        if branch.pipe.decl.len() > 1 {
            let text = print::to_string(value);
            return self.error(format!("can't use {text} to iterate over more than one variable"));
        }
        let like = |i: i64| match (value, &sample) {
            (Value::Int(_), _) => Value::Int(i),
            (_, Value::Byte(_)) => Value::Byte(i as u8),
            (_, Value::Duration(_)) => Value::Duration(crate::funcs::clock::Duration(i)),
            _ => Value::Int64(i),
        };
        self.items(
            branch,
            inner,
            ran,
            (0..count.max(0)).map(|i| (Value::Nil, like(i))),
        )
    }

    pub(super) fn items(
        &mut self,
        branch: &'t Branch,
        inner: usize,
        ran: &mut bool,
        items: impl Iterator<Item = (Value, Value)>,
    ) -> Result<Flow> {
        let decl = &branch.pipe.decl;
        let interface = self.dot_interface;
        for (index, item) in items {
            *ran = true;
            let item = item.taken();
            self.step()?;
            match (decl.as_slice(), branch.pipe.assign) {
                ([], _) => {}
                ([name], true) => self.assign(name, item.clone())?,
                ([first, second, ..], true) => {
                    self.assign(first, index)?;
                    self.assign(second, item.clone())?;
                }
                ([name], false) => {
                    self.vars[inner - 1] = Variable {
                        name: name.clone(),
                        value: item.clone(),
                        interface,
                    };
                }
                ([_, second, ..], false) => {
                    self.vars[inner - 1] = Variable {
                        name: second.clone(),
                        value: item.clone(),
                        interface,
                    };
                    self.vars[inner - 2].value = index;
                }
            }
            let flow = self.list(&item, &branch.list);
            self.dot_interface = interface;
            self.vars.truncate(inner);
            if let Flow::Break = flow? {
                return Ok(Flow::Break);
            }
        }
        Ok(Flow::Next)
    }
}
