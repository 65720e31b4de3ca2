//! Random replacements and vars: what takes a value of one object to others.

use super::fields::{KINDS, selector};
use super::objects::{NAMES, TEXTS, name};
use proptest::prelude::*;
use proptest::sample::select;

pub fn replacement() -> impl Strategy<Value = String> {
    let field = || {
        select(
            &[
                "metadata.name",
                "metadata.namespace",
                "metadata.labels.app",
                "spec.k",
                "data.k",
                "data.a\\.txt",
                "spec.replicas",
                "spec.template.spec.containers.0.image",
                "spec.template.spec.containers.[name=app].image",
                "spec.template.spec.containers.*.env.[name=V].value",
                "metadata.annotations.k",
                "metadata.annotations.[new.x/y]",
                "spec.template.spec",
                "spec.selector.matchLabels.app",
                "spec.ports.0.port",
                "spec.template.metadata.labels",
            ][..],
        )
    };
    let options = || {
        select(
            &[
                "",
                "",
                "",
                "options: {delimiter: '-', index: 0}",
                "options: {delimiter: ':', index: 1}",
                "options: {delimiter: '.', index: 9}",
                "options: {delimiter: '-', index: -1}",
            ][..],
        )
    };
    let create = prop::bool::weighted(0.4);
    let kind = select(KINDS);
    (
        kind,
        prop::option::of(select(NAMES)),
        field(),
        options(),
        prop::collection::vec((selector(), field(), options()), 1..3),
        create,
    )
        .prop_map(|(kind, name, from, options, targets, create)| {
            let name = name.map_or(String::new(), |n| format!(", name: {n}"));
            let comma = |o: &str| {
                if o.is_empty() {
                    String::new()
                } else {
                    format!(", {o}")
                }
            };
            let mut text = format!(
                "source: {{kind: {kind}{name}, fieldPath: {from:?}{}}}\ntargets:\n",
                comma(options)
            );
            for (select, field, options) in targets {
                let options = match (create, options) {
                    (true, "") => "options: {create: true}".to_string(),
                    (true, o) => o.replace("options: {", "options: {create: true, "),
                    (false, o) => o.to_string(),
                };
                text += &format!(
                    "- {{select: {select}, fieldPaths: [{field:?}]{}}}\n",
                    comma(&options)
                );
            }
            text
        })
}

pub fn var() -> impl Strategy<Value = String> {
    let field = select(
        &[
            "metadata.name",
            "metadata.namespace",
            "data.k",
            "spec.replicas",
            "metadata.labels.app",
        ][..],
    );
    let head = select(
        &[
            "apiVersion: apps/v1, kind: Deployment",
            "apiVersion: v1, kind: ConfigMap",
            "apiVersion: v1, kind: Service",
        ][..],
    );
    (select(&["A", "B"][..]), head, name(), field, select(TEXTS)).prop_map(|(var, head, name, field, _)| {
        format!("{{name: {var}, objref: {{{head}, name: {name}}}, fieldref: {{fieldpath: {field}}}}}")
    })
}
