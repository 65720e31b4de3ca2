//! From text to tokens: Go's delimiters, trimming, words and constants.

mod word;

use super::quote::is_print;
use std::borrow::Cow;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Bool,
    Char,
    CharConstant,
    Complex,
    Assign,
    Declare,
    Eof,
    Field,
    Identifier,
    LeftDelim,
    LeftParen,
    Number,
    Pipe,
    RawString,
    RightDelim,
    RightParen,
    Space,
    String,
    Text,
    Variable,
    Block,
    Break,
    Continue,
    Dot,
    Define,
    Else,
    End,
    If,
    Nil,
    Range,
    Template,
    With,
}

/// A token: its text, where it begins and on which line.
#[derive(Debug, Clone)]
pub(crate) struct Token<'a> {
    pub kind: Kind,
    pub pos: usize,
    pub text: Cow<'a, str>,
    pub line: usize,
}

/// The scanner of one text.
pub(crate) struct Lexer<'a> {
    input: &'a str,
    pos: usize,
    start: usize,
    line: usize,
    start_line: usize,
    parens: usize,
    inside: bool,
}

const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];

impl<'a> Lexer<'a> {
    pub fn new(input: &'a str) -> Lexer<'a> {
        Lexer {
            input,
            pos: 0,
            start: 0,
            line: 1,
            start_line: 1,
            parens: 0,
            inside: false,
        }
    }

    /// The next token; after an error or the end, the end again and again.
    pub fn next_token(&mut self) -> Token<'a> {
        if self.inside { self.action() } else { self.text() }
    }

    fn rest(&self) -> &'a str {
        &self.input[self.pos..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.pos += c.len_utf8();
        if c == '\n' {
            self.line += 1;
        }
        Some(c)
    }

