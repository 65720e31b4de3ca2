//! Generators, transformers and validators that are objects of their own, inline, in files or in directories.

use super::{Accumulated, Target};
use crate::Error;
use crate::documents;
use crate::generate::Generator;
use crate::objects::Objects;
use crate::origin::{self, Origin};
use crate::plugins;
use crate::transform::Transformer;

/// A note that validators may leave.
const VALIDATED_BY: &str = "validated-by";

impl Target<'_> {
    pub(super) fn external_generators(&self) -> Result<Vec<(Generator, Option<Origin>)>, Error> {
        let loading = |e: Error| e.during("loading generator plugins");
        let configs = self.configs(&self.kustomization.generators).map_err(loading)?;
        let load = |config| {
            let generator = plugins::generator(&self.loader, config)
                .map_err(|e| loading(e.during("failed to load generator")))?;
            Ok((generator, origin::of_plugin(config)))
        };
        configs.list().iter().map(load).collect()
    }

    pub(super) fn external_transformers(
        &self,
        entries: &[String],
    ) -> Result<Vec<(Transformer, Option<Origin>)>, Error> {
        let configs = self.configs(entries)?;
        let load = |config| {
            let transformer = plugins::transformer(&self.loader, config)?;
            Ok((transformer, origin::of_plugin(config)))
        };
        configs.list().iter().map(load).collect()
    }

    /// Runs the validators, which may look but not change anything.
    pub(super) fn validate(&self, objects: &mut Objects) -> Result<(), Error> {
        for (validator, _) in self.external_transformers(&self.kustomization.validators)? {
            let before = objects.clone();
            validator.apply(objects, self.loader.session())?;
            unchanged(&before, objects).map_err(|problem| Error::Validator { problem })?;
        }
        Ok(())
    }

    /// The objects that configure plugins: inline ones first, then those of files and directories.
    fn configs(&self, entries: &[String]) -> Result<Objects, Error> {
        let mut all = Accumulated::default();
        let mut paths = Vec::new();
        for entry in entries {
            let Ok(mut inline) = documents::objects(entry.as_bytes()) else {
                paths.push(entry);
                continue;
            };
            if let Some(origin) = &self.origin {
                let origin = origin.append(self.kustomization.file);
                inline.iter_mut().for_each(|object| origin::set(object, &origin));
            }
            self.loader.session().schemas.borrow_mut().seen(&inline);
            all.objects.append_all(inline)?;
        }
        for path in paths {
            self.resource(path, &mut all)?;
        }
        Ok(all.objects)
    }
}

fn unchanged(before: &Objects, after: &Objects) -> Result<(), String> {
    let (before, after) = (before.list(), after.list());
    if before.len() != after.len() {
        return Err(format!(
            "lists have different number of entries: {} and {}",
            before.len(),
            after.len()
        ));
    }
    for (old, new) in before.iter().zip(after) {
        if old.id() != new.id() {
            return Err(format!("id in self missing from other; id: {}", old.id()));
        }
        let mut new = new.clone();
        let noted = new.strings("labels").any(|(key, _)| key == VALIDATED_BY);
        if noted {
            let kept = new
                .strings("labels")
                .filter(|(key, _)| *key != VALIDATED_BY)
                .map(|(key, value)| (key.to_string(), value.to_string()))
                .collect();
            new.set_strings("labels", kept);
        }
        // Taking the note away writes the labels anew, and kustomize sees that.
        let rewritten = noted && old.strings("labels").next().is_some();
        if rewritten || old.node != new.node {
            return Err(format!("nodes unequal: {}", old.id()));
        }
    }
    Ok(())
}
