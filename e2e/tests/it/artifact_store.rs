//! Artifacts in an object store: every replica serves them, an empty disk is no loss, and what is not kept goes there too.

mod needed;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app,
    expect::{self, eventually},
    flux::SOURCE,
    origin::{
        Artifact, Authority, AzureServer, GcsServer, Guard, Registry, S3Server, Tunnel,
        objects::{ACCOUNT_KEY, KEYS, REGION},
    },
    process::free_port,
    space::{LIMIT, Space},
    suite::Options,
    world::World,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const GIT: &str = "GitRepository";
const OCI: &str = "OCIRepository";
/// The bucket, and where in it artifacts are.
const BUCKET: &str = "artifacts";
const PREFIX: &str = "flux/";

/// The artifact of an object that is ready, once it is served at this address.
async fn at(space: &Space<'_>, kind: &str, address: &str) -> Result<Value> {
    let begin = format!("http://{address}/");
    let served = |o: &Value| {
        let url = o["status"]["artifact"]["url"].as_str();
        url.is_some_and(|url| url.starts_with(&begin))
            && expect::verdict(o).is_some_and(|v| v.status == "True")
    };
    let object = space
        .holds(&format!("served at {address}"), SOURCE, kind, "app", served)
        .await?;
    Ok(object["status"]["artifact"].clone())
}

async fn get(address: &str, path: &str) -> Result<(u16, Vec<u8>)> {
    let answer = reqwest::get(format!("http://{address}/{path}")).await?;
    Ok((answer.status().as_u16(), answer.bytes().await?.to_vec()))
}

/// Whether a file at an address is what an artifact says.
async fn serves(address: &str, path: &str, artifact: &Value) -> Result<()> {
    let (status, content) = get(address, path).await?;
    let digest = format!("sha256:{}", hex::encode(Sha256::digest(&content)));
    ensure!(
        status == 200 && artifact["digest"] == digest,
        "{address}/{path}: {status} {digest}, not {artifact}"
    );
    Ok(())
}

/// Where an artifact is in the store: new content is another object there, whatever its file's name.
fn key(artifact: &Value) -> Result<String> {
    let path = artifact["path"].as_str().context("a path")?;
    let digest = artifact["digest"].as_str().context("a digest")?;
    let (_, hex) = digest.split_once(':').context("algorithm:hex")?;
    Ok(format!("{PREFIX}{path}.{hex}"))
}

/// For a suite whose artifacts are in an S3 store as well.
fn kept_at(endpoint: &str) -> Options {
    let url = format!("--storage-url=s3://{BUCKET}/flux?endpoint={endpoint}&insecure=true&region={REGION}");
    Options {
        source: vec![url],
        env: vec![
            ("AWS_ACCESS_KEY_ID", KEYS.0.into()),
            ("AWS_SECRET_ACCESS_KEY", KEYS.1.into()),
        ],
        ..Options::default()
    }
}

fn card(artifact: &Value) -> Result<String> {
    let path = artifact["path"].as_str().context("a path")?;
    let (folder, _) = path.rsplit_once('/').context("a folder")?;
    Ok(format!("{PREFIX}{folder}/.card.json"))
}

