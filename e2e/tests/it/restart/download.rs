//! source-controller is killed with a layer, an object of each kind of store and a chart from each kind of repository half
//! downloaded, and with an archive half written: what there was is served meanwhile, what is new comes after all, and nothing
//! of the half-done is left.

mod peer;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect::{self, eventually},
    flux::{SOURCE, with},
    origin::Scripted,
    space::{LIMIT, Space},
    suite::Options,
    world::World,
};
use peer::{Peer, Version};
use serde_json::{Value, json};
use std::{collections::BTreeMap, path::Path};

/// What is downloaded.
struct Download {
    kind: &'static str,
    /// Of its object.
    name: &'static str,
    /// Where it is while it is not whole.
    place: Place,
}

#[derive(PartialEq, Eq)]
enum Place {
    /// In a file without a name.
    Nameless,
    /// Among what is being worked on.
    Work,
}

impl Download {
    const fn new(kind: &'static str, name: &'static str, place: Place) -> Self {
        Self { kind, name, place }
    }

    /// What whoever looks is told while it comes: a reason, and a part of the message.
    fn told(&self) -> (&'static str, &'static str) {
        match self.kind {
            "OCIRepository" => ("NewRevision", "new revision 'v@sha256:"),
            "Bucket" => ("NewRevision", "new upstream revision 'sha256:"),
            _ => ("NewChart", "new 'web' chart with version '1.2.0'"),
        }
    }
}

/// The peer counts by their places here.
const DOWNLOADS: [Download; 6] = [
    Download::new("OCIRepository", "app", Place::Nameless),
    Download::new("Bucket", "s3", Place::Work),
    Download::new("Bucket", "google", Place::Work),
    Download::new("Bucket", "azure", Place::Work),
    Download::new("HelmChart", "http", Place::Nameless),
    Download::new("HelmChart", "registry", Place::Nameless),
];

/// So many bytes take a while to be packed.
const LARGE: usize = 64 << 20;

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

fn bucket(name: &str, change: &Value) -> Value {
    let plain = json!({"interval": "1h", "bucketName": name, "insecure": true});
    object("Bucket", name, &with(plain, change))
}

fn chart(name: &str) -> Value {
    let source = json!({"kind": "HelmRepository", "name": name});
    object(
        "HelmChart",
        name,
        &json!({"interval": "1h", "chart": "web", "version": "*", "sourceRef": source}),
    )
}

fn objects(server: &Scripted) -> [Value; 9] {
    let login = json!({"name": "signature"});
    let charts = format!("oci://{}/charts", server.address());
    [
        json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": login,
            "stringData": {"sasKey": "sig=canary-key"},
        }),
        layer(server, "app"),
        bucket("s3", &json!({"endpoint": server.address()})),
        // It is where the environment says.
        bucket(
            "google",
            &json!({"provider": "gcp", "endpoint": "storage.googleapis.com"}),
        ),
        bucket(
            "azure",
            &json!({"provider": "azure", "endpoint": server.url(), "secretRef": login}),
        ),
        object(
            "HelmRepository",
            "http",
            &json!({"interval": "1h", "url": server.url()}),
        ),
        object(
            "HelmRepository",
            "registry",
            &json!({"interval": "1h", "type": "oci", "insecure": true, "url": charts}),
        ),
        chart("http"),
        chart("registry"),
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
    for Download { kind, name, .. } in DOWNLOADS {
        urls.push(has(space, kind, name, version).await?);
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
    space.handled(SOURCE, "HelmRepository", "http").await?;
    for Download { kind, name, .. } in DOWNLOADS {
        space.request(SOURCE, kind, name).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_in_mid_download_leaves_nothing() -> Result<()> {
    let (first, large) = (Version::new(1, 1 << 20), Version::new(1, LARGE));
    let (peer, server) = Peer::start(first.clone(), &large).await?;
    // Nothing goes because it is old, and all is downloaded at once.
    let flags = [
        "--artifact-retention-records=100",
        "--artifact-retention-ttl=24h",
        "--concurrent=8",
    ];
    let options = Options {
        source: flags.map(str::to_owned).into(),
        env: vec![("STORAGE_EMULATOR_HOST", server.url())],
        ..Options::default()
    };
    let world = World::start(&options).await?;
    let space = world.space("restart-download").await?;
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
        let work = below(&storage.join(".work")).unwrap_or_default();
        let places = [
            (Place::Nameless, nameless(process, &storage)?),
            (Place::Work, work.into_values().collect()),
        ];
        let all = places.into_iter().all(|(place, sizes)| {
            let halves = sizes.into_iter().filter(|size| *size > 400_000).count();
            halves >= DOWNLOADS.iter().filter(|d| d.place == place).count()
        });
        Ok(all.then_some(()))
    };
    eventually("halves are on the disk", LIMIT, on_disk).await?;
    // Whoever looks sees what is coming, as with Flux.
    for download in DOWNLOADS {
        let (reason, text) = download.told();
        let Download { kind, name, .. } = download;
        let told = |o: &Value| {
            let outdated = expect::condition(o, "ArtifactOutdated");
            let building = expect::condition(o, "Reconciling");
            outdated.is_some_and(|c| c.status == "True" && c.reason == reason && c.message.contains(text))
                && building.is_some_and(|c| c.reason == "Progressing" && c.message.contains(text))
                && o["status"]["artifact"]["url"].is_string()
        };
        let what = format!("{kind} {name} is outdated");
        space.holds(&what, SOURCE, kind, name, told).await?;
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
    for Download { kind, name, .. } in DOWNLOADS {
        let current = |o: &Value| expect::condition(o, "ArtifactOutdated").is_none();
        space.holds("current", SOURCE, kind, name, current).await?;
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
