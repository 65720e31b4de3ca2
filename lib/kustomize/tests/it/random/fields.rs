//! Random entries of the kustomization's fields.

use super::objects::{NAMESPACES, SCALARS, name};
use super::plugins;
use super::replacements::{replacement, var};
use proptest::prelude::*;
use proptest::sample::select;

/// Files that lie in every directory, for the fields that read some.
pub const FILES: &[(&str, &str)] = &[
    ("f.txt", "line\nline\n"),
    ("f.env", "A=1\n# no\nB = two \nC\n"),
    ("f.bin", "\u{1}\u{2}x"),
];

const KIND_CHANGE: &str = "options: {allowKindChange: true, allowNameChange: true}\n";

pub const KINDS: &[&str] = &[
    "Deployment",
    "StatefulSet",
    "ConfigMap",
    "Secret",
    "Service",
    "Widget",
    "ServiceAccount",
    "Job",
    "Deploy.*",
    "Role",
    "ClusterRole",
    "RoleBinding",
    "Ingress",
    "CronJob",
    "Namespace",
    "CustomResourceDefinition",
];

/// Fields that are given once: (field, line).
pub fn line() -> impl Strategy<Value = (&'static str, String)> {
    let labels = || {
        select(
            &[
                "{team: x}",
                "{app: new}",
                "{a: \"1\", b: 'yes'}",
                "{app: ''}",
                "{team: \"a: b\"}",
            ][..],
        )
    };
    prop_oneof![
        3 => select(NAMESPACES).prop_map(|n| ("namespace", format!("namespace: {n}"))),
        3 => select(&["p-", "a-", "x"][..]).prop_map(|p| ("namePrefix", format!("namePrefix: {p}"))),
        3 => select(&["-s", "-v2", "z"][..]).prop_map(|p| ("nameSuffix", format!("nameSuffix: {p}"))),
        1 => labels().prop_map(|l| ("commonLabels", format!("commonLabels: {l}"))),
        1 => labels().prop_map(|l| ("commonAnnotations", format!("commonAnnotations: {l}"))),
        1 => select(&["{disableNameSuffixHash: true}", "{labels: {g: x}}", "{annotations: {g: x}, immutable: true}"][..])
            .prop_map(|o| ("generatorOptions", format!("generatorOptions: {o}"))),
        1 => select(&["legacy", "fifo"][..]).prop_map(|o| ("sortOptions", format!("sortOptions: {{order: {o}}}"))),
        2 => plugins::line(),
    ]
}

/// Entries of list fields: (field, entry).
pub fn list_entry() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![
        2 => labels().prop_map(|e| ("labels", e)),
        2 => images().prop_map(|e| ("images", e)),
        1 => (name(), 0..4u8).prop_map(|(n, c)| ("replicas", format!("{{name: {n}, count: {c}}}"))),
        3 => generator().prop_map(|e| ("configMapGenerator", e)),
        2 => generator().prop_map(|e| ("secretGenerator", e)),
        5 => partial().prop_map(|e| ("patches", e)),
        4 => operations().prop_map(|e| ("patches", e)),
        1 => object().prop_map(|o| ("patchesStrategicMerge", format!("|-\n{}", indent(&o)))),
        3 => replacement().prop_map(|e| ("replacements", e)),
        1 => var().prop_map(|e| ("vars", e)),
        6 => plugins::entry(),
    ]
}

fn indent(text: &str) -> String {
    text.lines().map(|line| format!("  {line}\n")).collect()
}

fn labels() -> impl Strategy<Value = String> {
    let pairs = select(&["{team: x}", "{app: new, z: \"1\"}", "{x: 'null'}"][..]);
    let more = select(
        &[
            "",
            ", includeSelectors: true",
            ", includeTemplates: true",
            ", includeSelectors: true, includeTemplates: true",
            ", fields: [{path: spec/x, create: true}]",
            ", fields: [{path: spec/x, kind: Widget, create: true}, {path: metadata/q}]",
        ][..],
    );
    (pairs, more).prop_map(|(pairs, more)| format!("{{pairs: {pairs}{more}}}"))
}

fn images() -> impl Strategy<Value = String> {
    let name = select(&["nginx", "busybox", "reg:5000/nginx", "ngin.", "''"][..]);
    let change = select(
        &[
            "newTag: v2",
            "newTag: \"1.10\"",
            "newName: other/x",
            "digest: sha256:ffff",
            "newName: yy, newTag: t",
            "tagSuffix: -s",
            "newTag: t, digest: sha256:aa",
            "newName: 'reg:1/z', tagSuffix: -q",
        ][..],
    );
    (name, change).prop_map(|(name, change)| format!("{{name: {name}, {change}}}"))
}

