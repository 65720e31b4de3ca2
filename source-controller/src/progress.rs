//! What passes under way have found out: that there is something newer than the artifact. Flux tells that in between, too.

use crate::lock::lock;
use crds::{meta::FluxObject, source::Source};
use runtime::Key;
use std::{collections::HashMap, sync::Mutex};
use tokio::sync::Notify;

/// Why the artifact is outdated: a reason of the condition, and what is new.
pub type News = (&'static str, String);

/// What passes under way have found out.
#[derive(Debug, Default)]
pub struct Progress {
    found: Mutex<HashMap<(&'static str, Key), Found>>,
    changed: Notify,
}

#[derive(Debug)]
struct Found {
    news: News,
    shown: bool,
}

impl Progress {
    /// Upstream has this revision: the artifact of an object, if it has one, is outdated unless it is of it.
    pub fn newer<O: FluxObject + Source>(
        &self,
        object: &O,
        revision: &str,
        reason: &'static str,
        text: &str,
    ) {
        if object
            .artifact()
            .is_some_and(|artifact| artifact.revision != revision)
        {
            self.outdated(object, reason, text);
        }
    }

    /// The artifact of an object, if it has one, is not what it shall be.
    pub fn outdated<O: FluxObject + Source>(
        &self,
        object: &O,
        reason: &'static str,
        text: impl Into<String>,
    ) {
        if object.artifact().is_none() {
            return;
        }
        let found = Found {
            news: (reason, text.into()),
            shown: false,
        };
        lock(&self.found).insert((O::KIND, Key::of(object)), found);
        self.changed.notify_waiters();
    }

    /// What is known of an object, and is shown from now on.
    pub fn show<O: FluxObject>(&self, object: &O) -> Option<News> {
        let mut found = lock(&self.found);
        let found = found.get_mut(&(O::KIND, Key::of(object)))?;
        found.shown = true;
        Some(found.news.clone())
    }

    /// Waits until something is known of an object that was not shown.
    pub async fn more<O: FluxObject>(&self, object: &O) {
        let key = (O::KIND, Key::of(object));
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // What comes from now on is not missed.
            changed.as_mut().enable();
            if lock(&self.found).get(&key).is_some_and(|found| !found.shown) {
                return;
            }
            changed.await;
        }
    }

    /// The pass is over.
    pub fn over<O: FluxObject>(&self, object: &O) {
        lock(&self.found).remove(&(O::KIND, Key::of(object)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crds::source::Bucket;
    use futures::FutureExt as _;
    use serde_json::{Value, json};

    fn bucket(artifact: &Value) -> Bucket {
        serde_json::from_value(json!({
            "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "Bucket", "metadata": {"name": "a", "namespace": "n"},
            "spec": {"interval": "1m", "bucketName": "b", "endpoint": "e"}, "status": {"artifact": artifact},
        }))
        .unwrap()
    }

    #[tokio::test]
    async fn news_is_shown_once_and_ends_with_the_pass() {
        let has = json!({"path": "p", "url": "u", "revision": "r", "digest": "d", "lastUpdateTime": "2026-01-01T00:00:00Z"});
        let (progress, bucket) = (Progress::default(), bucket(&has));
        assert!(progress.more(&bucket).now_or_never().is_none());
        let waiting = progress.more(&bucket);
        let mut waiting = std::pin::pin!(waiting);
        assert!(waiting.as_mut().now_or_never().is_none());
        progress.outdated(&bucket, "NewRevision", "new");
        waiting.await;
        assert_eq!(progress.show(&bucket), Some(("NewRevision", "new".to_owned())));
        assert!(progress.more(&bucket).now_or_never().is_none(), "it is shown");
        progress.over(&bucket);
        assert_eq!(progress.show(&bucket), None);
        progress.newer(&bucket, "r", "NewRevision", "the same");
        assert_eq!(progress.show(&bucket), None);
        progress.newer(&bucket, "r2", "NewRevision", "another");
        assert!(progress.show(&bucket).is_some());
        progress.over(&bucket);
        let empty = self::bucket(&json!(null));
        progress.outdated(&empty, "NewRevision", "new");
        assert_eq!(progress.show(&empty), None, "what is not there is not outdated");
    }
}
