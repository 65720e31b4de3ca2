//! From tokens to events: the grammar of YAML 1.1, as go-yaml has it.
//!
//! What has to follow a node is kept on a stack of states, so that the depth of a document is not that of our own stack.

use crate::Schema;
use crate::scan::{Fault, Mark, ScalarStyle, Scanner, Token, TokenKind};

/// What happens in a document, and where.
#[derive(Debug)]
pub(crate) struct Event {
    pub kind: EventKind,
    pub start: Mark,
    pub end: Mark,
}

/// What happens in a document.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum EventKind {
    StreamStart,
    StreamEnd,
    DocumentStart,
    DocumentEnd,
    Alias(String),
    Scalar {
        of: Properties,
        text: String,
        style: ScalarStyle,
    },
    SeqStart {
        of: Properties,
        flow: bool,
    },
    SeqEnd,
    MapStart {
        of: Properties,
        flow: bool,
    },
    MapEnd,
}

/// What may stand before a node.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Properties {
    pub anchor: Option<String>,
    /// Written out in full.
    pub tag: Option<String>,
}

/// Gives the events of a text.
#[derive(Debug)]
pub(crate) struct Parser<'t> {
    scanner: Scanner<'t>,
    state: State,
    /// What comes after the nodes that are open.
    states: Vec<State>,
    /// Where the collections began that are open.
    begun: Vec<Mark>,
    /// Handles of tags and what they stand for.
    handles: Vec<(String, String)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    StreamStart,
    DocumentStart {
        first: bool,
    },
    DocumentContent,
    DocumentEnd,
    BlockNode,
    BlockEntry {
        first: bool,
    },
    /// An entry of a list that is no deeper than its key.
    IndentlessEntry,
    BlockKey {
        first: bool,
    },
    BlockValue,
    FlowEntry {
        first: bool,
    },
    /// The key of a pair in a list.
    FlowPairKey,
    FlowPairValue,
    FlowPairEnd,
    FlowKey {
        first: bool,
    },
    FlowValue,
    FlowEmptyValue,
    End,
}

/// Which nodes may stand at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Allowed {
    Flow,
    Block,
    BlockOrIndentless,
}

impl<'t> Parser<'t> {
    pub fn new(text: &'t [u8], schema: Schema) -> Self {
        Self {
            scanner: Scanner::new(text, schema),
            state: State::StreamStart,
            states: Vec::new(),
            begun: Vec::new(),
            handles: Vec::new(),
        }
    }

    /// The next event; after the end of the stream there are only more of those.
    pub fn next(&mut self) -> Result<Event, Fault> {
        match self.state {
            State::StreamStart => {
                self.state = State::DocumentStart { first: true };
                self.whole(EventKind::StreamStart)
            }
            State::DocumentStart { first } => self.document_start(first),
            State::DocumentContent => self.document_content(),
            State::DocumentEnd => self.document_end(),
            State::BlockNode => self.node(Allowed::Block),
            State::BlockEntry { first } => self.block_entry(first),
            State::IndentlessEntry => self.indentless_entry(),
            State::BlockKey { first } => self.block_key(first),
            State::BlockValue => self.block_value(),
            State::FlowEntry { first } => self.flow_entry(first),
            State::FlowPairKey => self.flow_pair_key(),
            State::FlowPairValue => self.flow_pair_value(),
            State::FlowPairEnd => self.flow_pair_end(),
            State::FlowKey { first } => self.flow_key(first),
            State::FlowValue => self.flow_value(),
            State::FlowEmptyValue => {
                self.state = State::FlowKey { first: false };
                let mark = self.peek()?.start;
                Ok(empty(Properties::default(), mark, mark))
            }
            State::End => {
                let mark = Mark::default();
                Ok(event(EventKind::StreamEnd, mark, mark))
            }
        }
    }

