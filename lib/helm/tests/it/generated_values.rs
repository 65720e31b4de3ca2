//! Charts in charts with values out of a generator: ours never panics; with `HELM_ORACLE=<helm>` the real tool makes the same of
//! them. `CASES` says how many (300).

use crate::case;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// A value of YAML in brackets: few keys, so that they meet; nulls at every level.
fn value(rng: &mut TestRng, depth: u32) -> String {
    if depth > 0 && rng.random_range(0..3) > 0 {
        let mut out = String::from("{");
        for key in ["a", "b", "global", "s", "x"] {
            if rng.random_range(0..3) == 0 {
                out.push_str(&format!("{key}: {}, ", value(rng, depth - 1)));
            }
        }
        return out + "}";
    }
    ["null", "1", "text", "[1, null]", "{}", "true", "2.5", "\"\""][rng.random_range(0..8)].to_string()
}

/// The files of a chart with a dependency in a dependency, and the user's values.
fn family(rng: &mut TestRng) -> Vec<(&'static str, String)> {
    let map = |rng: &mut TestRng| {
        let text = value(rng, 3);
        if text.starts_with('{') {
            text
        } else {
            "{}".to_string()
        }
    };
    let import = [
        "[]",
        "[data]",
        "[{child: a, parent: b}]",
        "[data, {child: b.x, parent: global}]",
    ];
    let condition = ["", "s.a", "s.b,s.x", "b"];
    let pick = |rng: &mut TestRng, from: &[&str]| from[rng.random_range(0..from.len())].to_string();
    let shown = "kind: NAME\nv: {{ .Values | toJson }}\n";
    vec![
        (
            "Chart.yaml",
            format!(
                "apiVersion: v2\nname: c\nversion: 0.1.0\ndependencies:\n- {{name: s, version: '*', condition: {:?}, import-values: {}}}\n",
                pick(rng, &condition),
                pick(rng, &import)
            ),
        ),
        ("values.yaml", map(rng)),
        ("templates/c.yaml", shown.replace("NAME", "C")),
        (
            "charts/s/Chart.yaml",
            format!(
                "apiVersion: v2\nname: s\nversion: 0.1.0\ndependencies:\n- {{name: x, version: '*', import-values: {}}}\n",
                pick(rng, &import)
            ),
        ),
        (
            "charts/s/values.yaml",
            format!("exports: {{data: {}}}\n---\n{}", map(rng), map(rng)),
        ),
        ("charts/s/templates/s.yaml", shown.replace("NAME", "S")),
        (
            "charts/s/charts/x/Chart.yaml",
            "apiVersion: v2\nname: x\nversion: 0.1.0\n".to_string(),
        ),
        ("charts/s/charts/x/values.yaml", map(rng)),
        ("charts/s/charts/x/templates/x.yaml", shown.replace("NAME", "X")),
        ("user.yaml", map(rng)),
    ]
}

#[test]
fn generated_values_meet_as_in_helm() {
    let count: usize = std::env::var("CASES")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(300);
    let seed: u8 = std::env::var("SEED")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(7);
    let oracle = std::env::var("HELM_ORACLE").ok();
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[seed; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let strategy = Just(()).prop_perturb(|(), mut rng| family(&mut rng));
    let (mut wrong, mut rendered) = (Vec::new(), 0);
    for _ in 0..count {
        let files = strategy.new_tree(&mut runner).unwrap().current();
        let dir = tempfile::tempdir().unwrap();
        golden::lay(&files, dir.path());
        let user = dir.path().join("user.yaml").display().to_string();
        let args = ["-f".to_string(), user];
        let own = case::render(dir.path(), &args);
        rendered += usize::from(own.is_ok());
        let Some(helm) = &oracle else {
            continue;
        };
        let real = case::template(helm, dir.path(), &args);
        if real != own {
            wrong.push(format!("{files:#?}\n  helm: {real:?}\n  ours: {own:?}"));
        }
    }
    println!("{rendered} of {count} rendered");
    assert!(rendered * 2 > count);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
