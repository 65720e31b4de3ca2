//! Kubernetes' selectors for labels: `a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1`.

use thiserror::Error;

/// A selector; an empty one selects everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

/// A selector that cannot be read.
#[derive(Debug, Error)]
#[error("'{selector}' is no label selector: {problem}")]
pub struct SelectorError {
    /// The selector.
    pub selector: String,
    /// What is wrong.
    pub problem: String,
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

impl LabelSelector {
    /// Reads a selector in the syntax of `kubectl get -l`.
    ///
    /// # Errors
    /// When it cannot be read, with what was found instead of what.
    pub fn parse(selector: &str) -> Result<Self, SelectorError> {
        parse(selector).map(Self)
    }

    /// Whether labels (or annotations) are as asked: `value` gives that of a key, if it is there.
    pub fn selects<'a>(&self, value: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0
            .iter()
            .all(|requirement| requirement.test.holds(value(&requirement.key)))
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

/// Reads `a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1`.
fn parse(selector: &str) -> Result<Vec<Requirement>, SelectorError> {
    let bad = |problem: String| SelectorError {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn selects(selector: &str) -> bool {
        let value = |key: &str| match key {
            "app" => Some("web"),
            "size" => Some("3"),
            _ => None,
        };
        LabelSelector::parse(selector).unwrap().selects(value)
    }

    #[test]
    fn each_operator_holds_or_not() {
        for (selector, expected) in [
            ("", true),
            ("app=web", true),
            ("app==db", false),
            ("app!=db,tier!=x", true),
            ("app in (db, web)", true),
            ("app notin (web)", false),
            ("tier notin (web)", true),
            ("app,!tier", true),
            ("tier", false),
            ("!app", false),
            ("size>2,size<4", true),
            ("size>3", false),
            ("tier>3", false),
        ] {
            assert_eq!(selects(selector), expected, "{selector}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_told() {
        for selector in ["=", "a=b c", "a in", "a in (b", "a>x", ",", "a,", "a=b,,c"] {
            let error = LabelSelector::parse(selector).unwrap_err();
            assert_eq!(error.selector, selector);
            assert!(!error.problem.is_empty());
        }
    }
}
