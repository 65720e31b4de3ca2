//! PURE: `spec.pathPattern`: each directory that matches makes the artifacts of the spec once.

use artifact::{Node, Tree};
use crds::extensions::{ArtifactGeneratorSpec, CopyOperation, OutputArtifact};
use regex::Regex;
use runtime::name::is_object_name;
use std::collections::{BTreeMap, BTreeSet};
use thiserror::Error;

/// An artifact to make, without names in braces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What to make.
    pub artifact: OutputArtifact,
    /// What the names in braces stand for, as labels.
    pub labels: BTreeMap<String, String>,
}

/// More artifacts of one object are refused.
const MAX_ARTIFACTS: usize = 10_000;
/// The longest value of a label (Kubernetes).
const MAX_LABEL: usize = 63;

/// Why a pattern does not make artifacts. Only a change of the spec, or of the source, helps.
#[derive(Debug, Error)]
#[error("pathPattern \"{pattern}\": {problem}")]
pub struct ExpandError {
    pattern: String,
    problem: Problem,
}

#[derive(Debug, Error)]
enum Problem {
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
    #[error("it makes more than {MAX_ARTIFACTS} artifacts")]
    TooMany,
    #[error("it is too large")]
    TooLarge,
}

#[derive(Debug, Error)]
enum BraceError {
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
/// A malformed pattern; directories whose names are no labels, or that make two artifacts of one name.
pub fn expand(
    spec: &ArtifactGeneratorSpec,
    sources: &BTreeMap<String, Tree>,
) -> Result<Vec<Wanted>, ExpandError> {
    if spec.path_pattern.is_empty() {
        let plain = |artifact: &OutputArtifact| Wanted {
            artifact: artifact.clone(),
            labels: BTreeMap::new(),
        };
        return Ok(spec.artifacts.iter().map(plain).collect());
    }
    matched(spec, sources).map_err(|problem| ExpandError {
        pattern: spec.path_pattern.clone(),
        problem,
    })
}

fn matched(spec: &ArtifactGeneratorSpec, sources: &BTreeMap<String, Tree>) -> Result<Vec<Wanted>, Problem> {
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
    let regex = regex(&pieces)?;
    let mut wanted = Vec::new();
    let mut names: BTreeMap<String, String> = BTreeMap::new();
    for directory in directories(source) {
        let Some(values) = captures(&regex, &directory) else {
            continue;
        };
        let labels = labels(&values)?;
        for artifact in &spec.artifacts {
            let artifact = render(artifact, &labels, &values).map_err(|source| Problem::Render {
                artifact: artifact.name.clone(),
                directory: directory.clone(),
                source,
            })?;
            let name = artifact.name.clone();
            if !is_object_name(&name) {
                return Err(Problem::Name(name));
            }
            if let Some(first) = names.insert(name.clone(), directory.clone()) {
                let second = directory;
                return Err(Problem::Collision { first, second, name });
            }
            if wanted.len() == MAX_ARTIFACTS {
                return Err(Problem::TooMany);
            }
            wanted.push(Wanted {
                artifact,
                labels: labels.clone(),
            });
        }
    }
    Ok(wanted)
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

fn render(
    artifact: &OutputArtifact,
    labels: &BTreeMap<String, String>,
    values: &BTreeMap<String, String>,
) -> Result<OutputArtifact, BraceError> {
    let copy = artifact.copy.iter().map(|copy| {
        Ok(CopyOperation {
            from: fill(&copy.from, values)?,
            to: fill(&copy.to, values)?,
            ..copy.clone()
        })
    });
    Ok(OutputArtifact {
        name: fill(&artifact.name, labels)?,
        copy: copy.collect::<Result<_, BraceError>>()?,
        ..artifact.clone()
    })
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
mod tests {
    use super::*;

    fn check(pattern: &str, name: &str, paths: &[&str], expected: Result<&[(&str, &str)], &str>) {
        let files = paths.iter().map(|path| (format!("{path}/file"), Vec::new()));
        let sources = [("repo".to_owned(), Tree::from_files(files).unwrap())].into();
        let from = format!("{pattern}/**");
        let spec = ArtifactGeneratorSpec {
            path_pattern: pattern.to_owned(),
            artifacts: vec![OutputArtifact {
                name: name.to_owned(),
                copy: vec![CopyOperation {
                    from,
                    to: "@artifact/".to_owned(),
                    ..CopyOperation::default()
                }],
                ..OutputArtifact::default()
            }],
            ..ArtifactGeneratorSpec::default()
        };
        match (expand(&spec, &sources), expected) {
            (Ok(made), Ok(expected)) => {
                let made: Vec<(&str, &str)> = made
                    .iter()
                    .map(|w| (&*w.artifact.name, &*w.artifact.copy[0].from))
                    .collect();
                assert_eq!(made, expected, "{pattern}");
            }
            (Err(error), Err(expected)) => {
                assert_eq!(
                    error.to_string(),
                    format!("pathPattern \"{pattern}\": {expected}")
                );
            }
            (made, _) => panic!("{pattern}: {made:?}"),
        }
    }

    #[test]
    fn each_directory_makes_its_artifacts() {
        let paths = ["apps/Web/envs/prod", "apps/web-2/envs/dev", "apps/web-2/other"];
        check(
            "@repo/apps/{app}/envs/{env}",
            "{app}-{env}",
            &paths,
            Ok(&[
                ("web-prod", "@repo/apps/Web/envs/prod/**"),
                ("web-2-dev", "@repo/apps/web-2/envs/dev/**"),
            ]),
        );
        check(
            "@repo/apps/{a}-{n}",
            "x-{n}",
            &paths,
            Ok(&[("x-2", "@repo/apps/web-2/**")]),
        );
        check("@repo/none/{app}", "{app}", &paths, Ok(&[]));
    }

    #[test]
    fn what_makes_no_artifacts_is_told() {
        let one = |pattern, name, paths: &[&str], expected| check(pattern, name, paths, Err(expected));
        one(
            "@repo/{a",
            "x",
            &["a"],
            "\"{a\" has a brace without its other half",
        );
        one(
            "@repo/a}",
            "x",
            &["a"],
            "\"a}\" has a brace without its other half",
        );
        one(
            "@repo/{1a}",
            "x",
            &["a"],
            "capture variable \"1a\" must match [A-Za-z_][A-Za-z0-9_]*",
        );
        one("@repo/{a}/{a}", "x", &["a/b"], "duplicate capture variable \"a\"");
        one("@other/{a}", "x", &["a"], "source alias other not found");
        one(
            "@repo/{a}",
            "{b}",
            &["a"],
            "failed to render artifact {b} for match a: capture variable \"b\" is not defined by pathPattern",
        );
        one(
            "@repo/{a}",
            "{a}",
            &[".hidden"],
            "captured value \".hidden\" for variable \"a\" is not a valid Kubernetes label value",
        );
        one(
            "@repo/{a}",
            "{a}",
            &["a_b"],
            "rendered artifact name \"a_b\" is not a valid Kubernetes object name",
        );
        one(
            "@repo/{a}",
            "{a}",
            &["Auth", "auth"],
            "directories \"Auth\" and \"auth\" both resolve to artifact name \"auth\"",
        );
    }
}
