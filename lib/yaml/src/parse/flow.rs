//! Lists and maps in brackets.

use super::{Allowed, Event, EventKind, Parser, Properties, State, empty, event};
use crate::scan::{Fault, TokenKind};

impl Parser<'_> {
    pub(super) fn flow_entry(&mut self, first: bool) -> Result<Event, Fault> {
        self.begin(first)?;
        if self.peek()?.kind != TokenKind::FlowSeqEnd {
            self.separator(first, "did not find expected ',' or ']'")?;
            let token = self.peek()?;
            if token.kind == TokenKind::Key {
                let (start, end) = (token.start, token.end);
                self.skip();
                self.state = State::FlowPairKey;
                let of = Properties::default();
                return Ok(event(EventKind::MapStart { of, flow: true }, start, end));
            }
            if token.kind != TokenKind::FlowSeqEnd {
                self.states.push(State::FlowEntry { first: false });
                return self.node(Allowed::Flow);
            }
        }
        self.end(EventKind::SeqEnd)
    }

    pub(super) fn flow_pair_key(&mut self) -> Result<Event, Fault> {
        let token = self.peek()?;
        let mark = token.end;
        if !matches!(
            token.kind,
            TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowSeqEnd
        ) {
            self.states.push(State::FlowPairValue);
            return self.node(Allowed::Flow);
        }
        // go-yaml takes the token, whatever it is.
        self.skip();
        self.state = State::FlowPairValue;
        Ok(empty(Properties::default(), mark, mark))
    }

    pub(super) fn flow_pair_value(&mut self) -> Result<Event, Fault> {
        let token = self.peek()?;
        let mark = token.start;
        if token.kind == TokenKind::Value {
            self.skip();
            let kind = &self.peek()?.kind;
            if !matches!(kind, TokenKind::FlowEntry | TokenKind::FlowSeqEnd) {
                self.states.push(State::FlowPairEnd);
                return self.node(Allowed::Flow);
            }
        }
        self.state = State::FlowPairEnd;
        Ok(empty(Properties::default(), mark, mark))
    }

    pub(super) fn flow_pair_end(&mut self) -> Result<Event, Fault> {
        let mark = self.peek()?.start;
        self.state = State::FlowEntry { first: false };
        Ok(event(EventKind::MapEnd, mark, mark))
    }

    pub(super) fn flow_key(&mut self, first: bool) -> Result<Event, Fault> {
        self.begin(first)?;
        if self.peek()?.kind != TokenKind::FlowMapEnd {
            self.separator(first, "did not find expected ',' or '}'")?;
            if self.peek()?.kind == TokenKind::Key {
                self.skip();
                let token = self.peek()?;
                let mark = token.start;
                let ends = matches!(
                    token.kind,
                    TokenKind::Value | TokenKind::FlowEntry | TokenKind::FlowMapEnd
                );
                return self.node_or_empty(ends, mark, State::FlowValue, Allowed::Flow);
            }
            if self.peek()?.kind != TokenKind::FlowMapEnd {
                self.states.push(State::FlowEmptyValue);
                return self.node(Allowed::Flow);
            }
        }
        self.end(EventKind::MapEnd)
    }

    pub(super) fn flow_value(&mut self) -> Result<Event, Fault> {
        let next = State::FlowKey { first: false };
        if self.peek()?.kind == TokenKind::Value {
            self.skip();
            let kind = &self.peek()?.kind;
            if !matches!(kind, TokenKind::FlowEntry | TokenKind::FlowMapEnd) {
                self.states.push(next);
                return self.node(Allowed::Flow);
            }
        }
        let mark = self.peek()?.start;
        self.state = next;
        Ok(empty(Properties::default(), mark, mark))
    }

    /// The comma between entries of a flow collection.
    fn separator(&mut self, first: bool, missing: &str) -> Result<(), Fault> {
        if first {
            return Ok(());
        }
        let token = self.peek()?;
        if token.kind != TokenKind::FlowEntry {
            let mark = token.start;
            return Err(self.unfinished(mark, missing));
        }
        self.skip();
        Ok(())
    }
}
