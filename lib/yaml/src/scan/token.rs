//! What the scanner makes of a text, and what it cannot make anything of.

use super::Mark;
use crate::Schema;

/// A token and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Token {
    pub kind: TokenKind,
    pub start: Mark,
    pub end: Mark,
}

/// The tokens of YAML 1.1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TokenKind {
    StreamStart,
    StreamEnd,
    Version(u8, u8),
    TagDirective { handle: String, prefix: String },
    DocumentStart,
    DocumentEnd,
    BlockSeqStart,
    BlockMapStart,
    BlockEnd,
    FlowSeqStart,
    FlowSeqEnd,
    FlowMapStart,
    FlowMapEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(String),
    Anchor(String),
    Tag { handle: String, suffix: String },
    Scalar(String, ScalarStyle),
}

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ScalarStyle {
    Plain,
    Single,
    Double,
    Literal,
    Folded,
}

/// Why there is no next token or event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Whether the scanner found it; the parser counts lines in another way.
    scanner: bool,
    /// Line, from 0, where what is broken began; 0 also where that is not told.
    context: u64,
    /// Line, from 0, where it is broken; 0 also where that is not told.
    problem: u64,
    text: String,
}

impl Fault {
    /// The bytes are no text; no line is told.
    pub fn reader(text: &str) -> Self {
        Self {
            scanner: false,
            context: 0,
            problem: 0,
            text: text.to_owned(),
        }
    }

    pub fn scanner(context: Mark, problem: Mark, text: impl Into<String>) -> Self {
        Self {
            scanner: true,
            context: context.line,
            problem: problem.line,
            text: text.into(),
        }
    }

    pub fn parser(context: Option<Mark>, problem: Mark, text: &str) -> Self {
        Self {
            scanner: false,
            context: context.map_or(0, |mark| mark.line),
            problem: problem.line,
            text: text.to_owned(),
        }
    }

    /// The error in go-yaml's words: v3 names the place where the construct began if it can, v2 the place of the problem.
    /// Neither names the first line, and both count those of the scanner one line further, v2 not where it falls back.
    pub fn told(self, schema: Schema) -> crate::Error {
        let further = u64::from(self.scanner);
        let line = match schema {
            Schema::GoV3 if self.context != 0 => Some(self.context + further),
            _ if self.problem != 0 => Some(self.problem + further),
            _ => Some(self.context).filter(|&line| line != 0),
        };
        crate::Error::Syntax {
            line,
            problem: self.text,
        }
    }
}
