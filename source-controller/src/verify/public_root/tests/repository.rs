//! A TUF repository of the test's own: keys, signed files, and a server on loopback that can be made to misbehave.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _},
};
use axum::{Router, body::Body, extract::State, http::StatusCode, response::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{Timestamp, ToSpan as _};
use rcgen::PublicKeyData as _;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// A key, of Ed25519 or of P-256.
pub enum Key {
    Edwards(Ed25519KeyPair),
    Prime(EcdsaKeyPair, String),
}

impl Key {
    pub fn edwards() -> Self {
        Self::Edwards(Ed25519KeyPair::generate().unwrap())
    }

    pub fn prime() -> Self {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let spki = STANDARD.encode(pair.subject_public_key_info());
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{spki}\n-----END PUBLIC KEY-----\n");
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &pair.serialize_der()).unwrap();
        Self::Prime(pair, pem)
    }

    fn public(&self) -> Value {
        match self {
            Self::Edwards(pair) => json!({
                "keytype": "ed25519", "scheme": "ed25519",
                "keyval": {"public": hex::encode(pair.public_key().as_ref())},
            }),
            Self::Prime(_, pem) => json!({
                "keytype": "ecdsa", "scheme": "ecdsa-sha2-nistp256", "keyval": {"public": pem},
                "x-tuf-on-ci-keyowner": "@somebody",
            }),
        }
    }

    fn id(&self) -> String {
        hex::encode(Sha256::digest(canonical(&self.public())))
    }

    fn sign(&self, message: &[u8]) -> String {
        match self {
            Self::Edwards(pair) => hex::encode(pair.sign(message)),
            Self::Prime(pair, _) => hex::encode(pair.sign(&SystemRandom::new(), message).unwrap()),
        }
    }
}

/// JSON as it is signed: names in order, no spaces, and nothing escaped but quotes and backslashes.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            let name = |name: &String| canonical(&Value::String(name.clone()));
            let parts: Vec<_> = sorted
                .iter()
                .map(|(key, value)| format!("{}:{}", name(key), canonical(value)))
                .collect();
            format!("{{{}}}", parts.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        Value::String(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        other => other.to_string(),
    }
}

pub fn signed(content: &Value, keys: &[&Key]) -> Vec<u8> {
    let message = canonical(content);
    let signatures: Vec<Value> = keys
        .iter()
        .map(|key| json!({"keyid": key.id(), "sig": key.sign(message.as_bytes())}))
        .collect();
    serde_json::to_vec_pretty(&json!({"signatures": signatures, "signed": content})).unwrap()
}

/// What a path is answered with.
#[derive(Clone)]
pub enum Page {
    Text(Vec<u8>),
    Endless,
    Silent,
    Broken,
}

#[derive(Default)]
struct Served {
    pages: BTreeMap<String, Page>,
    asked: Vec<String>,
}

/// Versions and times of the files, and what they hold.
#[derive(Clone)]
pub struct Files {
    pub timestamp: u64,
    pub snapshot: u64,
    pub targets: u64,
    /// Until when each counts, in days from [`Origin::now`].
    pub timestamp_days: i64,
    pub snapshot_days: i64,
    pub targets_days: i64,
    pub content: Vec<u8>,
}

/// The repository.
pub struct Origin {
    pub root: Vec<Key>,
    pub online: Key,
    pub url: String,
    pub now: Timestamp,
    served: Arc<Mutex<Served>>,
}

pub const TRUSTED_ROOT: &str = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1"}"#;

impl Files {
    pub fn at(version: u64) -> Self {
        Self {
            timestamp: version,
            snapshot: version,
            targets: version,
            timestamp_days: 7,
            snapshot_days: 30,
            targets_days: 30,
            content: TRUSTED_ROOT.into(),
        }
    }
}

