//! `kustomize build` as a function: a tree of files in, objects out.
//!
//! Agrees with kustomize 5.8.1 byte for byte. Every field of `Kustomization` and `Component` is carried out, older
//! spellings included, and so are the built-in generators and transformers by their own configuration. Programs and
//! containers as plugins are refused, as kustomize refuses them by default.
//!
//! It reads nothing but the [`artifact::Tree`] it is given, and tells what it read ([`Inputs`]). What needs more than a
//! tree is asked of the caller: a [`HelmRenderer`] for `helmCharts`, a [`Fetcher`] for URLs; without one, a build that
//! needs it fails.

mod accumulate;
mod config;
mod documents;
mod error;
mod fieldspec;
mod generate;
mod helm;
mod id;
mod inputs;
mod kustomization;
mod load;
mod object;
mod objects;
mod origin;
mod output;
mod plugins;
mod remote;
mod schema;
mod selector;
mod transform;

pub use error::{Error, Missing};
pub use helm::{HelmChart, HelmRenderer};
pub use inputs::Inputs;
pub use output::{Build, Resource};
pub use remote::{Fetcher, Repository};

use accumulate::{Accumulated, Target};
use artifact::Tree;
use generate::hash;
use load::{Loader, Session};
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
#[derive(Clone, Default)]
pub struct Options<'a> {
    /// The order of the output.
    pub order: Order,
    /// Where files may be read.
    pub load: Load,
    /// What stands before the tree's paths in messages, without a final slash; the directory that the tree is of.
    pub display_root: String,
    /// A schema that a kustomization names is added to that of Kubernetes 1.21 (Flux) instead of taking its place.
    pub preload_schema: bool,
    /// Renders charts; without it a kustomization with charts is refused, as kustomize does without `--enable-helm`.
    pub helm: Option<&'a dyn HelmRenderer>,
    /// Fetches what is named by URL; without it such names are refused.
    pub fetcher: Option<&'a dyn Fetcher>,
}

/// Builds the kustomization in directory `path` of `tree`.
///
/// # Errors
/// Anything that makes kustomize fail, in its words where they are known.
pub fn build(tree: &Tree, path: &str, options: &Options<'_>) -> Result<Build, Error> {
    build_warning(tree, path, options).0
}

/// As [`build`], with the warnings that there are even if it fails.
pub fn build_warning(tree: &Tree, path: &str, options: &Options<'_>) -> (Result<Build, Error>, Vec<String>) {
    let session = Session::new(options);
    let built = Loader::new(&session, tree, path).and_then(|loader| resources(&session, loader, options));
    let warnings = session.warnings.into_inner();
    let inputs = session.inputs.into_inner();
    let built = built.map(|resources| Build {
        resources,
        inputs,
        warnings: warnings.clone(),
    });
    (built, warnings)
}

fn resources(
    session: &Session<'_>,
    loader: Loader<'_>,
    options: &Options<'_>,
) -> Result<Vec<Resource>, Error> {
    let target = Target::first(loader)?;
    let Accumulated {
        mut objects,
        vars,
        config,
    } = target.accumulate(Accumulated::default())?;
    let kustomization = &target.kustomization;
    hash::apply(&mut objects)?;
    name_refs::apply(&mut objects, &config.name_references)?;
    let unused = vars.resolve(&mut objects, &config.var_references)?;
    if !unused.is_empty() {
        session.warn(format!(
            "well-defined vars that were never replaced: {}",
            unused.join(",")
        ));
    }
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
    let metadata = &kustomization.build_metadata;
    if metadata.iter().any(|option| option == "managedByLabel") {
        objects.iter_mut().try_for_each(labels::managed_by)?;
    }
    let finish = |mut object| {
        origin::clean(&mut object, metadata);
        Resource::finish(object)
    };
    objects.into_iter().map(finish).collect()
}

/// Objects annotated as configuration of tools are not for the cluster.
fn is_local_config(object: &object::Object) -> bool {
    object
        .strings("annotations")
        .any(|(key, value)| key == "config.kubernetes.io/local-config" && value != "false")
}
