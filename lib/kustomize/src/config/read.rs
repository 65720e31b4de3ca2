//! `configurations`: files of field paths.

use super::{Config, NameReference, merge_references};
use crate::Error;
use crate::fieldspec::FieldSpec;
use crate::id::Gvk;
use crate::kustomization::Fields;
use crate::load::Loader;
use std::sync::Arc;
use yaml::{Limits, Node, Schema};

impl Config {
    /// The built-in tables with those of the files.
    ///
    /// # Errors
    /// No file, no YAML, an unknown field or a field twice, entries that contradict each other.
    pub(crate) fn with_files(loader: &Loader<'_>, paths: &[String]) -> Result<Arc<Config>, Error> {
        let mut given = Arc::new(Config::default());
        for path in paths {
            let file = read(&loader.read(path)?).map_err(|e| {
                e.decoding()
                    .during(format!("reading configurations file '{path}'"))
            })?;
            loader.session().count_specs(file.len())?;
            given = given.merge(Arc::new(file))?;
        }
        Config::builtin().merge(given)
    }
}

fn read(bytes: &[u8]) -> Result<Config, Error> {
    let yaml = |cause| Error::KustomizationYaml { cause };
    let nodes = yaml::parse_nodes(bytes, Schema::GoV2, &Limits::default()).map_err(yaml)?;
    let Some(node) = nodes.into_iter().next() else {
        return Ok(Config::default());
    };
    no_duplicates(&node).map_err(yaml)?;
    let value = yaml::to_value(&node, Schema::GoV2).map_err(yaml)?;
    let mut fields = Fields::open(value, "TransformerConfig", "builtinconfig.TransformerConfig")?;
    let mut table = |name| fields.list(name, FieldSpec::read);
    let mut config = Config {
        name_prefix: table("namePrefix")?,
        name_suffix: table("nameSuffix")?,
        namespace: table("namespace")?,
        common_labels: table("commonLabels")?,
        labels: table("labels")?,
        template_labels: table("templateLabels")?,
        common_annotations: table("commonAnnotations")?,
        var_references: table("varReference")?,
        images: table("images")?,
        replicas: table("replicas")?,
        ..Config::default()
    };
    let references = fields.list("nameReference", |fields| {
        Ok((Gvk::read(fields)?, fields.list("fieldSpecs", FieldSpec::read)?))
    })?;
    for (target, referrers) in references {
        let target = &target;
        let more: Vec<_> = referrers
            .into_iter()
            .map(|referrer| NameReference {
                target: target.clone(),
                referrer,
            })
            .collect();
        merge_references(&mut config.name_references, &more)?;
    }
    fields.finish()?;
    Ok(config)
}

/// These files, unlike the kustomization, may not have a key twice.
fn no_duplicates(node: &Node) -> Result<(), yaml::Error> {
    match node {
        Node::Scalar(_) => Ok(()),
        Node::Seq(items) => items.iter().try_for_each(no_duplicates),
        Node::Map(map) => {
            let mut seen = std::collections::HashSet::with_capacity(map.pairs.len());
            for (key, value) in &map.pairs {
                if !seen.insert(&key.text) {
                    return Err(yaml::Error::DuplicateKey(key.text.clone()));
                }
                no_duplicates(value)?;
            }
            Ok(())
        }
    }
}
