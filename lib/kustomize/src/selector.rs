//! Which objects an entry is about: anchored patterns for ids, Kubernetes selectors for labels and annotations.

use crate::Error;
use crate::id::Id;
use crate::kustomization::Selector;
use crate::object::Object;
use regex::Regex;

/// A selector ready to be asked.
pub(crate) struct Matcher {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    name: Option<Regex>,
    namespace: Option<Regex>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
}

/// One condition on a label: `key op values`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Missing,
    In(Vec<String>),
    NotIn(Vec<String>),
    Greater(i64),
    Less(i64),
}

impl Matcher {
    /// # Errors
    /// A pattern that is no regular expression, a selector that cannot be read.
    pub(crate) fn new(selector: &Selector) -> Result<Matcher, Error> {
        Ok(Matcher {
            group: pattern(&selector.group)?,
            version: pattern(&selector.version)?,
            kind: pattern(&selector.kind)?,
            name: pattern(&selector.name)?,
            namespace: pattern(&selector.namespace)?,
            labels: parse(&selector.label_selector)?,
            annotations: parse(&selector.annotation_selector)?,
        })
    }

    /// True if the object is meant: name and namespace of now or of the beginning, the kind of now.
    pub(crate) fn selects(&self, object: &Object) -> bool {
        let (now, first) = (object.id(), object.original_id());
        let either = |pattern: &Option<Regex>, part: fn(&Id) -> &str| {
            is_match(pattern, part(&now)) || is_match(pattern, part(&first))
        };
        either(&self.namespace, Id::effective_namespace)
            && either(&self.name, |id| &id.name)
            && is_match(&self.group, &now.gvk.group)
            && is_match(&self.version, &now.gvk.version)
            && is_match(&self.kind, &now.gvk.kind)
            && self.selects_metadata(object)
    }

    /// True if the id as it stands is meant; no namespace is not `default` here.
    pub(crate) fn selects_id(&self, id: &Id) -> bool {
        is_match(&self.group, &id.gvk.group)
            && is_match(&self.version, &id.gvk.version)
            && is_match(&self.kind, &id.gvk.kind)
            && is_match(&self.name, &id.name)
            && is_match(&self.namespace, &id.namespace)
    }

    /// True if labels and annotations are as asked.
    pub(crate) fn selects_metadata(&self, object: &Object) -> bool {
        let all = |requirements: &[Requirement], field: &str| {
            requirements.iter().all(|requirement| {
                let value = object.strings(field).find(|(key, _)| *key == requirement.key);
                requirement.test.holds(value.map(|(_, value)| value))
            })
        };
        all(&self.labels, "labels") && all(&self.annotations, "annotations")
    }
}

impl Test {
    fn holds(&self, value: Option<&str>) -> bool {
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match self {
            Test::Exists => value.is_some(),
            Test::Missing => value.is_none(),
            Test::In(values) => value.is_some_and(|value| values.iter().any(|v| v == value)),
            Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|v| v != value)),
            Test::Greater(limit) => number().is_some_and(|value| value > *limit),
            Test::Less(limit) => number().is_some_and(|value| value < *limit),
        }
    }
}

fn is_match(pattern: &Option<Regex>, text: &str) -> bool {
    pattern.as_ref().is_none_or(|pattern| pattern.is_match(text))
}

/// A pattern for the whole text; an empty one matches all.
pub(crate) fn pattern(text: &str) -> Result<Option<Regex>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let compiled = Regex::new(&format!("^(?:{text})$"));
    compiled.map(Some).map_err(|e| Error::Pattern {
        pattern: text.to_string(),
        problem: e.to_string(),
    })
}

/// Reads `a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1`.
fn parse(selector: &str) -> Result<Vec<Requirement>, Error> {
    let bad = |problem: String| Error::Selector {
        selector: selector.to_string(),
        problem,
    };
    let tokens = lex(selector);
    let mut rest = tokens.as_slice();
    let mut requirements = Vec::new();
    while !rest.is_empty() {
        let (requirement, after) = requirement(rest).map_err(bad)?;
        requirements.push(requirement);
        rest = match after {
            [] => after,
            [",", after @ ..] if !after.is_empty() => after,
            [found, ..] => return Err(bad(format!("found '{found}', expected: ',' or 'end of string'"))),
        };
    }
    Ok(requirements)
}

type Parsed<'t, 's, T> = Result<(T, &'t [&'s str]), String>;

fn requirement<'t, 's>(tokens: &'t [&'s str]) -> Parsed<'t, 's, Requirement> {
    let new = |key: &str, test| Requirement {
        key: key.to_string(),
        test,
    };
    match tokens {
        ["!", key, rest @ ..] if is_word(key) => Ok((new(key, Test::Missing), rest)),
        [key, "in", rest @ ..] if is_word(key) => {
            list(rest).map(|(values, rest)| (new(key, Test::In(values)), rest))
        }
        [key, "notin", rest @ ..] if is_word(key) => {
            list(rest).map(|(values, rest)| (new(key, Test::NotIn(values)), rest))
        }
        [key, op @ ("=" | "==" | "!=" | ">" | "<"), rest @ ..] if is_word(key) => {
            let (value, rest) = match rest {
                [value, rest @ ..] if is_word(value) => (*value, rest),
                rest => ("", rest),
            };
            let number = || {
                value
                    .parse()
                    .map_err(|_| format!("for '{op}' the value must be an integer, not '{value}'"))
            };
            let test = match *op {
                "!=" => Test::NotIn(vec![value.to_string()]),
                ">" => Test::Greater(number()?),
                "<" => Test::Less(number()?),
                _ => Test::In(vec![value.to_string()]),
            };
            Ok((new(key, test), rest))
        }
        [key, rest @ ..] if is_word(key) => Ok((new(key, Test::Exists), rest)),
        [found, ..] => Err(format!(
            "found '{found}', expected: !, identifier, or 'end of string'"
        )),
        [] => Err("found '', expected: identifier".to_string()),
    }
}

fn list<'t, 's>(tokens: &'t [&'s str]) -> Parsed<'t, 's, Vec<String>> {
    let Some((&"(", inside)) = tokens.split_first() else {
        return Err("expected: '('".to_string());
    };
    let end = inside
        .iter()
        .position(|&token| token == ")")
        .ok_or("expected: ',' or ')'")?;
    let words = inside[..end].iter().filter(|&&token| token != ",");
    Ok((
        words.map(|word| (*word).to_string()).collect(),
        &inside[end + 1..],
    ))
}

fn is_word(token: &str) -> bool {
    !matches!(token, "!" | "=" | "==" | "!=" | ">" | "<" | "(" | ")" | ",")
}

fn lex(text: &str) -> Vec<&str> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let symbol = ["==", "!=", "=", "!", ">", "<", "(", ")", ","]
            .into_iter()
            .find(|s| rest.starts_with(s));
        let len = symbol.map_or_else(
            || {
                rest.find(|c: char| c.is_whitespace() || "=!><(),".contains(c))
                    .unwrap_or(rest.len())
            },
            str::len,
        );
        tokens.push(&rest[..len]);
        rest = rest[len..].trim_start();
    }
    tokens
}
