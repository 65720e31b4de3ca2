//! A source of 40 MiB is taken apart without being held in memory.

use super::{files, generator, made, ready};
use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::SOURCE,
    origin::{Artifact, Guard, Registry, oci::FLUX},
    suite::Options,
    world::World,
};
use serde_json::{Value, json};

const PIECE: usize = 1 << 20;
const PIECES: usize = 40;
/// What the controller may take beyond what it has at rest, in bytes.
const MEMORY: u64 = 24 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_large_source_costs_little_memory() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let space = world.space("parts-large").await?;
    let registry = Registry::start(&Guard::default()).await?;
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
    let tree = artifact::Tree::from_files((0..PIECES).map(piece))?;
    let mut layer = Vec::new();
    artifact::pack_tree(&tree, &mut layer)?;
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
    let source = &world.suite.source;
    source.stop();
    source.start()?;
    source.ready().await?;
    space.handled(SOURCE, "OCIRepository", "app").await?;
    let before = source.peak_memory().context("it runs")?;
    let begin = std::time::Instant::now();
    let sources = json!([{"alias": "repo", "kind": "OCIRepository", "name": "app"}]);
    space
        .apply(generator(&json!({"spec": {"sources": sources}})))
        .await?;
    ready(&space, 2).await?;
    let took = begin.elapsed();
    let peak = source.peak_memory().context("it runs")?.saturating_sub(before);
    e2e::note!(
        "generator: {} MiB are taken apart in {:.1} s with {} MiB of memory",
        (PIECES * PIECE) >> 20,
        took.as_secs_f64(),
        peak >> 20
    );
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