impl Origin {
    /// Two of three keys sign roots and targets; one signs the rest.
    pub async fn start() -> Self {
        let served = Arc::new(Mutex::new(Served::default()));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/repo/", listener.local_addr().unwrap());
        let app = Router::new().fallback(answer).with_state(served.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        let origin = Self {
            root: vec![Key::edwards(), Key::prime(), Key::edwards()],
            online: Key::edwards(),
            url,
            now: Timestamp::now(),
            served,
        };
        origin.put_files(&Files::at(1));
        origin
    }

    /// A root of a version with these keys, signed by others.
    pub fn root_file(&self, version: u64, keys: &[&Key], signers: &[&Key], days: i64) -> Vec<u8> {
        let all = keys.iter().copied().chain([&self.online]);
        let all: Map<String, Value> = all.map(|key| (key.id(), key.public())).collect();
        let ids: Vec<String> = keys.iter().map(|key| key.id()).collect();
        let high = json!({"keyids": ids, "threshold": 2});
        let low = json!({"keyids": [self.online.id()], "threshold": 1});
        let content = json!({
            "_type": "root", "spec_version": "1.0.31", "version": version, "expires": self.day(days),
            "consistent_snapshot": true, "keys": all, "x-tuf-on-ci-signing-period": 60,
            "roles": {"root": high, "targets": high, "timestamp": low, "snapshot": low},
        });
        signed(&content, signers)
    }

    /// The first root.
    pub fn first(&self) -> Vec<u8> {
        let keys: Vec<&Key> = self.root.iter().collect();
        self.root_file(1, &keys, &keys[..2], 100)
    }

    pub fn targets_file(&self, files: &Files) -> Value {
        let hash = hex::encode(Sha256::digest(&files.content));
        json!({
            "_type": "targets", "spec_version": "1.0.31", "version": files.targets,
            "expires": self.day(files.targets_days),
            "targets": {"trusted_root.json": {"length": files.content.len(), "hashes": {"sha256": hash}}},
        })
    }

    pub fn snapshot_file(&self, files: &Files) -> Value {
        json!({
            "_type": "snapshot", "spec_version": "1.0.31", "version": files.snapshot,
            "expires": self.day(files.snapshot_days), "meta": {"targets.json": {"version": files.targets}},
        })
    }

    pub fn timestamp_file(&self, files: &Files, snapshot: &[u8]) -> Value {
        let hash = hex::encode(Sha256::digest(snapshot));
        json!({
            "_type": "timestamp", "spec_version": "1.0.31", "version": files.timestamp,
            "expires": self.day(files.timestamp_days),
            "meta": {"snapshot.json": {
                "version": files.snapshot, "length": snapshot.len(), "hashes": {"sha256": hash},
            }},
        })
    }

    /// Puts a whole repository there.
    pub fn put_files(&self, files: &Files) {
        let snapshot = signed(&self.snapshot_file(files), &[&self.online]);
        let timestamp = signed(&self.timestamp_file(files, &snapshot), &[&self.online]);
        let targets = signed(&self.targets_file(files), &[&self.root[0], &self.root[1]]);
        self.put("timestamp.json", Page::Text(timestamp));
        self.put(&format!("{}.snapshot.json", files.snapshot), Page::Text(snapshot));
        self.put(&format!("{}.targets.json", files.targets), Page::Text(targets));
        self.put(&self.content_path(files), Page::Text(files.content.clone()));
    }

    pub fn content_path(&self, files: &Files) -> String {
        format!(
            "targets/{}.trusted_root.json",
            hex::encode(Sha256::digest(&files.content))
        )
    }

    pub fn put(&self, path: &str, page: Page) {
        let mut served = self.served.lock().unwrap();
        served.pages.insert(format!("/repo/{path}"), page);
    }

    /// Forgets all files.
    pub fn clear(&self) {
        self.served.lock().unwrap().pages.clear();
    }

    /// What was asked since the last time.
    pub fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.served.lock().unwrap().asked)
    }

    fn day(&self, days: i64) -> String {
        let time = self.now.saturating_add((days * 24).hours()).unwrap();
        time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
    }
}

async fn answer(State(served): State<Arc<Mutex<Served>>>, uri: axum::http::Uri) -> Response {
    let page = {
        let mut served = served.lock().unwrap();
        served.asked.push(uri.path().to_owned());
        served.pages.get(uri.path()).cloned()
    };
    let (status, body) = match page {
        Some(Page::Text(text)) => (StatusCode::OK, Body::from(text)),
        Some(Page::Endless) => {
            let block = || Ok::<_, std::io::Error>(vec![b' '; 1 << 16]);
            let blocks = futures::stream::repeat_with(block);
            (StatusCode::OK, Body::from_stream(blocks))
        }
        Some(Page::Silent) => std::future::pending().await,
        Some(Page::Broken) => (StatusCode::BAD_GATEWAY, Body::empty()),
        None => (StatusCode::NOT_FOUND, Body::empty()),
    };
    Response::builder().status(status).body(body).unwrap()
}
