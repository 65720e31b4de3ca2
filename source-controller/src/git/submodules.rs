//! Repositories inside a repository: where each comes from, and fetching it like any other.

use std::cell::Cell;

use gix::bstr::ByteSlice;
use gix::{ObjectId, Repository};
use url::Url;

use super::auth::Auth;
use super::checkout::Checkout;
use super::error::{CheckoutError, GitError, MirrorError};
use super::mirrors::Mirrors;
use super::reference::Reference;
use super::remote::Call;
use super::{Request, parse_url};

/// Submodules of submodules of submodules, and so on, are followed so far.
const MAX_NESTING: usize = 10;
/// The most bytes of a `.gitmodules`.
const MAX_FILE: u64 = 1 << 20;
/// So many submodules are fetched for one repository, those in submodules included.
pub(super) const MAX_NUMBER: usize = 1000;

/// Where a repository stands among submodules, and how many more may come for all of them.
#[derive(Clone, Copy)]
pub(super) struct Nesting<'a> {
    depth: usize,
    left: &'a Cell<usize>,
}

impl<'a> Nesting<'a> {
    /// At the top; `left` is how many may come.
    pub(super) fn top(left: &'a Cell<usize>) -> Self {
        Self { depth: 0, left }
    }

    /// One further down.
    fn further(self) -> Result<Self, CheckoutError> {
        if self.depth >= MAX_NESTING {
            return Err(CheckoutError::SubmoduleDepth(MAX_NESTING));
        }
        let left = self.left.get().checked_sub(1);
        self.left
            .set(left.ok_or(CheckoutError::SubmoduleCount(MAX_NUMBER))?);
        Ok(Self {
            depth: self.depth + 1,
            ..self
        })
    }
}

/// A submodule as `.gitmodules` and the tree have it together.
struct Submodule {
    path: String,
    url: String,
    commit: ObjectId,
}

impl Mirrors {
    /// Fetches the submodules of a checkout, and theirs.
    ///
    /// The credentials go along to the same host and to no other: what a `.gitmodules` says is not what the owner of the
    /// Secret said.
    pub(super) fn submodules(
        &self,
        checkout: &Checkout,
        request: &Request,
        call: Call<'_>,
        nesting: Nesting<'_>,
    ) -> Result<Vec<(String, Checkout)>, GitError> {
        let mut found = Vec::new();
        for Submodule { path, url, commit } in list(checkout)? {
            let further = nesting.further().map_err(GitError::Checkout)?;
            let url = resolve(call.url, &url)
                .ok_or_else(|| GitError::Checkout(CheckoutError::SubmoduleUrl(path.clone())))?;
            let anonymous = Auth::anonymous();
            let (auth, owner) = match same_host(call.url, &url) {
                true => (call.auth, &request.auth),
                false => (&anonymous, &anonymous),
            };
            let inner = Request {
                url,
                auth: owner.clone(),
                reference: Reference::Commit {
                    id: commit.to_string(),
                    branch: None,
                },
                ..request.clone()
            };
            let call = Call {
                url: &inner.url,
                auth,
                ..call
            };
            let fetched = self.checkout(&inner, call, further).map_err(|source| {
                GitError::Checkout(CheckoutError::Submodule {
                    path: path.clone(),
                    source: Box::new(source),
                })
            })?;
            found.push((path, fetched.without_signatures()));
        }
        Ok(found)
    }
}

/// The submodules that are both named in `.gitmodules` and there in the tree.
fn list(checkout: &Checkout) -> Result<Vec<Submodule>, GitError> {
    let unreadable = |source| {
        GitError::Mirror(MirrorError::Object {
            id: checkout.commit().to_owned(),
            source,
        })
    };
    let commit: ObjectId = checkout.commit().parse().map_err(unreadable)?;
    let reader = checkout.origin.reader()?;
    let listed = reader.read(|repository| list_in(repository, commit));
    let unusable = || GitError::Checkout(CheckoutError::SubmoduleUrl(".gitmodules".to_owned()));
    listed.map_err(unreadable)?.ok_or_else(unusable)
}

/// Nothing, if the `.gitmodules` is none.
fn list_in(repository: &Repository, commit: ObjectId) -> gix::Result<Option<Vec<Submodule>>> {
    let tree = repository.find_commit(commit)?.tree()?;
    let file = tree.lookup_entry_by_path(".gitmodules")?;
    let Some(file) = file.filter(|file| file.mode().is_blob()) else {
        return Ok(Some(Vec::new()));
    };
    // How large it is, before it is read.
    if repository.find_header(file.object_id())?.size() > MAX_FILE {
        return Ok(None);
    }
    let file = file.object()?;
    let Ok(file) = file.data.to_str_lossy().parse::<gix::config::File>() else {
        return Ok(None);
    };
    let mut found = Vec::new();
    for section in file.sections_by_name("submodule").into_iter().flatten() {
        let value = |key: &str| section.value(key).map(|value| value.to_str_lossy().into_owned());
        let (Some(path), Some(url)) = (value("path"), value("url")) else {
            continue;
        };
        let Ok(path) = artifact::clean_path(&path) else {
            continue;
        };
        let entry = tree.lookup_entry_by_path(&path)?;
        if let Some(entry) = entry.filter(|entry| entry.mode().is_commit()) {
            found.push(Submodule {
                path,
                url,
                commit: entry.object_id(),
            });
        }
    }
    Ok(Some(found))
}

/// A submodule's URL, if it is relative seen from the repository's.
fn resolve(base: &Url, url: &str) -> Option<Url> {
    if url.starts_with("./") || url.starts_with("../") {
        // The repository counts as a directory here: `../x` is its sibling.
        let mut base = base.clone();
        let path = format!("{}/", base.path().trim_end_matches('/'));
        base.set_path(&path);
        return parse_url(base.join(url).ok()?.as_str()).ok();
    }
    if !url.contains("://")
        && let Some((host, path)) = url.split_once(':')
        // `ext::program` would be a way to run one; here it is nothing.
        && !path.starts_with(':')
    {
        // The short form that ssh's tools like.
        return parse_url(&format!("ssh://{host}/{}", path.trim_start_matches('/'))).ok();
    }
    parse_url(url).ok()
}

fn same_host(a: &Url, b: &Url) -> bool {
    a.scheme() == b.scheme() && a.host() == b.host() && a.port_or_known_default() == b.port_or_known_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        let check = |base: &str, url: &str, expected: Option<&str>| {
            let found = resolve(&parse_url(base).unwrap(), url);
            assert_eq!(found.as_ref().map(Url::as_str), expected, "{base} {url}");
        };
        check("https://h/org/a.git", "../b.git", Some("https://h/org/b.git"));
        check("https://h/org/a.git/", "../../x/b.git", Some("https://h/x/b.git"));
        check(
            "https://h/org/a.git",
            "./b.git",
            Some("https://h/org/a.git/b.git"),
        );
        check("https://h/a", "https://other/b", Some("https://other/b"));
        check(
            "ssh://git@h:22/a/b",
            "git@other:c/d.git",
            Some("ssh://git@other/c/d.git"),
        );
        check("https://h/a", "file:///etc", None);
        check("https://h/a", "ext::sh -c x", None);
        check("https://h/a", "-u./x", None);
        check("https://h/a", "ssh://-oProxyCommand=x/y", None);
        check("https://h/a", "/etc/passwd", None);
    }
}
