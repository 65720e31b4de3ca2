//! Why a text with references to variables cannot be used.

/// Why a text could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExpandError {
    /// A reference is malformed.
    #[error("bad substitution")]
    BadSubstitution,
    /// A plain `${name` does not end where its name ends.
    #[error("missing closing brace")]
    MissingBrace,
    /// No name after `${`.
    #[error("unable to parse variable name")]
    VariableName,
    /// An argument is empty or has no end.
    #[error("unable to parse substitution within function")]
    Argument,
    /// A variable that has no value and no default.
    #[error("variable not set (strict mode): {name:?}")]
    NotSet {
        /// The variable.
        name: String,
    },
    /// Flux would go on with half a character, and fail at the manifest that is no UTF-8 any more.
    #[error("substring of variable {name:?} cuts a character in two")]
    CutCharacter {
        /// The variable.
        name: String,
    },
    /// References in references in references.
    #[error("substitutions are nested more than {limit} deep")]
    TooDeep {
        /// The deepest nesting that is accepted.
        limit: usize,
    },
    /// The result, or the way to it, is too large.
    #[error("substitution handles more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
}
