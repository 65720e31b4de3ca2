//! What Flux's own `envsubst` (the one of `fluxcd/pkg` 1.9) makes of these texts; generated texts agreed as well.

use super::*;
use proptest::prelude::*;
use serde_json::json;
use std::error::Error as _;

fn given() -> BTreeMap<String, String> {
    let pairs = [
        ("a", "abc"),
        ("path", "/path/to/file.tar.gz"),
        ("title", "Hello World"),
        ("uni", "éßx"),
        ("empty", ""),
        ("two", "2"),
        ("minus", "-2"),
        ("brackets", "x[a]"),
    ];
    pairs.map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

fn cause(error: &SubstituteError) -> String {
    error
        .source()
        .map_or_else(|| error.to_string(), ToString::to_string)
}

/// The same outcome, strict or not.
fn check(text: &str, expected: Result<&str, &str>) {
    for strict in [true, false] {
        let got = substitute(text, &given(), strict);
        let got = got.as_deref().map_err(cause);
        assert_eq!(got, expected.map_err(str::to_owned), "{text} (strict: {strict})");
    }
}

#[test]
fn values_and_plain_text() {
    check("a ${a} b", Ok("a abc b"));
    check("${a}${two}", Ok("abc2"));
    check("${empty}", Ok(""));
    check("$a $(a) $((1+2)) a}", Ok("$a $(a) $((1+2)) a}"));
    check("$$ $$$$ $$$", Ok("$ $$ $$"));
    check("$${a} $$${a}", Ok("${a} $abc"));
    check("${#a} ${#uni} ${#empty}", Ok("3 5 0"));
    check("naïve é", Ok("naïve é"));
}

#[test]
fn letter_case() {
    check(
        "${a^} ${a^^} ${title,} ${title,,}",
        Ok("Abc ABC hello World hello world"),
    );
    check("${uni^} ${uni^^}", Ok("Éßx ÉßX"));
    check("${a,^} ${a^,}", Ok("abc abc"));
    check("${a^^^}", Err("bad substitution"));
}

#[test]
fn substrings_count_bytes() {
    check("${a:0} ${a:1} ${a:3} ${a:9}", Ok("abc bc  "));
    check("${a:0:2} ${a:1:9} ${a:1::1} ${a:7:2}", Ok("ab bc b "));
    check("${a:${minus}} ${a:${minus}:1}", Ok("bc b"));
    check("${a:1:-1} ${a:0:-9}", Ok("b "));
    check(
        "${a: -1} ${a:x} ${a:0:x} ${a:99999999999999999999}",
        Ok("abc abc abc abc"),
    );
    check("${a:9223372036854775807:9223372036854775807}", Ok(""));
    check("${uni:2} ${uni:0:2}", Ok("ßx é"));
    check(
        "${uni:1}",
        Err("substring of variable \"uni\" cuts a character in two"),
    );
    check("${a:}", Err("unable to parse substitution within function"));
    check("${a:1:}", Err("unable to parse substitution within function"));
    check("${a:é}", Err("bad substitution"));
    check("${a:1", Err("bad substitution"));
}

#[test]
fn globs() {
    check(
        "${path##*/} ${path#*/} ${path#/}",
        Ok("file.tar.gz path/to/file.tar.gz path/to/file.tar.gz"),
    );
    check(
        "${path%.*} ${path%%.*} ${path%/*}",
        Ok("/path/to/file.tar /path/to/file /path/to"),
    );
    check(
        "${a#?} ${a##*} ${a#[a-b]} ${a#[^b]} ${a##[ab]*}",
        Ok("bc  bc bc "),
    );
    check("${a%[c]} ${brackets%]} ${brackets%\\]}", Ok("abc x[a x[a]"));
    check(
        "${a#x} ${a#\\a} ${a#\\} ${a#[} ${a#[]} ${a#[a-]}",
        Ok("abc bc abc abc abc abc"),
    );
    check("${uni#?} ${uni%?} ${uni##é}", Ok("ßx éß ßx"));
    check("${a###b} ${empty#*}", Ok("abc "));
    check("${a#}", Err("unable to parse substitution within function"));
    check("${a#b", Err("bad substitution"));
}

#[test]
fn replacements_are_literal() {
    check(
        "${title/o/0} ${title//o/0} ${title//o/}",
        Ok("Hell0 World Hell0 W0rld Hell Wrld"),
    );
    check("${a/#a/x} ${a/#b/x} ${a/%c/x} ${a/%b/x}", Ok("xbc abc abx abc"));
    check("${a/#a/} ${a/%c/} ${a/a/}", Ok("abc abc bc"));
    check(
        "${path//\\//_} ${a/b/\\/} ${a/b/\\\\}",
        Ok("_path_to_file.tar.gz a/c a\\c"),
    );
    check("${a/b//x} ${a/*/x} ${a/b/$$}", Ok("axc abc a$c"));
    check("${a/${a}/${title}} ${a//${empty}/-}", Ok("Hello World -a-b-c-"));
    check("${a/b}", Err("bad substitution"));
    check("${a//}", Err("bad substitution"));
    check("${a///x}", Err("unable to parse substitution within function"));
    check("${a/b/x${a}}", Err("bad substitution"));
}

#[test]
fn defaults() {
    check("${no:=d} ${no:-d} ${no=d} ${no:?d} ${no:+d}", Ok("d d d d d"));
    check(
        "${a:=d} ${a:-d} ${a=d} ${a:?d} ${a:+d}",
        Ok("abc abc abc abc abc"),
    );
    check("${empty:=d} ${empty=d}", Ok("d d"));
    check("${no:=} ${no:=x$$y} ${no:=a:b/c#d}", Ok(" x$$y a:b/c#d"));
    check("${no:=${a}} ${no:=x${no:-${a^^}}y${two}}", Ok("abc xABCy2"));
    check("${no-d}", Err("missing closing brace"));
    check("${no:=d", Err("unable to parse substitution within function"));
}

#[test]
fn malformed() {
    check("${", Err("unable to parse variable name"));
    check("${}", Err("unable to parse variable name"));
    check("${ a}", Err("unable to parse variable name"));
    check("${a", Err("missing closing brace"));
    check("${a.b}", Err("missing closing brace"));
    check("${my-key}", Err("missing closing brace"));
    check("${#}", Err("bad substitution"));
    check("${#a", Err("bad substitution"));
    check("${no} ${", Err("unable to parse variable name"));
}

#[test]
fn missing_variables() {
    let bare = [
        "${no}",
        "${#no}",
        "${no^}",
        "${no:1}",
        "${no#x}",
        "${no%%x}",
        "${no/a/b}",
        "${a:-${no}}",
    ];
    for text in bare {
        let strict = substitute(text, &given(), true).map_err(|e| cause(&e));
        assert_eq!(
            strict,
            Err("variable not set (strict mode): \"no\"".to_owned()),
            "{text}"
        );
        assert!(substitute(text, &given(), false).is_ok(), "{text}");
    }
    let nested = substitute("${größe}", &BTreeMap::new(), true).map_err(|e| cause(&e));
    assert_eq!(
        nested,
        Err("variable not set (strict mode): \"größe\"".to_owned())
    );
}

#[test]
fn limits() {
    let deep = |n: usize| "${no:=".repeat(n) + &"}".repeat(n);
    assert!(substitute(&deep(50), &given(), true).is_ok());
    check(&deep(51), Err("substitutions are nested more than 50 deep"));
    check(
        &deep(1_000_000),
        Err("substitutions are nested more than 50 deep"),
    );

    let large = BTreeMap::from([
        ("v".to_owned(), "a".repeat(1 << 20)),
        ("w".to_owned(), "b".repeat(1 << 20)),
    ]);
    for text in [
        "${v}".repeat(40),
        "${v//a/${w}}".to_owned(),
        format!("${{v%%{}}}", "*a".repeat(1000)),
    ] {
        let got = substitute(&text, &large, true).map_err(|e| cause(&e));
        assert_eq!(
            got,
            Err("substitution handles more than 33554432 bytes".to_owned())
        );
    }
    assert!(substitute("${v##*a*a*a*b}", &large, true).is_ok());
}

#[test]
fn layers_of_variables() {
    let layer = |pairs: &[(&str, &str)]| {
        pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect()
    };
    let merged = variables([
        layer(&[("a", "1"), ("_b", "x\ny\r\n")]),
        layer(&[("a", "2"), ("C9", "")]),
    ]);
    assert_eq!(
        merged.expect("names are good"),
        layer(&[("C9", ""), ("_b", "xy\r"), ("a", "2")])
    );
    for name in ["my-key", "9a", "", "a.b", "é", "a\n"] {
        let error = variables([layer(&[(name, "")])]).expect_err(name);
        let expected =
            format!("'{name}' var name is invalid, must match '^[_[:alpha:]][_[:alpha:][:digit:]]*$'");
        assert_eq!(error.to_string(), expected);
    }
}

fn config(metadata: Value, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data})
}

