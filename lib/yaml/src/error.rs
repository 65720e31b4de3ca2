//! Why a text is not YAML that can be used, in go-yaml's words.

use crate::Schema;
use libyaml_safer::ErrorKind;

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text breaks the grammar; `line` counts from 1 and is absent where go-yaml names none.
    #[error("yaml: {}{problem}", line.map(|l| format!("line {l}: ")).unwrap_or_default())]
    Syntax {
        /// Line of the problem, from 1.
        line: Option<u64>,
        /// What the scanner or parser missed.
        problem: String,
    },
    /// `*name` without an earlier `&name`.
    #[error("yaml: unknown anchor '{0}' referenced")]
    UnknownAnchor(String),
    /// An alias inside the node it names.
    #[error("yaml: anchor '{0}' value contains itself")]
    AnchorInItself(String),
    /// `<<` whose value is neither a map nor a list of maps.
    #[error("yaml: map merge requires map or sequence of maps as the value")]
    BadMerge,
    /// An explicit tag that the scalar does not satisfy.
    #[error("yaml: cannot decode {found} `{text}` as a {wanted}")]
    BadTag {
        /// What the text is.
        found: &'static str,
        /// The text.
        text: String,
        /// What its tag claims.
        wanted: &'static str,
    },
    /// A map or list as a map key.
    #[error("yaml: invalid map key: line {line} has a map or a list as a key")]
    ComplexKey {
        /// Line of the key, from 1.
        line: u64,
    },
    /// A key that is not a string where strings are asked for.
    #[error("json: unsupported type: map[interface {{}}]interface {{}} (key {0})")]
    KeyNotString(String),
    /// `null` as a key where keys are made strings.
    #[error("unsupported map key of type: %!s(<nil>), key: <nil>, value: {0}")]
    NullKey(String),
    /// The same key twice in a map.
    #[error("mapping key \"{0}\" already defined")]
    DuplicateKey(String),
    /// `.nan` or `.inf`, which JSON has not.
    #[error("json: unsupported value: {0}")]
    NotJson(String),
    /// Nested deeper than [`crate::Limits::depth`].
    #[error("yaml: exceeded max depth of {0}")]
    TooDeep(usize),
    /// More nodes than [`crate::Limits::nodes`].
    #[error("yaml: document has more than {0} nodes")]
    TooManyNodes(usize),
    /// A text with characters that YAML has not, which cannot be printed.
    #[error("yaml: control characters are not allowed")]
    ControlCharacters,
    /// Aliases make up too much of the document (a decompression bomb).
    #[error("yaml: document contains excessive aliasing")]
    ExcessiveAliasing,
}

impl Error {
    /// The line of the problem, from 1, where it is known.
    pub fn line(&self) -> Option<u64> {
        match self {
            Error::Syntax { line, .. } => *line,
            Error::ComplexKey { line } => Some(*line),
            _ => None,
        }
    }

    /// The text ends where the scanner needed more.
    pub(crate) fn unexpected_end() -> Error {
        Error::Syntax {
            line: None,
            problem: "found unexpected end of stream".to_string(),
        }
    }

    /// Takes over the error of the scanner or the parser. Lines beyond `last`, counted from 0, are that one.
    pub(crate) fn from_scanner(error: &libyaml_safer::Error, schema: Schema, last: Option<u64>) -> Error {
        let line = |line: u64| line.min(last.unwrap_or(u64::MAX));
        let context = line(error.context_mark().map_or(0, |m| m.line));
        let problem = line(error.problem_mark().map_or(0, |m| m.line));
        if error.kind() == ErrorKind::Scanner {
            return Error::in_scanner(context, problem, error.problem(), schema);
        }
        Error::Syntax {
            line: shown(context, problem, 0, schema),
            problem: error.problem().to_string(),
        }
    }

    /// An error of the scanner, from the lines, counted from 0, where the construct began and where the problem is.
    pub(crate) fn in_scanner(context: u64, problem: u64, text: &str, schema: Schema) -> Error {
        // Both versions count these one line further.
        Error::Syntax {
            line: shown(context, problem, 1, schema),
            problem: text.to_string(),
        }
    }
}

/// v3 names the place where the construct began if it can, v2 the place of the problem; neither names the first line.
fn shown(context: u64, problem: u64, further: u64, schema: Schema) -> Option<u64> {
    match schema {
        Schema::GoV3 if context != 0 => Some(context + further),
        _ if problem != 0 => Some(problem + further),
        _ => Some(context).filter(|&line| line != 0),
    }
}
