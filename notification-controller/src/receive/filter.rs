//! PURE: which of a Receiver's objects a request is about, by the expressions of its author.

use super::validate::Invalid;
use crate::json::{self, NotAnObject};
use crds::notification::ReceiverSpec;
use expr::{Allowance, EvaluateError, Expression};
use serde_json::{Map, Value};

/// What filters may name: the object's metadata, the request's body, the token's claims.
const VARIABLES: [&str; 3] = ["res", "req", "claims"];

/// The filters of one Receiver.
#[derive(Debug)]
pub struct Filters {
    all: Option<Expression>,
    each: Vec<Option<Expression>>,
}

/// What a request tells filters.
#[derive(Debug, Clone, Default)]
pub struct Told {
    /// The body, if it is JSON.
    pub req: Value,
    /// What the token says.
    pub claims: Value,
}

impl Filters {
    /// Compiles what a Receiver says.
    ///
    /// # Errors
    /// The field whose expression cannot be used.
    pub fn compile(spec: &ReceiverSpec) -> Result<Self, Invalid> {
        let compile = |field: String, text: &Option<String>| {
            let text = text.as_deref().filter(|text| !text.is_empty());
            let compiled = text
                .map(|text| Expression::compile_checked(text, &VARIABLES))
                .transpose();
            compiled.map_err(|source| Invalid::Expression { field, source })
        };
        Ok(Self {
            all: compile("spec.resourceFilter".into(), &spec.resource_filter)?,
            each: spec
                .resources
                .iter()
                .enumerate()
                .map(|(n, resource)| compile(format!("spec.resources[{n}].filter"), &resource.filter))
                .collect::<Result<_, _>>()?,
        })
    }

    /// Whether there is any: only then the body has to be JSON.
    pub fn any(&self) -> bool {
        self.all.is_some() || self.each.iter().any(Option::is_some)
    }

    /// Whether there is any for the `n`th entry of `spec.resources`.
    pub fn any_for(&self, n: usize) -> bool {
        self.all.is_some() || self.each.get(n).is_some_and(Option::is_some)
    }

    /// Whether an object of the `n`th entry of `spec.resources` is meant, at the expense of what all objects have together.
    ///
    /// # Errors
    /// When an expression has no value, or one that is no boolean.
    pub fn select(
        &self,
        n: usize,
        res: &Value,
        told: &Told,
        allowance: &Allowance,
    ) -> Result<bool, EvaluateError> {
        let variables = [("res", res), ("req", &told.req), ("claims", &told.claims)];
        for expression in self.all.iter().chain(self.each.get(n).into_iter().flatten()) {
            if !expression.evaluate_within(allowance, &variables)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The body as filters see it (Flux): an object if its type is JSON, and an empty one otherwise.
///
/// # Errors
/// A body that says it is JSON and is no object.
pub fn body(content_type: Option<&str>, body: &[u8]) -> Result<Value, NotAnObject> {
    if !content_type.is_some_and(is_json) {
        return Ok(Value::Object(Map::new()));
    }
    json::object(body).map(Value::Object)
}

fn is_json(content_type: &str) -> bool {
    content_type
        .split(',')
        .map(|one| one.split(';').next().unwrap_or_default().trim())
        .any(|essence| essence.eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::notification::ReceiverResource;
    use serde_json::json;

    fn filters(all: &str, each: &[&str]) -> Filters {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let resource = |filter: &&str| ReceiverResource {
            filter: text(filter),
            ..Default::default()
        };
        let spec = ReceiverSpec {
            resource_filter: text(all),
            resources: each.iter().map(resource).collect(),
            ..Default::default()
        };
        Filters::compile(&spec).unwrap()
    }

    #[test]
    fn both_filters_have_to_hold() {
        let res = json!({"metadata": {"name": "app", "labels": {"tier": "web"}}});
        let told = Told {
            req: json!({"tag": "registry/app:v1"}),
            claims: json!({"sub": "ci"}),
        };
        for (all, each, expected) in [
            ("", "", true),
            ("req.tag.contains(res.metadata.name)", "", true),
            (
                "req.tag.contains(res.metadata.name)",
                "res.metadata.labels.tier == 'db'",
                false,
            ),
            ("", "claims.sub == 'ci'", true),
            ("false", "true", false),
        ] {
            let filters = filters(all, &[each]);
            assert_eq!(
                filters.select(0, &res, &told, &Allowance::of(1)).unwrap(),
                expected,
                "{all} / {each}"
            );
            assert_eq!(filters.any(), !(all.is_empty() && each.is_empty()));
        }
        let missing = filters("req.missing == 1", &[""]);
        assert!(missing.select(0, &res, &told, &Allowance::of(1)).is_err());
        assert!(!filters("", &["", "true"]).any_for(0));
    }

    #[test]
    fn a_body_is_read_only_where_it_says_it_is_json() {
        let object = |v: Value| Ok(v);
        for (content_type, text, expected) in [
            (None, "{", object(json!({}))),
            (Some("text/plain"), "{\"a\":1}", object(json!({}))),
            (
                Some("application/x-www-form-urlencoded"),
                "payload=%7B%7D",
                object(json!({})),
            ),
            (Some("application/json"), "{\"a\":1}", object(json!({"a": 1}))),
            (Some("Application/JSON; charset=utf-8"), "{}", object(json!({}))),
        ] {
            assert_eq!(
                body(content_type, text.as_bytes()),
                expected,
                "{content_type:?} {text}"
            );
        }
        for text in [
            "{",
            "[]",
            "1",
            "",
            "{}{}",
            &format!("{}{}", "{\"a\":".repeat(500), "}".repeat(500)),
        ] {
            assert!(body(Some("application/json"), text.as_bytes()).is_err(), "{text}");
        }
    }
}
