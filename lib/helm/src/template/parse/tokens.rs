//! The tokens of a template, taken one by one, and what is said of one that should not be there.

use super::{Parser, Result};
use crate::template::{
    lex::{Kind, Token},
    quote::quote,
};

impl<'a> Parser<'a> {
    pub(super) fn next(&mut self) -> Token<'a> {
        match self.tokens.pop() {
            Some(token) => token,
            None => {
                let token = self.lexer.next_token();
                self.last_line = token.line;
                token
            }
        }
    }

    pub(super) fn back(&mut self, token: Token<'a>) {
        self.tokens.push(token);
    }

    pub(super) fn peek(&mut self) -> &Token<'a> {
        if self.tokens.is_empty() {
            let token = self.next();
            self.tokens.push(token);
        }
        let last = self.tokens.len() - 1;
        &self.tokens[last]
    }

    pub(super) fn next_non_space(&mut self) -> Token<'a> {
        loop {
            let token = self.next();
            if token.kind != Kind::Space {
                return token;
            }
        }
    }

    pub(super) fn peek_non_space(&mut self) -> &Token<'a> {
        let token = self.next_non_space();
        self.back(token);
        self.peek()
    }

    pub(super) fn expect(&mut self, kind: Kind, context: &str) -> Result<Token<'a>> {
        let token = self.next_non_space();
        if token.kind == kind {
            Ok(token)
        } else {
            self.unexpected(&token, context)
        }
    }

    pub(super) fn unexpected<T>(&mut self, token: &Token<'_>, context: &str) -> Result<T> {
        if token.kind == Kind::Error {
            let started = self.scope().action_line;
            let mut extra = String::new();
            if started != 0 && started != token.line {
                extra = format!(" in action started at {}:{started}", self.source.name);
                if token.text.ends_with(" action") {
                    extra.drain(.." in action".len());
                }
            }
            return self.error(format!("{}{extra}", token.text));
        }
        self.error(format!("unexpected {} in {context}", show(token)))
    }
}

/// A token as errors show it.
fn show(token: &Token<'_>) -> String {
    match token.kind {
        Kind::Eof => "EOF".to_string(),
        Kind::Block
        | Kind::Break
        | Kind::Continue
        | Kind::Define
        | Kind::Dot
        | Kind::Else
        | Kind::End
        | Kind::If
        | Kind::Nil
        | Kind::Range
        | Kind::Template
        | Kind::With => format!("<{}>", token.text),
        _ if token.text.len() > 10 => {
            let head: String = token.text.chars().take(10).collect();
            format!("{}...", quote(head.as_bytes()))
        }
        _ => quote(token.text.as_bytes()),
    }
}