#[test]
fn objects() {
    let named = |name: &str| json!({"name": name});
    let cases = [
        // As recorded from Flux: a quoted reference to a number gives a number.
        (
            config(named("s"), json!({"num": "${two}", "esc": "$${a}"})),
            config(named("s"), json!({"esc": "${a}", "num": 2})),
        ),
        (
            config(named("x-${a}"), json!({"${a}": "${no:=fallback}"})),
            config(named("x-abc"), json!({"abc": "fallback"})),
        ),
        (
            config(named("s"), json!({"sh": "x=$$(date)\ny=$((1+1))\n"})),
            config(named("s"), json!({"sh": "x=$(date)\ny=$((1+1))\n"})),
        ),
        (
            config(named("s"), json!({"none": "yes", "n": 1})),
            config(named("s"), json!({"none": "yes", "n": 1})),
        ),
    ];
    for (manifest, expected) in cases {
        assert_eq!(
            object(&manifest, &given(), true).expect("it is well-formed"),
            expected
        );
    }
}

#[test]
fn objects_that_opt_out() {
    let toggle = |field: &str, value: &str| {
        config(
            json!({"name": "s", field: {TOGGLE: value}}),
            json!({"a": "${", "b": "$$"}),
        )
    };
    for off in [toggle("labels", "disabled"), toggle("annotations", "disabled")] {
        assert_eq!(object(&off, &given(), true).expect("it is left alone"), off);
    }
    for on in [toggle("labels", "Disabled"), toggle("annotations", "true")] {
        object(&on, &given(), true).expect_err("it is malformed");
    }
}

