//! Properties: no text makes the parser panic; printing and reading come back to the same value.

use proptest::prelude::*;
use serde_json::{Map, Number, Value};

fn value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        any::<String>(),
        "[ -~\n\t]{0,120}",
        "[-+.:0-9_exob ]{0,12}",
        Just("yes".to_string()),
        Just("<<".to_string()),
        Just("2020-01-01".to_string()),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| Value::Number(n.into())),
        any::<u64>().prop_map(|n| Value::Number(n.into())),
        any::<f64>().prop_filter_map("finite", |f| Number::from_f64(f).map(Value::Number)),
        text.clone().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
            prop::collection::vec((text.clone(), inner), 0..6)
                // go-yaml prints the key `<<` bare and then reads it as a merge.
                .prop_map(|pairs| Value::Object(
                    pairs.into_iter().filter(|p| p.0 != "<<").collect::<Map<_, _>>()
                )),
        ]
    })
}

#[test]
fn a_comma_behind_a_tag_is_part_of_it() {
    for (text, json) in [
        ("[!!str, x]", r#"["x"]"#),
        ("[!a, x, !c, y]", r#"["x","y"]"#),
        ("[a !b, c]", r#"["a !b","c"]"#),
        ("a: 'x !b, y' # !c, d", r#"{"a":"x !b, y"}"#),
        ("a: |\n  !b, c\n", r#"{"a":"!b, c\n"}"#),
        ("k: 1\nb !x, y: 2", r#"{"k":1,"b !x, y":2}"#),
        ("k: 1\n'b !x, y': 2", r#"{"k":1,"b !x, y":2}"#),
    ] {
        let read = yaml::parse(text.as_bytes()).map(|value| value.to_string());
        assert_eq!(read.as_deref(), Ok(json), "{text}");
    }
    // Where a key is wanted, the scanner holds the tag back until it has seen the end of it.
    let text = b"- a\n{ !!str, b";
    let error = yaml::parse_nodes(text, yaml::Schema::GoV3, &yaml::Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "yaml: line 2: could not find expected ':'");
    let error = yaml::parse(b"{b: !2,|\n z: 3}").unwrap_err();
    assert!(
        error
            .to_string()
            .contains("did not find expected whitespace or line break"),
        "{error}"
    );
}

proptest! {
    #[test]
    fn no_text_panics(text in any::<Vec<u8>>()) {
        let _ = yaml::parse_all(&text);
    }

    #[test]
    fn no_yaml_like_text_panics(text in "[-a-c0-9:#&*!<>|{}\\[\\]\"', \n\t%?~]{0,80}") {
        let _ = yaml::parse_all(text.as_bytes());
        let _ = yaml::parse_nodes(text.as_bytes(), yaml::Schema::GoV3, &yaml::Limits::default());
    }

    #[test]
    fn printed_values_read_back(value in value()) {
        let printed = yaml::to_string(&value);
        let read = yaml::parse(printed.as_bytes())
            .map_err(|e| TestCaseError::fail(format!("{e}\n{printed}")))?;
        let again = yaml::to_string(&read);
        prop_assert_eq!(&again, &printed, "read as {}", read);
    }
}
