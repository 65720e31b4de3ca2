//! Runs a template: Go's rules for dots, variables, fields, calls and control.

use super::ast::{Branch, Command, Expr, Node, Part, Pipe, Tree};
use super::error::{Cause, Failure, Fault};
use super::number::Number;
use super::print;
use super::quote::quote;
use super::run::{Run, Set};
use super::value::{ListKind, Map, MapKind, Text, Value};
use crate::funcs::methods;
use crate::funcs::{Call, Function, Ty};
use std::rc::Rc;

/// What ran out or went wrong in a template.
pub(crate) type Result<T> = std::result::Result<T, Box<Failure>>;

/// How a list ended.
enum Flow {
    Next,
    Break,
    Continue,
}

/// One template at work.
struct Exec<'r, 'e, 't> {
    run: &'r mut Run<'e>,
    set: Rc<Set>,
    tree: &'t Tree,
    out: &'r mut Vec<u8>,
    vars: Vec<Variable>,
    /// The dot came out of a list or map of interfaces.
    dot_interface: bool,
    /// What is being evaluated, for errors.
    at: Option<Part<'t>>,
}

struct Variable {
    name: Rc<str>,
    value: Value,
    /// It came out of a list or map of interfaces: Go then calls its type `interface {}`.
    interface: bool,
}

impl Variable {
    fn new(name: Rc<str>, value: Value) -> Variable {
        Variable {
            name,
            value,
            interface: false,
        }
    }
}

/// Runs `tree` on `dot` and appends what it prints to `out`.
pub(crate) fn execute(
    run: &mut Run<'_>,
    set: &Rc<Set>,
    tree: &Rc<Tree>,
    dot: Value,
    out: &mut Vec<u8>,
) -> Result<()> {
    let tree = tree.clone();
    let mut exec = Exec {
        vars: vec![Variable::new(run.dollar.clone(), dot.clone())],
        run,
        set: set.clone(),
        tree: &tree,
        out,
        dot_interface: false,
        at: None,
    };
    exec.enter()?;
    let flow = exec.list(&dot, &tree.root);
    exec.run.depth -= 1;
    flow.map(|_| ())
}

impl<'t> Exec<'_, '_, 't> {
    fn enter(&mut self) -> Result<()> {
        self.run.enter().or_else(|fault| self.fault(fault))
    }

    /// An error of the evaluator, at the place where it is.
    fn error<T>(&self, text: impl std::fmt::Display) -> Result<T> {
        Err(Box::new(Failure {
            prefix: format!("{}{text}", self.place()),
            cause: None,
            limit: false,
        }))
    }

    fn place(&self) -> String {
        match self.at {
            None => format!("template: {}: ", self.tree.name),
            Some(part) => format!(
                "template: {}: executing {} at <{part}>: ",
                self.tree.source.location(part.pos()),
                quote(self.tree.name.as_bytes())
            ),
        }
    }

    fn fault<T>(&self, fault: Fault) -> Result<T> {
        let text = match fault {
            Fault::Limit(text) | Fault::Message(text) => text,
            Fault::Inner { prefix, cause } => prefix + &cause.text(),
        };
        Err(Box::new(Failure {
            prefix: format!("{}{text}", self.place()),
            cause: None,
            limit: true,
        }))
    }

    fn step(&mut self) -> Result<()> {
        self.run.step(1).or_else(|fault| self.fault(fault))
    }

    fn list(&mut self, dot: &Value, nodes: &'t [Node]) -> Result<Flow> {
        for node in nodes {
            match self.node(dot, node)? {
                Flow::Next => {}
                leave => return Ok(leave),
            }
        }
        Ok(Flow::Next)
    }

    fn node(&mut self, dot: &Value, node: &'t Node) -> Result<Flow> {
        self.at = Some(Part::Node(node));
        self.step()?;
        match node {
            Node::Text(text) => {
                if let Err(fault) = self.run.spend(text.len()) {
                    return self.fault(fault);
                }
                self.out.extend_from_slice(text.bytes());
            }
            Node::Action(_, pipe) => {
                let value = self.pipeline(dot, pipe)?;
                if pipe.decl.is_empty() {
                    self.at = Some(Part::Node(node));
                    self.print(&value)?;
                }
            }
            Node::If(branch) => {
                let mark = self.vars.len();
                let value = self.pipeline(dot, &branch.pipe)?;
                let flow = if value.truth() {
                    self.list(dot, &branch.list)
                } else {
                    self.otherwise(dot, branch)
                };
                self.vars.truncate(mark);
                return flow;
            }
            Node::With(branch) => {
                let mark = self.vars.len();
                let value = self.pipeline(dot, &branch.pipe)?;
                let flow = if value.truth() {
                    let outer = std::mem::replace(&mut self.dot_interface, false);
                    let flow = self.list(&value, &branch.list);
                    self.dot_interface = outer;
                    flow
                } else {
                    self.otherwise(dot, branch)
                };
                self.vars.truncate(mark);
                return flow;
            }
            Node::Range(branch) => return self.range(dot, branch),
            Node::Template { name, pipe, .. } => {
                self.template(dot, name, pipe.as_ref())?;
            }
            Node::Break => return Ok(Flow::Break),
            Node::Continue => return Ok(Flow::Continue),
        }
        Ok(Flow::Next)
    }

    fn otherwise(&mut self, dot: &Value, branch: &'t Branch) -> Result<Flow> {
        match &branch.otherwise {
            Some(nodes) => self.list(dot, nodes),
            None => Ok(Flow::Next),
        }
    }

