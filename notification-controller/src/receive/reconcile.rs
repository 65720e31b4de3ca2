//! The story of a Receiver: what it says is checked, its token is read, and its status tells the address.

use super::{
    compiled::{Compiled, Unusable},
    path::webhook_path,
    record::{Found, record},
    secret::{self, SecretError},
};
use crds::notification::{Receiver, ReceiverStatus};
use kube::Client;
use runtime::{
    Key, conditions,
    reconciler::{Cleanup, Outcome, Reconciler},
};
use std::{sync::Arc, time::Duration};

/// How often a Receiver is looked at that does not say (Flux).
const INTERVAL: Duration = Duration::from_secs(600);

/// What is known to be done about Receivers.
pub struct Receivers {
    client: Client,
    compiled: Arc<Compiled>,
}

impl Receivers {
    /// Reads Secrets with this client, and compiles expressions for all.
    pub fn new(client: Client, compiled: Arc<Compiled>) -> Self {
        Self { client, compiled }
    }

    async fn find(&self, receiver: &Arc<Receiver>) -> Found {
        match self.compiled.of(receiver, &Key::of(&**receiver), || true).await {
            Ok(_) => {}
            Err(Unusable::Invalid(invalid)) => return Found::Invalid(invalid),
            Err(Unusable::Crashed) => return Found::Unread("the check of the Receiver crashed".into()),
        }
        match secret::read(&self.client, receiver).await {
            Ok(credentials) => Found::Path(webhook_path(credentials.token(), &Key::of(&**receiver))),
            Err(error @ SecretError::Missing(_)) => Found::NoToken(error.to_string()),
            Err(error @ SecretError::Unread { .. }) => Found::Unread(error.to_string()),
        }
    }
}

impl Reconciler for Receivers {
    type Object = Receiver;

    async fn reconcile(&self, receiver: &Arc<Receiver>) -> Outcome<ReceiverStatus> {
        let interval = receiver.spec.interval.as_ref().and_then(|i| i.get().ok());
        let interval = interval.filter(|i| !i.is_zero()).unwrap_or(INTERVAL);
        let (old, generation) = (receiver.status.clone(), receiver.metadata.generation);
        let found = self.find(receiver).await;
        record(
            old.unwrap_or_default(),
            generation.unwrap_or_default(),
            found,
            interval,
            conditions::now(),
        )
    }

    fn forget(&self, key: &Key) {
        self.compiled.forget(key);
    }

    async fn cleanup(&self, _: &Arc<Receiver>) -> Cleanup {
        Cleanup::Done(Vec::new())
    }
}
