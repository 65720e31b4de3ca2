//! Templates and values out of a generator: ours never panics and is the same twice; with `HELM_ORACLE=<helm>` the real tool
//! gives the same text, and the same errors. `CASES` says how many (500).

use crate::case;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use std::path::Path;

const VALUES: &str = r#"
str: hello World
num: 5
float: 2.5
big: 123456789
neg: -7
yes: true
no: false
nothing: null
empty: ""
list: [3, a, null, 1.5, {k: v}]
names: [web, db, cache-1]
map: {b: 2, a: one, nested: {x: [1, 2], y: null}}
none: {}
multi: "a\n b\n\nc: d"
ver: 1.27.3-gke.100
json: '{"a": [1, "x"]}'
"#;

#[derive(Clone, Copy)]
enum Want {
    Text,
    Number,
    List,
    Map,
    Truth,
    Any,
}

/// An expression that gives about what is wanted; now and then something else.
fn expression(rng: &mut TestRng, want: Want, depth: u32) -> String {
    let want = match want {
        Want::Any => [Want::Text, Want::Number, Want::List, Want::Map, Want::Truth][rng.random_range(0..5)],
        _ if rng.random_range(0..40) == 0 => {
            let odd = [
                "nil",
                ".Values.nothing",
                ".Values.absent",
                ".Values.str.x",
                ".Values.list",
                "1.5",
                "\"\"",
            ];
            return odd[rng.random_range(0..odd.len())].to_string();
        }
        want => want,
    };
    let simple: &[&str] = match want {
        Want::Text => &[
            "\"abc\"",
            "\"\"",
            "\"a-b_c D\"",
            "`x\ty`",
            "\"1.5\"",
            "\"é\\n\"",
            ".Values.str",
            ".Values.multi",
            ".Values.ver",
            ".Release.Name",
            ".Chart.Version",
            ".Values.json",
            "\"a,b,,c\"",
            "\"  pad \"",
        ],
        Want::Number => &[
            "0",
            "1",
            "-3",
            "42",
            "1.5",
            "1e6",
            ".Values.num",
            ".Values.float",
            ".Values.big",
            ".Values.neg",
            "\"7\"",
            "'a'",
        ],
        Want::List => &[
            "(list)",
            "(list 1 2 3)",
            "(list \"b\" \"a\" \"b\")",
            ".Values.list",
            ".Values.names",
            "(until 4)",
            "(list nil 0 \"\")",
        ],
        Want::Map => &[
            "(dict)",
            ".Values.map",
            "(dict \"a\" 1 \"b\" \"x\")",
            ".Values.none",
            ".Values.map.nested",
        ],
        Want::Truth => &["true", "false", ".Values.yes", ".Values.no", "(eq 1 1)"],
        Want::Any => &["1"],
    };
    if depth == 0 || rng.random_range(0..4) == 0 {
        return simple[rng.random_range(0..simple.len())].to_string();
    }
    let shapes: &[&str] = match want {
        Want::Text => &[
            "upper T",
            "lower T",
            "title T",
            "untitle T",
            "swapcase T",
            "trim T",
            "nospace T",
            "initials T",
            "snakecase T",
            "camelcase T",
            "kebabcase T",
            "trunc I T",
            "abbrev I T",
            "substr I I T",
            "repeat 2 T",
            "replace T T T",
            "quote A",
            "squote A",
            "cat A A",
            "indent 2 T",
            "nindent 3 T",
            "wrap 5 T",
            "join \"-\" L",
            "toString A",
            "toJson A",
            "toYaml A",
            "toPrettyJson A",
            "toRawJson A",
            "b64enc T",
            "b64dec T",
            "sha256sum T",
            "printf \"%v|%s|%d\" A A A",
            "printf \"%q %5.2f %x\" T N N",
            "printf \"%-8v|%+v|%T\" A A A",
            "print A A",
            "default T A",
            "ternary T T B",
            "include \"echo\" A",
            "tpl \"{{ . }}\" A",
            "regexReplaceAll \"[aeiou]+\" T \"<$0>\"",
            "regexFind \"[a-z]+\" T",
            "trimSuffix T T",
            "trimAll \"a \" T",
            "base T",
            "dir T",
            "clean T",
            "ext T",
            "seq 1 I",
            "plural T T I",
            "typeOf A",
            "kindOf A",
            "html T",
            "js T",
            "urlquery T",
            "coalesce A T",
            "first L | toString",
            "toToml M",
            "toYamlPretty A",
            "adler32sum T",
            "squote A A",
            "required \"r\" T",
            "regexQuoteMeta T",
            "wrapWith 4 \"/\" T",
            "trimPrefix T T",
            "contains T T | toString",
            "get M T",
            "index L 0 | toString",
        ],
        Want::Number => &[
            "add N N",
            "sub N N",
            "mul N N",
            "div N 3",
            "mod N 4",
            "max N N",
            "min N N",
            "len L",
            "len T",
            "len M",
            "int N",
            "int64 N",
            "float64 N",
            "floor N",
            "ceil N",
            "round N 1",
            "add1 N",
            "addf N N",
            "mulf N N",
            "subf N N",
            "divf N 4",
            "atoi T",
            "biggest N N",
            "maxf N N",
            "minf N N",
            "toDecimal N",
            "add1f N",
        ],
        Want::List => &[
            "append L A",
            "prepend L A",
            "rest L",
            "initial L",
            "reverse L",
            "uniq L",
            "compact L",
            "without L A",
            "concat L L",
            "slice L 0 1",
            "splitList \",\" T",
            "sortAlpha L",
            "list A A",
            "chunk 2 L",
            "keys M | sortAlpha",
            "pluck \"a\" M M",
            "toStrings L",
            "regexFindAll \"[a-z]\" T -1",
            "regexSplit \"[ ,-]\" T -1",
            "untilStep 0 6 I",
            "tuple A",
            "fromJsonArray T",
            "fromYamlArray T",
            "has A L | list",
            "values (pick M \"a\")",
        ],
        Want::Map => &[
            "dict \"k\" A",
            "set (deepCopy M) \"z\" A",
            "unset (deepCopy M) \"a\"",
            "merge (deepCopy M) M",
            "mergeOverwrite (deepCopy M) M",
            "pick M \"a\" \"b\"",
            "omit M \"a\"",
            "fromJson T",
            "fromYaml T",
            "split \"-\" T",
            "splitn \",\" 2 T",
            "urlParse T",
            "dict \"a\" A \"b\" (dict \"c\" A)",
            "deepCopy M",
            "fromYaml (toYaml M)",
            "fromJson (toJson M)",
        ],
        Want::Truth => &[
            "eq A A",
            "ne T T",
            "lt N N",
            "gt N N",
            "le T T",
            "ge N N",
            "and B B",
            "or A B",
            "not A",
            "empty A",
            "contains T T",
            "hasPrefix T T",
            "hasSuffix T T",
            "has A L",
            "hasKey M \"a\"",
            "kindIs \"string\" A",
            "deepEqual A A",
            "regexMatch \"^[a-z]\" T",
            "any A A",
            "all A A",
            "semverCompare \">=1.2-0\" .Values.ver",
            "typeIs \"string\" A",
        ],
        Want::Any => &["list"],
    };
    let shape = shapes[rng.random_range(0..shapes.len())].to_string();
    let mut out = String::from("(");
    for (i, word) in shape.split(' ').enumerate() {
        if i > 0 {
            out.push(' ');
        }
        let want = match word {
            "T" => Want::Text,
            "N" => Want::Number,
            "L" => Want::List,
            "M" => Want::Map,
            "B" => Want::Truth,
            "A" => Want::Any,
            "I" => {
                out.push_str(["0", "1", "2", "3", "-1", "5"][rng.random_range(0..6)]);
                continue;
            }
            other => {
                out.push_str(other);
                continue;
            }
        };
        out.push_str(&expression(rng, want, depth - 1));
    }
    out + ")"
}

