//! From text to parts: what stands between `${` and `}`, and the text between.

use super::error::ExpandError;
use regex::Regex;
use std::sync::LazyLock;

/// References may stand in arguments of references; deeper than this is no honest manifest.
const DEPTH: usize = 50;

/// A name in `${}` may have letters and digits of any script, though only ASCII ones can be given a value.
static NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\A[_\p{L}\p{Nd}]+").expect("the pattern is a constant"));

/// A piece of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(String),
    Reference(Reference),
}

/// One `${…}`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reference {
    pub name: String,
    pub operation: Operation,
}

/// What is done with the value.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// `${v}`, and `${v,^}`, which is accepted without a meaning.
    Plain,
    /// `${#v}`: how many bytes it has.
    Length,
    /// `${v^}`, `${v^^}`, `${v,}`, `${v,,}`.
    Case { upper: bool, all: bool },
    /// `${v:offset}`, `${v:offset:length}`.
    Substring {
        offset: Box<Part>,
        length: Option<Box<Part>>,
    },
    /// `${v#glob}`, `${v##glob}`, `${v%glob}`, `${v%%glob}`.
    Trim {
        end: bool,
        longest: bool,
        glob: Box<Part>,
    },
    /// `${v/old/new}` and its kin.
    Replace {
        place: Place,
        old: Box<Part>,
        new: Option<Box<Part>>,
    },
    /// `${v=word}`, `${v:=word}`, `${v:-word}`; `:?` and `:+` mean the same here.
    Default(Vec<Part>),
}

/// Which occurrences a replacement is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    First,
    All,
    Start,
    End,
}

/// Which escapes a piece of text knows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    None,
    /// `$$`.
    Dollar,
    /// `$$`, `\/` and `\\`.
    All,
}

