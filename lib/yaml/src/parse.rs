//! From tokens to events: the grammar of YAML 1.1, as go-yaml has it.
//!
//! What has to follow a node is kept on a stack of states, so that the depth of a document is not that of our own stack.

mod block;
mod document;
mod flow;

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

    /// A collection begins: its own token is taken.
    fn begin(&mut self, first: bool) -> Result<(), Fault> {
        if first {
            let mark = self.peek()?.start;
            self.begun.push(mark);
            self.skip();
        }
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
