//! PURE: entries of a transparency log (Rekor): that the log has them, since when, and what they say.

mod second;

use super::trusted_root::{Log, TrustedRoot};
use crate::{
    pem,
    verify::{
        certificate::Certificate,
        key::{PublicKey, Scheme},
    },
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// An entry of a log, with what shows that the log has it.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The log's id.
    pub log: Vec<u8>,
    /// The number of the entry in the log.
    pub index: i64,
    /// When the log took it, in seconds.
    pub time: i64,
    /// The entry itself.
    pub body: Vec<u8>,
    /// The log's signature over all of these: its promise to have the entry.
    pub promise: Option<Vec<u8>>,
    /// The path to a tree that the log has signed.
    pub proof: Option<Proof>,
    /// Whether it is of the second kind of logs (Rekor version 2), which have no times and no promises.
    pub is_second: bool,
}

/// A path in a log's tree (RFC 6962, section 2.1.1).
#[derive(Debug, Clone, Default)]
pub struct Proof {
    /// The number of the leaf in this tree.
    pub index: u64,
    /// The size of the tree.
    pub size: u64,
    /// The hashes on the path.
    pub hashes: Vec<Vec<u8>>,
    /// The hash of the tree.
    pub root: Vec<u8>,
    /// The log's signed note about the tree.
    pub checkpoint: String,
}

/// What an entry must say of a signature.
#[derive(Debug, Clone, Copy)]
pub struct Expected<'a> {
    /// The signature.
    pub signature: &'a [u8],
    /// The certificate that came with it.
    pub certificate: &'a Certificate,
    /// What was signed, to the byte.
    pub message: &'a [u8],
    /// What of it such an entry has: the payload.
    pub payload: &'a [u8],
}

impl Entry {
    /// Checks that a trusted log has the entry and that it is about this signature; gives the time at which the log took
    /// it. Only the promise is signed together with the time, so without one there is no time.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self, root: &TrustedRoot, expected: Expected<'_>) -> Result<Timestamp, String> {
        let time =
            Timestamp::from_second(self.time).map_err(|_| "the log entry's time is none".to_owned())?;
        let log = root.logs.iter().find(|log| log.id == self.log);
        let log = log.ok_or("the log entry is of a log that is not trusted")?;
        if !log.counted_at(time) {
            return Err("the log's key did not count when it took the entry".into());
        }
        let promise = self
            .promise
            .as_ref()
            .ok_or("the log entry has no signed time (inclusion promise)")?;
        if !log
            .key
            .signed(Scheme::Sha256, self.promised().as_bytes(), promise)
        {
            return Err("the log's signature of the entry (inclusion promise) is wrong".into());
        }
        if let Some(proof) = &self.proof {
            proof.check(hash(&[&[0], &self.body]), log)?;
        }
        says(&self.body, expected)?;
        Ok(time)
    }

    /// The text that a promise signs: JSON in canonical form (RFC 8785).
    fn promised(&self) -> String {
        format!(
            r#"{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{}}}"#,
            STANDARD.encode(&self.body),
            self.time,
            hex::encode(&self.log),
            self.index
        )
    }
}

impl Proof {
    fn check(&self, leaf: Vec<u8>, log: &Log) -> Result<(), String> {
        let root = root(self.index, self.size, leaf, &self.hashes);
        if root.as_deref() != Some(self.root.as_slice()) {
            return Err("the log entry is not in the log's tree (inclusion proof)".into());
        }
        let wrong = || "the log's signed note about its tree (checkpoint) is wrong".to_owned();
        let (text, signatures) = self.checkpoint.split_once("\n\n").ok_or_else(wrong)?;
        let mut lines = text.lines().skip(1);
        let size: u64 = lines
            .next()
            .and_then(|line| line.parse().ok())
            .ok_or_else(wrong)?;
        let hash = lines
            .next()
            .and_then(|line| STANDARD.decode(line).ok())
            .ok_or_else(wrong)?;
        if size != self.size || hash != self.root {
            return Err(wrong());
        }
        let signed = format!("{text}\n");
        let by_log = |line: &str| {
            // "— name base64(4 bytes of the key's id, signature)"
            let signature = line.strip_prefix("— ")?.split(' ').nth(1)?;
            let signature = STANDARD.decode(signature).ok()?;
            Some(
                log.key
                    .signed(Scheme::Sha256, signed.as_bytes(), signature.get(4..)?),
            )
        };
        if signatures.lines().any(|line| by_log(line) == Some(true)) {
            return Ok(());
        }
        Err(wrong())
    }
}

