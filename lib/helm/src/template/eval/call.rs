//! Calls: arguments evaluated for the types that a function asks for.

use super::{Exec, Result};
use crate::funcs::{Call, Function, Ty};
use crate::template::ast::{Expr, Part};
use crate::template::error::{Cause, Failure, Fault};
use crate::template::number::Number;
use crate::template::print;
use crate::template::value::Value;

/// Whether a function writes out all of a list or map, however often that holds one and the same.
fn looks_into(function: &str) -> bool {
    matches!(
        function,
        "cat"
            | "html"
            | "join"
            | "js"
            | "mustToJson"
            | "mustToPrettyJson"
            | "mustToRawJson"
            | "mustToToml"
            | "mustToYaml"
            | "print"
            | "printf"
            | "println"
            | "quote"
            | "sortAlpha"
            | "squote"
            | "toJson"
            | "toPrettyJson"
            | "toRawJson"
            | "toString"
            | "toStrings"
            | "toToml"
            | "toYaml"
            | "toYamlPretty"
            | "urlquery"
    )
}

impl<'t> Exec<'_, '_, 't> {
    pub(super) fn call(
        &mut self,
        dot: &Value,
        function: &'static Function,
        receiver: Option<Value>,
        node: Part<'t>,
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Result<Value> {
        let name = function.name;
        let params = function.params;
        let given = args.len() + usize::from(last.is_some());
        let fixed = if function.variadic {
            let fixed = params.len() - 1;
            if given < fixed {
                return self.error(format!(
                    "wrong number of args for {name}: want at least {fixed} got {}",
                    args.len()
                ));
            }
            fixed
        } else {
            if given != params.len() {
                return self.error(format!(
                    "wrong number of args for {name}: want {} got {given}",
                    params.len()
                ));
            }
            params.len()
        };
        let ty = |i: usize| {
            if i < fixed {
                params[i]
            } else {
                params[params.len() - 1]
            }
        };
        if matches!(name, "and" | "or") && receiver.is_none() {
            return self.short_circuit(dot, name == "or", args, last);
        }
        let mut values = Vec::with_capacity(given + 1);
        let bound = receiver.is_some();
        values.extend(receiver);
        for (i, arg) in args.iter().enumerate() {
            values.push(self.argument(dot, ty(i), arg)?);
        }
        if let Some(last) = last {
            values.push(self.validate(last, ty(args.len()))?);
        }
        if name == "call" && !bound {
            let callee = args
                .first()
                .map_or_else(|| print::to_string(&values[0]), |arg| arg.to_string());
            return self.not_callable(&callee, &values[0], node);
        }
        self.charge(function, &values)
            .or_else(|fault| self.fault(fault))?;
        let mut call = Call {
            run: self.run,
            set: &self.set,
            args: values,
        };
        match (function.call)(&mut call) {
            Ok(value) => {
                // What came from the arguments was counted when it was made: they are held until it is known.
                let held = call.args;
                self.run.made(&value).or_else(|fault| self.fault(fault))?;
                drop(held);
                Ok(value)
            }
            Err(fault) => {
                self.at = Some(node);
                let prefix = format!("{}error calling {name}: ", self.place());
                let (cause, limit) = match fault {
                    Fault::Limit(text) => (Cause::Plain(text), true),
                    Fault::Message(text) => (Cause::Plain(text), false),
                    Fault::Inner { prefix, cause } if prefix.is_empty() => {
                        let limit = cause.limit;
                        (Cause::Failure(*cause), limit)
                    }
                    Fault::Inner { prefix, cause } => {
                        let limit = cause.limit;
                        (
                            Cause::Wrapped {
                                prefix,
                                failure: *cause,
                            },
                            limit,
                        )
                    }
                };
                Err(Box::new(Failure {
                    prefix,
                    cause: Some(Box::new(cause)),
                    limit,
                }))
            }
        }
    }

    /// Counts what a function goes through: all text, and all there is in lists and maps if it looks into them.
    fn charge(&mut self, function: &Function, args: &[Value]) -> std::result::Result<(), Fault> {
        for arg in args {
            match arg {
                Value::Str(text) => self.run.step(text.len() / 64)?,
                Value::Bytes(bytes) => self.run.step(bytes.len() / 64)?,
                Value::List(_) | Value::Map(_) if looks_into(function.name) => self.run.walk(arg)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// `call` needs a function as a value, and no value of ours is one.
    pub(super) fn not_callable(&mut self, callee: &str, value: &Value, node: Part<'t>) -> Result<Value> {
        self.at = Some(node);
        let text = match value {
            Value::Nil | Value::NilInterface => "call of nil".to_string(),
            value => format!("non-function {callee} of type {}", value.type_name()),
        };
        Err(Box::new(Failure {
            prefix: format!("{}error calling call: ", self.place()),
            cause: Some(Box::new(Cause::Plain(text))),
            limit: false,
        }))
    }

    pub(super) fn short_circuit(
        &mut self,
        dot: &Value,
        or: bool,
        args: &'t [Expr],
        last: Option<Value>,
    ) -> Result<Value> {
        let mut value = Value::Nil;
        for arg in args {
            value = self.argument(dot, Ty::Reflect, arg)?;
            if value.truth() == or {
                return Ok(value);
            }
        }
        Ok(last.unwrap_or(value))
    }

    /// Evaluates an argument for a parameter of type `ty`.
    pub(super) fn argument(&mut self, dot: &Value, ty: Ty, arg: &'t Expr) -> Result<Value> {
        self.at = Some(Part::Expr(arg));
        let value = match arg {
            Expr::Dot(_) => dot.clone(),
            Expr::Nil(_) if ty.can_be_nil() => return Ok(Value::Nil),
            Expr::Nil(_) => return self.error(format!("cannot assign nil to {}", ty.name())),
            Expr::Field(_, names) => {
                let receiver = (dot.clone(), self.dot_interface);
                self.chain(dot, receiver, Part::Expr(arg), names, &[], None)?
            }
            Expr::Variable { .. } => self.variable(dot, arg, &[], None)?,
            Expr::Pipe(pipe) => self.pipeline(dot, pipe)?,
            Expr::Ident(_, function) => self.call(dot, function, None, Part::Expr(arg), &[], None)?,
            Expr::Chain { .. } => self.chain_node(dot, arg, &[], None)?,
            Expr::Bool(_, value) => {
                return self.literal(ty, arg, Ty::Bool, "bool", Some(Value::Bool(*value)));
            }
            Expr::Str { text, .. } => {
                return self.literal(ty, arg, Ty::Str, "string", Some(Value::Str(text.clone())));
            }
            Expr::Number(_, number) => return self.number(ty, arg, number),
        };
        self.validate(value, ty)
    }

    pub(super) fn number(&mut self, ty: Ty, arg: &Expr, number: &Number) -> Result<Value> {
        match ty {
            Ty::Any | Ty::Reflect => self.constant(number),
            Ty::Int => match number.int {
                Some(int) => Ok(Value::Int(int)),
                None => self.error(format!("expected integer; found {arg}")),
            },
            Ty::Uint => match number.uint {
                Some(uint) => Ok(Value::Uint(uint)),
                None => self.error(format!("expected unsigned integer; found {arg}")),
            },
            Ty::Duration => match number.int {
                Some(int) => Ok(Value::Duration(crate::funcs::clock::Duration(int))),
                None => self.error(format!("expected integer; found {arg}")),
            },
            Ty::Float => match number.float {
                Some(float) => Ok(Value::Float(float)),
                None => self.error(format!("expected float; found {arg}")),
            },
            other => self.literal(other, arg, Ty::Int, "integer", None),
        }
    }

    /// A constant where its type is not the parameter's.
    pub(super) fn literal(
        &self,
        ty: Ty,
        arg: &Expr,
        own: Ty,
        _kind: &str,
        value: Option<Value>,
    ) -> Result<Value> {
        if let Some(value) = value
            && (ty == own || matches!(ty, Ty::Any | Ty::Reflect))
        {
            return Ok(value);
        }
        match ty {
            Ty::Bool => self.error(format!("expected bool; found {arg}")),
            Ty::Float => self.error(format!("expected float; found {arg}")),
            Ty::Int | Ty::Duration => self.error(format!("expected integer; found {arg}")),
            Ty::Uint => self.error(format!("expected unsigned integer; found {arg}")),
            Ty::Str => self.error(format!("expected string; found {arg}")),
            other => self.error(format!("can't handle {arg} for arg of type {}", other.name())),
        }
    }

    /// Makes sure that a value can be given to a parameter.
    pub(super) fn validate(&self, value: Value, ty: Ty) -> Result<Value> {
        match (ty, &value) {
            (Ty::Reflect, _) => Ok(value),
            (Ty::Any, _) => Ok(value.element()),
            (_, Value::Nil) if ty.can_be_nil() => Ok(Value::Nil),
            (_, Value::Nil) => self.error(format!("invalid value; expected {}", ty.name())),
            _ if ty.takes(&value) => Ok(value),
            _ => self.error(format!(
                "wrong type for value; expected {}; got {}",
                ty.name(),
                value.type_name()
            )),
        }
    }
}
