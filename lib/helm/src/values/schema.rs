//! `values.schema.json`: JSON Schema of drafts 4 to 2020-12, with the words of the library that Helm uses.
//!
//! Nothing is fetched: a reference to another document is an error, except a `urn:`, which allows everything.

mod check;
mod resolve;
mod words;

use crate::dependencies::Node;
use crate::funcs::encoding::to_json;
use crate::template::value::{Map, Value};
use check::Validator;
use resolve::Document;

/// Checks the values of a chart and of its dependencies, each against its own schema.
pub(crate) fn validate(node: &Node<'_>, values: &Map) -> Result<(), String> {
    let mut complaints = String::new();
    gather(node, values, &mut complaints);
    // Helm breaks the line after each chart; its command line cuts the last one off.
    if complaints.is_empty() {
        Ok(())
    } else {
        Err(complaints)
    }
}

fn gather(node: &Node<'_>, values: &Map, complaints: &mut String) {
    if let Some(schema) = &node.chart.schema
        && let Err(error) = single(values, schema)
    {
        complaints.push_str(&format!("{}:\n{error}", node.name()));
    }
    for dependency in &node.dependencies {
        match values.get(dependency.name().as_bytes()) {
            None | Some(Value::Nil | Value::NilInterface) => {}
            Some(Value::Map(section)) => gather(dependency, &section, complaints),
            Some(other) => complaints.push_str(&format!(
                "{}:\ninvalid type for values: expected object (map), got {}\n",
                dependency.name(),
                other.type_name()
            )),
        }
    }
}

fn single(values: &Map, schema: &[u8]) -> Result<(), String> {
    let schema: serde_json::Value = match serde_json::from_slice(schema) {
        Ok(schema) => schema,
        Err(error) => {
            // Go's words, from its own reader.
            return Err(match crate::funcs::json::read(schema) {
                Err(text) if text == "unexpected end of JSON input" => "unexpected EOF".to_string(),
                Err(text) => text,
                Ok(_) => error.to_string(),
            });
        }
    };
    let entries = Value::Map(values.view(crate::template::value::MapKind::Any));
    let instance = to_json(&entries, 0)?;
    let document = Document::new(&schema)?;
    let mut validator = Validator::new(&document);
    match validator.root(&instance)? {
        None => Ok(()),
        Some(failure) => Err(format!("{}\n", failure.lines())),
    }
}
