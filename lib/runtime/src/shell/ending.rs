//! The end of an object, or of what is done for it.

use super::{
    Shell,
    write::{Words, to_value},
};
use crate::{
    Key,
    client::Identity,
    events::Event,
    reconciler::{Cleanup, Reconciler, Status},
    status,
};
use crds::meta::FluxObject as _;
use kube::ResourceExt as _;
use std::sync::Arc;
use tracing::error;

impl<R: Reconciler> Shell<R> {
    /// Takes from an object what it has of passes that were made over it before it became static.
    pub(super) async fn leave(&self, key: &Key, object: &Arc<R::Object>) -> bool {
        let mine = object.finalizers().iter().any(|f| f == R::Object::FINALIZER);
        let bare = Status::<R>::default();
        let told = object.status().is_some_and(|status| *status != bare);
        if object.suspended() || !(mine || told) {
            self.queue.succeeded(key);
            return true;
        }
        if let Cleanup::Later {
            events,
            error,
            requeue,
        } = self.reconciler.cleanup(object).await
        {
            self.tell(object, &events);
            self.again(key, requeue, error.is_none());
            return error.is_none();
        }
        let client = || self.tools.clients.of(&Identity::Controller);
        let old = object.status().map(to_value).unwrap_or_default();
        let cleared = status::patch(client(), &**object, &old, &to_value(&bare), self.tools.manager).await;
        let object = match cleared {
            Ok(Some(cleared)) => Arc::new(cleared),
            Ok(None) => object.clone(),
            Err(error) => return self.failed(key, "cannot clear the status", &error),
        };
        if mine {
            let freed = status::set_finalizer(
                client(),
                &*object,
                R::Object::FINALIZER,
                false,
                self.tools.manager,
            )
            .await;
            if let Err(error) = freed {
                return self.failed(key, "cannot remove the finalizer", &error);
            }
        }
        self.queue.succeeded(key);
        true
    }

    /// Undoes what a deleted object caused, and lets it go.
    pub(super) async fn clean_up(&self, key: &Key, object: &Arc<R::Object>) -> bool {
        let uid = object.uid().unwrap_or_default();
        if !object.finalizers().iter().any(|f| f == R::Object::FINALIZER) || self.finished().contains(&uid) {
            return true;
        }
        match self.reconciler.cleanup(object).await {
            Cleanup::Done(events) => {
                self.tell(object, &events);
                let object = match self.last_words(object, &events).await {
                    Ok(object) => object,
                    Err(error) => return self.failed(key, "cannot write the status", &error),
                };
                let client = self.tools.clients.of(&Identity::Controller);
                match status::set_finalizer(client, &*object, R::Object::FINALIZER, false, self.tools.manager)
                    .await
                {
                    Ok(_) => {
                        // Unless the watch was quicker.
                        if self
                            .store
                            .get(key)
                            .is_some_and(|o| o.uid().as_ref() == Some(&uid))
                        {
                            self.finished().insert(uid);
                        }
                        true
                    }
                    Err(kube::Error::Api(status)) if status.code == 404 => true,
                    Err(error) => self.failed(key, "cannot remove the finalizer", &error),
                }
            }
            Cleanup::Later {
                events,
                error,
                requeue,
            } => {
                self.tell(object, &events);
                if let Err(error) = self.last_words(object, &events).await {
                    return self.failed(key, "cannot write the status", &error);
                }
                if let Some(error) = &error {
                    error!(
                        kind = R::Object::KIND,
                        namespace = key.namespace,
                        name = key.name,
                        error,
                        "cannot clean up"
                    );
                }
                self.again(key, requeue, error.is_none());
                error.is_none()
            }
        }
    }

    /// Puts what there is to tell about an object that goes into its status, while it is there; the object as it is then.
    async fn last_words(&self, object: &Arc<R::Object>, events: &[Event]) -> kube::Result<Arc<R::Object>> {
        if events.is_empty() {
            return Ok(object.clone());
        }
        let newest = || {
            let known = self.store.get(&Key::of(&**object));
            known
                .filter(|known| known.uid() == object.uid())
                .unwrap_or_else(|| object.clone())
        };
        let status = newest().status().cloned().unwrap_or_default();
        self.write(object, status, Words::Last(events)).await?;
        Ok(newest())
    }
}
