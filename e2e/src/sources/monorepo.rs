//! A repository of 100,000 files and 5,000 commits: its first artifact, and the next after a commit to one file.

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use std::{
    path::Path,
    time::{Duration, Instant},
};

use super::{mib, round, told};
use crate::{
    flux::SOURCE,
    origin::{Change, git},
    space::Space,
    suite::Options,
    world::World,
};

/// How many files there are, in folders of teams and apps.
const FILES: usize = 100_000;
/// How many commits came after the first, each to one file.
const COMMITS: usize = 5_000;
/// How many commits are measured.
const ROUNDS: usize = 5;
/// How long an artifact may take.
const LIMIT: Duration = Duration::from_secs(600);

/// Measures ours and `git`'s own commands in turns.
pub async fn measure() -> Result<Value> {
    let world = World::start(&Options::default()).await?;
    let space = world.space("monorepo").await?;
    told(&format!("making {FILES} files and {COMMITS} commits"));
    make(&space)?;

    told("clone");
    let folder = tempfile::tempdir()?;
    let mirror = folder.path().join("mirror.git");
    let clone = timed(git(["clone", "--quiet", "--bare", &space.url()]).arg(&mirror))?;
    let packed = archive(&mirror, folder.path())?;
    let source = &world.suite.source;
    let begin = Instant::now();
    space.git_repository(json!({})).await?;
    ready(&space, &space.repo.head("main")?).await?;
    let first = begin.elapsed();
    let first_memory = source.peak_memory();

    told("a commit to one file");
    source.stop();
    source.start()?;
    source.ready().await?;
    let mut rounds = Vec::new();
    for n in 0..ROUNDS {
        let commit = space
            .repo
            .commit(&[(&path(n * 7919), &content(n, COMMITS + n))])?;
        let begin = Instant::now();
        space.request(SOURCE, "GitRepository", "app").await?;
        ready(&space, &commit).await?;
        let ours = begin.elapsed();
        let fetch = timed(git(["fetch", "--quiet", "origin", "+main:main"]).current_dir(&mirror))?;
        let theirs = archive(&mirror, folder.path())?;
        rounds.push(Round {
            ours,
            fetch,
            decode: theirs.decode,
            pack: theirs.both,
        });
    }
    told("nothing moved");
    let before = world.git.counts();
    space.handled(SOURCE, "GitRepository", "app").await?;
    let after = world.git.counts();
    rounds.sort_by(|a, b| a.ratio().total_cmp(&b.ratio()));
    let median = rounds.get(ROUNDS / 2).context("no rounds")?;
    Ok(json!({
        "files": FILES,
        "commits": COMMITS + 1,
        "first": {
            "seconds": seconds(first),
            "gitCloneArchiveGzipSeconds": seconds(clone + packed.both),
            "ratio": round(first.as_secs_f64() / (clone + packed.both).as_secs_f64()),
            "peakMiB": mib(first_memory),
        },
        "oneFile": {
            "seconds": seconds(median.ours),
            "gitFetchArchiveGzipSeconds": seconds(median.fetch + median.pack),
            "ofWhichFetch": seconds(median.fetch),
            "ofWhichDecode": seconds(median.decode),
            "ratio": round(median.ratio()),
            "ratios": rounds.iter().map(|r| round(r.ratio())).collect::<Vec<_>>(),
            "peakMiB": mib(source.peak_memory()),
        },
        "unmovedRequests": {
            "infoRefs": after.info_refs - before.info_refs,
            "lsRefs": after.ls_refs - before.ls_refs,
            "fetch": after.fetch - before.fetch,
        },
    }))
}

/// One commit to one file.
struct Round {
    ours: Duration,
    fetch: Duration,
    decode: Duration,
    pack: Duration,
}

impl Round {
    fn ratio(&self) -> f64 {
        self.ours.as_secs_f64() / (self.fetch + self.pack).as_secs_f64()
    }
}

/// How long `git archive` took into nothing, and into `gzip`.
struct Archived {
    decode: Duration,
    both: Duration,
}

fn archive(mirror: &Path, folder: &Path) -> Result<Archived> {
    let script = |text: &str| {
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", text]).current_dir(mirror);
        timed(&mut shell)
    };
    let target = folder.join("archive.tar.gz");
    Ok(Archived {
        decode: script("git archive main > /dev/null")?,
        both: script(&format!("git archive main | gzip > '{}'", target.display()))?,
    })
}

fn make(space: &Space<'_>) -> Result<()> {
    let first: Vec<Change> = (0..FILES)
        .map(|n| Change::Write(path(n), content(n, 0).into()))
        .collect();
    let rest = (1..=COMMITS).map(|c| {
        let n = c * 7919 % FILES;
        vec![Change::Write(path(n), content(n, c).into())]
    });
    space
        .repo
        .commit_all("main", "change", std::iter::once(first).chain(rest))?;
    // As a host keeps it.
    space.repo.git(&["repack", "-adq"])?;
    Ok(())
}

fn path(n: usize) -> String {
    let n = n % FILES;
    format!(
        "teams/team-{:02}/app-{:02}/{:02}.yaml",
        n / 2000,
        n / 20 % 100,
        n % 20
    )
}

fn content(n: usize, version: usize) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: settings-{n}\n  labels:\n    app: app-{n}\ndata:\n  \
         version: \"{version}\"\n  token: {:016x}\n  greeting: hello from {n}\n",
        (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
    )
}

async fn ready(space: &Space<'_>, commit: &str) -> Result<()> {
    let revision = format!("main@sha1:{commit}");
    space
        .until(
            &format!("there is an artifact of {revision}"),
            LIMIT,
            async || {
                let object = space.get(SOURCE, "GitRepository", "app").await?;
                Ok(object
                    .filter(|o| o["status"]["artifact"]["revision"] == revision.as_str())
                    .map(drop))
            },
        )
        .await
}

fn timed(command: &mut std::process::Command) -> Result<Duration> {
    let begin = Instant::now();
    let status = command.status().with_context(|| format!("run {command:?}"))?;
    ensure!(status.success(), "{command:?} failed");
    Ok(begin.elapsed())
}

fn seconds(duration: Duration) -> f64 {
    round(duration.as_secs_f64())
}
