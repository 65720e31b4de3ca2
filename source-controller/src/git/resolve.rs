//! Where a reference points: choosing among the references that a remote advertises.

use super::error::{CheckoutError, GitError, RemoteError};
use super::reference::{Reference, revision};
use super::remote::{Advertised, Call, RemoteFailure, list};
use crate::tag;
use versions::{Range, Version};

/// The commit that a reference points to, and the revision that names both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The full name of the reference, such as `refs/heads/main`; empty for a commit without a branch.
    pub reference: String,
    /// 40 hexadecimal digits.
    pub commit: String,
    /// The annotated tag on the way to the commit.
    pub tag: Option<String>,
    /// `status.artifact.revision`: `main@sha1:…`.
    pub revision: String,
}

/// What must be fetched: more than one candidate only if versions tie and the commits' times must decide.
#[derive(Debug)]
pub(super) enum Wanted {
    /// References as advertised; the last is taken unless the times say otherwise.
    Advertised { candidates: Vec<Advertised>, full: bool },
    /// A commit by its name alone.
    Commit(String),
    /// A commit that must lie on a branch.
    OnBranch { commit: String, branch: Advertised },
}

impl Wanted {
    /// The answer, if no commit needs to be looked at for it.
    pub(super) fn resolved(&self) -> Option<Resolved> {
        match self {
            Wanted::Advertised { candidates, full } => match &candidates[..] {
                [only] => Some(Resolved::of(only, *full)),
                _ => None,
            },
            Wanted::Commit(commit) => Some(Resolved::commit("", commit)),
            Wanted::OnBranch { commit, branch } => Some(Resolved::commit(&branch.name, commit)),
        }
    }
}

impl Resolved {
    pub(super) fn of(found: &Advertised, full: bool) -> Resolved {
        let commit = found.peeled.to_string();
        Resolved {
            reference: found.name.clone(),
            revision: revision(&found.name, full, &commit),
            tag: (found.id != found.peeled).then(|| found.id.to_string()),
            commit,
        }
    }

    fn commit(branch: &str, commit: &str) -> Resolved {
        let revision = revision(branch, false, commit);
        Resolved {
            reference: branch.to_owned(),
            commit: commit.to_owned(),
            tag: None,
            revision,
        }
    }
}

/// Puts a remote's failure into Flux's words for the step it happened in.
pub(super) fn in_context(
    failure: RemoteFailure,
    context: impl FnOnce(RemoteError) -> CheckoutError,
) -> GitError {
    match failure {
        RemoteFailure::Local(error) => error,
        RemoteFailure::Remote(error) => GitError::Checkout(context(error)),
    }
}

/// Asks the remote for as few references as possible and picks.
///
/// `listing_fails` names the step if the remote cannot be asked; that the reference is missing is always a failed clone.
pub(super) fn find(
    call: Call<'_>,
    reference: &Reference,
    listing_fails: impl Fn(RemoteError) -> CheckoutError,
) -> Result<Wanted, GitError> {
    let ask = |prefixes: &[&str]| list(call, prefixes).map_err(|failure| in_context(failure, &listing_fails));
    let exactly = |name: &str| -> Result<Option<Advertised>, GitError> {
        Ok(ask(&[name])?.into_iter().find(|found| found.name == name))
    };
    let missing = |name: String| -> GitError {
        // A repository without any commit is a state of its own.
        match ask(&["HEAD", "refs/"]) {
            Ok(refs) if refs.is_empty() => GitError::Empty,
            Ok(_) => GitError::Checkout(cannot_clone(call)(RemoteError::NoReference(name))),
            Err(error) => error,
        }
    };
    match reference {
        Reference::Branch(branch) => {
            let name = format!("refs/heads/{branch}");
            let found = exactly(&name)?.ok_or_else(|| missing(name))?;
            Ok(Wanted::Advertised {
                candidates: vec![found],
                full: false,
            })
        }
        Reference::Tag(tag) => {
            let name = format!("refs/tags/{tag}");
            let found = exactly(&name)?.ok_or_else(|| missing(name))?;
            Ok(Wanted::Advertised {
                candidates: vec![found],
                full: false,
            })
        }
        Reference::Name(name) => {
            // `^{}` asks for what the tag leads to, which is what is taken anyway.
            let plain = name.strip_suffix("^{}").unwrap_or(name);
            let unresolved = || GitError::Checkout(CheckoutError::NoName(name.clone()));
            if plain.starts_with('/') || plain.ends_with('/') {
                return Err(unresolved());
            }
            let found = exactly(plain)?.ok_or_else(unresolved)?;
            Ok(Wanted::Advertised {
                candidates: vec![found],
                full: true,
            })
        }
        Reference::SemVer(text) => {
            let range =
                Range::parse(text).map_err(|error| GitError::Checkout(CheckoutError::Range(error)))?;
            let candidates = highest(ask(&["refs/tags/"])?, &range);
            if candidates.is_empty() {
                return Err(GitError::Checkout(CheckoutError::NoMatch(text.clone())));
            }
            Ok(Wanted::Advertised {
                candidates,
                full: false,
            })
        }
        Reference::Commit { id, branch } => {
            let commit = id.to_ascii_lowercase();
            if commit.len() != 40 || !commit.bytes().all(|byte| byte.is_ascii_hexdigit()) {
                return Err(GitError::Checkout(CheckoutError::NoCommit(id.clone())));
            }
            let Some(branch) = branch else {
                return Ok(Wanted::Commit(commit));
            };
            let name = format!("refs/heads/{branch}");
            let branch = exactly(&name)?.ok_or_else(|| missing(name))?;
            Ok(Wanted::OnBranch { commit, branch })
        }
    }
}

/// The context of everything that happens while fetching.
pub(super) fn cannot_clone(call: Call<'_>) -> impl Fn(RemoteError) -> CheckoutError {
    let url = super::http::bare(call.url.as_str());
    move |source| CheckoutError::Clone {
        url: url.clone(),
        source,
    }
}

/// The tags with the highest version in the range, in the order of their names. Several, if they differ only in build metadata.
fn highest(tags: Vec<Advertised>, range: &Range) -> Vec<Advertised> {
    let versions = tags.into_iter().filter_map(|tag| {
        let version = tag::version(tag.name.strip_prefix("refs/tags/")?)?;
        range.admits(&version).then_some((version, tag))
    });
    let mut best: Vec<(Version, Advertised)> = Vec::new();
    for (version, tag) in versions {
        if best
            .first()
            .is_none_or(|(other, _)| version.precedence(other).is_gt())
        {
            best.clear();
        } else if best
            .first()
            .is_some_and(|(other, _)| version.precedence(other).is_lt())
        {
            continue;
        }
        best.push((version, tag));
    }
    let mut tags: Vec<Advertised> = best.into_iter().map(|(_, tag)| tag).collect();
    tags.sort_by(|a, b| a.name.cmp(&b.name));
    tags
}
