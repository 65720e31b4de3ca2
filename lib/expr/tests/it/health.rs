//! `healthCheckExprs`: which entry is for an object, and what it says.

use expr::{HealthCheck, HealthExpressions, Judgement};
use serde_json::{Value, json};
use std::error::Error as _;

const READY: &str = "status.conditions.filter(e, e.type == 'Ready').all(e, e.status == 'True')";

fn fields(api_version: &str, kind: Option<&str>, current: &str) -> HealthCheck {
    HealthCheck {
        api_version: api_version.to_owned(),
        kind: kind.map(str::to_owned),
        current: current.to_owned(),
        in_progress: None,
        failed: None,
    }
}

fn judge(fields: HealthCheck, object: &Value) -> Judgement {
    let expressions = HealthExpressions::compile(&[fields]).expect("it compiles");
    expressions
        .for_object("", "ConfigMap")
        .expect("it is for ConfigMaps")
        .judge(object)
}

#[test]
fn order() {
    let all = HealthCheck {
        in_progress: Some("spec.p".to_owned()),
        failed: Some("spec.f".to_owned()),
        ..fields("v1", Some("ConfigMap"), "spec.c")
    };
    let cases = [
        (true, true, true, Judgement::InProgress),
        (false, true, true, Judgement::Failed),
        (false, false, true, Judgement::Current),
        (false, false, false, Judgement::InProgress),
    ];
    for (p, f, c, expected) in cases {
        assert_eq!(
            judge(all.clone(), &json!({"spec": {"p": p, "f": f, "c": c}})),
            expected
        );
    }
    assert_eq!(
        judge(
            HealthCheck {
                in_progress: Some(String::new()),
                failed: Some(String::new()),
                ..all
            },
            &json!({"spec": {"c": true}})
        ),
        Judgement::Current
    );
}

#[test]
fn generation() {
    let always = fields("v1", None, "true");
    let object =
        |observed: Value| json!({"metadata": {"generation": 2}, "status": {"observedGeneration": observed}});
    assert_eq!(judge(always.clone(), &object(json!(1))), Judgement::InProgress);
    assert_eq!(judge(always.clone(), &object(json!(2))), Judgement::Current);
    assert_eq!(
        judge(always.clone(), &json!({"metadata": {"generation": 2}})),
        Judgement::Current
    );
    assert_eq!(
        judge(always.clone(), &json!({"status": {"observedGeneration": 2}})),
        Judgement::Current
    );
    assert_eq!(judge(always.clone(), &json!(null)), Judgement::Current);
}

#[test]
fn errors_as_recorded_from_flux() {
    let config_map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "goes"}});
    let expected = "failed to evaluate the CEL expression 'has(data.a)': no such attribute(s): data.a";
    assert_eq!(
        judge(fields("v1", Some("ConfigMap"), "has(data.a)"), &config_map),
        Judgement::Unknown(expected.to_owned())
    );
    let expected = format!("failed to evaluate the CEL expression '{READY}': no such key: conditions");
    assert_eq!(
        judge(fields("v1", None, READY), &json!({"status": {}})),
        Judgement::Unknown(expected)
    );
    let conditions = json!({"status": {"conditions": [{"type": "Ready", "status": "True"}]}});
    assert_eq!(judge(fields("v1", None, READY), &conditions), Judgement::Current);
    let expected = "failed to evaluate CEL expression as boolean: 'status'";
    assert_eq!(
        judge(fields("v1", None, "status"), &conditions),
        Judgement::Unknown(expected.to_owned())
    );
}

#[test]
fn choice() {
    let object = json!({"apiVersion": "x", "spec": {}});
    let expressions = HealthExpressions::compile(&[
        fields("apps/v1", None, "false"),
        fields("apps/v1beta1", Some("Deployment"), "true"),
        fields("v1", Some("Secret"), "true"),
    ]);
    let expressions = expressions.expect("they compile");
    let found = |group: &str, kind: &str| expressions.for_object(group, kind).map(|e| e.judge(&object));
    assert_eq!(found("apps", "Deployment"), Some(Judgement::Current));
    assert_eq!(found("apps", "StatefulSet"), Some(Judgement::InProgress));
    assert_eq!(found("", "Secret"), Some(Judgement::Current));
    assert_eq!(found("", "ConfigMap"), None);
    assert_eq!(found("batch", "Deployment"), None);
    assert!(!expressions.is_empty() && HealthExpressions::default().is_empty());
}

#[test]
fn mistakes() {
    let message = |entries: &[HealthCheck]| {
        let error = HealthExpressions::compile(entries).expect_err("there is a mistake");
        (
            error.to_string(),
            error.source().map(ToString::to_string).unwrap_or_default(),
        )
    };
    let good = fields("apps/v1", Some("Deployment"), "true");
    let (text, source) = message(&[
        good.clone(),
        HealthCheck {
            failed: Some("a =".to_owned()),
            ..fields("v1", None, "true")
        },
    ]);
    assert_eq!(
        text,
        "failed to create custom status evaluator for healthchecks[1]: failed to parse the expression Failed"
    );
    assert!(
        source.starts_with("failed to parse the CEL expression 'a =': ERROR: <input>:1:3: "),
        "{source}"
    );
    let (text, _) = message(&[fields("v1", None, "")]);
    assert_eq!(
        text,
        "failed to create custom status evaluator for healthchecks[0]: expression Current not specified"
    );
    let (text, _) = message(&[good, fields("apps/v2", Some("Deployment"), "false")]);
    assert_eq!(
        text,
        "duplicate healthchecks[1]: there is already one for group 'apps' and kind 'Deployment'"
    );
    let (text, _) = message(&[fields("v1", None, "true"), fields("v2", Some(""), "true")]);
    assert_eq!(
        text,
        "duplicate healthchecks[1]: there is already one for group '' and kind ''"
    );
}
