use super::*;
use serde_json::json;

fn refused(type_: &str, subject: &Value) -> String {
    let vocabulary = Vocabulary::of(type_).unwrap();
    let subject = Fields::of(subject, "subject").unwrap();
    vocabulary
        .check(&subject)
        .err()
        .map_or(String::new(), |refused| refused.0)
}

/// A subject with all that its type must have, and a text in each place for one.
fn full(content: Content) -> Value {
    let fields = content.iter().map(|(name, rule)| {
        let value = match rule {
            Text | Given | Address => json!("x"),
            OneOf(words) | GivenOneOf(words) => json!(words[0]),
            Package => json!("pkg:oci/app@1"),
            Texts => json!(["x", "y"]),
            Object(content) | GivenObject(content) => full(content),
        };
        ((*name).to_owned(), value)
    });
    Value::Object(fields.collect())
}

#[test]
fn each_type_is_what_its_table_says_and_nothing_less() {
    assert_eq!(TYPES.len(), 45, "all of CDEvents 0.4.1");
    for known in TYPES {
        let type_ = format!("dev.cdevents.{}", known.name);
        let subject =
            json!({"id": "1", "source": "/ci", "type": known.subject, "content": full(known.content)});
        assert_eq!(refused(&type_, &subject), "", "{type_}");
        for (name, rule) in known.content {
            let mut without = subject.clone();
            without["content"].as_object_mut().unwrap().remove(*name);
            let is_needed = matches!(rule, Given | GivenOneOf(_) | Package | GivenObject(_));
            assert_eq!(
                !refused(&type_, &without).is_empty(),
                is_needed,
                "{type_} without {name}"
            );
            let mut number = subject.clone();
            number["content"][*name] = json!(1);
            let problem = refused(&type_, &number);
            assert!(
                problem.starts_with(&format!("subject.content.{name} is ")),
                "{type_}: {problem}"
            );
        }
    }
}

#[test]
fn what_is_wrong_is_named_by_its_place() {
    let subject = |content: Value| json!({"id": "1", "type": "service", "content": content});
    let deployed = "dev.cdevents.service.deployed.0.2.0";
    let environment = json!({"id": "prod"});
    for (subject, problem) in [
        (
            subject(json!({"artifactId": "pkg:oci/a@1", "environment": environment, "other": 1})),
            "",
        ),
        // As Go reads it.
        (
            subject(json!({"artifactid": "pkg:oci/a@1", "Environment": environment})),
            "",
        ),
        (
            subject(json!({"artifactId": "app", "environment": environment})),
            "subject.content.artifactId is no package URL",
        ),
        (
            subject(json!({"artifactId": "pkg:oci/a@1", "environment": {}})),
            "subject.content.environment.id is missing",
        ),
        (
            subject(json!({"artifactId": "pkg:oci/a@1", "environment": {"id": "a", "source": ":"}})),
            "subject.content.environment.source is no URI reference",
        ),
        (
            subject(Value::Null),
            "subject.content.artifactId is no package URL",
        ),
        (subject(json!([])), "subject.content is no object"),
        (
            json!({"id": "1", "type": "change"}),
            "subject.type is another than the event's",
        ),
        (json!({"type": "service"}), "subject.id is missing"),
    ] {
        assert_eq!(refused(deployed, &subject), problem, "{subject}");
    }
}

#[test]
fn tools_have_types_of_their_own() {
    for (type_, is_one) in [
        ("dev.cdeventsx.mytool-resource.created.0.1.0", true),
        ("dev.cdeventsx.mytool-resource.created.0.1", false),
        ("dev.cdeventsx.mytool-resource.created.0.10.0", false),
        ("dev.cdeventsx.mytool.created.0.1.0", false),
        ("dev.cdeventsx.MyTool-resource.created.0.1.0", false),
        ("dev.cdevents.change.merged.0.3.0", false),
        ("dev.cdevents.change.merged", false),
        ("org.example.change.merged.0.2.0", false),
        ("", false),
    ] {
        assert_eq!(Vocabulary::of(type_).is_some(), is_one, "{type_}");
    }
    let subject = |type_: &str, content: Value| json!({"id": "1", "type": type_, "content": content});
    for (subject, problem) in [
        (subject("mytool-resource", json!({"any": [1]})), ""),
        (subject("myTool2-resource", json!({})), ""),
        (
            subject("resource", json!({})),
            "subject.type is no <tool>-<subject>",
        ),
        (subject("a-b-c", json!({})), "subject.type is no <tool>-<subject>"),
        (subject("a-b", Value::Null), "subject.content is no object"),
    ] {
        assert_eq!(
            refused("dev.cdeventsx.mytool-resource.created.0.1.0", &subject),
            problem,
            "{subject}"
        );
    }
}
