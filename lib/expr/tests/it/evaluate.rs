//! What expressions yield, as cel-go 0.26.1 with the options of Flux has it: each row was run through it.

use expr::{Allowance, EvaluateError, Expression};
use serde_json::Value;

/// An expression, its variables, and `true`, `false`, `other` (no boolean), or what the error says.
const AS_CEL_GO: &[(&str, &str, &str)] = &[
    (r#"has(data.a)"#, r#"{}"#, "no such attribute(s): data.a"),
    (r#"data.a == 1"#, r#"{}"#, "no such attribute(s): data.a"),
    (r#"data.a.b.c == 1"#, r#"{}"#, "no such attribute(s): data.a.b.c"),
    (r#"data.a.b == 1"#, r#"{"data":{}}"#, "no such key: a"),
    (r#"data.a.b == 1"#, r#"{"data":{"a":{}}}"#, "no such key: b"),
    (r#"has(data.a.b)"#, r#"{"data":{}}"#, "no such key: a"),
    (r#"has(data.a)"#, r#"{"data":{}}"#, "false"),
    (r#"data['x'] == 1"#, r#"{}"#, "no such attribute(s): data.x"),
    (r#"data['x'] == 1"#, r#"{"data":{}}"#, "no such key: x"),
    (r#"data.a['x'].b == 1"#, r#"{"data":{"a":{}}}"#, "no such key: x"),
    (
        r#"data.a[3] == 1"#,
        r#"{"data":{"a":[1]}}"#,
        "index out of bounds: 3",
    ),
    (
        r#"status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')"#,
        r#"{}"#,
        "no such attribute(s): status.conditions",
    ),
    (
        r#"status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')"#,
        r#"{"status":{}}"#,
        "no such key: conditions",
    ),
    (
        r#"status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')"#,
        r#"{"status":{"conditions":[{"x":1}]}}"#,
        "no such key: type",
    ),
    (
        r#"status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')"#,
        r#"{"status":{"conditions":[]}}"#,
        "true",
    ),
    (
        r#"status.conditions.all(e, e.status == 'True')"#,
        r#"{"status":{"conditions":"x"}}"#,
        "got 'types.String', expected iterable type",
    ),
    (
        r#"status.conditions.all(e, e.status == 'True')"#,
        r#"{"status":{"conditions":null}}"#,
        "got 'types.Null', expected iterable type",
    ),
    (r#"status.x"#, r#"{"status":{"x":"s"}}"#, "other"),
    (r#"status.x"#, r#"{"status":{"x":true}}"#, "true"),
    (r#"foo"#, r#"{}"#, "no such attribute(s): foo"),
    (r#"!foo"#, r#"{"foo":3}"#, "no such overload"),
    (r#"foo && true"#, r#"{"foo":3}"#, "no such overload"),
    (r#"foo && false"#, r#"{"foo":3}"#, "false"),
    (r#"data.a > 'x'"#, r#"{"data":{"a":3}}"#, "no such overload"),
    (r#"data.a + 'x' == ''"#, r#"{"data":{"a":3}}"#, "no such overload"),
    (r#"data.a - 1 == 2"#, r#"{"data":{"a":3}}"#, "true"),
    (r#"data.a / 0 == 2"#, r#"{"data":{"a":3}}"#, "division by zero"),
    (
        r#"data.a == 3 && data.b == 3.5 && data.a == 3.0"#,
        r#"{"data":{"a":3,"b":3.5}}"#,
        "true",
    ),
    (r#"1 == 1.0 && 1u == 1 && 1 < 1.5 && 2u > 1"#, r#"{}"#, "true"),
    (r#"1 in [1.0]"#, r#"{}"#, "true"),
    (r#"1 in [1.0, 'a']"#, r#"{}"#, "true"),
    (r#"nope(1)"#, r#"{}"#, "no such overload: nope"),
    (r#"data.nope(1)"#, r#"{"data":{}}"#, "no such overload: nope"),
    (r#"data.a.nope(1)"#, r#"{"data":{}}"#, "no such key: a"),
    (
        r#"data.a.contains('x')"#,
        r#"{"data":{"a":3}}"#,
        "no such overload",
    ),
    (
        r#"data.a.contains(3)"#,
        r#"{"data":{"a":"abc"}}"#,
        "no such overload",
    ),
    (r#"data.a.matches('^a.c$')"#, r#"{"data":{"a":"abc"}}"#, "true"),
    (
        r#"size(data.a) == 3 && data.a.size() == 3"#,
        r#"{"data":{"a":"abc"}}"#,
        "true",
    ),
    (
        r#"data.?a.orValue('z') == 'z' && data[?'b'].hasValue() == false"#,
        r#"{"data":{}}"#,
        "true",
    ),
    (
        r#"data.?a.orValue('z') == 'z'"#,
        r#"{}"#,
        "no such attribute(s): data.a",
    ),
    (
        r#"sets.contains([1,2],[2]) && sets.equivalent([1,1],[1]) && sets.intersects([1],[1,2])"#,
        r#"{}"#,
        "true",
    ),
    (r#"sets.contains([1,2],[2.0])"#, r#"{}"#, "true"),
    (
        r#"sets.contains(data.a,['x'])"#,
        r#"{"data":{"a":["x","y"]}}"#,
        "true",
    ),
    (r#"base64.decode('aGVsbG8=') == b'hello'"#, r#"{}"#, "true"),
    (
        r#"'a,b'.split(',') == ['a','b'] && ' x '.trim() == 'x' && ['a','b'].join('-') == 'a-b' && 'abc'.replace('b','x') == 'axc' && 'A'.lowerAscii() == 'a'"#,
        r#"{}"#,
        "true",
    ),
    (r#"'%s %d'.format(['a', 1]) == 'a 1'"#, r#"{}"#, "true"),
    (
        r#"timestamp('2024-01-01T00:00:00Z') < timestamp('2025-01-01T00:00:00Z') && duration('1h') > duration('1m')"#,
        r#"{}"#,
        "true",
    ),
    (
        r#"timestamp(data.t).getFullYear() == 2024"#,
        r#"{"data":{"t":"2024-01-01T00:00:00Z"}}"#,
        "true",
    ),
    (
        r#"int(data.a) == 3 && string(3) == data.a && double(data.a) == 3.0"#,
        r#"{"data":{"a":"3"}}"#,
        "true",
    ),
    (r#"type(data.a) == int"#, r#"{"data":{"a":3}}"#, "true"),
    (
        r#"int(data.a) == 3"#,
        r#"{"data":{"a":"x"}}"#,
        "type conversion error from 'string' to 'int'",
    ),
    (
        r#"data.a == 9223372036854775807 + 1"#,
        r#"{"data":{"a":3}}"#,
        "integer overflow",
    ),
    (
        r#"{'a':1}.a == 1 && {'a':1}['a'] == 1 && dyn({'a':1}) == {'a':1.0}"#,
        r#"{}"#,
        "true",
    ),
    (
        r#"[1,2,3].exists_one(x, x > 2) && [1,2].map(x, x*2) == [2,4] && [1,2].map(x, x>1, x) == [2]"#,
        r#"{}"#,
        "true",
    ),
    (
        r#"metadata.labels['a/b'] == 'x'"#,
        r#"{"metadata":{"labels":{}}}"#,
        "no such key: a/b",
    ),
    (
        r#"metadata.labels['a/b'] == 'x'"#,
        r#"{"metadata":{}}"#,
        "no such key: labels",
    ),
    (
        r#"has(metadata.labels) && 'a/b' in metadata.labels"#,
        r#"{"metadata":{"labels":{"a/b":1}}}"#,
        "true",
    ),
    (r#"a.b['c'].d == 1"#, r#"{}"#, "no such attribute(s): a.b.c.d"),
    (r#"a.b[c].d == 1"#, r#"{}"#, "no such attribute(s): a.b"),
    (r#"a[0].b == 1"#, r#"{}"#, "no such attribute(s): a"),
    (r#"a.b == 1 && c.d == 1"#, r#"{"c":{"d":2}}"#, "false"),
    (
        r#"a.?b.?c.orValue(1) == 1"#,
        r#"{}"#,
        "no such attribute(s): a.b.c",
    ),
    (r#"size(a) > 1"#, r#"{}"#, "no such attribute(s): a"),
    (r#"a.b.startsWith('x')"#, r#"{}"#, "no such attribute(s): a.b"),
    (r#"a.b in c.d"#, r#"{}"#, "no such attribute(s): a.b"),
    (
        r#"x.all(y, y.z == a.b)"#,
        r#"{"x":[{"z":1}]}"#,
        "no such attribute(s): a.b",
    ),
    (r#"a.b % 0 == 1"#, r#"{"a":{"b":1}}"#, "modulus by zero"),
    (r#"-a.b == 1"#, r#"{"a":{"b":"x"}}"#, "no such overload"),
    (r#"a.b ? true : false"#, r#"{"a":{"b":"x"}}"#, "no such overload"),
    (r#"a.b[-1] == 1"#, r#"{"a":{"b":[1]}}"#, "index out of bounds: -1"),
    (r#"a.b in 3"#, r#"{"a":{"b":1}}"#, "no such overload"),
    (
        r#"a.b.substring(9) == ''"#,
        r#"{"a":{"b":"x"}}"#,
        "index out of range: 9",
    ),
    (
        r#"timestamp(a.b) > timestamp('x')"#,
        r#"{"a":{"b":"2024-01-01T00:00:00Z"}}"#,
        "type conversion error from 'string' to 'google.protobuf.Timestamp'",
    ),
    (
        r#"duration('xx') == duration('1h')"#,
        r#"{}"#,
        "type conversion error from 'string' to 'google.protobuf.Duration'",
    ),
    (
        r#"optional.none().value() == 1"#,
        r#"{}"#,
        "optional.none() dereference",
    ),
    (
        r#"'abc'.replace('b','xx',0) == 'abc' && 'abb'.replace('b','x',1) == 'axb' && 'abb'.replace('b','x',-1) == 'axx' && 'ab'.replace('','-') == '-a-b-'"#,
        r#"{}"#,
        "true",
    ),
    (
        r#"['a', 'b'].join() == 'ab' && [].join('x') == ''"#,
        r#"{}"#,
        "true",
    ),
    (
        r#"sets.contains([],[]) && !sets.intersects([],[1]) && sets.equivalent([1,2,2],[2,1,1.0]) && sets.contains([1u],[1,1.0])"#,
        r#"{}"#,
        "true",
    ),
    (
        r#"metadata.?annotations[?'x'].orValue('') == ''"#,
        r#"{"metadata":{}}"#,
        "true",
    ),
    (r#"{'a': 1, 'a': 2} == {}"#, r#"{}"#, "false"),
    (r#"'a' < 1"#, r#"{}"#, "no such overload"),
    (r#"a == null"#, r#"{"a":null}"#, "true"),
    (
        r#"a.b == 1 && a.c == 1.5 && a.d == 10000000000000000000.0"#,
        r#"{"a":{"b":1.0,"c":1.5,"d":10000000000000000000}}"#,
        "true",
    ),
    (
        r#"a.exists(k, k == 'b') && a.all(k, a[k] == 1)"#,
        r#"{"a":{"b":1}}"#,
        "true",
    ),
    (
        r#"status.conditions.filter(c, c.type == 'Ready' && c.status == 'True').size() == 1"#,
        r#"{"status":{"conditions":[{"type":"Ready","status":"True"},{"type":"A","status":"x"}]}}"#,
        "true",
    ),
    (
        r#"status.conditions.exists_one(c, c.type == 'Ready')"#,
        r#"{"status":{"conditions":[{"type":"Ready","status":"True"},{"type":"A","status":"x"}]}}"#,
        "true",
    ),
    (
        r#"status.conditions.exists(c, c.x == 1)"#,
        r#"{"status":{"conditions":[{"type":"Ready"},{"x":1}]}}"#,
        "true",
    ),
    (
        r#"status.conditions.exists(c, c.x == 2)"#,
        r#"{"status":{"conditions":[{"type":"Ready"},{"x":1}]}}"#,
        "no such key: x",
    ),
    (
        r#"status.conditions.map(c, c.type)[0] == 'Ready' && status.conditions.filter(c, has(c.x)).size() == 1"#,
        r#"{"status":{"conditions":[{"type":"Ready"},{"type":"B","x":1}]}}"#,
        "true",
    ),
];

/// Where we are known to differ from cel-go: what it says, and what we say.
const UNLIKE_CEL_GO: &[(&str, &str, &str, &str)] = &[
    // Fields of what has none.
    (
        "data.a.b == 1",
        r#"{"data":{"a":"s"}}"#,
        "no such key: b",
        "no such overload",
    ),
    (
        "has(data.a.b)",
        r#"{"data":{"a":"s"}}"#,
        "false",
        "no such overload",
    ),
    (
        "a.b[0] == 1",
        r#"{"a":{"b":"x"}}"#,
        "no such key: 0",
        "no such overload",
    ),
    (
        "a.b['x'] == 1",
        r#"{"a":{"b":[1]}}"#,
        "unsupported index type 'string' in list",
        "no such overload",
    ),
    // Of two errors the interpreter reports the second.
    (
        "a.b == 1 || c.d == 1",
        "{}",
        "no such attribute(s): a.b",
        "no such attribute(s): c.d",
    ),
    // Details.
    (
        "a.matches('[')",
        r#"{"a":"x"}"#,
        "error parsing regexp: missing closing ]: `[`",
        "error parsing regexp",
    ),
    (
        "['a', 1].join() == 'ab'",
        "{}",
        "join: invalid input: 1",
        "join: invalid input",
    ),
    (
        "sets.contains(a, 'x')",
        r#"{"a":[]}"#,
        "no such overload: sets.contains(list, string)",
        "no such overload",
    ),
];

fn outcome(text: &str, variables: &str) -> String {
    let variables: Value = serde_json::from_str(variables).expect("the row is JSON");
    let variables: Vec<(&str, &Value)> = variables
        .as_object()
        .expect("the row is an object")
        .iter()
        .map(|(k, v)| (k.as_str(), v))
        .collect();
    let expression = Expression::compile(text).expect(text);
    assert_eq!(expression.text(), text);
    match expression.evaluate(&variables) {
        Ok(value) => value.to_string(),
        Err(EvaluateError::NotBoolean { expression }) => {
            assert_eq!(expression, text);
            "other".to_owned()
        }
        Err(error) => {
            let prefix = format!("failed to evaluate the CEL expression '{text}': ");
            error
                .to_string()
                .strip_prefix(&prefix)
                .expect("every error names the expression")
                .to_owned()
        }
    }
}

#[test]
fn as_cel_go() {
    for (text, variables, expected) in AS_CEL_GO {
        assert_eq!(outcome(text, variables), *expected, "{text} with {variables}");
    }
}

#[test]
fn unlike_cel_go() {
    for (text, variables, theirs, ours) in UNLIKE_CEL_GO {
        assert_ne!(theirs, ours);
        assert_eq!(outcome(text, variables), *ours, "{text} with {variables}");
    }
}

#[test]
fn not_a_boolean() {
    let error = Expression::compile("1 + 1")
        .expect("it is well-formed")
        .evaluate(&[])
        .expect_err("it is an int");
    assert_eq!(
        error.to_string(),
        "failed to evaluate CEL expression as boolean: '1 + 1'"
    );
}

#[test]
fn values_of_any_kind_are_read_as_json() {
    let claims = serde_json::json!({"repository": "org/app", "n": 2, "list": ["a", "b"]});
    for (text, expected) in [
        ("claims.repository.split('/')[0]", serde_json::json!("org")),
        ("claims.n + 1", serde_json::json!(3)),
        ("claims.list.map(x, x + '!')", serde_json::json!(["a!", "b!"])),
        ("{'b': 1.5, 'a': null}", serde_json::json!({"a": null, "b": 1.5})),
        ("claims.?missing", Value::Null),
        ("claims.?n", serde_json::json!(2)),
    ] {
        let expression = Expression::compile_declared(text, &["claims"]).expect(text);
        assert_eq!(
            expression
                .evaluate_value(&Allowance::of(1), &[("claims", &claims)])
                .expect(text),
            expected,
            "{text}"
        );
    }
    let odd = Expression::compile_declared("type(claims)", &["claims"]).expect("an expression");
    assert!(matches!(
        odd.evaluate_value(&Allowance::of(1), &[("claims", &claims)]),
        Err(EvaluateError::Failed { .. })
    ));
    assert!(
        Expression::compile_declared("vars.a", &["claims"]).is_err(),
        "an undeclared variable"
    );
}

#[test]
fn texts() {
    let event = serde_json::json!({"involvedObject": {"kind": "Kustomization", "name": "web"}, "metadata": {"foo": "a"}});
    let provider = serde_json::json!({"metadata": {"uid": "0c9c2e41-d2f9"}});
    let variables = [("event", &event), ("provider", &provider)];
    for (text, expected) in [
        (
            "event.involvedObject.kind + '/' + event.metadata.foo",
            Ok("Kustomization/a"),
        ),
        // The one of Flux's documentation.
        (
            "(event.involvedObject.kind + '/' + event.involvedObject.name + '/' + event.metadata.foo + '/' + \
             provider.metadata.uid.split('-').first().value()).lowerAscii()",
            Ok("kustomization/web/a/0c9c2e41"),
        ),
        ("['a', 'b'].last().value()", Ok("b")),
        ("[].first().orValue('none')", Ok("none")),
        ("'a'.first().value()", Err("no such overload")),
        ("event.metadata.nope", Err("no such key: nope")),
        ("1 + 1", Err("as string")),
        ("event", Err("as string")),
        ("event.?metadata.?foo", Err("as string")),
        ("b'a'", Err("as string")),
    ] {
        let found = Expression::compile(text).unwrap().evaluate_text(&variables);
        match (found, expected) {
            (Ok(found), Ok(expected)) => assert_eq!(found, expected),
            (Err(found), Err(expected)) => assert!(found.to_string().contains(expected), "{found}"),
            (found, _) => panic!("{text}: {found:?}"),
        }
    }
}
