//! PURE: `spec.pathPattern`: each directory that matches makes the artifacts of the spec once.

use super::{
    allowance::{Allowance, Cost, Spent},
    room::{Full, Room},
};
use artifact::{Node, Tree};
use crds::extensions::{ArtifactGenerator, ArtifactGeneratorSpec, CopyOperation, OutputArtifact};
use regex::Regex;
use runtime::name::is_object_name;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// The artifacts to make. Each is put together when it is its turn: all of them at once can be a thousand times the spec.
#[derive(Debug)]
pub struct Plan {
    pattern: Option<Regex>,
    wanted: Vec<Wanted>,
}

/// An artifact to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What it is called.
    pub name: String,
    /// Its place in the spec.
    artifact: usize,
    /// The directory that it is made for; empty without a pattern.
    directory: String,
}

/// The same without names in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// What to make.
    pub artifact: OutputArtifact,
    /// What the names in braces stand for, as labels.
    pub labels: BTreeMap<String, String>,
}

/// The longest value of a label (Kubernetes).
const MAX_LABEL: usize = 63;

/// A variable stands for any characters, each in up to four bytes: what it adds to the work of comparing one.
const VARIABLE: usize = 16;

/// Why a spec does not make artifacts. Only a change of the spec, or of the source, helps.
#[derive(Debug, Error)]
pub enum ExpandError {
    /// Its pattern does not.
    #[error("failed to expand path pattern: pathPattern \"{pattern}\": {problem}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Why.
        problem: Problem,
    },
    /// They are too many.
    #[error(transparent)]
    Full(#[from] Full),
}

