//! A text read in items is the text read whole.

use serde_json::{Value, json};
use yaml::{Error, Limits, Schema, parse, parse_items, to_value};

/// The items in the order in which they came, each as `[list, item]`, and the rest.
fn items(text: &str) -> Result<(Vec<Value>, Value), Error> {
    let mut found = Vec::new();
    let rest = parse_items(
        text.as_bytes(),
        Schema::GoV2,
        &Limits::default(),
        "lists",
        |list, item| {
            found.push(json!([list, to_value(&item, Schema::GoV2)?]));
            Ok::<_, Error>(())
        },
    )?;
    let rest = rest.map(|node| to_value(&node, Schema::GoV2)).transpose()?;
    Ok((found, rest.unwrap_or_default()))
}

#[test]
fn items_come_one_by_one_and_the_rest_is_without_them() {
    for (text, expected, rest) in [
        ("", json!([]), json!(null)),
        (
            "lists: {a: [1, {b: [2]}], c: []}\nx: [3]",
            json!([["a", 1], ["a", {"b": [2]}]]),
            json!({"lists": {"a": [], "c": []}, "x": [3]}),
        ),
        (
            "x: {lists: {a: [1]}}\nlists: [1]\n",
            json!([]),
            json!({"x": {"lists": {"a": [1]}}, "lists": [1]}),
        ),
        ("- lists: {a: [1]}", json!([]), json!([{"lists": {"a": [1]}}])),
        (
            "lists: {a: {b: [1]}, c: x}",
            json!([]),
            json!({"lists": {"a": {"b": [1]}, "c": "x"}}),
        ),
        // What an alias may mean stays whole.
        (
            "lists: {a: &l [1], b: *l}",
            json!([]),
            json!({"lists": {"a": [1], "b": [1]}}),
        ),
        (
            "lists: &m {a: [1]}\ncopy: *m",
            json!([]),
            json!({"lists": {"a": [1]}, "copy": {"a": [1]}}),
        ),
        (
            "lists: {a: [&i {x: 1}, *i, {<<: *i, z: 2}]}",
            json!([["a", {"x": 1}], ["a", {"x": 1}], ["a", {"x": 1, "z": 2}]]),
            json!({"lists": {"a": []}}),
        ),
        (
            "lists: {a: [1]}\n---\nlists: {a: [2]}",
            json!([["a", 1]]),
            json!({"lists": {"a": []}}),
        ),
        (
            "lists:\n  a:\n  - |\n    text",
            json!([["a", "text"]]),
            json!({"lists": {"a": []}}),
        ),
    ] {
        assert_eq!(
            items(text).unwrap(),
            (expected.as_array().unwrap().clone(), rest),
            "{text}"
        );
    }
}

#[test]
fn nothing_is_lost() {
    for text in [
        "lists: {a: [1, x, null, {b: 2}], c: [[1]]}",
        "lists:\n  a:\n  - b: |\n      c\n  - 'd'\n",
        "lists: {a: &l [1], b: *l}",
    ] {
        let (found, mut rest) = items(text).unwrap();
        for pair in found {
            let list = pair[0].as_str().unwrap();
            rest["lists"][list].as_array_mut().unwrap().push(pair[1].clone());
        }
        assert_eq!(rest, parse(text.as_bytes()).unwrap(), "{text}");
    }
}

#[test]
fn errors_end_the_reading() {
    for text in [
        "lists: {a: [1",
        "lists: {a: [*x]}",
        "a: b: c",
        "lists: {a: [&x [*x]]}",
    ] {
        assert!(items(text).is_err(), "{text}");
    }
    let mut seen = 0;
    let stopped = parse_items(
        b"lists: {a: [1, 2]}",
        Schema::GoV2,
        &Limits::default(),
        "lists",
        |_, _| {
            seen += 1;
            Err(Error::ExcessiveAliasing)
        },
    );
    assert_eq!((stopped, seen), (Err(Error::ExcessiveAliasing), 1));
    let few = Limits {
        nodes: 3,
        ..Limits::default()
    };
    let counted = parse_items(b"lists: {a: [1, 2]}", Schema::GoV2, &few, "lists", |_, _| {
        Ok::<_, Error>(())
    });
    assert_eq!(counted, Err(Error::TooManyNodes(3)));
}

/// What was handed out counts no longer; what stays, or may come back by an alias, does.
#[test]
fn what_is_held_is_bounded() {
    let few = Limits {
        held: 20,
        ..Limits::default()
    };
    let read = |text: String| {
        parse_items(text.as_bytes(), Schema::GoV2, &few, "lists", |_, _| {
            Ok::<_, Error>(())
        })
        .map(|_| ())
    };
    let many = |item: &str| format!("lists: {{a: [{}]}}", item.repeat(100));
    assert_eq!(read(many("{b: 1}, ")), Ok(()));
    for text in [
        many("&x {b: 1}, "),
        many("1, ").replace("lists", "other"),
        format!("lists: {{a: [[{}]]}}", "1, ".repeat(20)),
    ] {
        assert_eq!(read(text), Err(Error::TooManyNodes(20)));
    }
}
