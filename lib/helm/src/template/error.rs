//! Why a template did not run: Go's chain of errors, each with its place.

/// A failure of a function, or of what it called.
#[derive(Debug, Clone)]
pub(crate) enum Fault {
    /// A function's own words.
    Message(String),
    /// A template that a function ran failed; `prefix` stands before the inner text.
    Inner { prefix: String, cause: Box<Failure> },
    /// A limit of ours: not an error of the template, and not to be hidden.
    Limit(String),
}

/// An error of the evaluator, with the place where it was.
#[derive(Debug, Clone)]
pub(crate) struct Failure {
    /// The text up to the cause's.
    pub prefix: String,
    /// The error that it wraps.
    pub cause: Option<Box<Cause>>,
    /// A limit of ours was reached.
    pub limit: bool,
}

/// What a [`Failure`] wraps.
#[derive(Debug, Clone)]
pub(crate) enum Cause {
    /// Words that wrap nothing.
    Plain(String),
    /// Words that wrap a failure of another template.
    Wrapped { prefix: String, failure: Failure },
    /// A failure of another template.
    Failure(Failure),
}

impl From<String> for Fault {
    fn from(text: String) -> Fault {
        Fault::Message(text)
    }
}

impl From<&str> for Fault {
    fn from(text: &str) -> Fault {
        Fault::Message(text.to_string())
    }
}

impl Failure {
    /// The whole text.
    pub fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    /// The texts of this error and of those it wraps, as Go's `errors.Unwrap` walks them.
    pub fn chain(&self) -> Vec<String> {
        let mut texts = vec![self.text()];
        let mut at = self.cause.as_deref();
        while let Some(cause) = at {
            texts.push(cause.text());
            at = match cause {
                Cause::Plain(_) => None,
                Cause::Failure(failure) => failure.cause.as_deref(),
                Cause::Wrapped { failure, .. } => {
                    texts.push(failure.text());
                    failure.cause.as_deref()
                }
            };
        }
        texts
    }

    fn write(&self, text: &mut String) {
        text.push_str(&self.prefix);
        if let Some(cause) = &self.cause {
            cause.write(text);
        }
    }
}

impl Cause {
    fn text(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        match self {
            Cause::Plain(plain) => text.push_str(plain),
            Cause::Failure(failure) => failure.write(text),
            Cause::Wrapped { prefix, failure } => {
                text.push_str(prefix);
                failure.write(text);
            }
        }
    }
}
