//! kustomize's built-in list of field paths, read once from `data/fieldspecs.tsv`.

use super::{Config, NameReference};
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;
use std::sync::{Arc, LazyLock};

/// The tables of kustomize 5.8.1.
pub(super) static BUILTIN: LazyLock<Arc<Config>> = LazyLock::new(|| {
    let mut config = Config {
        has_builtin: true,
        ..Config::default()
    };
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
            "namePrefix" => config.name_prefix.push(spec),
            "nameSuffix" => config.name_suffix.push(spec),
            "commonLabels" => config.common_labels.push(spec),
            "templateLabels" => config.template_labels.push(spec),
            "commonAnnotations" => config.common_annotations.push(spec),
            "images" => config.images.push(spec),
            "replicas" => config.replicas.push(spec),
            "namespace" => config.namespace.push(spec),
            "varReference" => config.var_references.push(spec),
            "nameReference" => {
                let target: Vec<&str> = target.split('|').collect();
                let target = gvk([0, 1, 2].map(|at| target.get(at).copied().unwrap_or_default()));
                config.name_references.push(NameReference {
                    target,
                    referrer: spec,
                });
            }
            _ => {}
        }
    }
    Arc::new(config)
});

fn gvk([group, version, kind]: [&str; 3]) -> Gvk {
    Gvk {
        group: group.to_string(),
        version: version.to_string(),
        kind: kind.to_string(),
    }
}