#[test]
fn objects_that_break() {
    let broken = |value: &str| {
        let variables = BTreeMap::from([("v".to_owned(), value.to_owned())]);
        object(
            &config(json!({"name": "s"}), json!({"a": "${v}"})),
            &variables,
            true,
        )
    };
    assert!(matches!(broken("a: b: c"), Err(SubstituteError::Yaml(_))));
    assert!(matches!(
        object(&json!("${a}"), &given(), true),
        Err(SubstituteError::NotAnObject)
    ));
    assert_eq!(
        broken("{x: 1}")
            .expect("a value may be a mapping")
            .pointer("/data/a/x"),
        Some(&json!(1))
    );
}

proptest! {
    #[test]
    fn any_text_ends_well(
        text in r"(\$\{[a-eé#]{0,2}[:=^,/#%*?\[\]0-9a-c$é\\-]{0,6}|\}|\$|[ -~é日]){0,12}",
        value in "[a-cé日/0-9*]{0,8}",
        strict: bool,
    ) {
        let variables = BTreeMap::from([("a".to_owned(), value.clone()), ("é".to_owned(), value)]);
        if let Ok(out) = substitute(&text, &variables, strict) {
            prop_assert!(out.len() < 10_000);
        }
    }

    #[test]
    fn text_without_dollars_stays(text in "[^$]*") {
        prop_assert_eq!(substitute(&text, &BTreeMap::new(), true).expect("there is nothing to do"), text);
    }
}