/// The parts of `text`, in order.
pub(super) fn parse(text: &str) -> Result<Vec<Part>, ExpandError> {
    let mut reader = Reader { rest: text };
    let mut parts = Vec::new();
    while !reader.rest.is_empty() {
        parts.push(if reader.take("${") {
            Part::Reference(reader.reference(1)?)
        } else {
            Part::Text(reader.text("", Escapes::Dollar))
        });
    }
    Ok(parts)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    /// After `${`, to its `}`.
    fn reference(&mut self, depth: usize) -> Result<Reference, ExpandError> {
        if depth > DEPTH {
            return Err(ExpandError::TooDeep { limit: DEPTH });
        }
        if self.take("#") {
            let name = self.name().ok_or(ExpandError::BadSubstitution)?;
            self.close()?;
            return Ok(Reference {
                name,
                operation: Operation::Length,
            });
        }
        let name = self.name().ok_or(ExpandError::VariableName)?;
        let operation = match self.rest.chars().next() {
            Some(':') => self.colon(depth)?,
            Some('=') => {
                self.take("=");
                self.default(depth)?
            }
            Some(',' | '^') => self.case()?,
            Some('/') => self.replace(depth)?,
            Some('#') => self.trim("#", depth)?,
            Some('%') => self.trim("%", depth)?,
            _ if self.take("}") => Operation::Plain,
            _ => return Err(ExpandError::MissingBrace),
        };
        Ok(Reference { name, operation })
    }

    fn colon(&mut self, depth: usize) -> Result<Operation, ExpandError> {
        self.take(":");
        match self.rest.chars().next() {
            Some('=' | '-' | '?' | '+') => {
                self.skip(1);
                self.default(depth)
            }
            // Flux loses its place here.
            None => Err(ExpandError::BadSubstitution),
            Some(c) if !c.is_ascii() => Err(ExpandError::BadSubstitution),
            Some(_) => self.substring(depth),
        }
    }

    fn default(&mut self, depth: usize) -> Result<Operation, ExpandError> {
        let mut words = Vec::new();
        while !self.take("}") {
            words.push(self.argument("}", Escapes::None, depth)?);
        }
        Ok(Operation::Default(words))
    }

    fn substring(&mut self, depth: usize) -> Result<Operation, ExpandError> {
        let offset = Box::new(self.argument(":}", Escapes::None, depth)?);
        if self.take("}") {
            return Ok(Operation::Substring { offset, length: None });
        }
        self.delimiter(':')?;
        let length = Box::new(self.argument("}", Escapes::None, depth)?);
        self.close()?;
        Ok(Operation::Substring {
            offset,
            length: Some(length),
        })
    }

    fn case(&mut self) -> Result<Operation, ExpandError> {
        let operation = match self.rest.as_bytes() {
            [b'^', b',', ..] | [b',', b'^', ..] => Operation::Plain,
            [first, second, ..] => Operation::Case {
                upper: *first == b'^',
                all: first == second,
            },
            _ => return Err(ExpandError::BadSubstitution),
        };
        self.skip(if matches!(operation, Operation::Case { all: false, .. }) {
            1
        } else {
            2
        });
        self.close()?;
        Ok(operation)
    }

    fn trim(&mut self, sign: &str, depth: usize) -> Result<Operation, ExpandError> {
        self.take(sign);
        let longest = self.take(sign);
        let glob = Box::new(self.argument("}", Escapes::None, depth)?);
        self.close()?;
        Ok(Operation::Trim {
            end: sign == "%",
            longest,
            glob,
        })
    }

    fn replace(&mut self, depth: usize) -> Result<Operation, ExpandError> {
        self.take("/");
        let place = if self.take("/") {
            Place::All
        } else if self.take("#") {
            Place::Start
        } else if self.take("%") {
            Place::End
        } else {
            Place::First
        };
        let old = Box::new(self.argument("/", Escapes::All, depth)?);
        self.delimiter('/')?;
        if self.take("}") {
            return Ok(Operation::Replace {
                place,
                old,
                new: None,
            });
        }
        let new = Box::new(self.argument("}", Escapes::All, depth)?);
        self.close()?;
        Ok(Operation::Replace {
            place,
            old,
            new: Some(new),
        })
    }

    /// One nested reference, or text up to a character of `stop`; never nothing.
    fn argument(&mut self, stop: &str, escapes: Escapes, depth: usize) -> Result<Part, ExpandError> {
        if self.take("${") {
            return self.reference(depth + 1).map(Part::Reference);
        }
        let text = self.text(stop, escapes);
        if text.is_empty() {
            Err(ExpandError::Argument)
        } else {
            Ok(Part::Text(text))
        }
    }

    /// Text up to a `${`, a character of `stop`, or the end.
    fn text(&mut self, stop: &str, escapes: Escapes) -> String {
        let mut text = String::new();
        while let Some(next) = self.rest.chars().next() {
            let following = self.rest[next.len_utf8()..].chars().next();
            let escaped = match (next, following) {
                ('$', Some('{')) => break,
                ('$', Some('$')) => escapes != Escapes::None,
                ('\\', Some('/' | '\\')) => escapes == Escapes::All,
                _ => false,
            };
            if escaped {
                self.skip(1);
            } else if stop.contains(next) {
                break;
            }
            let kept = following.filter(|_| escaped).unwrap_or(next);
            text.push(kept);
            self.skip(kept.len_utf8());
        }
        text
    }

    fn name(&mut self) -> Option<String> {
        let name = NAME.find(self.rest)?.as_str().to_owned();
        self.skip(name.len());
        Some(name)
    }

    /// Flux takes a repeated delimiter as one.
    fn delimiter(&mut self, sign: char) -> Result<(), ExpandError> {
        let after = self.rest.trim_start_matches(sign);
        if after.len() == self.rest.len() {
            return Err(ExpandError::BadSubstitution);
        }
        self.rest = after;
        Ok(())
    }

    fn close(&mut self) -> Result<(), ExpandError> {
        if self.take("}") {
            Ok(())
        } else {
            Err(ExpandError::BadSubstitution)
        }
    }

    fn take(&mut self, prefix: &str) -> bool {
        let after = self.rest.strip_prefix(prefix);
        self.rest = after.unwrap_or(self.rest);
        after.is_some()
    }

    fn skip(&mut self, bytes: usize) {
        self.rest = self.rest.get(bytes..).unwrap_or_default();
    }
}
