//! Random configuration: tables of fields, and generators and transformers by their own objects.

use proptest::prelude::*;
use proptest::sample::select;

/// Tables, definitions and a schema, in every directory.
pub const FILES: &[(&str, &str)] = &[
    (
        "refs.yaml",
        "nameReference:\n- kind: ConfigMap\n  fieldSpecs:\n  - {kind: Widget, path: spec/x}\n  - {path: metadata/annotations/ref}\n- kind: Widget\n  fieldSpecs: [{kind: Deployment, path: metadata/labels/app}]\n",
    ),
    (
        "tables.yaml",
        "namePrefix: [{kind: Widget, path: spec/x}]\nnameSuffix: [{kind: Service, path: metadata/labels/app}]\nnamespace: [{kind: Widget, path: spec/ns, create: true}]\nlabels: [{kind: Widget, path: spec/labels, create: true}]\n",
    ),
    (
        "more.yaml",
        "commonLabels: [{kind: Widget, path: spec/common, create: true}]\ncommonAnnotations: [{kind: Widget, path: spec/notes, create: true}]\ntemplateLabels: [{kind: Widget, path: spec/template, create: true}]\nimages: [{kind: Widget, path: spec/image}]\nreplicas: [{kind: Widget, path: spec/count, create: true}]\nvarReference: [{kind: Widget, path: spec/x}]\n",
    ),
    (
        "crds.json",
        "{\"x.Widget\": {\"Schema\": {\"properties\": {\"kind\": {}, \"apiVersion\": {}, \"metadata\": {}, \"spec\": {\"$ref\": \"x.Spec\"}}}}, \"x.Spec\": {\"Schema\": {\"properties\": {\"x\": {\"x-kubernetes-identity\": \"\"}, \"config\": {\"x-kubernetes-object-ref-api-version\": \"v1\", \"x-kubernetes-object-ref-kind\": \"ConfigMap\"}}}}}",
    ),
    ("schema.json", "{\"definitions\": {}}"),
];

/// Entries of list fields: (field, entry).
pub fn entry() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![
        4 => transformer().prop_map(|e| ("transformers", e)),
        2 => generator().prop_map(|e| ("generators", e)),
        2 => select(&["refs.yaml", "tables.yaml", "more.yaml"][..])
            .prop_map(|file| ("configurations", file.to_string())),
        1 => Just(("crds", "crds.json".to_string())),
    ]
}

/// A line of a field that is given once.
pub fn line() -> impl Strategy<Value = (&'static str, String)> {
    prop_oneof![
        select(
            &[
                "[managedByLabel]",
                "[originAnnotations]",
                "[transformerAnnotations]",
                "[originAnnotations, transformerAnnotations, managedByLabel]",
            ][..],
        )
        .prop_map(|options| ("buildMetadata", format!("buildMetadata: {options}"))),
        select(&["{path: schema.json}", "{version: v1.21.2}"][..])
            .prop_map(|schema| ("openapi", format!("openapi: {schema}"))),
    ]
}

/// Fields that are maps. (What kustomize notes in the annotations for itself makes a map of them, too.)
fn maps() -> impl Strategy<Value = &'static str> {
    select(
        &[
            "[{path: metadata/labels, create: true}]",
            "[{path: metadata/annotations, create: true}, {path: spec/selector, kind: Service}]",
            "[{path: spec/template/metadata/labels, create: true, kind: Deployment}]",
            "[{path: spec/made, create: true}, {path: spec/made, kind: Widget, create: true}]",
            "[]",
        ][..],
    )
}

/// Fields that are texts.
fn texts() -> impl Strategy<Value = &'static str> {
    select(
        &[
            "[{path: metadata/name}]",
            "[{path: metadata/name, kind: ConfigMap}, {path: spec/new, create: true}]",
            "[{path: spec/x, kind: Widget}, {path: data/a}]",
            "[{path: spec/new, create: true}, {path: spec/new, kind: Widget, create: true}]",
            "[]",
        ][..],
    )
}

