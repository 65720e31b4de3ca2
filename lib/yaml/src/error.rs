//! Why a text is not YAML that can be used, in go-yaml's words.

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
    /// `!!binary` before what is not base64 (RFC 4648).
    #[error("yaml: !!binary value contains invalid base64 data")]
    BadBinary,
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
}
