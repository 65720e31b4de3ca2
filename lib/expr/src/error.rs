//! What can go wrong with an expression: with its text, and with its evaluation.

/// Why a text is no expression.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CompileError {
    /// It does not follow the grammar.
    #[error("failed to parse the CEL expression '{expression}': {message}")]
    Syntax {
        /// The text.
        expression: String,
        /// What the parser says, with line and column.
        message: String,
    },
    /// It is longer than any honest one.
    #[error("failed to parse the CEL expression: it has {length} bytes, more than {limit}")]
    TooLong {
        /// Its length in bytes.
        length: usize,
        /// The greatest length in bytes.
        limit: usize,
    },
    /// It is nested too deep.
    #[error("failed to parse the CEL expression '{expression}': it is nested too deep")]
    TooDeep {
        /// The text.
        expression: String,
    },
    /// It names a variable or a function that there is not.
    #[error(
        "failed to parse the CEL expression '{expression}': undeclared reference to '{name}' (in container '')"
    )]
    Undeclared {
        /// The text.
        expression: String,
        /// The variable or function.
        name: String,
    },
    /// It can be seen not to yield a boolean.
    #[error("CEL expression output type mismatch: expected bool, got {got}")]
    NotBoolean {
        /// The type that it yields.
        got: String,
    },
    /// It can be seen not to yield a text.
    #[error("CEL expression output type mismatch: expected string, got {got}")]
    NotText {
        /// The type that it yields.
        got: String,
    },
    /// The parser failed.
    #[error("failed to parse the CEL expression '{expression}': the parser crashed")]
    Crashed {
        /// The text.
        expression: String,
    },
}

/// Why an expression has no value for some input. The words are those of Flux and cel-go.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// A variable or field is missing, or of a type that does not fit.
    #[error("failed to evaluate the CEL expression '{expression}': {reason}")]
    Failed {
        /// The text of the expression.
        expression: String,
        /// What cel-go would say.
        reason: String,
    },
    /// The value is no boolean.
    #[error("failed to evaluate CEL expression as boolean: '{expression}'")]
    NotBoolean {
        /// The text of the expression.
        expression: String,
    },
    /// The value is no text.
    #[error("failed to evaluate CEL expression as string: '{expression}'")]
    NotText {
        /// The text of the expression.
        expression: String,
    },
    /// It takes more steps or more memory than an expression is given: about four hundred thousand steps, two million
    /// values, or searching a text of one megabyte thirty times.
    #[error(
        "failed to evaluate the CEL expression '{expression}': operation cancelled: actual cost limit exceeded"
    )]
    TooCostly {
        /// The text of the expression.
        expression: String,
    },
    /// A variable is nested deeper than the API server accepts objects.
    #[error("failed to evaluate the CEL expression '{expression}': variable {variable} is nested too deep")]
    TooDeep {
        /// The text of the expression.
        expression: String,
        /// The variable.
        variable: String,
    },
    /// The interpreter failed.
    #[error("failed to evaluate the CEL expression '{expression}': the interpreter crashed")]
    Crashed {
        /// The text of the expression.
        expression: String,
    },
}
