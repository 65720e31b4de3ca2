//! The story of a Bucket: look on the shelf, list the bucket, fetch what changed, archive, record.

mod index;
mod known;
mod pull;
mod record;
mod request;

use crate::{
    context::Context,
    objects::ObjectsError,
    record::Failure,
    shelf::{self, blocking},
    storage::Stored,
};
use crds::source::{Bucket, BucketStatus, Source as _, reason};
pub use known::KnownBuckets;
use record::End;
use runtime::{
    Key,
    reconciler::{Cleanup, Outcome, Reconciler},
    telemetry::chain,
};
use std::sync::Arc;

/// Reconciles Buckets.
#[derive(Debug)]
pub struct Buckets(pub Arc<Context>);

/// The kind as it stands in paths and messages.
const KIND: &str = "Bucket";

impl Reconciler for Buckets {
    type Object = Bucket;

    async fn reconcile(&self, object: &Arc<Bucket>) -> Outcome<BucketStatus> {
        let end = self.pass(object).await;
        self.0.progress.over(&**object);
        let outcome = record::outcome(object, end, runtime::conditions::now(), self.0.requeue_dependency);
        shelf::told(&self.0.storage, &**object, outcome)
    }

    async fn cleanup(&self, object: &Arc<Bucket>) -> Cleanup {
        let key = Key::of(&**object);
        self.0.known_buckets.forget(&key);
        shelf::clear(&self.0.storage, KIND, key).await
    }

    fn in_progress(&self, object: &Bucket) -> Option<BucketStatus> {
        let news = self.0.progress.show(object);
        crate::record::in_progress(object, news, runtime::conditions::now())
    }

    async fn more_in_progress(&self, object: &Bucket) {
        self.0.progress.more(object).await;
    }
}

impl Buckets {
    /// One pass. Each step gives what the next one needs, or a reason to stop.
    async fn pass(&self, object: &Arc<Bucket>) -> Result<End, Failure> {
        let storage = &self.0.storage;
        // I/O: is what we said we have still there?
        let kept = shelf::look(storage, object.artifact()).await? == Some(Stored::Good);
        // I/O: the Secrets that the spec names, and a login. Pure: where to ask, and how.
        let request = within(object, request::run(&self.0, object)).await??;
        // I/O: the objects' keys and etags.
        let listed = within(object, pull::list(&request)).await??;
        if kept && record::same(object, &listed.index) {
            return Ok(End::UpToDate {
                url: object.artifact().map(|artifact| storage.url(&artifact.path)),
                revision: listed.index.digest(storage.algorithm()).to_string(),
                files: listed.index.len(),
            });
        }
        let revision = listed.index.digest(storage.algorithm()).to_string();
        let doing = format!("new upstream revision '{revision}'");
        self.0
            .progress
            .newer(&**object, &revision, reason::NEW_REVISION, &doing);
        let outdated = |failure: Failure| failure.on_way_to(&revision, object.artifact(), doing.clone());
        // I/O: the content of those that changed; that of the others is on the shelf.
        let known = kept
            .then(|| self.0.known_buckets.of(object, &request.place))
            .flatten();
        let pulled = within(object, pull::run(storage, &request, listed, known)).await;
        let pulled = pulled.and_then(|pulled| pulled).map_err(outdated)?;
        // I/O, blocking: the archive.
        let (context, archived_for) = (self.0.clone(), object.clone());
        let archive = move || pull::archive(&context.storage, &archived_for, pulled);
        let archived = blocking(archive).await?.map_err(outdated)?;
        self.0.known_buckets.learn(object, request.place, &archived);
        Ok(End::Stored(Box::new(archived)))
    }
}

/// Waits as long as the spec's timeout, as Flux does for each of the steps.
async fn within<T>(object: &Bucket, step: impl Future<Output = T>) -> Result<T, Failure> {
    let limit = request::timeout(object);
    let late = |_| {
        let text = format!(
            "the bucket '{}' at '{}' did not answer within the timeout of {}",
            object.spec.bucket_name,
            peer::http::without_queries(&object.spec.endpoint),
            crds::meta::format_go(limit)
        );
        Failure::fetch(reason::BUCKET_OPERATION_FAILED, text)
    };
    tokio::time::timeout(limit, step).await.map_err(late)
}

/// The bucket could not be read.
fn failed(doing: &str, error: &ObjectsError) -> Failure {
    let text = format!("{doing}: {}", chain(error));
    Failure::fetch(reason::BUCKET_OPERATION_FAILED, text).not_before(error.retry_after())
}
