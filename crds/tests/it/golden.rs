//! The committed YAML is what the types say; `UPDATE=1` rewrites it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

use serde_json::Value;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("yaml")
}

/// File name to content, for every kind.
fn generated() -> BTreeMap<String, String> {
    crds::all()
        .iter()
        .map(|crd| {
            (
                format!("{}_{}.yaml", crd.spec.group, crd.spec.names.plural),
                crds::yaml(crd),
            )
        })
        .collect()
}

fn committed() -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        files.insert(name, fs::read_to_string(path).unwrap());
    }
    files
}

#[test]
fn committed_yaml_is_what_the_types_say() {
    let generated = generated();
    if env::var_os("UPDATE").is_some() {
        for stale in committed().keys().filter(|name| !generated.contains_key(*name)) {
            fs::remove_file(folder().join(stale)).unwrap();
        }
        for (name, text) in &generated {
            fs::write(folder().join(name), text).unwrap();
        }
    }
    let committed = committed();
    assert_eq!(
        committed.keys().collect::<Vec<_>>(),
        generated.keys().collect::<Vec<_>>(),
        "run UPDATE=1 cargo test -p crds"
    );
    for (name, text) in &generated {
        for (number, (want, have)) in text.lines().zip(committed[name].lines()).enumerate() {
            assert_eq!(
                have,
                want,
                "{name}:{}: run UPDATE=1 cargo test -p crds",
                number + 1
            );
        }
        assert_eq!(
            committed[name].len(),
            text.len(),
            "{name}: run UPDATE=1 cargo test -p crds"
        );
    }
}

#[test]
fn yaml_reads_back_as_the_definition() {
    for crd in crds::all() {
        let text = crds::yaml(&crd);
        let read: Value = serde_saphyr::from_str(&text).unwrap();
        let mut wanted = serde_json::to_value(&crd).unwrap();
        integers(&mut wanted);
        assert_eq!(read, wanted, "{}", crd.spec.names.kind);
    }
}

/// The printer writes 0.0 as 0.
fn integers(value: &mut Value) {
    match value {
        Value::Number(n) if n.as_f64() == Some(0.0) => *value = 0.into(),
        Value::Object(map) => map.values_mut().for_each(integers),
        Value::Array(items) => items.iter_mut().for_each(integers),
        _ => {}
    }
}

#[test]
fn every_definition_says_what_users_read() {
    for crd in crds::all() {
        for version in &crd.spec.versions {
            let schema = serde_json::to_value(&version.schema).unwrap();
            undocumented(&schema["openAPIV3Schema"], &crd.spec.names.kind);
        }
    }
}

fn undocumented(schema: &Value, path: &str) {
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        let description = property["description"].as_str().unwrap_or_default();
        assert!(
            name == "metadata" || !description.is_empty(),
            "{path} has no description"
        );
        undocumented(property, &path);
        undocumented(&property["items"], &path);
    }
}
