//! No expression and no input takes long, takes much, or breaks anything.

use expr::{Allowance, CompileError, EvaluateError, Expression};
use proptest::prelude::*;
use serde_json::{Value, json};

fn compile(text: &str) -> Expression {
    Expression::compile(text).expect(text)
}

#[test]
fn length_and_depth() {
    let long = format!("a == '{}'", "x".repeat(9000));
    assert!(matches!(
        Expression::compile(&long),
        Err(CompileError::TooLong {
            length: 9007,
            limit: 8192
        })
    ));
    for deep in [
        "1+".repeat(4000) + "1",
        "a".to_owned() + &".a".repeat(4000),
        "f().".repeat(2000) + "f()",
    ] {
        assert!(matches!(
            Expression::compile(&deep),
            Err(CompileError::TooDeep { .. })
        ));
    }
    for brackets in [
        "(".repeat(8000),
        "[".repeat(4000) + &"]".repeat(4000),
        "{1:".repeat(2000),
    ] {
        assert!(matches!(
            Expression::compile(&brackets),
            Err(CompileError::Syntax { .. })
        ));
    }
    // What is let through is evaluated on any stack; logical operators do not nest.
    let fine = [
        "1".to_owned() + &"+0".repeat(190) + " == 1",
        "(".repeat(40) + "true" + &")".repeat(40),
        "true".to_owned() + &" && true".repeat(900),
        "!".repeat(2000) + "true",
    ];
    for text in fine {
        assert_eq!(compile(&text).evaluate(&[]), Ok(true));
    }
}

#[test]
fn deep_input() {
    let mut value = json!(1);
    for _ in 0..300 {
        value = json!([value]);
    }
    let found = compile("a.size() == 1").evaluate(&[("a", &value)]);
    assert!(matches!(found, Err(EvaluateError::TooDeep { variable, .. }) if variable == "a"));
    assert_eq!(
        compile("b").evaluate(&[("a", &value), ("b", &json!(true))]),
        Ok(true),
        "what is not read is not looked at"
    );
}

/// A million bytes of text, three thousand numbers, three thousand conditions.
fn large() -> Value {
    let conditions: Vec<Value> = (0..3000)
        .map(|i| json!({"type": format!("T{i}"), "status": "True"}))
        .collect();
    json!({"s": "a".repeat(1_000_000), "l": (0..3000).collect::<Vec<_>>(), "c": conditions})
}

#[test]
fn honest_work_is_affordable() {
    let large = large();
    let texts = [
        "a.l.all(x, x >= 0)",
        "a.c.all(x, x.status == 'True') && a.c.exists_one(x, x.type == 'T17')",
        "a.c.filter(x, x.type.startsWith('T')).map(x, x.type).size() == 3000",
        "a.c.all(x, x.type.matches('^T[0-9]{1,4}$'))",
        "a.s.split('').size() == 1000000",
        "sets.contains(a.l, [1, 2, 3])",
    ];
    for text in texts {
        assert_eq!(compile(text).evaluate(&[("a", &large)]), Ok(true), "{text}");
    }
}

#[test]
fn dishonest_work_is_not() {
    let large = large();
    let literal = format!("[{}]", ["1"; 300].join(","));
    let texts = [
        "a.l.all(x, a.l.all(y, a.l.all(z, true)))".to_owned(),
        "a.l.map(x, a.l.map(y, a.l)).size() > 0".to_owned(),
        "a.l.map(x, [a.s]).size() > 0".to_owned(),
        "a.l.map(x, a.?s).size() > 0".to_owned(),
        "a.l.map(x, a.c).map(x, a.c).size() > 0".to_owned(),
        "a.l.all(x, [a.c].size() == 1)".to_owned(),
        "a.l.all(x, a.s == a.s)".to_owned(),
        "a.l.all(x, !a.s.contains('b'))".to_owned(),
        "a.l.exists(x, a.s.matches('^a+b'))".to_owned(),
        "a.l.all(x, !'y'.matches('(a{50}){9}' + string(x)))".to_owned(),
        "a.s.replace('a', a.s) == ''".to_owned(),
        "a.s.replace('', a.s, 1000000) == ''".to_owned(),
        "a.s.split('').join(a.s) == ''".to_owned(),
        "sets.equivalent(a.l, a.l) && sets.contains(a.c, a.c)".to_owned(),
        ["a.s"; 150].join("+") + " == ''",
        format!("{literal}.all(a, {literal}.all(b, {literal}.all(c, {literal}.all(d, true))))"),
        format!("{literal}.map(a, {literal}.map(b, {literal}.map(c, {literal}))).size() > 0"),
        // An error that a later element could absorb does not go on for ever either.
        format!("{literal}.exists(a, {literal}.exists(b, {literal}.exists(c, nope)))"),
    ];
    for text in texts {
        let found = compile(&text).evaluate(&[("a", &large)]);
        assert!(
            matches!(found, Err(EvaluateError::TooCostly { .. })),
            "{}: {found:?}",
            text.get(..80).unwrap_or(&text)
        );
    }
}

/// How many evaluations of an expression an allowance for four is good for.
fn within_four(text: &str, value: &Value) -> usize {
    let (expression, allowance) = (compile(text), Allowance::of(4));
    let evaluate = |_: &usize| {
        let found = expression.evaluate_within(&allowance, &[("a", value)]);
        assert!(
            matches!(found, Ok(true) | Err(EvaluateError::TooCostly { .. })),
            "{found:?}"
        );
        found.is_ok()
    };
    (0..1000).take_while(evaluate).count()
}

#[test]
fn several_have_an_allowance_together() {
    let large = large();
    // By what the work costs, by what it costs to make the variables its own, and by neither.
    assert_eq!(within_four("a.s.split('').size() == 1000000", &large), 7);
    assert_eq!(within_four("a.size() == 3", &large), 50);
    assert_eq!(within_four("true", &large), 1000);
    // One that has none left does not begin, and one alone gets no more than others do.
    let (spender, allowance) = (
        compile("a.l.all(x, a.l.all(y, a.l.all(z, true)))"),
        Allowance::of(1),
    );
    assert!(spender.evaluate_within(&allowance, &[("a", &large)]).is_err());
    assert!(compile("true").evaluate_within(&allowance, &[]).is_err());
    let allowance = Allowance::of(1000);
    assert!(spender.evaluate_within(&allowance, &[("a", &large)]).is_err());
    assert_eq!(compile("true").evaluate_within(&allowance, &[]), Ok(true));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_ends_well(
        words in prop::collection::vec(prop::sample::select(vec![
            "a", "b", ".", "?", "[", "]", "(", ")", "{", "}", "'x'", "1", "1.5", "2u", "==", "&&", "||", "!", "-", "+",
            "in", ",", ":", "has(a.b)", ".all(x, ", ".map(x, x)", "sets.contains(", ".join('')", "null", "é", "\"", " ",
        ]), 0..14),
        input: Option<bool>,
    ) {
        let value = json!({"b": [input, 1, "é", {"c": null}]});
        if let Ok(expression) = Expression::compile(&words.concat()) {
            let _ = expression.evaluate(&[("a", &value), ("b", &json!(input))]);
        }
    }
}
