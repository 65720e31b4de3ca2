//! Something of each cluster: of the controller's own, and of others as long as anybody acts there.

use super::{Clients, Identity, Remote};
use kube::Client;
use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

/// Values by cluster, made when they are first asked for.
pub struct PerCluster<T> {
    clients: Clients,
    make: fn(Client) -> T,
    own: Arc<T>,
    others: Mutex<HashMap<Remote, Arc<T>>>,
}

impl<T> PerCluster<T> {
    /// Makes the one of the controller's own cluster.
    pub fn new(clients: &Clients, make: fn(Client) -> T) -> Self {
        Self {
            clients: clients.clone(),
            make,
            own: Arc::new(make(clients.of(&Identity::Controller))),
            others: Mutex::default(),
        }
    }

    /// The value of the cluster that an identity acts in.
    pub fn of(&self, identity: &Identity) -> Arc<T> {
        let Some(remote) = identity.cluster() else {
            return self.own.clone();
        };
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = others.get(remote) {
            return known.clone();
        }
        others.retain(|remote, _| !remote.is_forgotten());
        let made = Arc::new((self.make)(self.clients.of(identity)));
        others.insert(remote.clone(), made.clone());
        made
    }
}

impl<T> fmt::Debug for PerCluster<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerCluster")
    }
}
