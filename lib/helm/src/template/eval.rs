//! Runs a template: Go's rules for dots, variables, fields, calls and control.

mod call;
mod range;

use super::ast::{Branch, Command, Expr, Node, Part, Pipe, Tree};
use super::error::{Failure, Fault};
use super::number::Number;
use super::print;
use super::quote::quote;
use super::run::{Run, Set};
use super::value::{ListKind, Map, MapKind, Text, Value};
use crate::funcs::Ty;
use crate::funcs::methods;
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
}

/// True if what comes out of the value has the Go type `interface {}`.
fn of_interfaces(value: &Value) -> bool {
    match value {
        Value::List(list) => list.kind == ListKind::Any,
        Value::Map(map) => matches!(map.kind, MapKind::Any | MapKind::Values),
        _ => false,
    }
}
