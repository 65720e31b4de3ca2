//! What `sigs.k8s.io/yaml` v1.5 made of tricky texts: `sigs.jsonl` has a line `[text, json, yaml]` or
//! `[text, null, error]` for each, recorded from the real library.

use serde_json::Value;

const RECORDED: &str = include_str!("sigs.jsonl");

#[test]
fn texts_read_and_print_as_recorded() {
    let mut wrong = Vec::new();
    for line in RECORDED.lines() {
        let [text, json, yaml]: [Value; 3] = serde_json::from_str(line).unwrap();
        let text = text.as_str().unwrap();
        match (yaml::parse_first(text.as_bytes()), json) {
            (Err(error), Value::Null) => {
                if error.to_string() != yaml.as_str().unwrap() {
                    wrong.push(format!("{text:?}: error {error:?}, recorded {yaml}"));
                }
            }
            (Ok(value), Value::String(json)) => {
                let expected: Value = serde_json::from_str(&json).unwrap();
                let printed = yaml::to_string(&value);
                if !same(&value, &expected) || printed != yaml.as_str().unwrap() {
                    wrong.push(format!(
                        "{text:?}: {value} printed {printed:?}, recorded {json} {yaml}"
                    ));
                }
            }
            (got, recorded) => wrong.push(format!("{text:?}: got {got:?}, recorded {recorded} {yaml}")),
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

/// Equal but for how a number is held.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(k, a)| b.get(k).is_some_and(|b| same(a, b)))
        }
        _ => a == b,
    }
}