/// A template of one line of comment.
fn template(rng: &mut TestRng) -> String {
    let any = |rng: &mut TestRng| expression(rng, Want::Any, 3);
    let shown = |expression: &str| format!("{{{{ printf \"%v\" {expression} | quote }}}}");
    match rng.random_range(0..8) {
        0 => {
            let list = expression(rng, Want::List, 2);
            let inner = shown(if rng.random() { "$v" } else { "." });
            format!("# {{{{ range $i, $v := {list} }}}}{{{{ $i }}}}={inner};{{{{ else }}}}none{{{{ end }}}}")
        }
        1 => {
            let map = expression(rng, Want::Map, 2);
            format!(
                "# {{{{ range $k, $v := {map} }}}}{{{{ $k | quote }}}}={};{{{{ end }}}}",
                shown("$v")
            )
        }
        2 => {
            let (test, yes, no) = (expression(rng, Want::Truth, 2), any(rng), any(rng));
            format!(
                "# {{{{ if {test} }}}}{}{{{{ else }}}}{}{{{{ end }}}}",
                shown(&yes),
                shown(&no)
            )
        }
        3 => {
            let (value, other) = (any(rng), any(rng));
            format!(
                "# {{{{ with {value} }}}}{}{{{{ else }}}}{}{{{{ end }}}}",
                shown("."),
                shown(&other)
            )
        }
        4 => {
            let (first, second) = (any(rng), any(rng));
            format!(
                "# {{{{ $x := {first} }}}}{{{{ $y := {second} }}}}{{{{ $x = list $x $y }}}}{}",
                shown("$x")
            )
        }
        _ => format!("# {}", shown(&any(rng))),
    }
}

