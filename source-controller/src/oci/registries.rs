//! The clients of all registries: one for all who share registry, trust and login, so that connections and tokens are shared.

use super::{Keychain, Login, OciError, Registry, Repository, looks::Looks};
use crate::{downloads::Downloads, lock::lock};
use peer::http::{Proxy, Tls};
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
    time::Instant,
};

/// So many clients are kept at the most; those that were not used for longest make room.
const MOST: usize = 128;

/// How a registry is spoken to.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// Logins.
    pub keychain: Keychain,
    /// Whom to trust and who we are; `None` where no Secret says.
    pub tls: Option<Tls>,
    /// Through which proxy.
    pub proxy: Option<Proxy>,
    /// Plain HTTP will do; so will any certificate where no Secret says whom to trust.
    pub insecure: bool,
}

/// A client, and when it was last asked for.
type Used = (Arc<Registry>, Instant);

/// The clients that are in use, the layers that they brought, and what they learnt a moment ago.
#[derive(Debug, Default)]
pub struct Registries {
    clients: Mutex<HashMap<[u8; 32], Used>>,
    downloads: Downloads,
    looks: Looks,
}

impl Registries {
    /// The client for a repository.
    ///
    /// # Errors
    /// When the certificates cannot be used, or the proxy.
    pub fn get(&self, repository: &Repository, access: &Access) -> Result<Arc<Registry>, OciError> {
        let login = access.keychain.login(repository);
        let key = fingerprint(repository, access, &login);
        if let Some((client, used)) = lock(&self.clients).get_mut(&key) {
            *used = Instant::now();
            return Ok(client.clone());
        }
        let client = Arc::new(Registry::new(
            repository,
            access,
            login,
            key,
            self.downloads.clone(),
            self.looks.clone(),
        )?);
        let mut clients = lock(&self.clients);
        clients.insert(key, (client.clone(), Instant::now()));
        while clients.len() > MOST {
            let oldest = clients.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(key, _)| *key) else {
                break;
            };
            clients.remove(&oldest);
        }
        Ok(client)
    }

    /// No clients yet. The layers that they bring are with the other downloads.
    #[must_use]
    pub fn new(downloads: Downloads) -> Self {
        Self {
            downloads,
            ..Self::default()
        }
    }
}

fn fingerprint(repository: &Repository, access: &Access, login: &Login) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update((repository.registry.len() as u64).to_be_bytes());
    hash.update(&repository.registry);
    hash.update([u8::from(access.insecure), u8::from(access.tls.is_some())]);
    if let Some(tls) = &access.tls {
        tls.fingerprint(&mut hash);
    }
    if let Some(proxy) = &access.proxy {
        hash.update([1]);
        proxy.fingerprint(&mut hash);
    }
    login.fingerprint(&mut hash);
    hash.finalize().into()
}