fn generator() -> impl Strategy<Value = String> {
    let from = select(
        &[
            "literals: [a=1]",
            "literals: [\"k=x=y\", 'q=\"quoted\"']",
            "files: [f.txt]",
            "files: [n=f.txt, f.bin]",
            "envs: [f.env]",
            "env: f.env",
            "literals: [\"l=a: b\", \"m=\"], files: [f.txt]",
        ][..],
    );
    let more = select(
        &[
            "",
            "",
            "",
            "behavior: merge",
            "behavior: replace",
            "behavior: create",
            "namespace: n1",
            "options: {disableNameSuffixHash: true}",
            "options: {labels: {o: \"1\"}, annotations: {a: b}}",
            "options: {immutable: true}",
        ][..],
    );
    (name(), from, more).prop_map(|(name, from, more)| {
        let more = if more.is_empty() {
            String::new()
        } else {
            format!(", {more}")
        };
        format!("{{name: {name}, {from}{more}}}")
    })
}

pub fn selector() -> impl Strategy<Value = String> {
    let parts = (
        prop::option::weighted(0.7, select(KINDS)),
        prop::option::weighted(0.5, select(&["a", "b", "web", "db-1", "w.*", ".*", "p-a"][..])),
        prop::option::weighted(0.2, select(NAMESPACES)),
        prop::option::weighted(
            0.2,
            select(
                &[
                    "labelSelector: app=web",
                    "labelSelector: '!app'",
                    "annotationSelector: k",
                    "version: v1",
                    "group: apps",
                    "labelSelector: 'app in (web,x)'",
                ][..],
            ),
        ),
    );
    parts.prop_map(|(kind, name, namespace, more)| {
        let mut all: Vec<String> = Vec::new();
        all.extend(kind.map(|k| format!("kind: {k}")));
        all.extend(name.map(|n| format!("name: {n}")));
        all.extend(namespace.map(|n| format!("namespace: {n}")));
        all.extend(more.map(str::to_string));
        format!("{{{}}}", all.join(", "))
    })
}

/// What a partial object may say below its metadata.
fn body() -> impl Strategy<Value = String> {
    let containers = select(
        &[
            "- name: app\n  image: patched",
            "- name: app\n  $patch: delete",
            "- $patch: replace\n- name: n\n  image: i",
            "- name: side\n  env: [{name: A, value: p}]",
            "- name: app\n  ports: [{containerPort: 80, protocol: UDP, name: u}]",
            "- name: app\n  ports: [{containerPort: 80}]",
            "- name: q\n  args: []",
            "- $patch: delete",
            "- name: app\n  env: null\n  args: [z]",
            "- name: app\n  volumeMounts: [{mountPath: /x, name: w}, {mountPath: /y, name: v}]",
            "- name: app\n  env:\n  - name: B\n    $patch: delete\n  - name: V\n    value: 5",
            "- name: app\n  $patch: replace\n  image: r",
        ][..],
    );
    let text = |t: &str| t.to_string();
    prop_oneof![
        select(SCALARS).prop_map(|v| format!("spec:\n  k: {v}")),
        select(SCALARS).prop_map(|v| format!("data:\n  k: {v}")),
        select(
            &[
                "spec: null",
                "data: {k: null, new: x}",
                "spec:\n  replicas: 5",
                "spec: {$patch: replace, q: 1}",
                "data: {$patch: delete}",
                "data: {$patch: merge, u: v}",
                "spec: {template: {metadata: {labels: {l: m}}}}",
                "spec:\n  ports: [{port: 80, targetPort: x}]",
                "spec:\n  ports: [{port: 80, protocol: UDP, $patch: delete}]",
                "$patch: delete",
                "spec: {x: [1, 2], y: {z: null}}",
                "spec: {template: {spec: {volumes: [{name: v, emptyDir: {}}], serviceAccountName: db-1}}}",
                "spec: {template: {spec: {volumes: [{name: v, $patch: replace, secret: {secretName: a}}]}}}",
                "subjects: [{kind: User, name: u}]"
            ][..]
        )
        .prop_map(text),
        containers.prop_map(|c| format!(
            "spec:\n  template:\n    spec:\n      containers:\n{}",
            c.lines().map(|l| format!("      {l}\n")).collect::<String>()
        )),
        select(
            &[
                "metadata: {annotations: {p: \"1\"}}",
                "metadata: {labels: {app: null}}",
                "metadata: {labels: {app: 5}, finalizers: [x, y]}",
                "metadata: {annotations: {k: null}}",
                "metadata: {name: a, annotations: null}"
            ][..]
        )
        .prop_map(text),
    ]
}