fn selector() -> impl Strategy<Value = &'static str> {
    select(
        &[
            "{}",
            "{kind: ConfigMap}",
            "{kind: Deployment|Widget}",
            "{labelSelector: app}",
            "{name: a.*}",
        ][..],
    )
}

fn transformer() -> impl Strategy<Value = String> {
    let on_maps = select(
        &[
            "kind: AnnotationsTransformer\nannotations: {pa: \"1\"}",
            "kind: LabelTransformer\nlabels: {pl: \"1\", app: new}",
        ][..],
    );
    let on_texts = select(
        &[
            "kind: PrefixTransformer\nprefix: pp-",
            "kind: SuffixTransformer\nsuffix: -ps",
            "kind: PrefixSuffixTransformer\nprefix: x-\nsuffix: -y",
            "kind: ImageTagTransformer\nimageTag: {name: nginx, newTag: v9}",
            "kind: ReplicaCountTransformer\nreplica: {name: web, count: 5}",
            "kind: NamespaceTransformer\nunsetOnly: true",
            "kind: NamespaceTransformer\nsetRoleBindingSubjects: allServiceAccounts",
            "kind: NamespaceTransformer\nsetRoleBindingSubjects: none",
        ][..],
    );
    let with_specs = prop_oneof![
        (on_maps, maps()).prop_map(|(kind, specs)| format!("{kind}\nfieldSpecs: {specs}")),
        (on_texts, texts()).prop_map(|(kind, specs)| format!("{kind}\nfieldSpecs: {specs}")),
    ];
    let with_target = select(
        &[
            "kind: PatchTransformer\npatch: '[{\"op\": \"add\", \"path\": \"/metadata/labels\", \"value\": {\"j\": \"k\"}}]'\ntarget: ",
            "kind: PatchTransformer\npatch: '{apiVersion: v1, kind: X, metadata: {name: x, labels: {sm: x}}}'\ntarget: ",
            "kind: PatchTransformer\npatch: '{apiVersion: v1, kind: X, metadata: {name: x}, $patch: delete}'\ntarget: ",
        ][..],
    );
    let with_target = (with_target, selector()).prop_map(|(kind, selector)| format!("{kind}{selector}"));
    let value_add = (
        select(&["spec/made", "metadata/annotations/path", "metadata/namespace", "data/a"][..]),
        0..3u8,
        selector(),
    )
        .prop_map(|(path, position, selector)| {
            format!(
                "kind: ValueAddTransformer\nvalue: va\ntargets: [{{fieldPath: {path}, filePathPosition: {position}, selector: {selector}}}]"
            )
        });
    prop_oneof![
        6 => with_specs,
        3 => with_target,
        2 => value_add,
        1 => Just("kind: HashTransformer".to_string()),
    ]
    .prop_flat_map(object)
}

fn generator() -> impl Strategy<Value = String> {
    select(
        &[
            "kind: ConfigMapGenerator\nliterals: [a=b]",
            "kind: ConfigMapGenerator\nname: web\nbehavior: merge\nliterals: [a=b]",
            "kind: SecretGenerator\nfiles: [f.txt]\noptions: {disableNameSuffixHash: true, labels: {o: l}}",
            "kind: SecretGenerator\nenvs: [f.env]\ntype: T",
            "kind: IAMPolicyGenerator\ncloud: gke\nkubernetesService: {name: ksa}\nserviceAccount: {name: s, projectId: p}",
        ][..],
    )
    .prop_map(str::to_string)
    .prop_flat_map(object)
}

/// The configuration as inline text.
fn object(fields: String) -> impl Strategy<Value = String> {
    select(&["{name: one}", "{name: two, namespace: plug}", "{name: three}"][..]).prop_map(move |metadata| {
        let text = format!("apiVersion: builtin\nmetadata: {metadata}\n{fields}\n");
        let lines: String = text.lines().map(|line| format!("  {line}\n")).collect();
        format!("|-\n{lines}")
    })
}
