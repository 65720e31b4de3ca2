//! Variables, fields and constants.

use super::{Exec, Result, of_interfaces};
use crate::funcs::{Ty, methods};
use crate::template::ast::{Expr, Part};
use crate::template::number::Number;
use crate::template::quote::quote;
use crate::template::value::{Map, Text, Value};

impl<'t> Exec<'_, '_, 't> {
    pub(super) fn variable(
        &mut self,
        dot: &Value,
        node: &'t Expr,
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Result<Value> {
        self.at = Some(Part::Expr(node));
        let Expr::Variable { name, fields, .. } = node else {
            return Ok(Value::Nil);
        };
        let found = self.vars.iter().rev().find(|known| known.name == *name);
        let Some(variable) = found else {
            return self.error(format!("undefined variable: {name}"));
        };
        let interface = variable.interface;
        let value = variable.value.clone();
        if fields.is_empty() {
            self.not_a_function(node, args, &last)?;
            return Ok(value);
        }
        self.chain(dot, (value, interface), Part::Expr(node), fields, args, last)
    }

    pub(super) fn chain_node(
        &mut self,
        dot: &Value,
        node: &'t Expr,
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Result<Value> {
        self.at = Some(Part::Expr(node));
        let Expr::Chain { inner, fields, .. } = node else {
            return Ok(Value::Nil);
        };
        if let Expr::Nil(_) = inner.as_ref() {
            return self.error(format!("indirection through explicit nil in {node}"));
        }
        let receiver = self.argument(dot, Ty::Reflect, inner)?;
        self.chain(dot, (receiver, false), Part::Expr(node), fields, args, last)
    }

    pub(super) fn chain(
        &mut self,
        dot: &Value,
        receiver: (Value, bool),
        node: Part<'t>,
        names: &'t [Text],
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Result<Value> {
        let Some((name, names)) = names.split_last() else {
            return Ok(receiver.0);
        };
        let mut receiver = receiver;
        for name in names {
            let interface = of_interfaces(&receiver.0);
            receiver = (self.field(dot, name, node, &[], None, receiver)?, interface);
        }
        self.field(dot, name, node, args, last, receiver)
    }

    pub(super) fn field(
        &mut self,
        dot: &Value,
        name: &'t Text,
        node: Part<'t>,
        args: &'t [Expr],
        last: Option<Value>,
        (receiver, interface): (Value, bool),
    ) -> Result<Value> {
        match &receiver {
            Value::Nil if self.run.strict => {
                return self.error(format!("nil data; no entry for key {}", quote(name.bytes())));
            }
            Value::Nil => return Ok(Value::Nil),
            Value::NilInterface => {
                return self.error(format!("nil pointer evaluating interface {{}}.{}", name.text()));
            }
            _ => {}
        }
        if let Some(method) = methods::find(&receiver, &name.text()) {
            return self.call(dot, method, Some(receiver), node, args, last);
        }
        let has_args = !args.is_empty() || last.is_some();
        match &receiver {
            Value::Map(map) => {
                if has_args {
                    return self.error(format!("{} is not a method but has arguments", name.text()));
                }
                self.entry(map, name)
            }
            Value::Object(object) if object.field(&name.text()).is_some() => {
                if has_args {
                    let name = name.text();
                    return self.error(format!("{name} has arguments but cannot be invoked as function"));
                }
                Ok(object.field(&name.text()).cloned().unwrap_or(Value::Nil))
            }
            other => self.error(format!(
                "can't evaluate field {} in type {}",
                name.text(),
                if interface {
                    "interface {}".into()
                } else {
                    other.type_name()
                }
            )),
        }
    }

    pub(super) fn entry(&self, map: &Map, name: &Text) -> Result<Value> {
        match map.get(name.bytes()) {
            Some(value) => Ok(value.taken()),
            None if self.run.strict => {
                self.error(format!("map has no entry for key {}", quote(name.bytes())))
            }
            None => Ok(map.zero()),
        }
    }

    pub(super) fn constant(&self, number: &Number) -> Result<Value> {
        if let Some((re, im)) = number.complex {
            return Ok(Value::Complex(re, im));
        }
        let text = number.text.as_str();
        let hex = text.len() > 2 && text.starts_with(['0']) && matches!(text.as_bytes()[1], b'x' | b'X');
        let hex = hex && !text.contains(['p', 'P']);
        if let Some(float) = number.float
            && !hex
            && !text.starts_with('\'')
            && text.contains(['.', 'e', 'E', 'p', 'P'])
        {
            return Ok(Value::Float(float));
        }
        match number.int {
            Some(int) => Ok(Value::Int(int)),
            None => self.error(format!("{text} overflows int")),
        }
    }
}
