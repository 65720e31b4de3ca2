//! kustomize's built-in list of field paths, read once from `data/fieldspecs.tsv`.

use super::FieldSpec;
use crate::id::Gvk;
use std::sync::LazyLock;

/// The tables by transformer.
#[derive(Debug, Default)]
pub(crate) struct Defaults {
    pub(crate) common_labels: Vec<FieldSpec>,
    pub(crate) template_labels: Vec<FieldSpec>,
    pub(crate) common_annotations: Vec<FieldSpec>,
    pub(crate) images: Vec<FieldSpec>,
    pub(crate) replicas: Vec<FieldSpec>,
    pub(crate) namespace: Vec<FieldSpec>,
    pub(crate) name_references: Vec<NameReference>,
    pub(crate) var_references: Vec<FieldSpec>,
}

/// A field that holds the name of another object.
#[derive(Debug)]
pub(crate) struct NameReference {
    /// The kind of object that is named.
    pub(crate) target: Gvk,
    /// Where the name stands.
    pub(crate) referrer: FieldSpec,
}

/// The tables of kustomize 5.8.1.
pub(crate) static DEFAULTS: LazyLock<Defaults> = LazyLock::new(|| {
    let mut defaults = Defaults::default();
    for line in include_str!("../data/fieldspecs.tsv")
        .lines()
        .filter(|line| !line.starts_with('#'))
    {
        let [table, target, group, version, kind, path, create] = line.split('\t').collect::<Vec<_>>()[..]
        else {
            continue;
        };
        let spec = FieldSpec::new(gvk([group, version, kind]), path, create == "1");
        match table {
            "commonLabels" => defaults.common_labels.push(spec),
            "templateLabels" => defaults.template_labels.push(spec),
            "commonAnnotations" => defaults.common_annotations.push(spec),
            "images" => defaults.images.push(spec),
            "replicas" => defaults.replicas.push(spec),
            "namespace" => defaults.namespace.push(spec),
            "varReference" => defaults.var_references.push(spec),
            "nameReference" => {
                let target: Vec<&str> = target.split('|').collect();
                let target = gvk([0, 1, 2].map(|at| target.get(at).copied().unwrap_or_default()));
                defaults.name_references.push(NameReference {
                    target,
                    referrer: spec,
                });
            }
            _ => {}
        }
    }
    defaults
});

fn gvk([group, version, kind]: [&str; 3]) -> Gvk {
    Gvk {
        group: group.to_string(),
        version: version.to_string(),
        kind: kind.to_string(),
    }
}
