//! The story of a HelmChart: look on the shelf, find its source, have the chart, store it, record.

mod build;
mod dependencies;
mod local;
mod memory;
mod proof;
mod provenance;
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
    storage::{Offer, Published, Storage, Stored},
};
use build::{Build, Content, Made, Options};
use crds::{
    meta::Artifact,
    source::{HelmChart, HelmChartStatus, Source as _, reason},
};
use memory::Memory;
use provenance::Proven;
use record::{End, Pass};
use runtime::{
    Key,
    reconciler::{Cleanup, Outcome, Reconciler},
};
use source::Found;
use std::{collections::BTreeMap, sync::Arc};

/// Reconciles HelmCharts.
#[derive(Debug)]
pub struct HelmCharts {
    context: Arc<Context>,
    memory: Memory,
    proven: Proven,
}

/// The kind as it stands in paths and messages.
const KIND: &str = "HelmChart";

/// The link beside the artifacts that always leads to the newest.
const LATEST: &str = "latest.tar.gz";

impl Reconciler for HelmCharts {
    type Object = HelmChart;

    async fn reconcile(&self, object: &Arc<HelmChart>) -> Outcome<HelmChartStatus> {
        let pass = self.pass(object).await;
        self.context.progress.over(&**object);
        let outcome = record::outcome(
            object,
            pass,
            runtime::conditions::now(),
            self.context.requeue_dependency,
        );
        shelf::told(&self.context.storage, &**object, outcome)
    }

    async fn cleanup(&self, object: &Arc<HelmChart>) -> Cleanup {
        shelf::clear(&self.context.storage, KIND, Key::of(&**object)).await
    }

    fn in_progress(&self, object: &HelmChart) -> Option<HelmChartStatus> {
        let news = self.context.progress.show(object);
        crate::record::in_progress(object, news, runtime::conditions::now())
    }

    async fn more_in_progress(&self, object: &HelmChart) {
        self.context.progress.more(object).await;
    }

    fn forget(&self, key: &Key) {
        self.memory.forget(key);
        self.proven.forget(key);
    }
}

impl HelmCharts {
    /// A reconciler that has seen nothing yet.
    pub fn new(context: Arc<Context>) -> Self {
        Self {
            context,
            memory: Memory::default(),
            proven: Proven::default(),
        }
    }

    /// One pass: what was seen of the source, and what it came to.
    async fn pass(&self, object: &Arc<HelmChart>) -> Pass {
        // I/O: is what we said we have still there?
        let shelf = match shelf::look(&self.context.storage, object.artifact()).await {
            Ok(shelf) => shelf,
            Err(failure) => return Pass::failed(None, failure),
        };
        // Over what was last seen: the source, which has to have something to give.
        let found = match source::find(&self.context, object).await {
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
        let (context, proven) = (&self.context, &self.proven);
        let Build { made, content } = match found {
            Found::Repository(repository) => {
                remote::build(context, object, &repository, options, proven).await?
            }
            Found::Archive { artifact, .. } => return self.have_of(object, artifact, options).await,
        };
        let end = self.stored(object, made, content).await?;
        if let Some((chart, made)) = end.chart(object) {
            proven.keep(object, chart, made);
        }
        Ok(end)
    }

    /// As [`HelmCharts::have`], of an archive, which is not looked into if it is the one of the last time.
    async fn have_of(
        &self,
        object: &Arc<HelmChart>,
        source: Artifact,
        options: Options,
    ) -> Result<End, Failure> {
        let shelved = object.artifact().filter(|_| options.kept.is_some());
        if let Some(made) = shelved.and_then(|chart| self.memory.recall(object, &source, chart)) {
            return self.stored(object, made, Content::Kept).await;
        }
        let Build { made, content } = local::build(&self.context, object, source.clone(), options).await?;
        let end = self.stored(object, made, content).await?;
        if let Some((chart, made)) = end.chart(object) {
            self.memory.keep(object, &source, chart, made);
        }
        Ok(end)
    }

    /// I/O: the archive on the shelf, if it is not there yet.
    async fn stored(&self, object: &Arc<HelmChart>, made: Made, content: Content) -> Result<End, Failure> {
        let Content::New(archive) = content else {
            let path = object.artifact().map(|a| a.path.as_str()).unwrap_or_default();
            let urls = self.context.storage.urls(path, LATEST);
            return Ok(End::UpToDate { urls, made });
        };
        let (context, object, summary) = (self.context.clone(), object.clone(), made.as_new());
        let stored = blocking(move || {
            let published = store(&context.storage, &object, made.file(), &made.version, &archive);
            published.map(|published| End::Stored(Box::new((published, made))))
        });
        stored
            .await?
            .map_err(|failure| failure.outdated(reason::NEW_CHART, summary))
    }
}

fn store(
    storage: &Storage,
    object: &HelmChart,
    file: String,
    version: &str,
    archive: &[u8],
) -> Result<Published, Failure> {
    let offer = Offer {
        kind: KIND,
        key: Key::of(object),
        file,
        revision: Some(version.to_owned()),
        metadata: BTreeMap::new(),
        link: Some(LATEST),
    };
    let published = storage.publish(offer, |out| out.write_all(archive));
    published.map_err(|e| Failure::storage(&e))
}
