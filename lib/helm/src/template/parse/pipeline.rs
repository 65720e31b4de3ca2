//! Pipelines: variables that are set, commands, operands, constants.

use super::{Parser, Result};
use crate::funcs::{self, Function};
use crate::template::ast::{Command, Expr, Pipe};
use crate::template::lex::Kind;
use crate::template::number::Number;
use crate::template::quote::quote;
use crate::template::value::Text;
use std::rc::Rc;

impl Parser<'_> {
    pub(super) fn pipeline(&mut self, context: &str, end: Kind) -> Result<Pipe> {
        let mut pipe = Pipe {
            pos: self.peek_non_space().pos as u32,
            decl: Vec::new(),
            assign: false,
            commands: Vec::new(),
        };
        self.declarations(context, &mut pipe)?;
        loop {
            let token = self.next_non_space();
            match token.kind {
                kind if kind == end => break,
                Kind::Bool
                | Kind::CharConstant
                | Kind::Complex
                | Kind::Dot
                | Kind::Field
                | Kind::Identifier
                | Kind::Number
                | Kind::Nil
                | Kind::RawString
                | Kind::String
                | Kind::Variable
                | Kind::LeftParen => {
                    self.back(token);
                    let command = self.command()?;
                    pipe.commands.push(command);
                }
                _ => return self.unexpected(&token, context),
            }
        }
        if pipe.commands.is_empty() {
            return self.error(format!("missing value for {context}"));
        }
        for (i, command) in pipe.commands.iter().enumerate().skip(1) {
            if matches!(
                command.args[0],
                Expr::Bool(..) | Expr::Dot(_) | Expr::Nil(_) | Expr::Number(..) | Expr::Str { .. }
            ) {
                return self.error(format!("non executable command in pipeline stage {}", i + 1));
            }
        }
        Ok(pipe)
    }

    pub(super) fn declarations(&mut self, context: &str, pipe: &mut Pipe) -> Result<()> {
        while self.peek_non_space().kind == Kind::Variable {
            let variable = self.next();
            let after = self.next();
            let next = if after.kind == Kind::Space {
                self.next_non_space()
            } else {
                after.clone()
            };
            let comma = next.kind == Kind::Char && next.text == ",";
            if !comma && !matches!(next.kind, Kind::Assign | Kind::Declare) {
                self.back(next);
                if after.kind == Kind::Space {
                    self.back(after);
                }
                self.back(variable);
                return Ok(());
            }
            let name: Rc<str> = variable.text.split('.').next().unwrap_or_default().into();
            pipe.decl.push(name);
            self.scope().vars.push((&*variable.text).into());
            if !comma {
                pipe.assign = next.kind == Kind::Assign;
                return Ok(());
            }
            if context != "range" || pipe.decl.len() >= 2 {
                return self.error(format!("too many declarations in {context}"));
            }
            match self.peek_non_space().kind {
                Kind::Variable | Kind::RightDelim | Kind::RightParen => {}
                _ => return self.error("range can only initialize variables"),
            }
        }
        Ok(())
    }

    pub(super) fn command(&mut self) -> Result<Command> {
        let mut command = Command {
            pos: self.peek_non_space().pos as u32,
            args: Vec::new(),
        };
        loop {
            self.peek_non_space();
            if let Some(operand) = self.operand()? {
                command.args.push(operand);
            }
            let token = self.next();
            match token.kind {
                Kind::Space => {}
                Kind::RightDelim | Kind::RightParen => {
                    self.back(token);
                    break;
                }
                Kind::Pipe => break,
                _ => return self.unexpected(&token, "operand"),
            }
        }
        if command.args.is_empty() {
            return self.error("empty command");
        }
        Ok(command)
    }

    pub(super) fn operand(&mut self) -> Result<Option<Expr>> {
        let Some(term) = self.term()? else {
            return Ok(None);
        };
        if self.peek().kind != Kind::Field {
            return Ok(Some(term));
        }
        let pos = self.peek().pos as u32;
        let mut fields = Vec::new();
        while self.peek().kind == Kind::Field {
            fields.push(Text::from(&self.next().text[1..]));
        }
        Ok(Some(match term {
            Expr::Field(_, mut names) => {
                names.append(&mut fields);
                Expr::Field(pos, names)
            }
            Expr::Variable {
                name,
                fields: mut names,
                ..
            } => {
                names.append(&mut fields);
                Expr::Variable {
                    pos,
                    name,
                    fields: names,
                }
            }
            Expr::Bool(..) | Expr::Str { .. } | Expr::Number(..) | Expr::Nil(_) | Expr::Dot(_) => {
                let term = quote(term.to_string().as_bytes());
                return self.error(format!("unexpected . after term {term}"));
            }
            inner => Expr::Chain {
                pos,
                inner: Box::new(inner),
                fields,
            },
        }))
    }

    pub(super) fn term(&mut self) -> Result<Option<Expr>> {
        let token = self.next_non_space();
        let pos = token.pos as u32;
        Ok(Some(match token.kind {
            Kind::Identifier => Expr::Ident(pos, self.function(&token.text)?),
            Kind::Dot => Expr::Dot(pos),
            Kind::Nil => Expr::Nil(pos),
            Kind::Variable => {
                if !self.scope().vars.iter().any(|name| **name == *token.text) {
                    let name = quote(token.text.as_bytes());
                    return self.error(format!("undefined variable {name}"));
                }
                Expr::Variable {
                    pos,
                    name: (&*token.text).into(),
                    fields: Vec::new(),
                }
            }
            Kind::Field => Expr::Field(pos, vec![Text::from(&token.text[1..])]),
            Kind::Bool => Expr::Bool(pos, token.text == "true"),
            Kind::CharConstant => {
                Expr::Number(pos, Number::character(&token.text).or_else(|e| self.error(e))?)
            }
            Kind::Complex | Kind::Number => {
                let number = Number::parse(&token.text, token.kind == Kind::Complex);
                Expr::Number(pos, number.or_else(|e| self.error(e))?)
            }
            Kind::LeftParen => {
                self.enter()?;
                let pipe = self.pipeline("parenthesized pipeline", Kind::RightParen)?;
                self.depth -= 1;
                Expr::Pipe(pipe)
            }
            Kind::String | Kind::RawString => Expr::Str {
                pos,
                text: self.unquote(&token.text)?,
                quoted: (&*token.text).into(),
            },
            _ => {
                self.back(token);
                return Ok(None);
            }
        }))
    }

    pub(super) fn function(&self, name: &str) -> Result<&'static Function> {
        match funcs::find(name) {
            Some(function) => Ok(function),
            None => self.error(format!("function {} not defined", quote(name.as_bytes()))),
        }
    }
}
