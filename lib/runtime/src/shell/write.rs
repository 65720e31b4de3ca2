//! The one patch that writes a status.

use super::Shell;
use crate::{
    Key,
    client::Identity,
    conditions::{self, Conditions},
    events::Event,
    reconciler::{Reconciler, Status},
    status,
};
use crds::meta::{FluxObject as _, Left, ObjectStatus as _, REQUESTED_AT, add_messages};
use kube::{Resource as _, ResourceExt as _};
use std::sync::Arc;

/// What a status is written with.
#[derive(Clone, Copy)]
pub(super) enum Words<'a> {
    /// What a pass tells that has ended.
    End(&'a [Event]),
    /// What is told of an object that goes.
    Last(&'a [Event]),
    /// Nothing: no pass has ended.
    None,
}

impl<'a> Words<'a> {
    fn events(self) -> &'a [Event] {
        match self {
            Self::End(events) | Self::Last(events) => events,
            Self::None => &[],
        }
    }
}

impl<R: Reconciler> Shell<R> {
    /// Writes a status with what the shell adds to each: the handled request, the order of conditions, what is told. What is told
    /// stands in the status that it is about, so that whoever passes it on misses nothing (decision 015).
    pub(super) async fn write(
        &self,
        object: &Arc<R::Object>,
        mut status: Status<R>,
        words: Words<'_>,
    ) -> kube::Result<()> {
        let requested = object.annotations().get(REQUESTED_AT).cloned();
        if requested.is_some() {
            status.set_last_handled_reconcile_at(requested);
        }
        let generation = object.meta().generation.unwrap_or_default();
        Conditions::new(status.conditions_mut(), generation, conditions::now()).sort();
        // What was written last is in the store, also where `object` is older.
        let known = self
            .store
            .get(&Key::of(&**object))
            .unwrap_or_else(|| object.clone());
        let before = known.status().cloned().unwrap_or_default();
        let mut messages = before.messages().to_vec();
        let now = conditions::now();
        let told = words
            .events()
            .iter()
            .filter_map(|event| event.message(now.clone()));
        let left = match words {
            Words::End(_) => Left::of(before.conditions(), status.conditions(), &messages),
            Words::Last(_) | Words::None => Left::Undecided,
        };
        add_messages(&mut messages, told.collect(), left, &now);
        *status.messages_mut() = messages;
        let old = known
            .status()
            .map(to_value)
            .unwrap_or_else(|| serde_json::json!({}));
        let client = self.tools.clients.of(&Identity::Controller);
        match status::patch(client, &**object, &old, &to_value(&status), self.tools.manager).await {
            Ok(Some(mut updated)) => {
                updated.meta_mut().managed_fields = None;
                self.store.put(updated);
                Ok(())
            }
            Ok(None) => Ok(()),
            // The object went meanwhile, or another of its name came: there is nothing to write on.
            Err(kube::Error::Api(status))
                if status.code == 404 || (status.code == 409 && status.message.contains("uid")) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// A status as JSON.
pub(super) fn to_value<S: serde::Serialize>(status: &S) -> serde_json::Value {
    serde_json::to_value(status).unwrap_or_default()
}
