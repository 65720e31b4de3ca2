//! `kustomize build` as a function: a tree of files in, objects out.
//!
//! Agrees with kustomize 5.8.1 byte for byte on what it supports; a field it does not support is an error that names
//! it. It reads nothing but the [`artifact::Tree`] it is given, and tells what it read ([`Inputs`]).

mod accumulate;
mod documents;
mod error;
mod fieldspec;
mod generate;
mod id;
mod inputs;
mod kustomization;
mod load;
mod object;
mod objects;
mod output;
mod schema;
mod selector;
mod transform;

pub use error::{Error, Missing};
pub use inputs::Inputs;
pub use output::{Build, Resource};

use accumulate::Accumulated;
use artifact::Tree;
use kustomization::Kustomization;
use load::Loader;
use std::cell::{Cell, RefCell};
use transform::{labels, name_refs, sort};

/// In which order objects come out, unless `sortOptions` of the first kustomization says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// The default of the command line: as `Legacy`.
    #[default]
    Unspecified,
    /// Namespaces first, webhooks last.
    Legacy,
    /// As they were read (Flux).
    None,
}

/// Where files may be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Load {
    /// In or below the directory of the kustomization that names them.
    #[default]
    RootOnly,
    /// Anywhere in the tree (Flux); a tree has no outside.
    Anywhere,
}

/// How to build.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The order of the output.
    pub order: Order,
    /// Where files may be read.
    pub load: Load,
    /// What stands before the tree's paths in messages, without a final slash; the directory that the tree is of.
    pub display_root: String,
}

/// Builds the kustomization in directory `path` of `tree`.
///
/// # Errors
/// Anything that makes kustomize fail, in its words where they are known, and fields that are not supported.
pub fn build(tree: &Tree, path: &str, options: &Options) -> Result<Build, Error> {
    let inputs = RefCell::new(Inputs::default());
    let entered = Cell::new(0);
    let loader = Loader::new(tree, path, options.load, &options.display_root, &inputs, &entered)?;
    let kustomization = Kustomization::load(&loader)?;
    let Accumulated { mut objects, vars } = accumulate::directory(&loader, &kustomization)?;
    accumulate::add_hashes(&mut objects)?;
    name_refs::apply(&mut objects)?;
    vars.resolve(&mut objects)?;
    let mut objects = objects.into_list();
    // A patch may have taken a name away, or everything.
    objects.retain(|object| !object.node.as_map().is_none_or(yaml::Map::is_empty));
    objects
        .iter()
        .try_for_each(|object| documents::check(&object.node))?;
    objects.retain(|object| !is_local_config(object));
    let legacy = match &kustomization.sort_options {
        Some(options) => sort::wants_legacy(options)?,
        None => options.order != Order::None,
    };
    if legacy {
        sort::legacy(&mut objects, kustomization.sort_options.as_ref());
    }
    if kustomization
        .build_metadata
        .iter()
        .any(|option| option == "managedByLabel")
    {
        objects.iter_mut().try_for_each(labels::managed_by)?;
    }
    let resources = objects
        .into_iter()
        .map(Resource::finish)
        .collect::<Result<Vec<_>, Error>>()?;
    Ok(Build {
        resources,
        inputs: inputs.into_inner(),
    })
}

/// Objects annotated as configuration of tools are not for the cluster.
fn is_local_config(object: &object::Object) -> bool {
    object
        .strings("annotations")
        .any(|(key, value)| key == "config.kubernetes.io/local-config" && value != "false")
}
