//! Lists and maps by indentation.

use super::{Allowed, Event, EventKind, Parser, Properties, State, empty, event};
use crate::scan::{Fault, TokenKind};

impl Parser<'_> {
    pub(super) fn block_entry(&mut self, first: bool) -> Result<Event, Fault> {
        self.begin(first)?;
        let token = self.peek()?;
        match token.kind {
            TokenKind::BlockEntry => {
                let mark = token.end;
                self.skip();
                let ends = matches!(self.peek()?.kind, TokenKind::BlockEntry | TokenKind::BlockEnd);
                self.node_or_empty(ends, mark, State::BlockEntry { first: false }, Allowed::Block)
            }
            TokenKind::BlockEnd => self.end(EventKind::SeqEnd),
            _ => {
                let mark = token.start;
                Err(self.unfinished(mark, "did not find expected '-' indicator"))
            }
        }
    }

    pub(super) fn indentless_entry(&mut self) -> Result<Event, Fault> {
        let token = self.peek()?;
        if token.kind != TokenKind::BlockEntry {
            let mark = token.start;
            self.pop();
            return Ok(event(EventKind::SeqEnd, mark, mark));
        }
        let mark = token.end;
        self.skip();
        let ends = matches!(
            self.peek()?.kind,
            TokenKind::BlockEntry | TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd
        );
        self.node_or_empty(ends, mark, State::IndentlessEntry, Allowed::Block)
    }

    pub(super) fn block_key(&mut self, first: bool) -> Result<Event, Fault> {
        self.begin(first)?;
        let token = self.peek()?;
        match token.kind {
            TokenKind::Key => {
                let mark = token.end;
                self.skip();
                let ends = self.block_pair_goes_on()?;
                self.node_or_empty(ends, mark, State::BlockValue, Allowed::BlockOrIndentless)
            }
            TokenKind::BlockEnd => self.end(EventKind::MapEnd),
            _ => {
                let mark = token.start;
                Err(self.unfinished(mark, "did not find expected key"))
            }
        }
    }

    pub(super) fn block_value(&mut self) -> Result<Event, Fault> {
        let token = self.peek()?;
        let next = State::BlockKey { first: false };
        if token.kind != TokenKind::Value {
            let mark = token.start;
            self.state = next;
            return Ok(empty(Properties::default(), mark, mark));
        }
        let mark = token.end;
        self.skip();
        let ends = self.block_pair_goes_on()?;
        self.node_or_empty(ends, mark, next, Allowed::BlockOrIndentless)
    }

    fn block_pair_goes_on(&mut self) -> Result<bool, Fault> {
        let kind = &self.peek()?.kind;
        Ok(matches!(
            kind,
            TokenKind::Key | TokenKind::Value | TokenKind::BlockEnd
        ))
    }
}
