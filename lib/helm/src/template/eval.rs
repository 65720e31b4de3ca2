//! Runs a template: Go's rules for dots, variables, fields, calls and control.

mod call;
mod field;
mod range;

use super::ast::{Branch, Command, Expr, Node, Part, Pipe, Tree};
use super::error::{Failure, Fault};
use super::print;
use super::quote::quote;
use super::run::{Run, Set};
use super::value::{ListKind, MapKind, Value};
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
        if matches!(value, Value::List(_) | Value::Map(_)) {
            self.run.walk(value).or_else(|fault| self.fault(fault))?;
        }
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
}

/// True if what comes out of the value has the Go type `interface {}`.
fn of_interfaces(value: &Value) -> bool {
    match value {
        Value::List(list) => list.kind == ListKind::Any,
        Value::Map(map) => matches!(map.kind, MapKind::Any | MapKind::Values),
        _ => false,
    }
}