    fn document_start(&mut self, first: bool) -> Result<Event, Fault> {
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

    fn prefix(&self, handle: &str) -> Option<&str> {
        let found = self.handles.iter().find(|(known, _)| known == handle);
        found.map(|(_, prefix)| prefix.as_str())
    }

    fn document_content(&mut self) -> Result<Event, Fault> {
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

    fn document_end(&mut self) -> Result<Event, Fault> {
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

    fn node(&mut self, allowed: Allowed) -> Result<Event, Fault> {
        let token = self.peek()?;
        let start = token.start;
        if let TokenKind::Alias(name) = &token.kind {
            let (kind, end) = (EventKind::Alias(name.clone()), token.end);
            self.pop();
            self.skip();
            return Ok(event(kind, start, end));
        }
        let (of, properties_end) = self.properties(start)?;
        let token = self.peek()?;
        let (mark, end) = (token.start, token.end);
        let block = allowed != Allowed::Flow;
        let (kind, state) = match &token.kind {
            TokenKind::BlockEntry if allowed == Allowed::BlockOrIndentless => {
                (EventKind::SeqStart { of, flow: false }, State::IndentlessEntry)
            }
            TokenKind::Scalar(..) => {
                self.pop();
                return Ok(self.scalar(of, start, end));
            }
            TokenKind::FlowSeqStart => (
                EventKind::SeqStart { of, flow: true },
                State::FlowEntry { first: true },
            ),
            TokenKind::FlowMapStart => (
                EventKind::MapStart { of, flow: true },
                State::FlowKey { first: true },
            ),
            TokenKind::BlockSeqStart if block => (
                EventKind::SeqStart { of, flow: false },
                State::BlockEntry { first: true },
            ),
            TokenKind::BlockMapStart if block => (
                EventKind::MapStart { of, flow: false },
                State::BlockKey { first: true },
            ),
            _ if of != Properties::default() => {
                self.pop();
                return Ok(empty(of, start, properties_end));
            }
            _ => {
                let text = "did not find expected node content";
                return Err(Fault::parser(Some(start), mark, text));
            }
        };
        self.state = state;
        Ok(event(kind, start, end))
    }

    /// An anchor and a tag, in either order, and where they end.
    fn properties(&mut self, start: Mark) -> Result<(Properties, Mark), Fault> {
        let (mut of, mut tag, mut end) = (Properties::default(), None, start);
        for _ in 0..2 {
            let token = self.peek()?;
            let (mark, until) = (token.start, token.end);
            match &token.kind {
                TokenKind::Anchor(name) if of.anchor.is_none() => of.anchor = Some(name.clone()),
                TokenKind::Tag { handle, suffix } if tag.is_none() => {
                    tag = Some((handle.clone(), suffix.clone(), mark));
                }
                _ => break,
            }
            end = until;
            self.skip();
        }
        if let Some((handle, suffix, mark)) = tag {
            // What follows is looked at first: what is wrong with it is told first.
            self.peek()?;
            let whole = match handle.as_str() {
                "" => suffix,
                handle => match self.prefix(handle) {
                    Some(prefix) => format!("{prefix}{suffix}"),
                    None => String::new(),
                },
            };
            if whole.is_empty() && !handle.is_empty() {
                return Err(Fault::parser(Some(start), mark, "found undefined tag handle"));
            }
            of.tag = Some(whole).filter(|tag| !tag.is_empty());
        }
        Ok((of, end))
    }

    fn scalar(&mut self, of: Properties, start: Mark, end: Mark) -> Event {
        let (text, style) = match self.scanner.take().map(|token| token.kind) {
            Some(TokenKind::Scalar(text, style)) => (text, style),
            _ => (String::new(), ScalarStyle::Plain),
        };
        event(EventKind::Scalar { of, text, style }, start, end)
    }

    fn block_entry(&mut self, first: bool) -> Result<Event, Fault> {
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

    fn indentless_entry(&mut self) -> Result<Event, Fault> {
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

    fn block_key(&mut self, first: bool) -> Result<Event, Fault> {
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

    fn block_value(&mut self) -> Result<Event, Fault> {
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

    fn flow_entry(&mut self, first: bool) -> Result<Event, Fault> {
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

    fn flow_pair_key(&mut self) -> Result<Event, Fault> {
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

    fn flow_pair_value(&mut self) -> Result<Event, Fault> {
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

    fn flow_pair_end(&mut self) -> Result<Event, Fault> {
        let mark = self.peek()?.start;
        self.state = State::FlowEntry { first: false };
        Ok(event(EventKind::MapEnd, mark, mark))
    }

    fn flow_key(&mut self, first: bool) -> Result<Event, Fault> {
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

    fn flow_value(&mut self) -> Result<Event, Fault> {
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

    /// A collection begins: its own token is taken.
    fn begin(&mut self, first: bool) -> Result<(), Fault> {
        if first {
            let mark = self.peek()?.start;
            self.begun.push(mark);
            self.skip();
        }
        Ok(())
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

    /// A node, and then `next`; or nothing where a node could be.
    fn node_or_empty(
        &mut self,
        nothing: bool,
        mark: Mark,
        next: State,
        allowed: Allowed,
    ) -> Result<Event, Fault> {
        if nothing {
            self.state = next;
            return Ok(empty(Properties::default(), mark, mark));
        }
        self.states.push(next);
        self.node(allowed)
    }

    /// The end of a collection.
    fn end(&mut self, kind: EventKind) -> Result<Event, Fault> {
        self.pop();
        self.begun.pop();
        self.whole(kind)
    }

    /// An event that is a token.
    fn whole(&mut self, kind: EventKind) -> Result<Event, Fault> {
        let token = self.peek()?;
        let (start, end) = (token.start, token.end);
        self.skip();
        Ok(event(kind, start, end))
    }

    fn unfinished(&mut self, mark: Mark, text: &str) -> Fault {
        Fault::parser(self.begun.pop(), mark, text)
    }

    fn peek(&mut self) -> Result<&Token, Fault> {
        self.scanner.peek()
    }

    fn skip(&mut self) {
        self.scanner.take();
    }

    fn pop(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }
}

fn event(kind: EventKind, start: Mark, end: Mark) -> Event {
    Event { kind, start, end }
}

/// A node of which nothing is written but what may stand before it.
fn empty(of: Properties, start: Mark, end: Mark) -> Event {
    let (text, style) = (String::new(), ScalarStyle::Plain);
    event(EventKind::Scalar { of, text, style }, start, end)
}
