//! The disk with the artifacts: where it fails, the object says so and nobody else is disturbed; what is not kept goes.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app, expect,
    flux::{SOURCE, git_repository},
    origin::{
        Artifact, Guard, HelmServer, Page, Registry, S3Server,
        helm::{chart, index, package, push},
        objects::{KEYS, REGION},
    },
    space::{LIMIT, Space},
    world::World,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const KINDS: [&str; 5] = [
    "GitRepository",
    "OCIRepository",
    "Bucket",
    "HelmRepository",
    "HelmChart",
];

/// The peers of one source of each kind.
struct Peers {
    git: String,
    registry: Registry,
    store: S3Server,
    helm: HelmServer,
}

impl Peers {
    async fn start(space: &Space<'_>) -> Result<Self> {
        space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
        let registry = Registry::start(&Guard::default()).await?;
        let files = Artifact::of_files(&[("a.yaml", &app::config_map("a", "1"))])?;
        registry.push("app", "latest", &files).await?;
        push(
            &registry,
            "charts",
            &package(&chart("web", "1.0.0")).await?,
            false,
        )
        .await?;
        let store = S3Server::start(None).await?;
        store.create("app").await?;
        store.put("app", "a.yaml", app::config_map("a", "1")).await?;
        let helm = HelmServer::start().await?;
        helm.put("/index.yaml", Page::Known(index(&[("web", "1.0.0", "web.tgz")])));
        let keys = json!({"accesskey": KEYS.0, "secretkey": KEYS.1});
        space
            .apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "keys"}, "stringData": keys}))
            .await?;
        // A note for the chart, which has nothing on the disk.
        let charts = json!({"type": "oci", "insecure": true, "url": registry.url("charts")});
        space.apply(source("HelmRepository", "charts", charts)).await?;
        Ok(Self {
            git: space.url(),
            registry,
            store,
            helm,
        })
    }

    fn object(&self, kind: &str, name: &str) -> Value {
        let spec = match kind {
            "GitRepository" => return git_repository(name, &self.git),
            "OCIRepository" => json!({"url": self.registry.url("app")}),
            "Bucket" => json!({
                "bucketName": "app", "endpoint": self.store.endpoint(), "insecure": true, "region": REGION,
                "secretRef": {"name": "keys"},
            }),
            "HelmRepository" => json!({"url": self.helm.url("")}),
            _ => json!({
                "chart": "web", "version": "1.0.0", "sourceRef": {"kind": "HelmRepository", "name": "charts"},
            }),
        };
        source(kind, name, spec)
    }
}

fn source(kind: &str, name: &str, mut spec: Value) -> Value {
    spec["interval"] = json!("1h");
    json!({"apiVersion": SOURCE, "kind": kind, "metadata": {"name": name}, "spec": spec})
}

/// A plain file where the folder of a kind's artifacts in a namespace has to be; what was there is put aside.
struct Obstacle {
    folder: PathBuf,
    aside: PathBuf,
}

impl Obstacle {
    fn put(storage: &Path, kind: &str, namespace: &str) -> Result<Self> {
        let folder = storage.join(kind.to_lowercase()).join(namespace);
        let aside = storage.with_file_name(format!("{kind}-{namespace}"));
        std::fs::rename(&folder, &aside)?;
        std::fs::write(&folder, "in the way")?;
        Ok(Self { folder, aside })
    }

    fn take(self) -> Result<()> {
        std::fs::remove_file(&self.folder)?;
        Ok(std::fs::rename(&self.aside, &self.folder)?)
    }
}

async fn ready(space: &Space<'_>, kind: &str, name: &str) -> Result<Value> {
    let at = |o: &Value| {
        expect::verdict(o).is_some_and(|v| v.status == "True")
            && expect::condition(o, "StorageOperationFailed").is_none()
    };
    let what = format!("{kind} {name} is ready");
    space.holds(&what, SOURCE, kind, name, at).await
}

async fn served(object: &Value) -> Result<Vec<u8>> {
    let url = object["status"]["artifact"]["url"].as_str().context("a url")?;
    Ok(reqwest::get(url)
        .await?
        .error_for_status()?
        .bytes()
        .await?
        .to_vec())
}

