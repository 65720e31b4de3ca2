//! source-controller is killed with half of a pack on its disk: what there was is served meanwhile, what is new comes after all,
//! and nothing half-made is left in the mirror.

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::{
    expect::{self, eventually},
    space::LIMIT,
    suite::Options,
    world::World,
};
use std::path::{Path, PathBuf};

/// So many files, each of so many bytes that cannot be packed: half of their pack is on the disk when half of it has come.
const FILES: usize = 40;
const SIZE: usize = 100_000;

fn files() -> Vec<(String, String)> {
    let content = || {
        let bytes: Vec<u8> = (0..SIZE).map(|_| rand::random()).collect();
        STANDARD.encode(bytes)
    };
    (0..FILES).map(|n| (format!("{n}.txt"), content())).collect()
}

/// The files below the mirrors, and their sizes. Files go while we look.
fn mirrored(storage: &Path) -> Vec<(PathBuf, u64)> {
    let (mut found, mut left) = (Vec::new(), vec![storage.join(".mirrors")]);
    while let Some(next) = left.pop() {
        for entry in std::fs::read_dir(&next).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => left.push(entry.path()),
                Ok(meta) => found.push((entry.path(), meta.len())),
                Err(_) => {}
            }
        }
    }
    found
}

fn is_half_made(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(".tmp") || name.starts_with("tmp") || name.ends_with(".lock")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_in_mid_pack_leaves_nothing() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let space = world.space("restart-pack").await?;
    let first = space.repo.commit(&[("a.txt", "1")])?;
    space.git_repository(serde_json::json!({})).await?;
    let before = space.fetched(&first).await?;
    let old = before["status"]["artifact"]["url"].as_str().context("a url")?;
    let storage = world.suite.storage().canonicalize()?;

    world.git.hang_in_packs();
    let files = files();
    let files: Vec<(&str, &str)> = files.iter().map(|(p, t)| (p.as_str(), t.as_str())).collect();
    let second = space.push(&files).await?;
    let half = async || {
        let given = world.git.counts().halves > 0;
        let most = (FILES * SIZE * 2 / 3) as u64;
        let mut halves = mirrored(&storage).into_iter();
        let half = halves.find(|(path, size)| is_half_made(path) && *size > 1 << 20 && *size < most);
        Ok(half.filter(|_| given))
    };
    let (path, size) = eventually("half of the pack is on the disk", LIMIT, half).await?;
    e2e::note!("restart: source-controller was killed with {size} bytes of a pack");
    world.suite.source.kill();
    ensure!(path.exists(), "a killed process clears nothing away");

    // It starts again, and what is new is not all there yet: what there was is served.
    let halves = world.git.counts().halves;
    world.suite.source.start()?;
    world.suite.source.ready().await?;
    eventually("it asks again", LIMIT, async || {
        Ok((world.git.counts().halves > halves).then_some(()))
    })
    .await?;
    ensure!(
        !path.exists(),
        "what the killed one left is gone before more is fetched"
    );
    let answer = reqwest::get(old).await?;
    ensure!(answer.status().is_success(), "{old}: {}", answer.status());

    world.git.release();
    let object = space.fetched(&second).await?;
    ensure!(
        expect::verdict(&object).is_some_and(|v| v.status == "True"),
        "{object}"
    );
    let url = object["status"]["artifact"]["url"].as_str().context("a url")?;
    let archive = reqwest::get(url).await?.error_for_status()?.bytes().await?;
    let tree = artifact::unpack(&archive[..], &artifact::Limits::default())?;
    ensure!(tree.files().count() == FILES + 1, "all of it is there");
    space.at_rest().await?;
    let mut left = mirrored(&storage);
    ensure!(
        left.iter()
            .any(|(path, _)| path.extension().is_some_and(|e| e == "pack")),
        "{left:?}"
    );
    left.retain(|(path, _)| is_half_made(path));
    ensure!(left.is_empty(), "left in the mirrors: {left:?}");
    Ok(())
}
