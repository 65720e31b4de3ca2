//! What remotes said a moment ago: objects of one URL, credential and reference that are due together ask once.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use super::Request;
use super::resolve::Resolved;
use crate::lock::lock;

/// So long an answer counts as current for those who did not ask for a look just now.
const CURRENT: Duration = Duration::from_secs(5);
/// So many answers are kept at the most.
const MOST: usize = 4096;

/// Equal only for what is asked of the same remote, by the same way and with the same credential.
type Id = [u8; 32];

/// The answers of a moment ago, and when they were asked for. A failure is nobody's answer but of whoever met it.
#[derive(Default)]
pub(super) struct Recent(Mutex<HashMap<Id, (Instant, Resolved)>>);

impl Recent {
    /// What the remote said to the same question a moment ago.
    pub(super) fn get(&self, id: &Id) -> Option<Resolved> {
        let known = lock(&self.0);
        let (began, resolved) = known.get(id)?;
        (began.elapsed() < CURRENT).then(|| resolved.clone())
    }

    /// Remembers an answer to a question that was asked then.
    pub(super) fn put(&self, id: Id, began: Instant, resolved: &Resolved) {
        let mut known = lock(&self.0);
        if known.len() >= MOST {
            known.retain(|_, (began, _)| began.elapsed() < CURRENT);
        }
        if known.len() < MOST {
            known.insert(id, (began, resolved.clone()));
        }
    }
}

/// Which question a request is.
pub(super) fn id(request: &Request) -> Id {
    let mut hash = Sha256::new();
    let reference = format!("{:?}", request.reference);
    for text in [request.url.as_str(), reference.as_str()] {
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text);
    }
    if let Some(proxy) = &request.proxy {
        hash.update([1]);
        proxy.fingerprint(&mut hash);
    }
    request.auth.fingerprint(&mut hash);
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(commit: &str) -> Resolved {
        Resolved {
            reference: String::new(),
            commit: commit.to_owned(),
            tag: None,
            revision: String::new(),
        }
    }

    #[test]
    fn answers_are_good_for_a_moment_and_not_without_number() {
        // A time to come is a moment ago however busy the machine is.
        let (recent, now) = (Recent::default(), Instant::now() + Duration::from_secs(3600));
        recent.put([1; 32], now, &resolved("a"));
        assert_eq!(recent.get(&[1; 32]), Some(resolved("a")));
        assert_eq!(recent.get(&[2; 32]), None);
        recent.put([1; 32], Instant::now() - CURRENT, &resolved("b"));
        assert_eq!(recent.get(&[1; 32]), None);
        for number in 0..2 * MOST as u64 {
            let mut id = [0; 32];
            id[..8].copy_from_slice(&number.to_be_bytes());
            recent.put(id, now, &resolved("c"));
        }
        assert_eq!(lock(&recent.0).len(), MOST);
    }
}
