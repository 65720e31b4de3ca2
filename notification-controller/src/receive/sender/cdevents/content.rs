//! PURE: holds an event's subject against the vocabulary.

use super::{
    addresses::{is_package, is_reference},
    vocabulary::{
        Content,
        Rule::{self, Address, Given, GivenObject, GivenOneOf, Object, OneOf, Package, Text, Texts},
        TYPES, Type,
    },
};
use crate::receive::sender::Refused;
use serde_json::{Map, Value};

/// What is known of a type of event.
#[derive(Debug, Clone, Copy)]
pub enum Vocabulary {
    /// One of CDEvents' own.
    Known(&'static Type),
    /// One of a tool, whose content is known to nobody else (`dev.cdeventsx.<tool>-<subject>.<predicate>.<version>`).
    OfTool,
}

impl Vocabulary {
    /// That of a type as `context.type` has it; none of a type, or a version, that is not known.
    pub fn of(type_: &str) -> Option<Self> {
        if let Some(name) = type_.strip_prefix("dev.cdevents.") {
            let known = TYPES.iter().find(|known| known.name == name);
            return known.map(Self::Known);
        }
        let (subject, rest) = type_.strip_prefix("dev.cdeventsx.")?.split_once('.')?;
        let (predicate, version) = rest.split_once('.')?;
        let (tool, subject) = subject.split_once('-')?;
        let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
        let is_digit = |part: &str| part.len() == 1 && part.bytes().all(|b| b.is_ascii_digit());
        let is_version = version.split('.').count() == 3 && version.split('.').all(is_digit);
        let fits = [tool, subject, predicate].into_iter().all(is_word) && is_version;
        fits.then_some(Self::OfTool)
    }

    /// Checks the subject of an event of this type.
    pub fn check(self, subject: &Fields<'_>) -> Result<(), Refused> {
        subject.given("id")?;
        subject.check("source", Address)?;
        let said = subject.text("type")?;
        match self {
            Self::Known(type_) => {
                subject.holds(said == type_.subject, "type", "is another than the event's")?;
                subject.object("content")?.check_all(type_.content)
            }
            Self::OfTool => {
                subject.holds(is_kind_of_tool(said), "type", "is no <tool>-<subject>")?;
                let content = subject.get("content").is_some_and(Value::is_object);
                subject.holds(content, "content", "is no object")
            }
        }
    }
}

fn is_kind_of_tool(text: &str) -> bool {
    let Some((tool, subject)) = text.split_once('-') else {
        return false;
    };
    let (tool, subject) = (tool.as_bytes(), subject.as_bytes());
    let is_tool = !tool.is_empty() && tool.iter().all(u8::is_ascii_alphanumeric);
    is_tool && !subject.is_empty() && subject.iter().all(u8::is_ascii_alphabetic)
}

/// An object of an event, and where it is.
#[derive(Debug, Clone)]
pub struct Fields<'a> {
    place: String,
    fields: Option<&'a Map<String, Value>>,
}

impl<'a> Fields<'a> {
    /// The fields of an object; null has none.
    pub fn of(value: &'a Value, place: &str) -> Result<Self, Refused> {
        let fields = match value {
            Value::Null => None,
            Value::Object(fields) => Some(fields),
            _ => return Err(Refused(format!("{place} is no object"))),
        };
        Ok(Self {
            place: place.to_owned(),
            fields,
        })
    }

    /// A field's value, if it has one.
    pub fn get(&self, name: &str) -> Option<&'a Value> {
        let fields = self.fields?;
        let other = || fields.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        let value = fields.get(name).or_else(|| other().map(|(_, value)| value));
        value.filter(|value| !value.is_null())
    }

    /// A field's text; empty if it has none.
    pub fn text(&self, name: &str) -> Result<&'a str, Refused> {
        match self.get(name) {
            None => Ok(""),
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(self.refused(name, "is no text")),
        }
    }

    /// A field's text, which has to be there.
    pub fn given(&self, name: &str) -> Result<&'a str, Refused> {
        let text = self.text(name)?;
        self.holds(!text.is_empty(), name, "is missing")?;
        Ok(text)
    }

    /// A field's own fields.
    pub fn object(&self, name: &str) -> Result<Self, Refused> {
        Self::of(self.get(name).unwrap_or(&Value::Null), &self.name(name))
    }

    /// That something is so; or else what is wrong with a field.
    pub fn holds(&self, so: bool, name: &str, problem: &str) -> Result<(), Refused> {
        if so {
            Ok(())
        } else {
            Err(self.refused(name, problem))
        }
    }

    fn check_all(&self, content: Content) -> Result<(), Refused> {
        content
            .iter()
            .try_for_each(|(name, rule)| self.check(name, *rule))
    }

    fn check(&self, name: &str, rule: Rule) -> Result<(), Refused> {
        let one_of = |text: &str, words: &[&str]| words.contains(&text);
        match rule {
            Text => self.text(name).map(drop),
            Given => self.given(name).map(drop),
            OneOf(words) => {
                let text = self.text(name)?;
                self.holds(text.is_empty() || one_of(text, words), name, UNKNOWN)
            }
            GivenOneOf(words) => self.holds(one_of(self.text(name)?, words), name, UNKNOWN),
            Address => self.holds(is_reference(self.text(name)?), name, "is no URI reference"),
            Package => self.holds(is_package(self.text(name)?), name, "is no package URL"),
            Texts => {
                let texts = |items: &Vec<Value>| items.iter().all(|item| item.is_string() || item.is_null());
                let is_list = self
                    .get(name)
                    .is_none_or(|list| list.as_array().is_some_and(texts));
                self.holds(is_list, name, "is no list of texts")
            }
            Object(_) if self.get(name).is_none() => Ok(()),
            Object(content) => self.object(name)?.check_all(content),
            GivenObject(content) => {
                self.holds(self.get(name).is_some(), name, "is missing")?;
                self.object(name)?.check_all(content)
            }
        }
    }

    fn refused(&self, name: &str, problem: &str) -> Refused {
        Refused(format!("{} {problem}", self.name(name)))
    }

    fn name(&self, name: &str) -> String {
        match self.place.as_str() {
            "" => name.to_owned(),
            place => format!("{place}.{name}"),
        }
    }
}

const UNKNOWN: &str = "is none of the words that it may be";

#[cfg(test)]
mod tests;