/// Waits until an object tells of a path that the disk fails at: on its conditions and in an event.
async fn told(space: &Space<'_>, kind: &str, name: &str, reason: &str, path: &Path) -> Result<()> {
    let path = path.display().to_string();
    let ready = space.says(SOURCE, kind, name, reason, &path).await?;
    ensure!(ready.status == "False", "{ready:?}");
    let object = space.get(SOURCE, kind, name).await?.context("it is there")?;
    let failed = expect::condition(&object, "StorageOperationFailed");
    let failed = failed.with_context(|| format!("{object}"))?;
    ensure!(
        failed.status == "True" && failed.reason == reason && failed.message.contains(&path),
        "{failed:?}"
    );
    ensure!(
        object["status"]["artifact"].is_null(),
        "nobody is sent to what is not there: {object}"
    );
    let told = async || {
        let events = space.events().await?;
        let told = events.iter().any(|event| {
            let about = &event.involved_object;
            (about.kind.as_deref(), about.name.as_deref()) == (Some(kind), Some(name))
                && event.type_.as_deref() == Some("Warning")
                && event.reason.as_deref() == Some(reason)
                && event.message.as_ref().is_some_and(|m| m.contains(&path))
        });
        Ok(told.then_some(()))
    };
    space
        .until(&format!("an event tells of {path}"), LIMIT, told)
        .await
}

#[tokio::test]
async fn a_disk_that_fails_is_told_and_disturbs_nobody_else() -> Result<()> {
    let space = World::shared().await?.space("storage-failed").await?;
    let peers = Peers::start(&space).await?;
    let storage = space.world.suite.storage();
    for kind in KINDS {
        space.apply(peers.object(kind, "one")).await?;
    }
    let mut contents = Vec::new();
    for kind in KINDS {
        contents.push(served(&ready(&space, kind, "one").await?).await?);
    }
    for (kind, content) in KINDS.into_iter().zip(&contents) {
        let one = space.get(SOURCE, kind, "one").await?.context("it is there")?;
        let path = storage.join(one["status"]["artifact"]["path"].as_str().context("a path")?);
        let obstacle = Obstacle::put(storage, kind, space.name())?;
        // What is to be written, and what is to be read.
        space.apply(peers.object(kind, "two")).await?;
        let folder = path.parent().context("a folder")?.with_file_name("two");
        told(&space, kind, "two", "DirectoryCreationFailed", &folder).await?;
        space.request(SOURCE, kind, "one").await?;
        told(&space, kind, "one", "StatOperationFailed", &path).await?;
        for (other, content) in KINDS
            .into_iter()
            .zip(&contents)
            .filter(|(other, _)| *other != kind)
        {
            space.handled(SOURCE, other, "one").await?;
            let object = ready(&space, other, "one").await?;
            ensure!(
                served(&object).await? == *content,
                "{other} is served while {kind} is not"
            );
        }
        // Nobody asks: it goes on as soon as it can.
        obstacle.take()?;
        for name in ["one", "two"] {
            let object = ready(&space, kind, name).await?;
            ensure!(served(&object).await? == *content, "{kind} {name} is what it was");
        }
        space.delete(SOURCE, kind, "two").await?;
    }
    space.at_rest().await
}

#[tokio::test]
async fn what_is_not_kept_goes_and_an_event_tells_of_it() -> Result<()> {
    let space = World::shared().await?.space("storage-kept").await?;
    space.git_repository(json!({})).await?;
    let storage = space.world.suite.storage();
    let mut paths = Vec::new();
    for value in ["1", "2", "3"] {
        let commit = space.push(&[("a.yaml", &app::config_map("a", value))]).await?;
        let object = space.fetched(&commit).await?;
        paths.push(storage.join(object["status"]["artifact"]["path"].as_str().context("a path")?));
    }
    // Whoever reads the status may be about to fetch what it names, and what it named before; the one before that goes.
    space.handled(SOURCE, "GitRepository", "app").await?;
    let gone = async || Ok((!paths[0].exists()).then_some(()));
    space.until("the oldest is gone", LIMIT, gone).await?;
    ensure!(paths[1].is_file() && paths[2].is_file(), "two are kept");
    let told = async || {
        let events = space.events().await?;
        let told = events.iter().any(|event| {
            event.reason.as_deref() == Some("GarbageCollectionSucceeded")
                && event.type_.as_deref() == Some("Normal")
                && event.message.as_deref() == Some("garbage collected 1 artifacts")
                && event.involved_object.name.as_deref() == Some("app")
        });
        Ok(told.then_some(()))
    };
    space.until("an event tells of it", LIMIT, told).await
}
