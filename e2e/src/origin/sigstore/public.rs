//! A TUF repository with an instance's trusted root, as Sigstore has one for its public instance.

use anyhow::Result;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use axum::{
    body::Body,
    http::{Response, StatusCode},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use super::{HOUR, Sigstore, now, sorted, time};
use crate::origin::Scripted;

/// A repository, served on loopback. One key signs all of it.
#[derive(Debug)]
pub struct TufRepository {
    root: String,
    server: Scripted,
    files: Arc<Mutex<BTreeMap<String, String>>>,
}

impl TufRepository {
    /// Offers what an instance is trusted by.
    ///
    /// # Errors
    /// When no key can be made, or no port is free.
    pub async fn start(sigstore: &Sigstore) -> Result<Self> {
        let key = Ed25519KeyPair::generate().map_err(|e| anyhow::anyhow!("{e}"))?;
        let role = json!({"keyids": ["only"], "threshold": 1});
        let public = hex::encode(key.public_key().as_ref());
        let target = sigstore.trusted_root();
        let hash = hex::encode(Sha256::digest(&target));
        let root = json!({
            "consistent_snapshot": true,
            "keys": {"only": {"keytype": "ed25519", "scheme": "ed25519", "keyval": {"public": public}}},
            "roles": {"root": role, "timestamp": role, "snapshot": role, "targets": role},
        });
        let targets =
            json!({"targets": {"trusted_root.json": {"length": target.len(), "hashes": {"sha256": hash}}}});
        let files = [
            (
                "timestamp.json".to_owned(),
                signed(
                    &key,
                    "timestamp",
                    json!({"meta": {"snapshot.json": {"version": 1}}}),
                ),
            ),
            (
                "1.snapshot.json".to_owned(),
                signed(
                    &key,
                    "snapshot",
                    json!({"meta": {"targets.json": {"version": 1}}}),
                ),
            ),
            ("1.targets.json".to_owned(), signed(&key, "targets", targets)),
            (format!("targets/{hash}.trusted_root.json"), target),
        ];
        let files = Arc::new(Mutex::new(BTreeMap::from(files)));
        let served = files.clone();
        let server = Scripted::start(move |asked| {
            let files = served.lock().unwrap_or_else(PoisonError::into_inner);
            let found = files.get(asked.path.trim_start_matches('/')).cloned();
            let mut answer = Response::new(Body::from(found.clone().unwrap_or_default()));
            if found.is_none() {
                *answer.status_mut() = StatusCode::NOT_FOUND;
            }
            answer
        });
        Ok(Self {
            root: signed(&key, "root", root),
            server: server.await?,
            files,
        })
    }

    /// The root that it is believed from.
    pub fn root(&self) -> &str {
        &self.root
    }

    /// Where it is.
    pub fn url(&self) -> String {
        self.server.url()
    }

    /// How often it was asked.
    pub fn asked(&self) -> usize {
        self.server.asked().len()
    }

    /// From now on it has nothing.
    pub fn empty(&self) {
        self.files.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// A file of a role. Its text has nothing that JSON escapes, so that what is signed is what `serde_json` prints.
fn signed(key: &Ed25519KeyPair, role: &str, mut content: Value) -> String {
    content["_type"] = json!(role);
    content["spec_version"] = json!("1.0.31");
    content["version"] = json!(1);
    content["expires"] = json!(time(now() + 48 * HOUR));
    let content = deep(&content);
    let signature = hex::encode(key.sign(content.to_string().as_bytes()));
    json!({"signatures": [{"keyid": "only", "sig": signature}], "signed": content}).to_string()
}

fn deep(value: &Value) -> Value {
    let mut value = sorted(value);
    if let Value::Object(map) = &mut value {
        map.values_mut().for_each(|inner| *inner = deep(inner));
    }
    value
}
