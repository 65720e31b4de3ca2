//! Go structs that templates meet: their fields, and what prints and marshals of them.

use super::value::{Text, Value};

/// A struct or a pointer to one.
pub(crate) struct Object {
    /// The struct's type, without `*`.
    pub name: &'static str,
    pub pointer: bool,
    pub fields: Vec<Field>,
    /// What an action prints of it, if it has a `String` method on its pointer.
    pub text: Option<Text>,
}

/// An exported field.
pub(crate) struct Field {
    pub name: &'static str,
    /// The key in JSON; empty for a field that is not exported.
    pub json: &'static str,
    pub omit_empty: bool,
    pub value: Value,
}

impl Object {
    pub fn type_name(&self) -> String {
        format!("{}{}", if self.pointer { "*" } else { "" }, self.name)
    }

    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields
            .iter()
            .find(|field| field.name == name && !field.json.is_empty())
            .map(|field| &field.value)
    }
}

impl Field {
    /// Whether JSON has it.
    pub fn marshals(&self) -> bool {
        !self.json.is_empty() && (!self.omit_empty || self.value.truth())
    }

    /// A field whose JSON key is its name.
    pub fn plain(name: &'static str, value: Value) -> Field {
        Field {
            name,
            json: name,
            omit_empty: false,
            value,
        }
    }
}
