//! The story of a HelmChart: look on the shelf, find its source, have the chart, store it, record.

mod build;
mod dependencies;
mod local;
mod record;
mod registry;
mod remote;
mod repository;
mod source;
mod triggers;
mod values;

pub use triggers::Triggers;

use crate::{
    context::Context,
    record::Failure,
    shelf::{self, blocking},
    storage::{Storage, Stored},
};
use build::{Build, Content, Options};
use crds::{
    meta::Artifact,
    source::{HelmChart, HelmChartStatus, Source as _, reason},
};
use record::{End, Pass};
use runtime::{
    Key,
    reconciler::{Cleanup, Outcome, Reconciler},
};
use source::Found;
use std::sync::Arc;

/// Reconciles HelmCharts.
#[derive(Debug)]
pub struct HelmCharts(pub Arc<Context>);

/// The kind as it stands in paths and messages.
const KIND: &str = "HelmChart";

/// The link beside the artifacts that always leads to the newest.
const LATEST: &str = "latest.tar.gz";

impl Reconciler for HelmCharts {
    type Object = HelmChart;

    async fn reconcile(&self, object: &Arc<HelmChart>) -> Outcome<HelmChartStatus> {
        let pass = self.pass(object).await;
        record::outcome(
            object,
            pass,
            runtime::reconciler::now(),
            self.0.requeue_dependency,
        )
    }

    async fn cleanup(&self, object: &Arc<HelmChart>) -> Cleanup {
        shelf::clear(&self.0.storage, KIND, Key::of(&**object)).await
    }

    fn in_progress(&self, object: &HelmChart) -> Option<HelmChartStatus> {
        Some(crate::record::in_progress(object, runtime::reconciler::now()))
    }
}

impl HelmCharts {
    /// One pass: what was seen of the source, and what it came to.
    async fn pass(&self, object: &Arc<HelmChart>) -> Pass {
        // I/O: is what we said we have still there?
        let shelf = match shelf::look(&self.0.storage, object.artifact()).await {
            Ok(shelf) => shelf,
            Err(failure) => return Pass::failed(None, failure),
        };
        // Over what was last seen: the source, which has to have something to give.
        let found = match source::find(&self.0, object).await {
            Ok(found) => found,
            Err(failure) => return Pass::failed(None, failure),
        };
        let observed = found.revision().map(str::to_owned);
        let options = Options::of(object, &found, shelf == Some(Stored::Good));
        Pass {
            observed,
            end: self.have(object, found, options).await,
        }
    }

    /// I/O: the chart of a source, and its archive on the shelf if it is not there yet.
    async fn have(&self, object: &Arc<HelmChart>, found: Found, options: Options) -> Result<End, Failure> {
        let build = match found {
            Found::Repository(repository) => remote::build(&self.0, object, &repository, options).await?,
            Found::Archive { artifact, .. } => local::build(&self.0, object, artifact, options).await?,
        };
        let Build { made, content } = build;
        let Content::New(archive) = content else {
            let path = object.artifact().map(|a| a.path.as_str()).unwrap_or_default();
            let urls = self.0.storage.urls(path, LATEST);
            return Ok(End::UpToDate { urls, made });
        };
        let (context, object, summary) = (self.0.clone(), object.clone(), made.as_new());
        let stored = blocking(move || {
            let stored = store(&context.storage, &object, &made.file(), &made.version, &archive);
            stored.map(|(artifact, latest)| End::Stored(Box::new((artifact, latest, made))))
        });
        stored
            .await?
            .map_err(|failure| failure.outdated(reason::NEW_CHART, summary))
    }
}

fn store(
    storage: &Storage,
    object: &HelmChart,
    file: &str,
    version: &str,
    archive: &[u8],
) -> Result<(Artifact, Option<String>), Failure> {
    let path = Storage::path(KIND, &Key::of(object), file);
    let stored = storage.write(&path, |out| out.write_all(archive));
    let (digest, size) = stored.map_err(|e| Failure::storage(reason::ARCHIVE_OPERATION_FAILED, &e))?;
    let artifact = Artifact {
        digest: digest.to_string(),
        last_update_time: runtime::reconciler::now(),
        metadata: None,
        url: storage.url(&path),
        path,
        revision: version.to_owned(),
        size: i64::try_from(size).ok(),
    };
    // What cannot be cleared away now is cleared away next time; a link is a convenience.
    let _ = storage.collect(&artifact);
    let latest = storage.link(&artifact.path, LATEST).ok();
    Ok((artifact, latest))
}