fn object() -> impl Strategy<Value = String> {
    let head = select(
        &[
            "apps/v1 Deployment",
            "apps/v1 StatefulSet",
            "v1 ConfigMap",
            "v1 Secret",
            "v1 Service",
            "example.com/v1 Widget",
            "batch/v1 Job",
        ][..],
    );
    (
        head,
        name(),
        prop::option::weighted(0.2, select(NAMESPACES)),
        body(),
    )
        .prop_map(|(head, name, namespace, body)| {
            let (version, kind) = head.split_once(' ').unwrap();
            let namespace = namespace.map_or(String::new(), |n| format!(", namespace: {n}"));
            let (metadata, body) = match body.strip_prefix("metadata: {") {
                Some(rest) => (
                    format!("metadata: {{name: {name}{namespace}, {rest}"),
                    String::new(),
                ),
                None => (format!("metadata: {{name: {name}{namespace}}}"), body),
            };
            format!(
                "apiVersion: {version}\nkind: {kind}\n{}\n{body}\n",
                metadata.replace("name: a, annotations: null", "annotations: null")
            )
        })
}

fn partial() -> impl Strategy<Value = String> {
    let options = select(&["", "", "", "options: {allowNameChange: true}\n", KIND_CHANGE][..]);
    (object(), prop::option::weighted(0.8, selector()), options).prop_map(|(object, target, options)| {
        let target = match (target, options) {
            // The hash of a generated object that changes its kind depends on where its text stood.
            (Some(_), KIND_CHANGE) => "target: {kind: Widget|Service|Deployment}\n".to_string(),
            (target, _) => target.map_or(String::new(), |t| format!("target: {t}\n")),
        };
        format!("{target}{options}patch: |-\n{}", indent(&object))
    })
}

fn operations() -> impl Strategy<Value = String> {
    let path = select(
        &[
            "/metadata/labels/x",
            "/metadata/annotations/k",
            "/spec/replicas",
            "/spec/template/spec/containers/0/image",
            "/spec/template/spec/containers/-",
            "/spec/k",
            "/data/k",
            "/metadata/name",
            "/metadata/namespace",
            "/spec/ports/1",
            "/data",
            "/metadata/annotations",
            "/spec/template/spec/containers/0/args/-1",
            "/subjects/0/name",
            "/spec/new~1x",
            "/metadata/labels",
        ][..],
    );
    let value = select(
        &[
            "5",
            "x",
            "\"5\"",
            "null",
            "{a: b}",
            "[1, two]",
            "1.50",
            "true",
            "12345678901234567890",
            "{name: z, image: nginx}",
            "'on'",
            "0.1",
            "1e21",
        ][..],
    );
    let op = (
        select(&["add", "replace", "remove", "test", "copy", "move"][..]),
        path.clone(),
        path,
        value,
    )
        .prop_map(|(op, path, from, value)| match op {
            // A name that is no text is refused in more ways than are worth telling apart.
            _ if matches!(path, "/metadata/name" | "/metadata/namespace") => {
                format!("- {{op: replace, path: {path}, value: new}}\n")
            }
            "remove" => format!("- op: remove\n  path: {path}\n"),
            "add" | "replace" if matches!(path, "/metadata/annotations" | "/metadata/labels") => {
                format!("- {{op: add, path: {path}, value: {{a: b}}}}\n")
            }
            // The annotations as a whole hold kustomize's own notes.
            "copy" | "move" if from == "/metadata/annotations" => {
                format!("- {{op: test, path: {path}, value: null}}\n")
            }
            "copy" | "move" => format!("- {{op: {op}, from: {from}, path: {path}}}\n"),
            op => format!("- op: {op}\n  path: {path}\n  value: {value}\n"),
        });
    (prop::collection::vec(op, 1..3), selector())
        .prop_map(|(ops, target)| format!("target: {target}\npatch: |-\n{}", indent(&ops.concat())))
}
