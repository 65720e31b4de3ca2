//! The account of a GitOps day, on a repository made of the examples in `e2e/demo`, told as it happens.

mod account;
mod day;
mod people;

use account::Account;
use anyhow::{Context as _, Result};
use day::Day;
use std::path::Path;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    origin::{Change, Repo},
    suite::{Options, workspace},
    world::World,
};

/// Sets everything up, tells the day, and unless it is only for once stays up until Ctrl-C. Cleans up in any case.
///
/// # Errors
/// When something cannot be built or started, or does not happen within its time.
pub async fn run(once: bool) -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let told = async {
        let world = World::start(&Options::default()).await?;
        let mut account = Account::default();
        let repo = repository(&world)?;
        Day::new(&world, &repo, &mut account).await?.tell().await?;
        if once {
            return Ok(());
        }
        account.hints(&world)?;
        std::future::pending().await
    };
    tokio::select! {
        told = told => told,
        _ = interrupt.recv() => Ok(()),
        _ = terminate.recv() => Ok(()),
    }
}

/// The repository with the examples as its first commit; anybody may push to it.
fn repository(world: &World) -> Result<Repo> {
    let repo = Repo::create(&world.repositories(), "demo")?;
    repo.git(&["config", "http.receivepack", "true"])?;
    let mut changes = Vec::new();
    examples(&workspace().join("e2e/demo"), Path::new(""), &mut changes)?;
    repo.commit_on("main", "the cluster as it shall be", &changes)?;
    Ok(repo)
}

fn examples(root: &Path, folder: &Path, changes: &mut Vec<Change>) -> Result<()> {
    let told = || format!("read the examples in {}", root.join(folder).display());
    let mut entries = std::fs::read_dir(root.join(folder))
        .with_context(told)?
        .collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            examples(root, &path, changes)?;
        } else {
            changes.push(Change::Write(
                path.display().to_string(),
                std::fs::read(entry.path())?,
            ));
        }
    }
    Ok(())
}
