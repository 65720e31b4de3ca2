//! From characters to tokens, as go-yaml scans them, its limits and its quirks included.
//!
//! A scalar may turn out to be a key only when its `:` comes. So each place where a key may begin is remembered, one for
//! each level of brackets, and tokens wait in a queue until what stands before them is decided.

mod block;
mod collection;
mod cursor;
mod directive;
mod key;
mod plain;
mod quoted;
mod tag;
mod token;

pub(crate) use cursor::Mark;
pub(crate) use token::{Fault, ScalarStyle, Token, TokenKind};

use crate::Schema;
use cursor::Cursor;
use key::PossibleKey;
use std::collections::VecDeque;

/// How many characters before its `:` a key may begin.
const MAX_KEY: usize = 1024;

/// Gives the tokens of a text.
#[derive(Debug)]
pub(crate) struct Scanner<'t> {
    cursor: Cursor<'t>,
    schema: Schema,
    tokens: VecDeque<Token>,
    /// How many tokens were taken from the queue.
    taken: usize,
    started: bool,
    /// Column of the innermost block; -1 outside of all.
    indent: isize,
    indents: Vec<isize>,
    /// How many brackets are open.
    flow: usize,
    /// Where a key may have begun: outside of brackets, and in each of the open ones.
    keys: Vec<PossibleKey>,
    /// Those of them that hold up the queue, by the number of their token: that number, level.
    holding: VecDeque<(usize, usize)>,
    key_allowed: bool,
}

impl<'t> Scanner<'t> {
    pub fn new(text: &'t [u8], schema: Schema) -> Self {
        Self {
            cursor: Cursor::new(text),
            schema,
            tokens: VecDeque::new(),
            taken: 0,
            started: false,
            indent: -1,
            indents: Vec::new(),
            flow: 0,
            keys: vec![PossibleKey::default()],
            holding: VecDeque::new(),
            key_allowed: true,
        }
    }

    /// The next token, which stays in the queue.
    pub fn peek(&mut self) -> Result<&Token, Fault> {
        // go-yaml v3 scans two tokens ahead, for the sake of comments; what is wrong with them is found that early.
        let ahead = match self.schema {
            Schema::GoV2 => 0,
            Schema::GoV3 => 2,
        };
        loop {
            if self.tokens.len() > ahead && !self.held_up()? {
                break;
            }
            self.fetch()?;
        }
        Ok(&self.tokens[0])
    }

    /// Takes the token that [`Scanner::peek`] gave.
    pub fn take(&mut self) -> Option<Token> {
        self.taken += 1;
        while self.holding.front().is_some_and(|(token, _)| *token < self.taken) {
            self.holding.pop_front();
        }
        self.tokens.pop_front()
    }

    /// Whether the next token may turn out to be a key.
    fn held_up(&mut self) -> Result<bool, Fault> {
        let taken = self.taken;
        match self.holding.iter().rev().find(|(token, _)| *token == taken) {
            Some(&(_, level)) => self.still_possible(level),
            None => Ok(false),
        }
    }

    /// Puts the next token into the queue, and those that its place brings about.
    fn fetch(&mut self) -> Result<(), Fault> {
        self.cursor.need(1)?;
        if !self.started {
            self.started = true;
            let mark = self.cursor.mark;
            self.push(TokenKind::StreamStart, mark);
            return Ok(());
        }
        let before = self.cursor.mark;
        self.skip_to_token()?;
        let column = self.cursor.mark.column;
        self.close_blocks(column, before);
        self.cursor.need(4)?;
        let cursor = &self.cursor;
        if cursor.over() {
            return self.stream_end();
        }
        if cursor.mark.column == 0 && cursor.byte(0) == b'%' {
            return self.directive();
        }
        if cursor.is_document_indicator() {
            let start = cursor.byte(0) == b'-';
            return self.document_indicator(if start {
                TokenKind::DocumentStart
            } else {
                TokenKind::DocumentEnd
            });
        }
        let next = cursor.is_space_or_end(1);
        match cursor.byte(0) {
            b'[' => self.open(TokenKind::FlowSeqStart),
            b'{' => self.open(TokenKind::FlowMapStart),
            b']' => self.close(TokenKind::FlowSeqEnd),
            b'}' => self.close(TokenKind::FlowMapEnd),
            b',' => self.flow_entry(),
            b'-' if next => self.block_entry(),
            b'?' if self.flow > 0 || next => self.key(),
            b':' if self.flow > 0 || next => self.value(),
            b'*' | b'&' => self.anchor(),
            b'!' => self.tag(),
            b'|' if self.flow == 0 => self.block_scalar(ScalarStyle::Literal),
            b'>' if self.flow == 0 => self.block_scalar(ScalarStyle::Folded),
            b'\'' => self.quoted(ScalarStyle::Single),
            b'"' => self.quoted(ScalarStyle::Double),
            _ if self.plain_may_begin() => self.plain(),
            _ => Err(self.fault(self.cursor.mark, "found character that cannot start any token")),
        }
    }

