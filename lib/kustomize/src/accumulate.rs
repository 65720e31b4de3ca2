//! The order of the stages, and nothing else.

use crate::Error;
use crate::generate::{self, Kind, hash};
use crate::kustomization::Kustomization;
use crate::load::Loader;
use crate::objects::Objects;
use crate::transform::{
    annotations, images, labels, namespace, patches, prefix_suffix, replacements, replicas, vars::Vars,
};
use crate::{documents, object::Object};

/// What a kustomization and all below it give.
#[derive(Debug, Default)]
pub(crate) struct Accumulated {
    /// Names are without hashes, references not yet followed.
    pub(crate) objects: Objects,
    /// Not yet resolved.
    pub(crate) vars: Vars,
}

/// Builds a directory.
///
/// # Errors
/// Whatever any of the stages says, with the way that led there.
pub(crate) fn directory(loader: &Loader<'_>, kustomization: &Kustomization) -> Result<Accumulated, Error> {
    accumulate(loader, kustomization, Accumulated::default())
}

fn accumulate(
    loader: &Loader<'_>,
    kustomization: &Kustomization,
    before: Accumulated,
) -> Result<Accumulated, Error> {
    let mut all = before;
    for path in &kustomization.resources {
        resource(loader, path, &mut all).map_err(|e| e.during("accumulating resources"))?;
    }
    generators(loader, kustomization, &mut all.objects)?;
    for path in &kustomization.components {
        all = component(loader, path, all).map_err(|e| e.during("accumulating components"))?;
    }
    transformers(loader, kustomization, &mut all.objects)?;
    all.vars
        .add(&kustomization.vars, &mut all.objects)
        .map_err(|e| e.during("merging vars"))?;
    Ok(all)
}

/// A resource is tried as a file first and then as a directory.
fn resource(loader: &Loader<'_>, path: &str, all: &mut Accumulated) -> Result<(), Error> {
    let as_file = match file(loader, path).and_then(|found| {
        all.objects
            .append_all(found)
            .map_err(|e| e.during(format!("merging resources from '{path}'")))
    }) {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    let base = match loader.enter(path) {
        Ok(inner) => base(&inner, all),
        // The file is there and broken: that it is no directory either is no news.
        Err(_) if as_file.is_malformed() => return Err(as_file),
        Err(error @ Error::Remote { .. }) => return Err(error),
        Err(error) => Err(error),
    };
    base.map_err(|as_base| Error::NeitherFileNorBase {
        as_file: Box::new(as_file),
        as_base: Box::new(as_base),
    })
}

fn file(loader: &Loader<'_>, path: &str) -> Result<Vec<Object>, Error> {
    loader.read(path).and_then(documents::objects).map_err(|e| {
        e.in_file(path)
            .during(format!("accumulating resources from '{path}'"))
    })
}

fn base(loader: &Loader<'_>, all: &mut Accumulated) -> Result<(), Error> {
    let kustomization = target(loader)?;
    let root = loader.shown_root();
    if kustomization.is_component() {
        return Err(Error::UnexpectedComponent { path: root });
    }
    let found = directory(loader, &kustomization).map_err(|e| recursed(loader, e))?;
    all.objects
        .append_all(found.objects.into_list())
        .and_then(|()| all.vars.merge(found.vars))
        .map_err(|e| e.during(format!("recursed merging from path '{root}'")))
}

/// A component works on all that its parent has so far.
fn component(loader: &Loader<'_>, path: &str, all: Accumulated) -> Result<Accumulated, Error> {
    let inner = loader.enter(path).map_err(|e| e.during("loader.New"))?;
    let kustomization = target(&inner)?;
    if !kustomization.is_component() {
        return Err(Error::ExpectedComponent {
            path: inner.shown_root(),
            kind: kustomization.kind,
        });
    }
    accumulate(&inner, &kustomization, all).map_err(|e| recursed(&inner, e))
}

fn target(loader: &Loader<'_>) -> Result<Kustomization, Error> {
    Kustomization::load(loader)
        .map_err(|e| e.during(format!("couldn't make target for path '{}'", loader.shown_root())))
}

fn recursed(loader: &Loader<'_>, error: Error) -> Error {
    error.during(format!("recursed accumulation of path '{}'", loader.shown_root()))
}

fn generators(
    loader: &Loader<'_>,
    kustomization: &Kustomization,
    objects: &mut Objects,
) -> Result<(), Error> {
    let options = kustomization.generator_options.as_ref();
    let config_maps = kustomization
        .config_maps
        .iter()
        .map(|args| (Kind::ConfigMap, args));
    let secrets = kustomization.secrets.iter().map(|args| (Kind::Secret, args));
    for (kind, args) in config_maps.chain(secrets) {
        let object = generate::generate(loader, kind, args, options)?;
        objects
            .absorb(object)
            .map_err(|e| e.during("merging from generator"))?;
    }
    Ok(())
}

fn transformers(
    loader: &Loader<'_>,
    kustomization: &Kustomization,
    objects: &mut Objects,
) -> Result<(), Error> {
    for entry in &kustomization.patches_strategic_merge {
        patches::apply_partial(loader, objects, entry)?;
    }
    for patch in &kustomization.patches {
        patches::apply(loader, objects, patch)?;
    }
    namespace::apply(objects, &kustomization.namespace)?;
    prefix_suffix::prefix(objects, &kustomization.name_prefix);
    prefix_suffix::suffix(objects, &kustomization.name_suffix);
    labels::apply(objects, &kustomization.labels, &kustomization.common_labels)?;
    annotations::apply(objects, &kustomization.common_annotations)?;
    for patch in &kustomization.patches_json6902 {
        patches::apply_operations(loader, objects, patch)?;
    }
    for replica in &kustomization.replicas {
        replicas::apply(objects, replica)?;
    }
    for image in &kustomization.images {
        images::apply(objects, image)?;
    }
    replacements::apply(loader, objects, &kustomization.replacements)
}

/// Puts the hash of their content behind the names of generated objects.
///
/// # Errors
/// Content that is no JSON.
pub(crate) fn add_hashes(objects: &mut Objects) -> Result<(), Error> {
    for object in objects.list_mut().iter_mut().filter(|object| object.needs_hash) {
        let suffix = hash::suffix(object)?;
        object.remember_id();
        let name = format!("{}-{suffix}", object.name());
        object.set_name(&name);
    }
    Ok(())
}
