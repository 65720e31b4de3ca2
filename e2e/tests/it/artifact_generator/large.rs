//! A source of 40 MiB, or of many files, is taken apart without being held in memory.

use super::{files, generator, made, ready};
use anyhow::{Context as _, Result, ensure};
use artifact::{Tree, TreeBuilder};
use e2e::{
    expect,
    flux::SOURCE,
    origin::{Artifact, Guard, Registry, oci::FLUX},
    space::Space,
    suite::Options,
    world::World,
};
use serde_json::{Value, json};
use std::time::Instant;

const PIECE: usize = 1 << 20;
const PIECES: usize = 40;
/// What the controller may take beyond what it has at rest, in bytes.
const MEMORY: u64 = 24 << 20;

/// Files that have nothing in them: on disk they are nothing.
const EMPTY: usize = 60_000;
/// What the controller may take beyond what it has at rest for each of them, in bytes: for the source, the artifact and its list.
const EACH: u64 = 800;

/// Takes files apart into `backend` and `frontend`, and tells how much memory it took.
async fn take_apart(space: &Space<'_>, what: &str, tree: &Tree) -> Result<u64> {
    let registry = Registry::start(&Guard::default()).await?;
    let mut layer = Vec::new();
    artifact::pack_tree(tree, &mut layer)?;
    let good = Artifact {
        layers: vec![(FLUX.1.to_owned(), layer)],
        ..Artifact::default()
    };
    registry.push("app", "latest", &good).await?;
    space
        .apply(json!({
            "apiVersion": SOURCE, "kind": "OCIRepository", "metadata": {"name": "app"},
            "spec": {"interval": "1h", "url": registry.url("app")},
        }))
        .await?;
    let at = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    space.holds("ready", SOURCE, "OCIRepository", "app", at).await?;

    // What it took until here does not count.
    let source = &space.world.suite.source;
    source.stop();
    source.start()?;
    source.ready().await?;
    space.handled(SOURCE, "OCIRepository", "app").await?;
    let before = source.peak_memory().context("it runs")?;
    let begin = Instant::now();
    let sources = json!([{"alias": "repo", "kind": "OCIRepository", "name": "app"}]);
    space
        .apply(generator(&json!({"spec": {"sources": sources}})))
        .await?;
    ready(space, 2).await?;
    let took = begin.elapsed();
    let peak = source.peak_memory().context("it runs")?.saturating_sub(before);
    e2e::note!(
        "generator: {what} are taken apart in {:.1} s with {} MiB of memory",
        took.as_secs_f64(),
        peak >> 20
    );
    Ok(peak)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn many_files_cost_little_memory() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let space = world.space("parts-many").await?;
    let mut tree = TreeBuilder::default();
    for number in 0..EMPTY {
        let part = ["backend", "frontend"][number % 2];
        tree.file(&format!("deploy/{part}/{number}"), Vec::new(), false)?;
    }
    let peak = take_apart(&space, &format!("{EMPTY} empty files"), &tree.build()).await?;
    for name in ["backend", "frontend"] {
        let found = files(&made(&space, name).await?).await?.len();
        ensure!(found == EMPTY / 2, "{name} has {found} files");
    }
    ensure!(peak < EMPTY as u64 * EACH, "{peak} bytes of memory were taken");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_large_source_costs_little_memory() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let space = world.space("parts-large").await?;
    // Content that cannot be packed.
    let content: Vec<u8> = (0..PIECE).map(|_| rand::random()).collect();
    let piece = |number: usize| {
        let mut piece = content.clone();
        piece.rotate_left(number * 5000);
        (
            format!("deploy/{}/{number}", ["backend", "frontend"][number % 2]),
            piece,
        )
    };
    let tree = Tree::from_files((0..PIECES).map(piece))?;
    let peak = take_apart(&space, &format!("{} MiB", (PIECES * PIECE) >> 20), &tree).await?;
    for (name, odd) in [("backend", 0), ("frontend", 1)] {
        let found = files(&made(&space, name).await?).await?;
        ensure!(found.len() == PIECES / 2, "{name} has {} files", found.len());
        for number in (odd..PIECES).step_by(2) {
            let (path, piece) = piece(number);
            let (_, path) = path.rsplit_once('/').context("a folder")?;
            let there = found.iter().find(|(found, _)| found == path);
            let (_, text) = there.with_context(|| format!("{path} in {name}"))?;
            ensure!(
                *text == String::from_utf8_lossy(&piece),
                "{path} in {name} differs"
            );
        }
    }
    ensure!(peak < MEMORY, "{peak} bytes of memory were taken");
    Ok(())
}