    /// Steps over white space and comments. A tab is white space only where no key may begin.
    fn skip_to_token(&mut self) -> Result<(), Fault> {
        loop {
            self.cursor.need(1)?;
            // Elsewhere it is a character like others.
            if self.cursor.mark.at == 0 && self.cursor.starts_with("\u{feff}".as_bytes()) {
                self.cursor.skip();
                self.cursor.need(1)?;
            }
            let tabs = self.flow > 0 || !self.key_allowed;
            while self.cursor.byte(0) == b' ' || (tabs && self.cursor.byte(0) == b'\t') {
                self.cursor.skip();
                self.cursor.need(1)?;
            }
            self.skip_comment()?;
            if !self.cursor.is_break(0) {
                return Ok(());
            }
            self.cursor.need(2)?;
            self.cursor.skip_line();
            if self.flow == 0 {
                self.key_allowed = true;
            }
        }
    }

    fn skip_comment(&mut self) -> Result<(), Fault> {
        if self.cursor.byte(0) == b'#' {
            while !self.cursor.is_break_or_end(0) {
                self.cursor.skip();
                self.cursor.need(1)?;
            }
        }
        Ok(())
    }

    fn stream_end(&mut self) -> Result<(), Fault> {
        if self.cursor.mark.column != 0 {
            self.cursor.mark.column = 0;
            self.cursor.mark.line += 1;
        }
        let mark = self.cursor.mark;
        self.close_blocks(-1, mark);
        self.drop_key()?;
        self.key_allowed = false;
        self.push(TokenKind::StreamEnd, mark);
        Ok(())
    }

    fn document_indicator(&mut self, kind: TokenKind) -> Result<(), Fault> {
        let start = self.cursor.mark;
        self.close_blocks(-1, start);
        self.drop_key()?;
        self.key_allowed = false;
        (0..3).for_each(|_| self.cursor.skip());
        self.push(kind, start);
        Ok(())
    }

    fn next_number(&self) -> usize {
        self.taken + self.tokens.len()
    }

    /// A token of one character.
    fn indicator(&mut self, kind: TokenKind) -> Result<(), Fault> {
        let start = self.cursor.mark;
        self.cursor.skip();
        self.push(kind, start);
        Ok(())
    }

    /// A token that ends here.
    fn push(&mut self, kind: TokenKind, start: Mark) {
        let end = self.cursor.mark;
        self.tokens.push_back(Token { kind, start, end });
    }

    /// A token without extent, at a place in the queue or at its end.
    fn insert(&mut self, place: Option<usize>, kind: TokenKind, mark: Mark) {
        let token = Token {
            kind,
            start: mark,
            end: mark,
        };
        match place.filter(|&place| place <= self.tokens.len()) {
            Some(place) => self.tokens.insert(place, token),
            None => self.tokens.push_back(token),
        }
    }

    fn fault(&self, context: Mark, text: impl Into<String>) -> Fault {
        Fault::scanner(context, self.cursor.mark, text)
    }
}

/// Bytes that are text, since the cursor let them pass; what escapes have made of a tag need not be.
fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}
