//! Which texts are expressions, and what is said of those that are not. Checked with cel-go 0.26.1.

use expr::Expression;

fn message(text: &str, checked: bool) -> Option<String> {
    let outcome = if checked {
        Expression::compile_checked(text, &["self", "dep"])
    } else {
        Expression::compile(text)
    };
    outcome.err().map(|e| e.to_string())
}

#[test]
fn syntax() {
    let end = "mismatched input '<EOF>' expecting {'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, \
               NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}";
    let expected = format!(
        "failed to parse the CEL expression 'data.a ==': ERROR: <input>:1:10: Syntax error: {end}\n | data.a ==\n | .........^"
    );
    assert_eq!(message("data.a ==", false), Some(expected));
    for text in [
        "",
        "foo.",
        "data.a == 'x",
        "a b",
        "has(dep)",
        "(1",
        "a.all(1, x)",
        "1 +",
        "a..b",
        "\u{0}",
    ] {
        assert!(
            message(text, false).is_some_and(|m| m.contains("ERROR: <input>:1:")),
            "{text}"
        );
    }
    for text in [
        "a",
        "a.b == 1",
        "a.?b.orValue(1) == 1",
        "a[?'b']",
        "nope(1)",
        "a.optMap(x, x)",
        "{?'a': b.?c}",
    ] {
        assert_eq!(message(text, false), None, "{text}");
    }
}

#[test]
fn names() {
    let cases = [
        ("foo == 1", "foo"),
        ("dep.a.all(x, y > 1)", "y"),
        ("x == 1 && dep.a.all(x, x > 1)", "x"),
        ("nope(dep) == 1", "nope"),
        ("dep.x.foo()", "foo"),
        ("sets.nope([1], [1])", "nope"),
    ];
    for (text, name) in cases {
        let expected = format!(
            "failed to parse the CEL expression '{text}': undeclared reference to '{name}' (in container '')"
        );
        assert_eq!(message(text, true), Some(expected));
    }
}

#[test]
fn results() {
    let cases = [
        ("dep.status.y", "dyn"),
        ("dep.status['y']", "dyn"),
        ("dep.?status.?ready.orValue(false)", "dyn"),
        ("dep.a ? dep.b : false", "dyn"),
        ("dyn(true)", "dyn"),
        ("self", "map(string, dyn)"),
        ("1 + 1", "int"),
        ("dep.a + 1", "int"),
        ("dep.a.size()", "int"),
        ("'a'", "string"),
    ];
    for (text, got) in cases {
        let expected = format!("CEL expression output type mismatch: expected bool, got {got}");
        assert_eq!(message(text, true), Some(expected), "{text}");
    }
    let booleans = [
        "true",
        "self.status.x == dep.status.y",
        "dep.metadata.generation > 1",
        "has(dep.a) || true",
        "!dep.a",
        "dep.a && dep.b",
        "dep.a ? true : false",
        "[true][0]",
        "{'a': true}.a",
        "optional.of(true).value()",
        "dep.status.orValue(false)",
        "dep.?a.optMap(x, x == 1).orValue(false)",
        "dep.a.startsWith('x')",
        "bool(dep.a)",
        "dep.a in dep.b",
        "type(dep.a) == int",
        "dep.a.b.c.all(x, x.y)",
        "dep.a.exists_one(x, x.y == 1)",
        "sets.contains(dep.a, ['x'])",
        "timestamp(dep.a) < timestamp(dep.b) + duration('1h')",
        "base64.decode(dep.a) == b'x'",
        "self.metadata.annotations['v'].split('.')[0] == dep.metadata.annotations['v'].split('.')[0]",
        "dep.status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')",
    ];
    for text in booleans {
        assert_eq!(message(text, true), None, "{text}");
    }
}

#[test]
fn texts() {
    let message = |text: &str| {
        let outcome = Expression::compile_text(text, &["event", "provider"]);
        outcome.err().map(|e| e.to_string())
    };
    for (text, got) in [
        ("event.metadata.foo", "dyn"),
        ("event", "map(string, dyn)"),
        ("1 + 1", "int"),
        ("event.a == 'x'", "bool"),
        ("event.a.split('/')", "list(string)"),
    ] {
        let expected = format!("CEL expression output type mismatch: expected string, got {got}");
        assert_eq!(message(text), Some(expected), "{text}");
    }
    for text in [
        "'a'",
        "event.metadata.foo + '/x'",
        "string(event.metadata.foo)",
        "event.a.split('/').first().value()",
        "(event.a + '/' + provider.b).lowerAscii()",
    ] {
        assert_eq!(message(text), None, "{text}");
    }
    assert!(message("alert.a + ''").is_some_and(|m| m.contains("undeclared reference to 'alert'")));
}
