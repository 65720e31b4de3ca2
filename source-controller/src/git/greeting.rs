//! What a server said when it was first met, so that it is not greeted again for each look.
//!
//! Git's protocol 2 begins with `GET info/refs`, whose answer says what the server can do and nothing of its references
//! (gitprotocol-v2, "Initial Client Request"; it calls the rest stateless). Whoever knows that answer asks for references
//! at once: a look at a branch that has not moved is one small request.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::auth::Auth;
use super::error::RemoteError;
use super::remote::{Call, RemoteFailure};
use crate::lock::lock;

/// A greeting is believed for so long.
const LIFE: Duration = Duration::from_secs(3600);
/// So many are remembered.
const MOST: usize = 512;
/// One that is longer is not remembered, in bytes. Servers say less than 300.
pub(super) const LONGEST: usize = 4096;

/// A server's capabilities, as it sent them, and where it was found.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    /// The body of the answer.
    pub(super) body: Vec<u8>,
    /// The repository's URL, if the server has moved it for good.
    pub(super) moved: Option<String>,
}

/// The greetings of all servers, each for one URL, credential and proxy. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Greetings(Arc<Mutex<HashMap<Key, Known>>>);

type Key = [u8; 32];

#[derive(Debug)]
struct Known {
    since: Instant,
    greeting: Arc<Greeting>,
}

/// One operation on a remote: what is known of it, and the place for what is learned.
#[derive(Debug, Clone)]
pub(super) struct Meeting {
    /// What it said last time; then it is not greeted again.
    pub(super) known: Option<Arc<Greeting>>,
    all: Greetings,
    key: Key,
}

impl Greetings {
    /// Runs an operation as with someone known, if the remote is. If that fails in a way for which an old greeting could be
    /// the reason, the greeting is forgotten and the operation begins anew.
    pub(super) fn meet<T>(
        &self,
        call: Call<'_>,
        operation: impl Fn(Meeting) -> Result<T, RemoteFailure>,
    ) -> Result<T, RemoteFailure> {
        let (all, key) = (self.clone(), key(call));
        if let Some(greeting) = self.recall(key, Instant::now()) {
            let known = Some(greeting);
            let all = all.clone();
            match operation(Meeting { known, all, key }) {
                Err(RemoteFailure::Remote(error)) if may_be_stale(&error) => {
                    tracing::debug!(%error, "greeting the remote anew");
                    lock(&self.0).remove(&key);
                }
                other => return other,
            }
        }
        let known = None;
        operation(Meeting { known, all, key })
    }

    fn recall(&self, key: Key, now: Instant) -> Option<Arc<Greeting>> {
        let all = lock(&self.0);
        let known = all.get(&key)?;
        (now.duration_since(known.since) < LIFE).then(|| Arc::clone(&known.greeting))
    }

    fn remember(&self, key: Key, greeting: Greeting, now: Instant) {
        let mut all = lock(&self.0);
        all.retain(|_, known| now.duration_since(known.since) < LIFE);
        while all.len() >= MOST && !all.contains_key(&key) {
            let oldest = all.iter().min_by_key(|(_, known)| known.since);
            let Some(oldest) = oldest.map(|(key, _)| *key) else {
                break;
            };
            all.remove(&oldest);
        }
        let greeting = Arc::new(greeting);
        let since = now;
        all.insert(key, Known { since, greeting });
    }
}

impl Meeting {
    /// Remembers a greeting, if it is one of protocol 2: only that says the same to everybody at all times.
    pub(super) fn learn(&self, greeting: Greeting) {
        if is_protocol_2(&greeting.body) {
            self.all.remember(self.key, greeting, Instant::now());
        }
    }
}

/// Equal only for the same repository met by the same one in the same way: nobody goes by what another has learned.
fn key(call: Call<'_>) -> Key {
    let mut hash = Sha256::new();
    hash.update(call.url.as_str());
    hash.update([0]);
    if let Auth::Http(_) = call.auth {
        call.auth.fingerprint(&mut hash);
    }
    hash.update([u8::from(call.proxy.is_some())]);
    if let Some(proxy) = call.proxy {
        proxy.fingerprint(&mut hash);
    }
    hash.finalize().into()
}

/// Whether a remote that is greeted anew could give another answer.
fn may_be_stale(error: &RemoteError) -> bool {
    match error {
        RemoteError::AuthenticationRequired(_)
        | RemoteError::AuthorizationFailed(_)
        | RemoteError::RepositoryNotFound(_)
        | RemoteError::Request { .. }
        | RemoteError::NobodyListens { .. }
        | RemoteError::Redirect(_)
        | RemoteError::NoReference(_)
        | RemoteError::Protocol(_) => true,
        // Whoever has too much to do is not asked again at once.
        RemoteError::Status {
            status, retry_after, ..
        } => *status != 429 && retry_after.is_none(),
        RemoteError::Timeout(_)
        | RemoteError::Slow(_)
        | RemoteError::TooLarge(_)
        | RemoteError::Talk(_)
        | RemoteError::Awaited(_)
        | RemoteError::Client(_)
        | RemoteError::Pack(_)
        | RemoteError::Ssh(_) => false,
    }
}

/// Whether this is the whole advertisement of a server that speaks protocol 2. Some put the service's name before it, as
/// protocol 0 has it.
fn is_protocol_2(body: &[u8]) -> bool {
    let body = body
        .strip_prefix(b"001e# service=git-upload-pack\n0000")
        .unwrap_or(body);
    body.starts_with(b"000eversion 2\n") && body.ends_with(b"0000")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODERN: &[u8] = b"000eversion 2\n0013ls-refs=unborn\n0000";

    fn greeting(body: &[u8]) -> Greeting {
        let (body, moved) = (body.to_vec(), None);
        Greeting { body, moved }
    }

    #[test]
    fn only_whole_greetings_of_protocol_2() {
        let old = b"001e# service=git-upload-pack\n0000";
        assert!(is_protocol_2(MODERN));
        assert!(is_protocol_2(&[&old[..], MODERN].concat()));
        assert!(!is_protocol_2(&MODERN[..MODERN.len() - 1]));
        assert!(!is_protocol_2(
            &[&old[..], b"0032{40} HEAD\0agent=version 2\n0000"].concat()
        ));
        assert!(!is_protocol_2(b""));
    }

    #[test]
    fn they_are_few_and_do_not_grow_old() {
        let (all, now) = (Greetings::default(), Instant::now());
        for number in 0..600_u32 {
            let mut key = [0; 32];
            key[..4].copy_from_slice(&number.to_be_bytes());
            let later = now + Duration::from_millis(number.into());
            all.remember(key, greeting(MODERN), later);
        }
        assert_eq!(lock(&all.0).len(), MOST);
        assert!(all.recall([0; 32], now).is_none(), "the oldest made room");
        let mut last = [0; 32];
        last[..4].copy_from_slice(&599_u32.to_be_bytes());
        assert!(all.recall(last, now + Duration::from_secs(3599)).is_some());
        assert!(all.recall(last, now + Duration::from_secs(3601)).is_none());
    }
}
