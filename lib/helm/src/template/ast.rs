//! The parsed template, and how Go prints its parts in error messages.

use super::number::Number;
use super::value::Text;
use crate::funcs::Function;
use std::fmt;
use std::rc::Rc;

/// Where something begins: a byte position in the text of its file.
pub(crate) type Pos = u32;

/// A text that was parsed, named as errors name it.
pub(crate) struct Source {
    pub name: Rc<str>,
    pub text: Rc<str>,
}

/// A template: a file, or what a `define` or `block` holds.
pub(crate) struct Tree {
    pub name: Rc<str>,
    pub source: Rc<Source>,
    pub root: Vec<Node>,
}

/// A piece of a template.
pub(crate) enum Node {
    Text(Text),
    Action(Pos, Pipe),
    If(Branch),
    Range(Branch),
    With(Branch),
    Template {
        pos: Pos,
        name: Rc<str>,
        pipe: Option<Pipe>,
    },
    Break,
    Continue,
}

/// `if`, `range` or `with`.
pub(crate) struct Branch {
    pub pipe: Pipe,
    pub list: Vec<Node>,
    pub otherwise: Option<Vec<Node>>,
}

/// Commands, each given the last one's value, and the variables that get the result.
pub(crate) struct Pipe {
    pub pos: Pos,
    pub decl: Vec<Rc<str>>,
    pub assign: bool,
    pub commands: Vec<Command>,
}

/// A function, field or value with its arguments.
pub(crate) struct Command {
    pub pos: Pos,
    pub args: Vec<Expr>,
}

/// An operand.
pub(crate) enum Expr {
    Bool(Pos, bool),
    Dot(Pos),
    Nil(Pos),
    Number(Pos, Number),
    Str {
        pos: Pos,
        quoted: Rc<str>,
        text: Text,
    },
    Ident(Pos, &'static Function),
    Field(Pos, Vec<Text>),
    Variable {
        pos: Pos,
        name: Rc<str>,
        fields: Vec<Text>,
    },
    Chain {
        pos: Pos,
        inner: Box<Expr>,
        fields: Vec<Text>,
    },
    Pipe(Pipe),
}

/// Any part that an error can be about.
#[derive(Clone, Copy)]
pub(crate) enum Part<'t> {
    Node(&'t Node),
    Pipe(&'t Pipe),
    Command(&'t Command),
    Expr(&'t Expr),
}

impl Source {
    /// `name:line:column` of a position; lines from 1, columns in bytes from 0.
    pub fn location(&self, pos: Pos) -> String {
        let before = &self.text.as_bytes()[..(pos as usize).min(self.text.len())];
        let line = 1 + before.iter().filter(|&&b| b == b'\n').count();
        let column = before
            .iter()
            .rposition(|&b| b == b'\n')
            .map_or(before.len(), |at| before.len() - at - 1);
        format!("{}:{line}:{column}", self.name)
    }
}

/// True if there is nothing but white space: such a template does not replace another of its name.
pub(crate) fn is_empty(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| match node {
        Node::Text(text) => text.bytes().trim_ascii().is_empty(),
        _ => false,
    })
}

impl Part<'_> {
    pub fn pos(&self) -> Pos {
        match self {
            Part::Node(node) => node.pos(),
            Part::Pipe(pipe) => pipe.pos,
            Part::Command(command) => command.pos,
            Part::Expr(expr) => expr.pos(),
        }
    }
}

impl Node {
    fn pos(&self) -> Pos {
        match self {
            Node::Text(_) | Node::Break | Node::Continue => 0,
            Node::Action(pos, _) | Node::Template { pos, .. } => *pos,
            Node::If(branch) | Node::Range(branch) | Node::With(branch) => branch.pipe.pos,
        }
    }
}

impl Expr {
    pub fn pos(&self) -> Pos {
        match self {
            Expr::Bool(pos, _)
            | Expr::Dot(pos)
            | Expr::Nil(pos)
            | Expr::Number(pos, _)
            | Expr::Str { pos, .. }
            | Expr::Ident(pos, _)
            | Expr::Field(pos, _)
            | Expr::Variable { pos, .. }
            | Expr::Chain { pos, .. } => *pos,
            Expr::Pipe(pipe) => pipe.pos,
        }
    }
}

impl fmt::Display for Part<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Node(node) => node.fmt(f),
            Part::Pipe(pipe) => pipe.fmt(f),
            Part::Command(command) => command.fmt(f),
            Part::Expr(expr) => expr.fmt(f),
        }
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Node::Action(_, pipe) => write!(f, "{{{{{pipe}}}}}"),
            Node::Template { name, pipe, .. } => {
                write!(f, "{{{{template {}", super::quote::quote(name.as_bytes()))?;
                if let Some(pipe) = pipe {
                    write!(f, " {pipe}")?;
                }
                f.write_str("}}")
            }
            Node::Text(_) | Node::If(_) | Node::Range(_) | Node::With(_) | Node::Break | Node::Continue => {
                Ok(())
            }
        }
    }
}

impl fmt::Display for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.decl.is_empty() {
            f.write_str(&self.decl.join(", "))?;
            f.write_str(if self.assign { " = " } else { " := " })?;
        }
        for (i, command) in self.commands.iter().enumerate() {
            if i > 0 {
                f.write_str(" | ")?;
            }
            command.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, arg) in self.args.iter().enumerate() {
            if i > 0 {
                f.write_str(" ")?;
            }
            match arg {
                Expr::Pipe(pipe) => write!(f, "({pipe})")?,
                arg => arg.fmt(f)?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = |f: &mut fmt::Formatter<'_>, fields: &[Text]| {
            fields.iter().try_for_each(|field| write!(f, ".{}", field.text()))
        };
        match self {
            Expr::Bool(_, value) => value.fmt(f),
            Expr::Dot(_) => f.write_str("."),
            Expr::Nil(_) => f.write_str("nil"),
            Expr::Number(_, number) => f.write_str(&number.text),
            Expr::Str { quoted, .. } => f.write_str(quoted),
            Expr::Ident(_, function) => f.write_str(function.name),
            Expr::Field(_, names) => fields(f, names),
            Expr::Variable {
                name, fields: names, ..
            } => {
                f.write_str(name)?;
                fields(f, names)
            }
            Expr::Chain {
                inner, fields: names, ..
            } => {
                match inner.as_ref() {
                    Expr::Pipe(pipe) => write!(f, "({pipe})")?,
                    inner => inner.fmt(f)?,
                }
                fields(f, names)
            }
            Expr::Pipe(pipe) => pipe.fmt(f),
        }
    }
}
