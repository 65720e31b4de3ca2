//! ConfigMaps and Secrets that objects refer to: word of each that changes, of those that are marked to be watched.

use crate::{
    Key,
    client::Identity,
    process::Process,
    watch::{self, Change, Store, Watched},
};
use kube::{core::PartialObjectMeta, runtime::watcher};
use std::sync::Arc;

/// Says of each object of a kind that `--watch-configs-label-selector` selects when it comes, changes or goes, for ever; of
/// none where the feature `DisableConfigWatchers` is on (Flux).
pub fn follow<K: Watched>(process: &Process, changed: impl Fn(Key) + Send + 'static) {
    if process.args.feature("DisableConfigWatchers", false) {
        return;
    }
    let config = watcher::Config::default().labels(&process.args.watch_configs_label_selector);
    let (client, scope) = (process.tools.clients.of(&Identity::Controller), process.scope());
    tokio::spawn(async move {
        // Only that it changed matters; the content is read when it is needed.
        let store: Arc<Store<PartialObjectMeta<K>>> = Arc::default();
        let changed = move |change: Change<PartialObjectMeta<K>>| changed(change.key);
        watch::run_metadata(client, scope.as_deref(), config, store, changed).await;
    });
}
