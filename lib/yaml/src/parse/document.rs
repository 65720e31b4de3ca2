//! Documents: their beginning, what may stand before it, and their end.

use super::{Allowed, Event, EventKind, Parser, Properties, State, empty, event};
use crate::scan::{Fault, TokenKind};

impl Parser<'_> {
    pub(super) fn document_start(&mut self, first: bool) -> Result<Event, Fault> {
        while !first && self.peek()?.kind == TokenKind::DocumentEnd {
            self.skip();
        }
        let token = self.peek()?;
        let (start, end) = (token.start, token.end);
        match &token.kind {
            TokenKind::StreamEnd => {
                self.state = State::End;
                self.skip();
                return Ok(event(EventKind::StreamEnd, start, end));
            }
            TokenKind::Version(..) | TokenKind::TagDirective { .. } | TokenKind::DocumentStart => {}
            _ if first => {
                self.directives()?;
                self.states.push(State::DocumentEnd);
                self.state = State::BlockNode;
                return Ok(event(EventKind::DocumentStart, start, end));
            }
            _ => {}
        }
        self.directives()?;
        let token = self.peek()?;
        let end = token.end;
        if token.kind != TokenKind::DocumentStart {
            let text = "did not find expected <document start>";
            return Err(Fault::parser(None, token.start, text));
        }
        self.skip();
        self.states.push(State::DocumentEnd);
        self.state = State::DocumentContent;
        Ok(event(EventKind::DocumentStart, start, end))
    }

    fn directives(&mut self) -> Result<(), Fault> {
        let mut version = false;
        loop {
            let token = self.peek()?;
            let mark = token.start;
            match token.kind.clone() {
                TokenKind::Version(..) if version => {
                    return Err(Fault::parser(None, mark, "found duplicate %YAML directive"));
                }
                TokenKind::Version(1, 1) => version = true,
                TokenKind::Version(..) => {
                    return Err(Fault::parser(None, mark, "found incompatible YAML document"));
                }
                TokenKind::TagDirective { handle, prefix } => {
                    if self.prefix(&handle).is_some() {
                        return Err(Fault::parser(None, mark, "found duplicate %TAG directive"));
                    }
                    self.handles.push((handle, prefix));
                }
                _ => break,
            }
            self.skip();
        }
        for (handle, prefix) in [("!", "!"), ("!!", "tag:yaml.org,2002:")] {
            if self.prefix(handle).is_none() {
                self.handles.push((handle.to_owned(), prefix.to_owned()));
            }
        }
        Ok(())
    }

    pub(super) fn prefix(&self, handle: &str) -> Option<&str> {
        let found = self.handles.iter().find(|(known, _)| known == handle);
        found.map(|(_, prefix)| prefix.as_str())
    }

    pub(super) fn document_content(&mut self) -> Result<Event, Fault> {
        let token = self.peek()?;
        let mark = token.start;
        match token.kind {
            TokenKind::Version(..)
            | TokenKind::TagDirective { .. }
            | TokenKind::DocumentStart
            | TokenKind::DocumentEnd
            | TokenKind::StreamEnd => {
                self.pop();
                Ok(empty(Properties::default(), mark, mark))
            }
            _ => self.node(Allowed::Block),
        }
    }

    pub(super) fn document_end(&mut self) -> Result<Event, Fault> {
        let token = self.peek()?;
        let (start, mut end) = (token.start, token.start);
        if token.kind == TokenKind::DocumentEnd {
            end = token.end;
            self.skip();
        }
        self.handles.clear();
        self.state = State::DocumentStart { first: false };
        Ok(event(EventKind::DocumentEnd, start, end))
    }
}