fn chart(root: &Path, templates: &[String]) {
    let write = |name: &str, text: &str| std::fs::write(root.join(name), text).unwrap();
    let _ = std::fs::remove_dir_all(root.join("templates"));
    std::fs::create_dir_all(root.join("templates")).unwrap();
    write("Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n");
    write("values.yaml", VALUES);
    write("templates/_echo.tpl", "{{ define \"echo\" }}<{{ . }}>{{ end }}");
    for (i, template) in templates.iter().enumerate() {
        write(&format!("templates/{i:04}.yaml"), template);
    }
}

#[test]
fn generated_templates_agree_with_helm() {
    let count: usize = std::env::var("CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(500);
    let seed: u8 = std::env::var("SEED")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(7);
    let oracle = std::env::var("HELM_ORACLE").ok();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = Just(()).prop_perturb(|(), mut rng| template(&mut rng));
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path();
    let (mut good, mut bad, mut wrong) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..count {
        let template = strategy.new_tree(&mut runner).unwrap().current();
        chart(root, std::slice::from_ref(&template));
        let first = case::render(root, &[]);
        assert_eq!(first, case::render(root, &[]), "not the same twice: {template}");
        match first {
            Ok(_) => good.push(template),
            Err(error) => bad.push((template, error)),
        }
    }
    assert!(
        good.len() * 2 > count,
        "too few of the generated templates render: {}",
        good.len()
    );
    let Some(helm) = oracle else {
        return;
    };
    let mut check = |template: &String| {
        chart(root, std::slice::from_ref(template));
        let (real, own) = (case::template(&helm, root, &[]), case::render(root, &[]));
        if real != own {
            wrong.push(format!("{template}\n  helm: {real:?}\n  ours: {own:?}"));
        }
    };
    for batch in good.chunks(200) {
        chart(root, batch);
        if case::template(&helm, root, &[]) != case::render(root, &[]) {
            batch.iter().for_each(&mut check);
        }
    }
    for (template, _) in bad.iter().take(count / 20) {
        check(template);
    }
    println!(
        "{} rendered, {} failed, {} of them compared",
        good.len(),
        bad.len(),
        bad.len().min(count / 20)
    );
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
