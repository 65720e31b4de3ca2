//! source-controller is killed with a layer, an object and a chart half downloaded, and with an archive half written: what there
//! was is served meanwhile, what is new comes after all, and nothing of the half-done is left.

use anyhow::{Context as _, Result, ensure};
use axum::{
    body::Body,
    http::{HeaderName, Response, StatusCode},
};
use e2e::{
    expect::{self, eventually},
    flux::SOURCE,
    origin::{Asked, Scripted, helm::index},
    space::{LIMIT, Space},
    suite::Options,
    world::World,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};
use tokio::sync::watch;

const LAYER: &str = "application/vnd.cncf.flux.content.v1.tar+gzip";
/// What each download is of: by the path of its request.
const DOWNLOADS: [&str; 3] = ["layer", "object", "chart"];
const KINDS: [&str; 3] = ["OCIRepository", "Bucket", "HelmChart"];

/// So many bytes take a while to be packed.
const LARGE: usize = 64 << 20;

/// One peer for all: it has a version of everything, and gives half of it while the gate is shut; and a large layer.
struct Peer {
    versions: watch::Sender<Version>,
    open: watch::Sender<bool>,
    counts: Arc<Counts>,
}

/// A version of everything: its number, and what a file in it has.
#[derive(Clone)]
struct Version {
    number: usize,
    content: Arc<Vec<u8>>,
}

/// Halves that were given, and those of them whose receiver went away.
#[derive(Default)]
struct Counts {
    begun: [AtomicUsize; 3],
    broken: [AtomicUsize; 3],
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
    fn new(number: usize, size: usize) -> Self {
        let content = (0..size).map(|_| rand::random()).collect();
        Self {
            number,
            content: Arc::new(content),
        }
    }

