//! One kind: its objects as last seen, those that are due, and the passes over them.

use crds::{meta::FluxObject, source::Source};
use runtime::{
    Key,
    client::Identity,
    process::Process,
    queue::Queue,
    reconciler::Reconciler,
    shell::Shell,
    watch::{self, Change, Store},
};
use std::sync::Arc;

/// One kind: its objects as last seen, and those that are due.
pub struct Kind<K> {
    /// The objects.
    pub store: Arc<Store<K>>,
    /// Those that are due.
    pub queue: Arc<Queue>,
}

/// Asks for a pass over the object of this key, if its status names the file at this path.
pub type Healer = Box<dyn Fn(Key, &str) + Send + Sync>;

impl<K> Default for Kind<K> {
    fn default() -> Self {
        Self {
            store: Arc::new(Store::default()),
            queue: Arc::new(Queue::default()),
        }
    }
}

impl<K: FluxObject> Kind<K> {
    /// Follows the objects and makes passes over them until the process ends.
    pub async fn run<R: Reconciler<Object = K>>(
        self,
        process: &Process,
        reconciler: R,
        also: impl Fn(&Change<K>) + Send + Sync + 'static,
    ) {
        let concurrency = process.args.concurrent.unwrap_or(2);
        let (store, queue, tools) = (self.store, self.queue, process.tools.clone());
        let shell = Shell::new(reconciler, store.clone(), queue, tools);
        let (on_change, unreadable) = (shell.clone(), shell.clone());
        let (config, scope) = (process.own_objects(), process.scope());
        let watch = watch::run::<K>(
            process.tools.clients.of(&Identity::Controller),
            scope.as_deref(),
            config,
            store,
            move |change| {
                also(&change);
                on_change.changed(&change);
            },
            move |invalid| unreadable.undecodable(invalid),
        );
        tokio::select! {
            () = watch => {}
            () = shell.run(concurrency, process.stopped()) => {}
        }
    }
}

impl<K: FluxObject + Source> Kind<K> {
    /// Asks for a pass over the object whose status names a file that is not there.
    pub fn healer(&self) -> (&'static str, Healer) {
        let (store, queue) = (self.store.clone(), self.queue.clone());
        let healer = move |key: Key, path: &str| {
            // What no status names is not looked for: strangers cannot ask for work.
            let named = |o: &K| o.artifact().is_some_and(|a| a.path == path);
            if store.get(&key).is_some_and(|o| named(&o)) {
                queue.hint(key);
            }
        };
        (K::KIND, Box::new(healer))
    }
}
