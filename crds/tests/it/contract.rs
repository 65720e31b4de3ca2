//! Names, types, defaults, enums, patterns, lengths and columns are those that Flux v2.9 serves, and what we add is marked.

use std::fmt::Write;

use serde_json::{Map, Value};

/// One section a kind, as [`render`] draws it. Rules in CEL stand there in our words.
const CONTRACT: [&str; 5] = [
    include_str!("contract/extensions.txt"),
    include_str!("contract/helm.txt"),
    include_str!("contract/kustomize.txt"),
    include_str!("contract/notification.txt"),
    include_str!("contract/source.txt"),
];

/// Fields that we have added; all are optional. Added too: the value `pgp` of a chart's `verify.provider`, with its rule.
const OURS: [&str; 5] = ["deadLetters", "grouping", "lastFailure", "messages", "waiting"];

/// Bounds that we have added, each to a field of Flux's: what is over them would cost others too much.
const BOUNDS: [(&str, &str); 2] = [("copy", " maxItems(1000)"), ("exclude", " maxLength(1024)")];

#[test]
fn definitions_are_those_of_flux() {
    let wanted: Vec<String> = CONTRACT
        .iter()
        .flat_map(|group| group.split("\n\n").map(|kind| kind.trim_end().to_owned()))
        .collect();
    let mut rendered: Vec<String> = crds::all()
        .iter()
        .map(|crd| render(&serde_json::to_value(crd).unwrap()))
        .collect();
    rendered.sort_by_key(|text| {
        wanted
            .iter()
            .position(|w| w.lines().next() == text.lines().next())
    });
    assert_eq!(rendered.len(), wanted.len(), "as many kinds as the contract has");
    for (have, want) in rendered.iter().zip(&wanted) {
        for (have, want) in have.lines().zip(want.lines()) {
            assert_eq!(
                have,
                want,
                "in {}",
                rendered[0].lines().next().unwrap_or_default()
            );
        }
        assert_eq!(have.trim_end(), want);
    }
}

/// The definition without its prose: a header, the columns, and a line a field.
fn render(crd: &Value) -> String {
    let spec = &crd["spec"];
    let names = &spec["names"];
    let mut out = format!(
        "== {}\nnames {} {} {} {} short {} categories {}\nscope {} annotations {}\n",
        text(&crd["metadata"]["name"]),
        text(&names["kind"]),
        text(&names["listKind"]),
        text(&names["plural"]),
        text(&names["singular"]),
        words(&names["shortNames"]),
        words(&names["categories"]),
        text(&spec["scope"]),
        crd["metadata"]["annotations"],
    );
    for version in spec["versions"].as_array().unwrap() {
        let schema = &version["schema"]["openAPIV3Schema"];
        writeln!(
            out,
            "version {} served {} storage {} subresources {} required {}",
            text(&version["name"]),
            version["served"],
            version["storage"],
            version["subresources"],
            words(&schema["required"]),
        )
        .unwrap();
        for column in version["additionalPrinterColumns"].as_array().unwrap() {
            let (name, path) = (text(&column["name"]), text(&column["jsonPath"]));
            writeln!(out, "column {name}: {} {path}", text(&column["type"])).unwrap();
        }
        for name in ["spec", "status"] {
            if let Some(schema) = schema["properties"].get(name) {
                field(name, schema, false, 0, &mut out);
            }
        }
    }
    out
}

/// A line for the field and, indented, those of its own fields.
fn field(name: &str, schema: &Value, required: bool, depth: usize, out: &mut String) {
    let mut type_ = String::new();
    let mut facts = facts(schema);
    let mut inner = schema;
    loop {
        type_ += inner["type"].as_str().unwrap_or("any");
        inner = match (inner.get("items"), inner.get("additionalProperties")) {
            (Some(items), _) => items,
            (_, Some(values)) => values,
            _ => break,
        };
        type_ += " of ";
        facts += &self::facts(inner);
    }
    let mark = if required { "*" } else { "" };
    let mut ours = if OURS.contains(&name) {
        " (not in Flux)".to_owned()
    } else {
        String::new()
    };
    for (_, bound) in BOUNDS.iter().filter(|(field, _)| *field == name) {
        if facts.contains(bound) {
            facts = facts.replacen(bound, "", 1);
            ours += &format!(" (not in Flux:{bound})");
        }
    }
    writeln!(out, "{:1$}{name}{mark}: {type_}{facts}{ours}", "", depth * 2).unwrap();
    let Some(properties) = inner["properties"].as_object() else {
        return;
    };
    let mut names: Vec<_> = properties.keys().collect();
    names.sort();
    for name in names {
        let required = inner["required"]
            .as_array()
            .is_some_and(|r| r.iter().any(|r| r == name));
        field(name, &properties[name], required, depth + 1, out);
    }
}

/// What the schema says besides type and prose.
fn facts(schema: &Value) -> String {
    const TOLD: [&str; 6] = [
        "type",
        "description",
        "properties",
        "required",
        "items",
        "additionalProperties",
    ];
    let empty = Map::new();
    let mut facts: Vec<String> = schema
        .as_object()
        .unwrap_or(&empty)
        .iter()
        .filter(|(key, _)| !TOLD.contains(&key.as_str()))
        .flat_map(|(key, value)| match (key.as_str(), value) {
            ("x-kubernetes-validations", Value::Array(rules)) => rules
                .iter()
                .map(|rule| format!(" cel({})", text(&rule["rule"])))
                .collect(),
            ("enum", values) => vec![format!(" enum({})", words(values).replace(',', "|"))],
            // Kubernetes' own type makes a fraction of it.
            (_, Value::Number(n)) => vec![format!(" {key}({})", n.as_f64().unwrap())],
            (_, Value::String(value)) => vec![format!(" {key}({value})")],
            (_, value) => vec![format!(" {key}({value})")],
        })
        .collect();
    facts.sort();
    facts.concat()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}

fn words(value: &Value) -> String {
    let words: Vec<&str> = value.as_array().into_iter().flatten().map(text).collect();
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(",")
    }
}