    fn tag(&self) -> String {
        format!("1.{}.0", self.number)
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
    async fn start(first: Version, large: Version) -> Result<(Self, Scripted)> {
        let (versions, version) = watch::channel(first);
        let (open, gate) = watch::channel(true);
        let counts = Arc::<Counts>::default();
        let counted = counts.clone();
        let large = large.archive("");
        let server = Scripted::start(move |asked| {
            let version = version.borrow().clone();
            match asked.path.starts_with("/v2/large/") {
                true => registry(asked, &large),
                false => answer(asked, &version, &gate, &counted),
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

    /// Waits until so many halves of each have been given.
    async fn halves(&self, counts: &[AtomicUsize; 3], number: usize) -> Result<()> {
        let all = async || {
            let reached = counts.iter().all(|count| count.load(SeqCst) >= number);
            Ok(reached.then_some(()))
        };
        let what = format!("{number} halves of each of {DOWNLOADS:?}");
        eventually(&what, LIMIT, all).await
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

/// Half of a body, and the other half when the gate is opened.
fn half(of: usize, body: Vec<u8>, gate: &watch::Receiver<bool>, counts: &Arc<Counts>) -> Body {
    use futures::StreamExt as _;
    let (begin, rest) = body.split_at(body.len() / 2);
    let begin = futures::stream::iter([Ok::<_, std::io::Error>(begin.to_vec())]);
    let (rest, mut gate, counts) = (rest.to_vec(), gate.clone(), counts.clone());
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

/// A registry with a single layer.
fn registry(asked: &Asked, layer: &[u8]) -> Response<Body> {
    if asked.path.contains("/blobs/") {
        return plain(&[], layer.to_vec());
    }
    let manifest = json!({
        "schemaVersion": 2, "config": {"digest": digest(b"{}"), "size": 2},
        "layers": [{"mediaType": LAYER, "digest": digest(layer), "size": layer.len()}],
    });
    let manifest = manifest.to_string();
    plain(
        &[("docker-content-digest", digest(manifest.as_bytes()))],
        manifest,
    )
}

fn answer(
    asked: &Asked,
    version: &Version,
    gate: &watch::Receiver<bool>,
    counts: &Arc<Counts>,
) -> Response<Body> {
    let download = |of: usize, body: Vec<u8>| {
        let length = ("content-length", body.len().to_string());
        let etag = ("etag", format!("\"e{}\"", version.number));
        let body = match *gate.borrow() {
            true => Body::from(body),
            false => half(of, body, gate, counts),
        };
        plain(&[length, etag], body)
    };
    match asked.path.as_str() {
        "/v2/" => plain(&[], ""),
        path if path.starts_with("/v2/app/blobs/") => download(0, version.archive("")),
        path if path.starts_with("/v2/") => registry(asked, &version.archive("")),
        "/bucket/" => {
            let entry = format!(
                "<Contents><Key>content</Key><ETag>&quot;e{}&quot;</ETag><Size>{}</Size></Contents>",
                version.number,
                version.content.len()
            );
            plain(&[], format!("<ListBucketResult>{entry}</ListBucketResult>"))
        }
        "/bucket/content" => download(1, version.content.to_vec()),
        "/index.yaml" => plain(&[], index(&[("web", &version.tag(), "web.tgz")])),
        "/web.tgz" => download(2, version.archive("web/")),
        _ => {
            let mut response = plain(
                &[],
                "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>",
            );
            *response.status_mut() = StatusCode::NOT_FOUND;
            response
        }
    }
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": SOURCE, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn layer(server: &Scripted, name: &str) -> Value {
    let url = format!("oci://{}/{name}", server.address());
    object(
        "OCIRepository",
        name,
        &json!({"interval": "1h", "url": url, "ref": {"tag": "v"}}),
    )
}

fn objects(server: &Scripted) -> [Value; 4] {
    [
        layer(server, "app"),
        object(
            "Bucket",
            "app",
            &json!({"interval": "1h", "endpoint": server.address(), "bucketName": "bucket", "insecure": true}),
        ),
        object(
            "HelmRepository",
            "app",
            &json!({"interval": "1h", "url": server.url()}),
        ),
        object(
            "HelmChart",
            "app",
            &json!({"interval": "1h", "chart": "web", "version": "*", "sourceRef": {"kind": "HelmRepository", "name": "app"}}),
        ),
    ]
}

/// Waits until an object has the version, and gives the address of its artifact.
async fn has(space: &Space<'_>, kind: &str, name: &str, version: &Version) -> Result<String> {
    let has = async || {
        let Some(object) = space.get(SOURCE, kind, name).await? else {
            return Ok(None);
        };
        let ready = expect::verdict(&object).is_some_and(|v| v.status == "True");
        let Some(url) = object["status"]["artifact"]["url"].as_str().filter(|_| ready) else {
            return Ok(None);
        };
        let content = content(url).await?;
        Ok((content.as_ref() == Some(&*version.content)).then(|| url.to_owned()))
    };
    let what = format!("{kind} {name} has version {}", version.number);
    space.until(&what, LIMIT, has).await
}

async fn all_have(space: &Space<'_>, version: &Version) -> Result<Vec<String>> {
    let mut urls = Vec::new();
    for kind in KINDS {
        urls.push(has(space, kind, "app", version).await?);
    }
    Ok(urls)
}

/// What the file of an artifact has, if it is served.
async fn content(url: &str) -> Result<Option<Vec<u8>>> {
    let answer = reqwest::get(url).await?;
    if !answer.status().is_success() {
        return Ok(None);
    }
    let archive = answer.bytes().await?;
    let tree = artifact::unpack(&archive[..], &artifact::Limits::default())?;
    let mut files = tree.files();
    let found = files.find(|(path, _)| path.ends_with("content"));
    Ok(found.map(|(_, file)| file.bytes().to_vec()))
}

/// Every file and link below a folder, by its path there.
fn below(folder: &Path) -> Result<BTreeMap<String, u64>> {
    let (mut found, mut left) = (BTreeMap::new(), vec![folder.to_owned()]);
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            match meta.is_dir() {
                true => left.push(entry.path()),
                false => {
                    let path = entry.path().strip_prefix(folder)?.display().to_string();
                    found.insert(path, meta.len());
                }
            }
        }
    }
    Ok(found)
}

/// The sizes of files without a name that a process has open on the shelf.
fn nameless(process: u32, storage: &Path) -> Result<Vec<u64>> {
    let mut sizes = Vec::new();
    for entry in std::fs::read_dir(format!("/proc/{process}/fd"))? {
        let path = entry?.path();
        // Files are closed while we look.
        let target = std::fs::read_link(&path).unwrap_or_default();
        let gone = target.to_string_lossy().ends_with(" (deleted)");
        if let Ok(meta) = std::fs::metadata(&path)
            && gone
            && target.starts_with(storage)
        {
            sizes.push(meta.len());
        }
    }
    Ok(sizes)
}

/// Holds that on the shelf is nothing but whole artifacts, links to the newest, and what is kept of the index.
fn nothing_else(storage: &Path) -> Result<()> {
    let kept = |path: &str| {
        let (folder, name) = path.rsplit_once('/').unwrap_or_default();
        let (kind, _) = folder.split_once('/').unwrap_or((folder, ""));
        let ends: &[&str] = match kind {
            "ocirepository" | "bucket" => &[".tar.gz"],
            "helmchart" => &[".tgz", "latest.tar.gz"],
            "helmrepository" => &[".yaml"],
            ".indexes" => &[".json", ".note", ".table"],
            _ => &[],
        };
        !name.starts_with('.') && ends.iter().any(|end| name.ends_with(end))
    };
    for path in below(storage)?.into_keys() {
        ensure!(kept(&path), "left on the shelf: {path}");
        let bytes = std::fs::read(storage.join(&path)).with_context(|| format!("read {path}"))?;
        if path.ends_with("gz") {
            let tree = artifact::unpack(&bytes[..], &artifact::Limits::default());
            tree.with_context(|| format!("{path} is not whole"))?;
        }
    }
    Ok(())
}

/// As a user asks for what is new: the repository has to be looked at before its chart is.
async fn ask(space: &Space<'_>) -> Result<()> {
    space.handled(SOURCE, "HelmRepository", "app").await?;
    for kind in KINDS {
        space.request(SOURCE, kind, "app").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_in_mid_download_leaves_nothing() -> Result<()> {
    // Nothing goes because it is old.
    let keep = ["--artifact-retention-records=100", "--artifact-retention-ttl=24h"];
    let options = Options {
        source: keep.map(str::to_owned).into(),
        ..Options::default()
    };
    let world = World::start(&options).await?;
    let space = world.space("restart-download").await?;
    let (first, large) = (Version::new(1, 1 << 20), Version::new(1, LARGE));
    let (peer, server) = Peer::start(first.clone(), large.clone()).await?;
    for object in objects(&server) {
        space.apply(object).await?;
    }
    let old = all_have(&space, &first).await?;
    let storage = world.suite.storage().canonicalize()?;

    // Half of everything new is here when it is killed.
    peer.open.send_replace(false);
    let second = Version::new(2, 1 << 20);
    peer.versions.send_replace(second.clone());
    ask(&space).await?;
    peer.halves(&peer.counts.begun, 1).await?;
    let process = world.suite.source.pid().context("it runs")?;
    let on_disk = async || {
        let layer = nameless(process, &storage)?
            .into_iter()
            .any(|size| size > 400_000);
        let work = below(&storage.join(".work")).unwrap_or_default();
        let object = work.into_values().any(|size| size > 400_000);
        Ok((layer && object).then_some(()))
    };
    eventually("halves are on the disk", LIMIT, on_disk).await?;
    // Whoever looks sees what is coming, as with Flux.
    for (kind, reason, text) in [
        ("OCIRepository", "NewRevision", "new revision 'v@sha256:"),
        ("Bucket", "NewRevision", "new upstream revision 'sha256:"),
        ("HelmChart", "NewChart", "new 'web' chart with version '1.2.0'"),
    ] {
        let told = |o: &Value| {
            let outdated = expect::condition(o, "ArtifactOutdated");
            let building = expect::condition(o, "Reconciling");
            outdated.is_some_and(|c| c.status == "True" && c.reason == reason && c.message.contains(text))
                && building.is_some_and(|c| c.reason == "Progressing" && c.message.contains(text))
                && o["status"]["artifact"]["url"].is_string()
        };
        let what = format!("{kind} is outdated");
        space.holds(&what, SOURCE, kind, "app", told).await?;
    }
    world.suite.source.kill();
    peer.halves(&peer.counts.broken, 1).await?;
    ensure!(
        !below(&storage.join(".work"))?.is_empty(),
        "a killed process clears nothing away"
    );

    // It starts again, and what is new is not all there yet: what there was is served.
    world.suite.source.start()?;
    world.suite.source.ready().await?;
    peer.halves(&peer.counts.begun, 2).await?;
    for url in &old {
        ensure!(
            content(url).await?.as_ref() == Some(&*first.content),
            "{url} is served"
        );
    }
    peer.open.send_replace(true);
    all_have(&space, &second).await?;
    for kind in KINDS {
        let current = |o: &Value| expect::condition(o, "ArtifactOutdated").is_none();
        space.holds("current", SOURCE, kind, "app", current).await?;
    }

    // An archive is half written when it is killed.
    let before = below(&storage)?;
    space.apply(layer(&server, "large")).await?;
    let writing = async || {
        let now = below(&storage).unwrap_or_default();
        let mut new = now
            .into_iter()
            .filter(|(path, size)| !before.contains_key(path) && *size > 0);
        Ok(new.next())
    };
    let (path, _) = eventually("an archive is being written", LIMIT, writing).await?;
    world.suite.source.kill();
    let half = std::fs::metadata(storage.join(&path))?.len();
    ensure!(half < LARGE as u64, "{path} was whole already: {half}");
    world.suite.source.start()?;
    world.suite.source.ready().await?;
    has(&space, "OCIRepository", "large", &large).await?;
    space.at_rest().await?;
    nothing_else(&storage)
}
