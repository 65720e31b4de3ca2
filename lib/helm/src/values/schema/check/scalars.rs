//! Texts and numbers.

use super::{Validator, size};
use crate::funcs::decimal::Decimal;
use crate::values::schema::words::{Failure, count, number, single};
use serde_json::{Map, Value as Json};

impl Validator<'_, '_> {
    pub(super) fn text(
        &mut self,
        schema: &Map<String, Json>,
        text: &str,
        failures: &mut Vec<Failure>,
    ) -> Result<(), String> {
        let length = text.chars().count();
        if let Some(least) = size(schema, "minLength").filter(|&least| length < least) {
            let words = format!("minLength: got {}, want {}", count(length), count(least));
            failures.push(self.failure(words, Vec::new()));
        }
        if let Some(most) = size(schema, "maxLength").filter(|&most| length > most) {
            let words = format!("maxLength: got {}, want {}", count(length), count(most));
            failures.push(self.failure(words, Vec::new()));
        }
        if let Some(pattern) = schema.get("pattern").and_then(Json::as_str)
            && !self.matches(pattern, text)?
        {
            let words = format!("{} does not match pattern {}", single(text), single(pattern));
            failures.push(self.failure(words, Vec::new()));
        }
        Ok(())
    }

    pub(super) fn number(&self, schema: &Map<String, Json>, value: f64, failures: &mut Vec<Failure>) {
        let mut complain = |name: &str, limit: f64| {
            let words = format!("{name}: got {}, want {}", number(value), number(limit));
            failures.push(self.failure(words, Vec::new()));
        };
        let limit = |name: &str| schema.get(name).and_then(Json::as_f64);
        let old = |name: &str| self.document.draft == 4 && schema.get(name) == Some(&Json::Bool(true));
        if let Some(least) = limit("minimum") {
            if old("exclusiveMinimum") {
                if value <= least {
                    complain("exclusiveMinimum", least);
                }
            } else if value < least {
                complain("minimum", least);
            }
        }
        if let Some(most) = limit("maximum") {
            if old("exclusiveMaximum") {
                if value >= most {
                    complain("exclusiveMaximum", most);
                }
            } else if value > most {
                complain("maximum", most);
            }
        }
        if let Some(least) = limit("exclusiveMinimum").filter(|&least| value <= least) {
            complain("exclusiveMinimum", least);
        }
        if let Some(most) = limit("exclusiveMaximum").filter(|&most| value >= most) {
            complain("exclusiveMaximum", most);
        }
        if let Some(unit) = limit("multipleOf").filter(|&unit| unit > 0.0) {
            let whole = match (Decimal::from_float(value), Decimal::from_float(unit)) {
                (Ok(value), Ok(unit)) => value.is_multiple_of(&unit),
                _ => false,
            };
            if !whole {
                complain("multipleOf", unit);
            }
        }
    }

    pub(super) fn matches(&mut self, pattern: &str, text: &str) -> Result<bool, String> {
        if let Some(regex) = self.patterns.get(pattern) {
            return Ok(regex.is_match(text));
        }
        let regex = re2::compile_within(pattern, 4 << 20)
            .map_err(|_| format!("{} is not valid regex", single(pattern)))?;
        let found = regex.is_match(text);
        self.patterns.insert(pattern.to_string(), regex);
        Ok(found)
    }
}