/// Why a pattern does not make artifacts.
#[derive(Debug, Error)]
pub enum Problem {
    #[error("it is not of the form '@alias/pattern'")]
    Form,
    #[error("source alias {0} not found")]
    Alias(String),
    #[error("{0}")]
    Braces(#[from] BraceError),
    #[error("duplicate capture variable \"{0}\"")]
    Duplicate(String),
    #[error("captured value \"{value}\" for variable \"{name}\" is not a valid Kubernetes label value")]
    Label { name: String, value: String },
    #[error("failed to render artifact {artifact} for match {directory}: {source}")]
    Render {
        artifact: String,
        directory: String,
        source: BraceError,
    },
    #[error("rendered artifact name \"{0}\" is not a valid Kubernetes object name")]
    Name(String),
    #[error("directories \"{first}\" and \"{second}\" both resolve to artifact name \"{name}\"")]
    Collision {
        first: String,
        second: String,
        name: String,
    },
    #[error("it is too large")]
    TooLarge,
    #[error(transparent)]
    Full(#[from] Full),
    #[error(transparent)]
    Spent(#[from] Spent),
}

/// What is wrong with a text with names in braces.
#[derive(Debug, Error)]
pub enum BraceError {
    #[error("\"{0}\" has a brace without its other half")]
    Unpaired(String),
    #[error("capture variable \"{0}\" must match [A-Za-z_][A-Za-z0-9_]*")]
    Variable(String),
    #[error("capture variable \"{0}\" is not defined by pathPattern")]
    Undefined(String),
}

/// The artifacts to make: those of the spec, or those of each directory that its pattern matches.
///
/// Values are put into names and labels in lower case, and into paths as they are (Flux's source-watcher).
///
/// # Errors
/// A malformed pattern; directories whose names are no labels, or that make two artifacts of one name; more artifacts than
/// the object can tell of.
pub fn expand(
    object: &ArtifactGenerator,
    sources: &BTreeMap<String, Tree>,
    allowance: &Allowance,
) -> Result<Plan, ExpandError> {
    let (spec, mut room) = (&object.spec, Room::of(object));
    if spec.path_pattern.is_empty() {
        let mut wanted = Vec::new();
        for (number, artifact) in spec.artifacts.iter().enumerate() {
            room.take(&artifact.name)?;
            wanted.push(Wanted {
                name: artifact.name.clone(),
                artifact: number,
                directory: String::new(),
            });
        }
        return Ok(Plan {
            pattern: None,
            wanted,
        });
    }
    matched(spec, sources, room, allowance).map_err(|problem| told(spec, problem))
}

impl Plan {
    /// All of them.
    pub fn wanted(&self) -> &[Wanted] {
        &self.wanted
    }

    /// One of them, with all that it is made of.
    ///
    /// # Errors
    /// None: it has been looked at.
    pub fn render(&self, spec: &ArtifactGeneratorSpec, wanted: &Wanted) -> Result<Rendered, ExpandError> {
        let artifact = spec.artifacts.get(wanted.artifact).cloned().unwrap_or_default();
        let Some(pattern) = &self.pattern else {
            return Ok(Rendered {
                artifact,
                labels: BTreeMap::new(),
            });
        };
        let values = captures(pattern, &wanted.directory).unwrap_or_default();
        let rendered = labels(&values).and_then(|labels| {
            let artifact = render(artifact, &labels, &values, &wanted.directory)?;
            Ok(Rendered { artifact, labels })
        });
        rendered.map_err(|problem| told(spec, problem))
    }
}

fn told(spec: &ArtifactGeneratorSpec, problem: Problem) -> ExpandError {
    ExpandError::Pattern {
        pattern: spec.path_pattern.clone(),
        problem,
    }
}

fn matched(
    spec: &ArtifactGeneratorSpec,
    sources: &BTreeMap<String, Tree>,
    mut room: Room,
    allowance: &Allowance,
) -> Result<Plan, Problem> {
    let parts = spec
        .path_pattern
        .strip_prefix('@')
        .and_then(|rest| rest.split_once('/'));
    let (alias, pattern) = parts.ok_or(Problem::Form)?;
    let source = sources
        .get(alias)
        .ok_or_else(|| Problem::Alias(alias.to_owned()))?;
    let pieces = pieces(pattern)?;
    let mut seen = BTreeSet::new();
    for name in pieces.iter().filter_map(Piece::variable) {
        if !seen.insert(name) {
            return Err(Problem::Duplicate(name.to_owned()));
        }
    }
    let (regex, weight) = (regex(&pieces)?, pattern.len() + VARIABLE * seen.len());
    let mut wanted: Vec<Wanted> = Vec::new();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for directory in directories(source) {
        allowance.take(Cost::Compared, (directory.len() * weight) as u64)?;
        let Some(values) = captures(&regex, &directory) else {
            continue;
        };
        let labels = labels(&values)?;
        for (number, artifact) in spec.artifacts.iter().enumerate() {
            // What can be rendered for one directory can be for all: they have the same variables.
            if wanted.len() < spec.artifacts.len() {
                render(artifact.clone(), &labels, &values, &directory)?;
            }
            let name = named(artifact, &labels, &directory)?;
            if let Some(first) = names.insert(name.clone(), directory.clone()) {
                let second = directory;
                return Err(Problem::Collision { first, second, name });
            }
            room.take(&name)?;
            wanted.push(Wanted {
                name,
                artifact: number,
                directory: directory.clone(),
            });
        }
    }
    Ok(Plan {
        pattern: Some(regex),
        wanted,
    })
}

/// A piece of a text with names in braces.
#[derive(Debug, Clone, Copy)]
enum Piece<'a> {
    Text(&'a str),
    Variable(&'a str),
}

impl<'a> Piece<'a> {
    fn variable(&self) -> Option<&'a str> {
        match self {
            Self::Text(_) => None,
            Self::Variable(name) => Some(name),
        }
    }
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, BraceError> {
    let unpaired = || BraceError::Unpaired(text.to_owned());
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{', '}']) {
        let inner = rest[open..].strip_prefix('{').ok_or_else(unpaired)?;
        let (name, after) = inner.split_once('}').ok_or_else(unpaired)?;
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if !name.chars().all(good) || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
            return Err(BraceError::Variable(name.to_owned()));
        }
        pieces.extend([Piece::Text(&rest[..open]), Piece::Variable(name)]);
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

fn directories(source: &Tree) -> impl Iterator<Item = String> {
    source
        .walk()
        .filter_map(|(path, node)| matches!(node, Node::Directory).then_some(path))
}

/// The pattern as a regular expression, each variable as much of one part of a path as it can be.
fn regex(pieces: &[Piece<'_>]) -> Result<Regex, Problem> {
    let piece = |piece: &Piece<'_>| match piece {
        Piece::Text(text) => regex::escape(text),
        Piece::Variable(name) => format!("(?P<{name}>[^/]+)"),
    };
    let text: String = pieces.iter().map(piece).collect();
    Regex::new(&format!("^{text}$")).map_err(|_| Problem::TooLarge)
}

/// What the variables stand for in a path that matches as a whole.
fn captures(regex: &Regex, path: &str) -> Option<BTreeMap<String, String>> {
    let found = regex.captures(path)?;
    let named = regex.capture_names().flatten();
    let value = |name: &str| Some((name.to_owned(), found.name(name)?.as_str().to_owned()));
    named.map(value).collect()
}

fn labels(values: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>, Problem> {
    let lower = values.iter().map(|(name, value)| {
        let value = value.to_lowercase();
        if is_label(&value) {
            Ok((name.clone(), value))
        } else {
            Err(Problem::Label {
                name: name.clone(),
                value,
            })
        }
    });
    lower.collect()
}

fn named(
    artifact: &OutputArtifact,
    labels: &BTreeMap<String, String>,
    directory: &str,
) -> Result<String, Problem> {
    let name = fill(&artifact.name, labels).map_err(|source| unrendered(artifact, directory, source))?;
    match is_object_name(&name) {
        true => Ok(name),
        false => Err(Problem::Name(name)),
    }
}

fn render(
    artifact: OutputArtifact,
    labels: &BTreeMap<String, String>,
    values: &BTreeMap<String, String>,
    directory: &str,
) -> Result<OutputArtifact, Problem> {
    let fill = |text: &str| fill(text, values).map_err(|source| unrendered(&artifact, directory, source));
    let name = named(&artifact, labels, directory)?;
    let copy = artifact.copy.iter().map(|copy| {
        Ok(CopyOperation {
            from: fill(&copy.from)?,
            to: fill(&copy.to)?,
            ..copy.clone()
        })
    });
    let copy = copy.collect::<Result<_, Problem>>()?;
    Ok(OutputArtifact {
        name,
        copy,
        ..artifact
    })
}

fn unrendered(artifact: &OutputArtifact, directory: &str, source: BraceError) -> Problem {
    Problem::Render {
        artifact: artifact.name.clone(),
        directory: directory.to_owned(),
        source,
    }
}

fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String, BraceError> {
    let mut filled = String::new();
    for piece in pieces(text)? {
        filled += match piece {
            Piece::Text(text) => text,
            Piece::Variable(name) => values
                .get(name)
                .ok_or_else(|| BraceError::Undefined(name.to_owned()))?,
        };
    }
    Ok(filled)
}

fn is_label(value: &str) -> bool {
    let inner = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let edge = |c: char| c.is_ascii_alphanumeric();
    value.len() <= MAX_LABEL && value.chars().all(inner) && value.starts_with(edge) && value.ends_with(edge)
}

#[cfg(test)]
mod tests;