    fn print(&mut self, value: &Value) -> Result<()> {
        let before = self.out.len();
        let printed = print::print(value, self.out);
        let spent = self.run.spend(self.out.len() - before);
        printed.and(spent).or_else(|fault| self.fault(fault))
    }

    fn template(&mut self, dot: &Value, name: &Rc<str>, pipe: Option<&'t Pipe>) -> Result<()> {
        let Some(tree) = self.set.get(name) else {
            return self.error(format!("template {} not defined", quote(name.as_bytes())));
        };
        self.enter()?;
        let dot = match pipe {
            Some(pipe) => self.pipeline(dot, pipe)?,
            None => Value::Nil,
        };
        let mut inner = Exec {
            vars: vec![Variable::new(self.run.dollar.clone(), dot.clone())],
            run: self.run,
            set: self.set.clone(),
            tree: &tree,
            out: self.out,
            dot_interface: false,
            at: None,
        };
        let flow = inner.list(&dot, &tree.root);
        self.run.depth -= 1;
        flow.map(|_| ())
    }

    fn range(&mut self, dot: &Value, branch: &'t Branch) -> Result<Flow> {
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

    fn counted(
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

    fn items(
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

    fn assign(&mut self, name: &str, value: Value) -> Result<()> {
        match self.vars.iter_mut().rev().find(|known| *known.name == *name) {
            Some(variable) => {
                variable.value = value;
                variable.interface = false;
                Ok(())
            }
            None => self.error(format!("undefined variable: {name}")),
        }
    }

    fn pipeline(&mut self, dot: &Value, pipe: &'t Pipe) -> Result<Value> {
        self.at = Some(Part::Pipe(pipe));
        let mut value = None;
        for command in &pipe.commands {
            // An interface is looked into after each command, so that a nil one is no value at all.
            value = Some(self.command(dot, command, value)?.element());
        }
        let value = value.unwrap_or(Value::Nil);
        for name in &pipe.decl {
            if pipe.assign {
                self.assign(name, value.clone())?;
            } else {
                self.vars.push(Variable::new(name.clone(), value.clone()));
            }
        }
        Ok(value)
    }

    fn command(&mut self, dot: &Value, command: &'t Command, last: Option<Value>) -> Result<Value> {
        self.step()?;
        let first = &command.args[0];
        let args = &command.args[1..];
        match first {
            Expr::Field(_, names) => {
                self.at = Some(Part::Expr(first));
                let receiver = (dot.clone(), self.dot_interface);
                return self.chain(dot, receiver, Part::Expr(first), names, args, last);
            }
            Expr::Chain { .. } => return self.chain_node(dot, first, args, last),
            Expr::Ident(_, function) => {
                self.at = Some(Part::Expr(first));
                return self.call(dot, function, None, Part::Command(command), args, last);
            }
            Expr::Pipe(pipe) => {
                self.not_a_function(first, args, &last)?;
                return self.pipeline(dot, pipe);
            }
            Expr::Variable { .. } => return self.variable(dot, first, args, last),
            _ => {}
        }
        self.at = Some(Part::Expr(first));
        self.not_a_function(first, args, &last)?;
        match first {
            Expr::Bool(_, value) => Ok(Value::Bool(*value)),
            Expr::Dot(_) => Ok(dot.clone()),
            Expr::Number(_, number) => self.constant(number),
            Expr::Str { text, .. } => Ok(Value::Str(text.clone())),
            _ => self.error("nil is not a command"),
        }
    }

    fn not_a_function(&mut self, first: &Expr, args: &[Expr], last: &Option<Value>) -> Result<()> {
        if !args.is_empty() || last.is_some() {
            return self.error(format!("can't give argument to non-function {first}"));
        }
        Ok(())
    }

    fn constant(&self, number: &Number) -> Result<Value> {
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

    fn variable(
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

    fn chain_node(
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

    fn chain(
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

    fn field(
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

    fn entry(&self, map: &Map, name: &Text) -> Result<Value> {
        match map.get(name.bytes()) {
            Some(value) => Ok(value.taken()),
            None if self.run.strict => {
                self.error(format!("map has no entry for key {}", quote(name.bytes())))
            }
            None => Ok(map.zero()),
        }
    }

    fn call(
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
        let mut call = Call {
            run: self.run,
            set: &self.set,
            args: values,
        };
        match (function.call)(&mut call) {
            Ok(value) => {
                let size = match &value {
                    Value::Str(text) => text.len(),
                    Value::List(list) => list.items.len() * 16,
                    _ => 0,
                };
                self.run.spend(size).or_else(|fault| self.fault(fault))?;
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

    /// `call` needs a function as a value, and no value of ours is one.
    fn not_callable(&mut self, callee: &str, value: &Value, node: Part<'t>) -> Result<Value> {
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

    fn short_circuit(
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
    fn argument(&mut self, dot: &Value, ty: Ty, arg: &'t Expr) -> Result<Value> {
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

    fn number(&mut self, ty: Ty, arg: &Expr, number: &Number) -> Result<Value> {
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
    fn literal(&self, ty: Ty, arg: &Expr, own: Ty, _kind: &str, value: Option<Value>) -> Result<Value> {
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
    fn validate(&self, value: Value, ty: Ty) -> Result<Value> {
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

/// True if what comes out of the value has the Go type `interface {}`.
fn of_interfaces(value: &Value) -> bool {
    match value {
        Value::List(list) => list.kind == ListKind::Any,
        Value::Map(map) => matches!(map.kind, MapKind::Any | MapKind::Values),
        _ => false,
    }
}