fn link(artifact: &Value) -> Result<String> {
    let path = artifact["path"].as_str().context("a path")?;
    let (folder, _) = path.rsplit_once('/').context("a folder")?;
    Ok(format!("{folder}/latest.tar.gz"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_replica_serves_them_and_an_empty_disk_is_no_loss() -> Result<()> {
    let store = S3Server::start(None).await?;
    store.create(BUCKET).await?;
    let registry = Registry::start(&Guard::default()).await?;
    let (first, second) = (
        format!("127.0.0.1:{}", free_port()?),
        format!("127.0.0.1:{}", free_port()?),
    );
    let mut options = kept_at(&store.endpoint());
    let election = [
        "--enable-leader-election",
        "--leader-election-lease-duration=3s",
        "--leader-election-renew-deadline=2s",
        "--leader-election-retry-period=200ms",
        "--artifact-retention-ttl=1h",
    ];
    let addresses = |address: &str| {
        [
            format!("--storage-addr={address}"),
            format!("--storage-adv-addr={address}"),
        ]
    };
    options.source.extend(election.map(Into::into));
    options.source.extend(addresses(&first));
    let world = World::start(&options).await?;
    let space = world.space("store").await?;
    space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    let files = Artifact::of_files(&[("b.yaml", &app::config_map("b", "1"))])?;
    registry.push("apps/b", "latest", &files).await?;
    space
        .apply(json!({
            "apiVersion": SOURCE, "kind": OCI, "metadata": {"name": "app"},
            "spec": {"interval": "1h", "url": registry.url("apps/b"), "insecure": true},
        }))
        .await?;
    let (git, oci) = (at(&space, GIT, &first).await?, at(&space, OCI, &first).await?);
    let (git_path, oci_path) = (
        git["path"].as_str().context("a path")?,
        oci["path"].as_str().context("a path")?,
    );
    for artifact in [&git, &oci] {
        store
            .etag(BUCKET, &key(artifact)?)
            .await
            .context("it is in the store when the status says so")?;
    }

    // A standby has nothing of its own and serves everything; what the store has of it is checked.
    let folder = tempfile::tempdir()?;
    let more = [
        vec![format!("--storage-path={}", folder.path().display())],
        addresses(&second).to_vec(),
    ]
    .concat();
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let standby = world.suite.source.replica("standby", &more)?;
    standby.start()?;
    standby.ready().await?;
    serves(&second, git_path, &git).await?;
    let (_, whole) = get(&first, oci_path).await?;
    store.put(BUCKET, &key(&oci)?, "harmed").await?;
    ensure!(
        get(&second, oci_path).await?.0 == 503,
        "what is harmed is not served"
    );
    store.put(BUCKET, &key(&oci)?, whole).await?;
    serves(&second, oci_path, &oci).await?;
    serves(&second, &link(&oci)?, &oci).await?;
    for nothing in [
        format!("{git_path}.not"),
        git_path.replace("/app/", "/app/.card.json/"),
        git_path.replace("store/app/", "store/app/..%2Fapp%2F"),
        "gitrepository/store/app/.card.json".into(),
        "gitrepository/store/other/x.tar.gz".into(),
    ] {
        let (status, _) = get(&second, &nothing).await?;
        ensure!(status == 404, "{nothing}: {status}");
    }

    // The leader dies: the standby works on, with the same artifacts; nothing is fetched from the sources again.
    let blobs = || registry.requests("GET", "/v2/apps/b/blobs/");
    let before = blobs()?;
    world.suite.source.kill();
    for (kind, old) in [(GIT, &git), (OCI, &oci)] {
        let new = at(&space, kind, &second).await?;
        ensure!(
            new["lastUpdateTime"] == old["lastUpdateTime"] && new["digest"] == old["digest"],
            "the same artifact: {old} {new}"
        );
    }
    serves(&second, git_path, &git).await?;
    serves(&second, &link(&oci)?, &oci).await?;
    ensure!(blobs()? == before, "the layer was not downloaded again");

    // It makes new ones, and clears away there what is no longer kept: two files of an object are.
    for number in ["2", "3"] {
        let commit = space.push(&[("a.yaml", &app::config_map("a", number))]).await?;
        let is_new = |o: &Value| {
            o["status"]["artifact"]["revision"]
                .as_str()
                .is_some_and(|r| r.ends_with(&commit))
        };
        space
            .holds("the new commit is there", SOURCE, GIT, "app", is_new)
            .await?;
    }
    let newest = at(&space, GIT, &second).await?;
    store.etag(BUCKET, &key(&newest)?).await?;
    // What is superseded goes with the next pass, when the status has named the new one.
    store
        .etag(BUCKET, &key(&git)?)
        .await
        .context("it stays until then")?;
    space.handled(SOURCE, GIT, "app").await?;
    eventually("the oldest is gone from the store", LIMIT, async || {
        Ok(store.etag(BUCKET, &key(&git)?).await.is_err().then_some(()))
    })
    .await?;

    // All begins anew with an empty disk while the registry has lost the layer: its artifact is there nevertheless.
    standby.kill();
    std::fs::remove_dir_all(folder.path())?;
    std::fs::remove_dir_all(world.suite.storage())?;
    std::fs::create_dir_all(world.suite.storage())?;
    world.suite.source.start()?;
    world.suite.source.ready().await?;
    for (kind, old) in [(GIT, &newest), (OCI, &oci)] {
        let new = at(&space, kind, &first).await?;
        ensure!(
            new["lastUpdateTime"] == old["lastUpdateTime"] && new["digest"] == old["digest"],
            "the same artifact: {old} {new}"
        );
        serves(&first, new["path"].as_str().context("a path")?, old).await?;
    }
    serves(&first, &link(&oci)?, &oci).await?;
    ensure!(blobs()? == before, "the layer was not downloaded again");

    // What the store has lost it is given again by whoever has it, and a card that says nothing is written anew.
    world.suite.source.stop();
    store.delete(BUCKET, &key(&newest)?).await?;
    store.put(BUCKET, &card(&oci)?, "{").await?;
    world.suite.source.start()?;
    world.suite.source.ready().await?;
    eventually("the store has it again", LIMIT, async || {
        Ok(store.etag(BUCKET, &key(&newest)?).await.ok())
    })
    .await?;
    for kind in [GIT, OCI] {
        space.handled(SOURCE, kind, "app").await?;
    }
    std::fs::create_dir_all(folder.path())?;
    standby.start()?;
    standby.ready().await?;
    for artifact in [&newest, &oci] {
        serves(&second, artifact["path"].as_str().context("a path")?, artifact).await?;
    }
    serves(&second, &link(&oci)?, &oci).await?;
    standby.kill();

    // With the object everything of it goes.
    space.delete(SOURCE, GIT, "app").await?;
    space.gone(SOURCE, GIT, "app").await?;
    for key in [key(&newest)?, card(&newest)?] {
        ensure!(store.etag(BUCKET, &key).await.is_err(), "{key} is still there");
    }
    let log = std::fs::read_to_string(world.suite.source.log())?;
    ensure!(!log.contains(KEYS.1), "the key is told to nobody");
    Ok(())
}

/// A process that starts with an empty disk has the artifact again as it was, and its end is one in the store too.
pub async fn kept_elsewhere(url: String, env: Vec<(&'static str, String)>, name: &str) -> Result<()> {
    let world = World::start(&Options {
        source: vec![format!("--storage-url={url}")],
        env,
        ..Options::default()
    })
    .await?;
    let space = world.space(name).await?;
    space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    let ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    let old = space.holds("ready", SOURCE, GIT, "app", ready).await?;
    let old = &old["status"]["artifact"];
    world.suite.source.stop();
    std::fs::remove_dir_all(world.suite.storage())?;
    std::fs::create_dir_all(world.suite.storage())?;
    world.suite.source.start()?;
    world.suite.source.ready().await?;
    let object = space.handled(SOURCE, GIT, "app").await?;
    ensure!(
        &object["status"]["artifact"] == old,
        "the same artifact: {old} {object}"
    );
    let url = old["url"].as_str().context("a url")?;
    let (address, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .context("http://address/path")?;
    serves(address, path, old).await?;
    space.delete(SOURCE, GIT, "app").await?;
    space.gone(SOURCE, GIT, "app").await?;
    // Nothing is left that could be had again.
    ensure!(get(address, path).await?.0 == 404);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn google_keeps_them_too() -> Result<()> {
    let store = GcsServer::start().await?;
    store.create(BUCKET).await?;
    let env = vec![("STORAGE_EMULATOR_HOST", store.endpoint())];
    kept_elsewhere(format!("gs://{BUCKET}/a/b"), env, "store-google").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azure_keeps_them_too() -> Result<()> {
    let store = AzureServer::start().await?;
    store.create(BUCKET).await?;
    let account = store.endpoint();
    let name = account.rsplit('/').next().unwrap_or_default();
    let url = format!("azblob://{name}/{BUCKET}?endpoint={account}");
    let env = vec![("AZURE_STORAGE_KEY", ACCOUNT_KEY.to_owned())];
    kept_elsewhere(url, env, "store-azure").await
}

/// The environment says which certificates are good, and which proxy leads out, as for all that the process itself asks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_behind_a_proxy_with_certificates_of_ones_own() -> Result<()> {
    let (authority, folder) = (Authority::new()?, tempfile::tempdir()?);
    let store = S3Server::start(Some(&authority.server(&["localhost"])?)).await?;
    store.create(BUCKET).await?;
    let trusted = folder.path().join("ca.crt");
    std::fs::write(&trusted, authority.certificate())?;
    let tunnel = Tunnel::start(None).await?;
    let there = store.endpoint().replace("127.0.0.1", "localhost");
    let world = World::start(&Options {
        source: vec![format!(
            "--storage-url=s3://{BUCKET}/flux?endpoint={there}&region={REGION}"
        )],
        env: vec![
            ("AWS_ACCESS_KEY_ID", KEYS.0.into()),
            ("AWS_SECRET_ACCESS_KEY", KEYS.1.into()),
            ("SSL_CERT_FILE", trusted.display().to_string()),
            ("HTTPS_PROXY", tunnel.url().to_owned()),
            ("NO_PROXY", "127.0.0.1".into()),
        ],
        ..Options::default()
    })
    .await?;
    let space = world.space("store-proxy").await?;
    space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    let ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    let object = space.holds("ready", SOURCE, GIT, "app", ready).await?;
    store.etag(BUCKET, &key(&object["status"]["artifact"])?).await?;
    let seen = tunnel.led();
    ensure!(seen.contains(&there), "the proxy led to {seen:?}");
    Ok(())
}