    fn emit(&mut self, kind: Kind) -> Token<'a> {
        let token = Token {
            kind,
            pos: self.start,
            text: Cow::Borrowed(&self.input[self.start..self.pos]),
            line: self.start_line,
        };
        self.start = self.pos;
        self.start_line = self.line;
        token
    }

    /// Skips to `pos`, counting lines.
    fn skip_to(&mut self, pos: usize) {
        self.line += self.input[self.pos..pos].matches('\n').count();
        self.pos = pos;
        self.start = pos;
        self.start_line = self.line;
    }

    fn error(&mut self, text: impl Into<String>) -> Token<'a> {
        let token = Token {
            kind: Kind::Error,
            pos: self.start,
            text: Cow::Owned(text.into()),
            line: self.start_line,
        };
        self.input = "";
        self.pos = 0;
        self.start = 0;
        self.inside = false;
        token
    }

    fn text(&mut self) -> Token<'a> {
        loop {
            let Some(at) = self.rest().find("{{") else {
                let end = self.input.len();
                self.line += self.rest().matches('\n').count();
                self.pos = end;
                if self.pos > self.start {
                    return self.emit(Kind::Text);
                }
                return Token {
                    kind: Kind::Eof,
                    pos: self.pos,
                    text: Cow::Borrowed("EOF"),
                    line: self.start_line,
                };
            };
            if at > 0 {
                let delim = self.pos + at;
                let text = &self.input[self.pos..delim];
                let kept = if has_left_marker(&self.input[delim + 2..]) {
                    text.trim_end_matches(SPACE)
                } else {
                    text
                };
                self.line += kept.matches('\n').count();
                self.pos += kept.len();
                let token = self.emit(Kind::Text);
                self.skip_to(delim);
                if !token.text.is_empty() {
                    return token;
                }
            }
            // At the delimiter, with or without its marker.
            let trim = has_left_marker(&self.input[self.pos + 2..]);
            let after = self.pos + 2 + if trim { 2 } else { 0 };
            if self.input[after..].starts_with("/*") {
                self.skip_to(after);
                if let Err(error) = self.comment() {
                    return self.error(error);
                }
                continue;
            }
            self.pos += 2;
            let token = self.emit(Kind::LeftDelim);
            self.inside = true;
            self.skip_to(after);
            self.parens = 0;
            return token;
        }
    }

    fn comment(&mut self) -> Result<(), &'static str> {
        let Some(at) = self.rest()[2..].find("*/") else {
            return Err("unclosed comment");
        };
        let end = self.pos + 2 + at + 2;
        let (delim, trim) = at_right_delim(&self.input[end..]);
        if !delim {
            return Err("comment ends before closing delimiter");
        }
        let mut end = end + 2 + if trim { 2 } else { 0 };
        if trim {
            end = self.input.len() - self.input[end..].trim_start_matches(SPACE).len();
        }
        self.skip_to(end);
        Ok(())
    }

    fn right_delim(&mut self) -> Token<'a> {
        let (_, trim) = at_right_delim(self.rest());
        if trim {
            self.skip_to(self.pos + 2);
        }
        self.pos += 2;
        let token = self.emit(Kind::RightDelim);
        if trim {
            let end = self.input.len() - self.rest().trim_start_matches(SPACE).len();
            self.skip_to(end);
        }
        self.inside = false;
        token
    }

    fn action(&mut self) -> Token<'a> {
        if at_right_delim(self.rest()).0 {
            if self.parens == 0 {
                return self.right_delim();
            }
            return self.error("unclosed left paren");
        }
        let Some(c) = self.bump() else {
            return self.error("unclosed action");
        };
        match c {
            ' ' | '\t' | '\r' | '\n' => self.space(c),
            '=' => self.emit(Kind::Assign),
            ':' => {
                if self.bump() != Some('=') {
                    return self.error("expected :=");
                }
                self.emit(Kind::Declare)
            }
            '|' => self.emit(Kind::Pipe),
            '"' => match self.constant('"') {
                true => self.emit(Kind::String),
                false => self.error("unterminated quoted string"),
            },
            '\'' => match self.constant('\'') {
                true => self.emit(Kind::CharConstant),
                false => self.error("unterminated character constant"),
            },
            '`' => loop {
                match self.bump() {
                    Some('`') => return self.emit(Kind::RawString),
                    Some(_) => {}
                    None => return self.error("unterminated raw quoted string"),
                }
            },
            '$' => self.word(Kind::Variable, Kind::Variable),
            '.' if !self.peek().is_some_and(|c| c.is_ascii_digit()) && self.peek().is_some() => {
                self.word(Kind::Field, Kind::Dot)
            }
            '.' | '+' | '-' | '0'..='9' => {
                self.pos -= 1;
                self.number()
            }
            c if is_alphanumeric(c) => self.identifier(),
            '(' => {
                self.parens += 1;
                self.emit(Kind::LeftParen)
            }
            ')' if self.parens == 0 => self.error("unexpected right paren"),
            ')' => {
                self.parens -= 1;
                self.emit(Kind::RightParen)
            }
            ' '..='~' => self.emit(Kind::Char),
            c => self.error(format!("unrecognized character in action: {}", unicode(c))),
        }
    }

    fn space(&mut self, first: char) -> Token<'a> {
        let mut count = 1;
        let mut last = first;
        while let Some(c) = self.peek().filter(|c| SPACE.contains(c)) {
            self.bump();
            last = c;
            count += 1;
        }
        // The last space may belong to the marker of the closing delimiter.
        if self.rest().starts_with("-}}") {
            self.pos -= 1;
            if last == '\n' {
                self.line -= 1;
            }
            if count == 1 {
                return self.right_delim();
            }
        }
        self.emit(Kind::Space)
    }
}

fn has_left_marker(text: &str) -> bool {
    text.starts_with('-') && text[1..].starts_with(SPACE)
}

/// Whether the closing delimiter is here, and whether with a marker.
fn at_right_delim(text: &str) -> (bool, bool) {
    if text.starts_with(SPACE) && text[1..].starts_with("-}}") {
        return (true, true);
    }
    (text.starts_with("}}"), false)
}

fn is_alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphabetic() || c.is_numeric()
}

/// A character as `%#U` prints it.
pub(crate) fn unicode(c: char) -> String {
    if is_print(c) {
        format!("U+{:04X} '{c}'", c as u32)
    } else {
        format!("U+{:04X}", c as u32)
    }
}
