//! A peer that has everything there is to download, and gives half of it while its gate is shut.

use super::DOWNLOADS;
use crate::bucket::dialect::{Dialect, Question};
use anyhow::Result;
use axum::{
    body::Body,
    http::{HeaderName, Response, StatusCode},
};
use e2e::{
    expect::eventually,
    origin::{Asked, Scripted, helm::index},
    space::LIMIT,
};
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};
use tokio::sync::watch;

const LAYER: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";
const CONFIG: &str = "application/vnd.cncf.flux.config.v1+json";
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
const CHART_CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";

/// One peer for all: it has a version of everything; and a large layer.
pub struct Peer {
    pub versions: watch::Sender<Version>,
    pub open: watch::Sender<bool>,
    pub counts: Arc<Counts>,
}

/// A version of everything: its number, and what a file in it has.
#[derive(Clone)]
pub struct Version {
    pub number: usize,
    pub content: Arc<Vec<u8>>,
}

/// Halves that were given, and those of them whose receiver went away; in the order of the downloads.
#[derive(Default)]
pub struct Counts {
    pub begun: [AtomicUsize; DOWNLOADS.len()],
    pub broken: [AtomicUsize; DOWNLOADS.len()],
}

/// Counts a receiver that goes before it has all.
struct Whole(Option<(Arc<Counts>, usize)>);

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some((counts, of)) = self.0.take() {
            counts.broken[of].fetch_add(1, SeqCst);
        }
    }
}

impl Version {
    /// Content that cannot be packed, so that half of it is half of any archive.
    pub fn new(number: usize, size: usize) -> Self {
        let content = (0..size).map(|_| rand::random()).collect();
        Self {
            number,
            content: Arc::new(content),
        }
    }

    fn tag(&self) -> String {
        format!("1.{}.0", self.number)
    }

    /// Objects of buckets are told apart by their keys, as their etag is always the same.
    fn key(&self) -> String {
        format!("{}-content", self.number)
    }

    fn archive(&self, root: &str) -> Vec<u8> {
        let chart = format!("apiVersion: v2\nname: web\nversion: {}\n", self.tag());
        let files = [
            (format!("{root}Chart.yaml"), chart.into_bytes()),
            (format!("{root}content"), self.content.to_vec()),
        ];
        let mut archive = Vec::new();
        let tree = artifact::Tree::from_files(files).expect("these are paths");
        artifact::pack_tree(&tree, &mut archive).expect("a vector takes all");
        archive
    }
}

impl Peer {
    pub async fn start(first: Version, large: &Version) -> Result<(Self, Scripted)> {
        let (versions, version) = watch::channel(first);
        let (open, gate) = watch::channel(true);
        let counts = Arc::<Counts>::default();
        let halves = Halves {
            gate,
            counts: counts.clone(),
        };
        let large = large.archive("");
        let server = Scripted::start(move |asked| {
            let version = version.borrow().clone();
            match asked.path.starts_with("/v2/large/") {
                true => registry(asked, CONFIG, LAYER, large.clone(), |layer| plain(&[], layer)),
                false => answer(asked, &version, &halves),
            }
        });
        let server = server.await?;
        let peer = Self {
            versions,
            open,
            counts,
        };
        Ok((peer, server))
    }

    /// Waits until so many halves of each have been given, or broken off.
    pub async fn halves(&self, counts: &[AtomicUsize], number: usize) -> Result<()> {
        let all = async || {
            let reached = counts.iter().all(|count| count.load(SeqCst) >= number);
            Ok(reached.then_some(()))
        };
        let what = format!("{number} halves of each of {} downloads", DOWNLOADS.len());
        eventually(&what, LIMIT, all).await
    }
}

/// What gives half of a body while the gate is shut.
struct Halves {
    gate: watch::Receiver<bool>,
    counts: Arc<Counts>,
}

impl Halves {
    /// All of a body, or half of it, and the other half when the gate is opened.
    fn give(&self, of: usize, body: Vec<u8>) -> Body {
        use futures::StreamExt as _;
        if *self.gate.borrow() {
            return Body::from(body);
        }
        let (begin, rest) = body.split_at(body.len() / 2);
        let begin = futures::stream::iter([Ok::<_, std::io::Error>(begin.to_vec())]);
        let (rest, mut gate, counts) = (rest.to_vec(), self.gate.clone(), self.counts.clone());
        let whole = Whole(Some((counts.clone(), of)));
        let rest = futures::stream::once(async move {
            let mut whole = whole;
            counts.begun[of].fetch_add(1, SeqCst);
            let _ = gate.wait_for(|open| *open).await;
            whole.0 = None;
            Ok(rest)
        });
        Body::from_stream(begin.chain(rest))
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn plain(headers: &[(&str, String)], body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), value.parse()) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}

/// What the peer has of a version: a registry's layer and chart, a store of each kind, and a Helm repository.
fn answer(asked: &Asked, version: &Version, halves: &Halves) -> Response<Body> {
    let give = |of: usize, body: Vec<u8>| {
        let length = ("content-length", body.len().to_string());
        plain(&[length, ("etag", "\"e\"".to_owned())], halves.give(of, body))
    };
    let path = asked.path.as_str();
    let is_below = |folder: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    match path {
        "/v2/" => plain(&[], ""),
        "/v2/charts/web/tags/list" => plain(
            &[],
            json!({"name": "charts/web", "tags": [version.tag()]}).to_string(),
        ),
        _ if is_below("/v2/charts/web") => {
            registry(asked, CHART_CONFIG, CHART, version.archive("web/"), |chart| {
                give(5, chart)
            })
        }
        _ if is_below("/v2/app") => {
            registry(asked, CONFIG, LAYER, version.archive(""), |layer| give(0, layer))
        }
        _ if is_below("/s3") => store(asked, Dialect::S3, version, |object| give(1, object)),
        _ if is_below("/storage/v1/b/google") => {
            store(asked, Dialect::Google, version, |object| give(2, object))
        }
        _ if is_below("/azure") => store(asked, Dialect::Azure, version, |object| give(3, object)),
        "/index.yaml" => plain(&[], index(&[("web", &version.tag(), "web.tgz")])),
        "/web.tgz" => give(4, version.archive("web/")),
        _ => {
            let mut response = plain(&[], "");
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

/// A repository of a registry with a single layer, whatever is asked for.
fn registry(
    asked: &Asked,
    config: &str,
    kind: &str,
    layer: Vec<u8>,
    give: impl FnOnce(Vec<u8>) -> Response<Body>,
) -> Response<Body> {
    if asked.path.contains("/blobs/") {
        return give(layer);
    }
    let manifest = json!({
        "schemaVersion": 2, "config": {"mediaType": config, "digest": digest(b"{}"), "size": 2},
        "layers": [{"mediaType": kind, "digest": digest(&layer), "size": layer.len()}],
    });
    let manifest = manifest.to_string();
    let name = digest(manifest.as_bytes());
    plain(&[("docker-content-digest", name)], manifest)
}

/// A bucket with a single object.
fn store(
    asked: &Asked,
    dialect: Dialect,
    version: &Version,
    give: impl FnOnce(Vec<u8>) -> Response<Body>,
) -> Response<Body> {
    let (key, content) = (version.key(), version.content.to_vec());
    match dialect.question(asked).1 {
        Question::Page(_) => plain(&[], dialect.page(&[&key], content.len() as u64, None)),
        Question::About(its) if its == key => Dialect::about(),
        Question::Object(its) if its == key => give(content),
        Question::About(_) | Question::Object(_) => dialect.missing(),
    }
}
