//! Objects and lists: their sizes and their parts.

use super::{MAX_STEPS, Seen, Validator, collect, size};
use crate::values::schema::words::{Failure, count, single, singles};
use serde_json::{Map, Value as Json};

impl<'s> Validator<'_, 's> {
    pub(super) fn object(
        &mut self,
        schema: &'s Map<String, Json>,
        object: &Map<String, Json>,
        value: &Json,
        seen: &mut Seen,
        failures: &mut Vec<Failure>,
    ) -> Result<(), String> {
        if let Some(least) = size(schema, "minProperties").filter(|&least| object.len() < least) {
            let words = format!(
                "minProperties: got {}, want {}",
                count(object.len()),
                count(least)
            );
            failures.push(self.failure(words, Vec::new()));
        }
        if let Some(most) = size(schema, "maxProperties").filter(|&most| object.len() > most) {
            let words = format!("maxProperties: got {}, want {}", count(object.len()), count(most));
            failures.push(self.failure(words, Vec::new()));
        }
        let missing = missing(object, schema.get("required"));
        if !missing.is_empty() {
            let noun = if missing.len() == 1 {
                "property"
            } else {
                "properties"
            };
            failures.push(self.failure(format!("missing {noun} {}", singles(missing)), Vec::new()));
        }
        for keyword in ["dependencies", "dependentRequired", "dependentSchemas"] {
            let Some(Json::Object(dependencies)) = schema.get(keyword) else {
                continue;
            };
            for (name, dependency) in dependencies.iter().filter(|(name, _)| object.contains_key(*name)) {
                if dependency.is_array() {
                    let missing = self::missing(object, Some(dependency));
                    if !missing.is_empty() {
                        let words = format!(
                            "properties {} required, if {} exists",
                            singles(missing),
                            single(name)
                        );
                        failures.push(self.failure(words, Vec::new()));
                    }
                } else {
                    let checked = self.schema(dependency, value)?;
                    collect(checked, seen, failures);
                }
            }
        }
        let mut additional = Vec::new();
        let mut names: Vec<&String> = object.keys().collect();
        names.sort();
        for name in names {
            let Some(part) = object.get(name) else {
                continue;
            };
            let mut known = false;
            if let Some(property) = schema.get("properties").and_then(|p| p.get(name)) {
                known = true;
                self.part(property, part, name, failures)?;
            }
            if let Some(Json::Object(patterns)) = schema.get("patternProperties") {
                for (pattern, property) in patterns {
                    if self.matches(pattern, name)? {
                        known = true;
                        self.part(property, part, name, failures)?;
                    }
                }
            }
            match schema.get("additionalProperties").filter(|_| !known) {
                None => {}
                Some(Json::Bool(false)) => {
                    known = true;
                    additional.push(name.as_str());
                }
                Some(others) => {
                    known = true;
                    self.part(others, part, name, failures)?;
                }
            }
            if known {
                seen.names.insert(name.clone());
            }
        }
        if !additional.is_empty() {
            let words = format!("additional properties {} not allowed", singles(additional));
            failures.push(self.failure(words, Vec::new()));
        }
        if let Some(names) = schema.get("propertyNames").filter(|_| self.document.draft >= 6) {
            for name in object.keys() {
                if let Err(failure) = self.schema(names, &Json::from(name.as_str()))? {
                    let words = format!("invalid propertyName {}", single(name));
                    failures.push(self.failure(words, vec![failure]));
                }
            }
        }
        Ok(())
    }

    pub(super) fn array(
        &mut self,
        schema: &'s Map<String, Json>,
        items: &[Json],
        seen: &mut Seen,
        failures: &mut Vec<Failure>,
    ) -> Result<(), String> {
        if let Some(least) = size(schema, "minItems").filter(|&least| items.len() < least) {
            let words = format!("minItems: got {}, want {}", count(items.len()), count(least));
            failures.push(self.failure(words, Vec::new()));
        }
        if let Some(most) = size(schema, "maxItems").filter(|&most| items.len() > most) {
            let words = format!("maxItems: got {}, want {}", count(items.len()), count(most));
            failures.push(self.failure(words, Vec::new()));
        }
        if schema.get("uniqueItems") == Some(&Json::Bool(true))
            && let Some((i, j)) = self.duplicate(items)?
        {
            failures.push(self.failure(format!("items at {i} and {j} are equal"), Vec::new()));
        }
        let new = self.document.draft >= 2020;
        let list = schema.get(if new { "prefixItems" } else { "items" });
        let (first, rest) = match list {
            Some(Json::Array(list)) => (
                list.as_slice(),
                schema.get(if new { "items" } else { "additionalItems" }),
            ),
            _ => (&[][..], schema.get("items")),
        };
        for (i, (item, schema)) in items.iter().zip(first).enumerate() {
            self.part(schema, item, &i.to_string(), failures)?;
            seen.items.insert(i);
        }
        let left = items.len().saturating_sub(first.len());
        match rest {
            Some(Json::Bool(false)) if !new && left > 0 && !first.is_empty() => {
                failures.push(self.failure(format!("last {left} additionalItem(s) not allowed"), Vec::new()));
            }
            Some(rest) => {
                for (i, item) in items.iter().enumerate().skip(first.len()) {
                    self.part(rest, item, &i.to_string(), failures)?;
                    seen.items.insert(i);
                }
            }
            None => {}
        }
        let Some(contains) = schema.get("contains").filter(|_| self.document.draft >= 6) else {
            return Ok(());
        };
        let (mut matched, mut causes) = (Vec::new(), Vec::new());
        for (i, item) in items.iter().enumerate() {
            if self.part(contains, item, &i.to_string(), &mut causes)? {
                matched.push(i.to_string());
                seen.items.insert(i);
            }
        }
        let (least, most) = (size(schema, "minContains"), size(schema, "maxContains"));
        let at = matched.join(" ");
        let got = matched.len();
        match least {
            Some(least) if got < least => {
                let but = if got == 0 {
                    "but none matched".to_string()
                } else {
                    format!("but matched {} items at {at}", count(got))
                };
                let words = format!(
                    "min {} items required to match contains schema, {but}",
                    count(least)
                );
                failures.push(self.failure(words, causes));
            }
            None if got == 0 => failures.push(self.failure("no items match contains schema", causes)),
            _ => {}
        }
        if let Some(most) = most.filter(|&most| got > most) {
            let words = format!(
                "max {} items required to match contains schema, but matched {} items at {at}",
                count(most),
                count(got)
            );
            failures.push(self.failure(words, Vec::new()));
        }
        Ok(())
    }

    pub(super) fn duplicate(&mut self, items: &[Json]) -> Result<Option<(usize, usize)>, String> {
        for i in 1..items.len() {
            self.steps = self.steps.saturating_add(i as u32);
            if self.steps > MAX_STEPS {
                return Err("schema takes too long to check".to_string());
            }
            for j in 0..i {
                if self.equal(&items[i], &items[j])? {
                    return Ok(Some((j, i)));
                }
            }
        }
        Ok(None)
    }
}

fn missing<'a>(object: &Map<String, Json>, required: Option<&'a Json>) -> Vec<&'a str> {
    let Some(Json::Array(required)) = required else {
        return Vec::new();
    };
    required
        .iter()
        .filter_map(Json::as_str)
        .filter(|name| !object.contains_key(*name))
        .collect()
}