/// The hash of a tree that has this leaf at this place (RFC 9162, section 2.1.3.2); `None` if the path does not fit.
fn root(index: u64, size: u64, leaf: Vec<u8>, path: &[Vec<u8>]) -> Option<Vec<u8>> {
    if index >= size || path.len() > 64 {
        return None;
    }
    let (mut node, mut last, mut found) = (index, size - 1, leaf);
    for next in path {
        if last == 0 || next.len() != 32 {
            return None;
        }
        if node & 1 == 1 || node == last {
            found = hash(&[&[1], next, &found]);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            found = hash(&[&[1], &found, next]);
        }
        node >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(found)
}

fn hash(parts: &[&[u8]]) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(part);
    }
    hash.finalize().to_vec()
}

/// Checks that an entry is about this signature, by this certificate, of this payload.
fn says(body: &[u8], expected: Expected<'_>) -> Result<(), String> {
    let entry: Value = serde_json::from_slice(body).map_err(|_| "the log entry cannot be read".to_owned())?;
    let text = |at: &str| entry.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let kind = (text("/kind"), text("/apiVersion"));
    let (signature, verifier, digest) = match kind {
        ("hashedrekord", "0.0.1") => {
            if text("/spec/data/hash/algorithm") != "sha256" {
                return Err("the log entry has a hash of an unexpected algorithm".into());
            }
            (
                text("/spec/signature/content"),
                text("/spec/signature/publicKey/content"),
                text("/spec/data/hash/value"),
            )
        }
        ("dsse", "0.0.1") => {
            if text("/spec/payloadHash/algorithm") != "sha256" {
                return Err("the log entry has a hash of an unexpected algorithm".into());
            }
            if entry.pointer("/spec/signatures/1").is_some() {
                return Err("the log entry has more than one signature".into());
            }
            (
                text("/spec/signatures/0/signature"),
                text("/spec/signatures/0/verifier"),
                text("/spec/payloadHash/value"),
            )
        }
        (kind, version) => {
            return Err(format!(
                "log entries of the kind '{kind}' {version} are not supported"
            ));
        }
    };
    let decoded = STANDARD.decode(signature).unwrap_or_default();
    if decoded.is_empty() || decoded != expected.signature {
        return Err("the log entry is about another signature".into());
    }
    if hex::decode(digest).unwrap_or_default() != hash(&[expected.payload]) {
        return Err("the log entry is about something else that was signed".into());
    }
    let verifier = STANDARD.decode(verifier).unwrap_or_default();
    let same_certificate = || {
        let blocks = pem::blocks(&verifier, "CERTIFICATE");
        blocks
            .first()
            .is_some_and(|der| der == expected.certificate.der())
    };
    let same_key = || PublicKey::from_pem(&verifier).is_some_and(|key| key == *expected.certificate.key());
    if same_certificate() || same_key() {
        return Ok(());
    }
    Err("the log entry is about a signature by somebody else".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The tree of RFC 6962, section 2.1.3, with seven leaves, built by its definition.
    fn tree(leaves: &[Vec<u8>]) -> Vec<u8> {
        match leaves {
            [] => hash(&[]),
            [leaf] => leaf.clone(),
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                hash(&[&[1], &tree(&leaves[..split]), &tree(&leaves[split..])])
            }
        }
    }

    fn path(index: usize, leaves: &[Vec<u8>]) -> Vec<Vec<u8>> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let split = leaves.len().next_power_of_two() / 2;
        let (mut found, other) = if index < split {
            (path(index, &leaves[..split]), tree(&leaves[split..]))
        } else {
            (path(index - split, &leaves[split..]), tree(&leaves[..split]))
        };
        found.push(other);
        found
    }

    #[test]
    fn paths_lead_to_the_root_and_no_others_do() {
        for size in 1..40_usize {
            let leaves: Vec<Vec<u8>> = (0..size)
                .map(|n| hash(&[&[0], n.to_string().as_bytes()]))
                .collect();
            let expected = tree(&leaves);
            for index in 0..size {
                let path = path(index, &leaves);
                let found = |index: usize, size: usize, path: &[Vec<u8>]| {
                    root(
                        index as u64,
                        size as u64,
                        leaves[index % leaves.len()].clone(),
                        path,
                    )
                };
                assert_eq!(
                    found(index, size, &path),
                    Some(expected.clone()),
                    "{index} of {size}"
                );
                let mut longer = path.clone();
                longer.push(expected.clone());
                assert_ne!(found(index, size, &longer), Some(expected.clone()));
                if !path.is_empty() {
                    assert_ne!(found(index, size, &path[1..]), Some(expected.clone()));
                    assert_ne!(
                        root(index as u64, size as u64, expected.clone(), &path),
                        Some(expected.clone())
                    );
                }
            }
            assert_eq!(root(size as u64, size as u64, leaves[0].clone(), &[]), None);
        }
    }
}
