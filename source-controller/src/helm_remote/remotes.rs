//! The clients of all repositories: one for all who share URL and access, so that connections are shared.

use super::{Access, Remote, RemoteError};
use crate::lock::lock;
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};
use url::Url;

/// So many clients are kept at the most; those that were not used for longest make room.
const MOST: usize = 256;

/// What tells users of one URL and access from others.
pub type Id = [u8; 20];

/// The clients that are in use.
#[derive(Debug, Default)]
pub struct Remotes(Mutex<HashMap<Id, (Arc<Remote>, Instant)>>);

impl Remotes {
    /// The client of the repository at `base`, which is a normalized URL.
    ///
    /// # Errors
    /// When the certificates cannot be used.
    pub fn get(&self, base: &Url, access: &Access) -> Result<(Id, Arc<Remote>), RemoteError> {
        let id = id(base, access);
        if let Some((client, used)) = lock(&self.0).get_mut(&id) {
            *used = Instant::now();
            return Ok((id, client.clone()));
        }
        let client = Arc::new(Remote::new(base, access)?);
        let mut clients = lock(&self.0);
        clients.insert(id, (client.clone(), Instant::now()));
        while clients.len() > MOST {
            let oldest = clients.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(id, _)| *id) else {
                break;
            };
            clients.remove(&oldest);
        }
        Ok((id, client))
    }
}

fn id(base: &Url, access: &Access) -> Id {
    let mut hash = Sha256::new();
    hash.update((base.as_str().len() as u64).to_be_bytes());
    hash.update(base.as_str());
    access.fingerprint(&mut hash);
    let mut id = Id::default();
    id.copy_from_slice(&hash.finalize()[..20]);
    id
}
