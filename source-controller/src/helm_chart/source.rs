//! Over what was last seen: the source of a chart. I/O only for one that was not seen yet.

use crate::{context::Context, helm_remote::is_static, record::Failure};
use crds::{
    meta::{Artifact, FluxObject},
    source::{ChartSourceKind, HelmChart, HelmRepository, Source as _, condition::FETCH_FAILED, reason},
};
use kube::{Api, ResourceExt as _};
use runtime::{Key, telemetry::said, watch::Store};
use std::sync::Arc;

/// The source of a chart, with something to give.
#[derive(Debug)]
pub enum Found {
    /// A Helm repository.
    Repository(Arc<HelmRepository>),
    /// A source whose artifact is an archive of files.
    Archive {
        /// Its kind.
        kind: ChartSourceKind,
        /// The archive.
        artifact: Artifact,
    },
}

impl Found {
    /// The revision of the source's artifact, if it has one.
    pub fn revision(&self) -> Option<&str> {
        match self {
            Self::Repository(repository) => repository.artifact().map(|a| a.revision.as_str()),
            Self::Archive { artifact, .. } => Some(&artifact.revision),
        }
    }
}

/// Finds the source that a chart names.
pub async fn find(context: &Context, object: &HelmChart) -> Result<Found, Failure> {
    let reference = &object.spec.source_ref;
    let key = Key::new(object.namespace().unwrap_or_default(), &reference.name);
    let kind = reference.kind;
    let no_artifact = || {
        let text = format!(
            "no artifact available for {} source '{}'",
            kind.as_str(),
            reference.name
        );
        Failure::awaits(FETCH_FAILED, reason::NO_SOURCE_ARTIFACT, text)
    };
    let archive = |artifact: Option<&Artifact>| {
        let artifact = artifact.filter(|a| context.is_there(a)).ok_or_else(no_artifact)?;
        Ok(Found::Archive {
            kind,
            artifact: artifact.clone(),
        })
    };
    match kind {
        ChartSourceKind::GitRepository => {
            archive(get(context, &context.repositories, &key).await?.artifact())
        }
        ChartSourceKind::Bucket => archive(get(context, &context.buckets, &key).await?.artifact()),
        ChartSourceKind::HelmRepository => {
            let found = get(context, &context.helm_repositories, &key).await?;
            if !is_static(&found) && !found.artifact().is_some_and(|a| context.is_there(a)) {
                return Err(no_artifact());
            }
            Ok(Found::Repository(found))
        }
    }
}

/// A source as last seen. Of one that was made a moment ago the watch may not have told yet: the API server is asked.
async fn get<K: FluxObject>(context: &Context, store: &Store<K>, key: &Key) -> Result<Arc<K>, Failure> {
    if let Some(found) = store.get(key) {
        return Ok(found);
    }
    let unavailable = |problem: String| {
        let text = format!("failed to get source: {problem}");
        Failure::fetch(reason::SOURCE_UNAVAILABLE, text)
    };
    let api = Api::<K>::namespaced(context.client.clone(), &key.namespace);
    match api.get_opt(&key.name).await {
        Ok(Some(found)) => Ok(Arc::new(found)),
        Ok(None) => {
            let text = format!("{}.{} \"{}\" not found", K::KIND, K::GROUP, key.name);
            Err(unavailable(text))
        }
        Err(error) => Err(unavailable(said(&error))),
    }
}
