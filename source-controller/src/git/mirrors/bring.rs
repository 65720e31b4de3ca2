//! What is wanted, brought into a mirror: fetched if it is missing, and found.

use gix::ObjectId;

use super::super::{
    RemoteError,
    error::{CheckoutError, GitError, MirrorError},
    mirror::{Want, fetch, holds},
    reader::Reader,
    remote::{Advertised, Call},
    resolve::{Resolved, Wanted, cannot_clone, in_context},
};

/// Whether nothing needs to be fetched.
pub(super) fn is_here(repository: &gix::Repository, wanted: &Wanted) -> bool {
    match wanted {
        Wanted::Advertised { candidates, .. } => {
            candidates.iter().all(|tip| holds(repository, &tip.name, tip.id))
        }
        Wanted::Commit(commit) => commit.parse().is_ok_and(|id| holds(repository, commit, id)),
        Wanted::OnBranch { branch, .. } => holds(repository, &branch.name, branch.id),
    }
}

/// Fetches what is missing, and says what was found.
pub(super) fn bring(
    call: Call<'_>,
    repository: &gix::Repository,
    reader: &Reader,
    wanted: Wanted,
) -> Result<Resolved, GitError> {
    let fetch = |want: Want<'_>| {
        fetch(call, repository, want).map_err(|failure| in_context(failure, cannot_clone(call)))
    };
    match wanted {
        Wanted::Advertised { mut candidates, full } => {
            let here = candidates.iter().all(|tip| holds(repository, &tip.name, tip.id));
            if !here {
                let now = fetch(Want::Tips(&candidates))?;
                for (tip, id) in candidates.iter_mut().zip(now) {
                    // It may have moved since it was listed.
                    if tip.id != id {
                        *tip = Advertised {
                            id,
                            peeled: peel(reader, id)?,
                            name: std::mem::take(&mut tip.name),
                        };
                    }
                }
            }
            let chosen = latest(reader, candidates)?;
            Ok(Resolved::of(&chosen, full))
        }
        Wanted::Commit(commit) => {
            let no_commit = || GitError::Checkout(CheckoutError::NoCommit(commit.clone()));
            let id: ObjectId = commit.parse().map_err(|_| no_commit())?;
            if !holds(repository, &commit, id) {
                fetch(Want::Commit(id)).map_err(|error| not_theirs(error, &no_commit))?;
            }
            let commit_of = reader.read(|repository| Ok(repository.find_commit(id)?.id));
            commit_of.map_err(|_| no_commit())?;
            Wanted::Commit(commit.clone()).resolved().ok_or_else(no_commit)
        }
        Wanted::OnBranch { commit, branch } => {
            let no_commit = || GitError::Checkout(CheckoutError::NoCommit(commit.clone()));
            let id: ObjectId = commit.parse().map_err(|_| no_commit())?;
            let tip = match holds(repository, &branch.name, branch.id) {
                true => branch.id,
                false => fetch(Want::Histories(std::slice::from_ref(&branch)))?
                    .first()
                    .copied()
                    .ok_or_else(no_commit)?,
            };
            let object = |source| {
                GitError::Mirror(MirrorError::Object {
                    id: tip.to_string(),
                    source,
                })
            };
            let mut walk = repository.rev_walk([tip]).all().map_err(object)?;
            let found = walk.any(|commit| commit.is_ok_and(|commit| commit.id == id));
            let resolved = Wanted::OnBranch {
                commit: commit.clone(),
                branch,
            }
            .resolved();
            resolved.filter(|_| found).ok_or_else(no_commit)
        }
    }
}

/// A remote that has no such object says so in words of its own.
fn not_theirs(error: GitError, no_commit: &dyn Fn() -> GitError) -> GitError {
    match &error {
        GitError::Checkout(CheckoutError::Clone {
            source: RemoteError::Protocol(_),
            ..
        }) => no_commit(),
        _ => error,
    }
}

/// The candidate whose commit is the newest by committer time, of equals the last.
fn latest(reader: &Reader, candidates: Vec<Advertised>) -> Result<Advertised, GitError> {
    let mut best: Option<(i64, Advertised)> = None;
    for candidate in candidates {
        let id = candidate.peeled;
        let object = |source| {
            GitError::Checkout(CheckoutError::Object {
                id: id.to_string(),
                source,
            })
        };
        let seconds = reader.read(|repository| Ok(repository.find_commit(id)?.time()?.seconds));
        let seconds = seconds.map_err(object)?;
        if best.as_ref().is_none_or(|(other, _)| seconds >= *other) {
            best = Some((seconds, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
        .ok_or_else(|| GitError::Checkout(CheckoutError::NoMatch(String::new())))
}

fn peel(reader: &Reader, id: ObjectId) -> Result<ObjectId, GitError> {
    let object = |source| {
        GitError::Checkout(CheckoutError::Object {
            id: id.to_string(),
            source,
        })
    };
    let peeled = reader.read(|repository| Ok(repository.find_object(id)?.peel_tags_to_end()?.id));
    peeled.map_err(object)
}
