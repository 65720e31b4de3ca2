//! All mirrors of a controller: who shares one, who waits, and when one goes.

mod bring;

use std::cell::Cell;
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use gix::ObjectId;
use sha2::{Digest, Sha256};

use super::Request;
use super::checkout::{Checkout, Origin};
use super::deadline::Deadline;
use super::error::{CheckoutError, GitError, MirrorError};
use super::github_app::Tokens;
use super::greeting::Greetings;
use super::mirror::{Mirror, Want, fetch};
use super::pack::Most;
use super::recent::{self, Recent};
use super::reference::Reference;
use super::remote::{Advertised, Call, list_and_version};
use super::resolve::{Resolved, Wanted, cannot_clone, find, in_context};
use super::room::Rooms;
use super::ssh_algorithms::SshAlgorithms;
use super::submodules::{MAX_NUMBER, Nesting};
use crate::lock::lock;

/// What a remote may cost.
#[derive(Debug, Clone)]
pub struct Limits {
    /// The most bytes in one answer of a remote: a pack, or the list of references.
    pub answer_bytes: u64,
    /// With more packs than this a mirror is made anew: gix cannot repack, and a fresh shallow fetch is the cheapest repack.
    pub packs: usize,
    /// How many access tokens are kept; 0 keeps none.
    pub tokens: usize,
    /// How long an access token is kept at the most.
    pub token_life: Duration,
    /// What may be used over ssh.
    pub ssh: SshAlgorithms,
    /// How much memory this process may have, if that is bounded. Packs may need half of it, all together.
    pub memory: Option<u64>,
}

impl Default for Limits {
    /// 4 GiB, 40 packs, 100 tokens for an hour.
    fn default() -> Self {
        Limits {
            answer_bytes: 4 << 30,
            packs: 40,
            tokens: 100,
            token_life: Duration::from_secs(3600),
            ssh: SshAlgorithms::default(),
            memory: None,
        }
    }
}

/// How the names of directories begin that are being removed.
const ASIDE: &str = ".";

/// The mirrors under one directory. Share it; every method takes `&self` and blocks.
pub struct Mirrors {
    root: PathBuf,
    limits: Limits,
    open: Mutex<HashMap<String, Used>>,
    tokens: Tokens,
    greetings: Greetings,
    recent: Recent,
    rooms: Arc<Rooms>,
}

struct Used {
    mirror: Arc<Mirror>,
    last: Instant,
}

impl Mirrors {
    /// Mirrors under `root`, which is made if need be. What an earlier process left there is used again.
    ///
    /// # Errors
    /// A directory that cannot be made.
    pub fn new(root: impl Into<PathBuf>, limits: Limits) -> Result<Mirrors, GitError> {
        let root = root.into();
        let directory = |source| MirrorError::Directory {
            path: root.display().to_string(),
            source,
        };
        std::fs::create_dir_all(&root)
            .map_err(directory)
            .map_err(GitError::Mirror)?;
        Ok(Mirrors {
            root,
            tokens: Tokens::new(limits.tokens, limits.token_life),
            rooms: Rooms::new(Most::within(limits.memory)),
            limits,
            open: Mutex::default(),
            greetings: Greetings::default(),
            recent: Recent::default(),
        })
    }

    /// Asks the remote where the reference points. Nothing is fetched but a list of references; for a commit without a
    /// branch nothing is asked at all.
    ///
    /// Nothing, if it cannot be said without looking at commits: tags whose versions differ only in build metadata.
    ///
    /// # Errors
    /// See [`GitError`]; a remote that cannot be asked is [`CheckoutError::List`].
    pub fn resolve(&self, request: &Request) -> Result<Option<Resolved>, GitError> {
        let deadline = Deadline::after(request.timeout);
        let auth = self
            .tokens
            .login(&request.auth, request.proxy.as_ref(), deadline)?;
        let call = self.call(request, &auth, deadline);
        let url = super::http::bare(request.url.as_str());
        let wanted = find(call, &request.reference, |source| CheckoutError::List {
            url: url.clone(),
            source,
        })?;
        Ok(wanted.resolved())
    }

    /// As [`Mirrors::resolve`]; what the remote said to the same question a moment ago will do, unless somebody wants to know it
    /// `now`.
    ///
    /// # Errors
    /// As [`Mirrors::resolve`].
    pub fn look(&self, request: &Request, now: bool) -> Result<Option<Resolved>, GitError> {
        let (id, began) = (recent::id(request), Instant::now());
        if let Some(known) = self.recent.get(&id).filter(|_| !now) {
            return Ok(Some(known));
        }
        let resolved = self.resolve(request)?;
        if let Some(resolved) = &resolved {
            self.recent.put(id, began, resolved);
        }
        Ok(resolved)
    }

    /// Brings the commit that the reference points to now into the mirror, unless it is there, and opens it.
    ///
    /// # Errors
    /// See [`GitError`]. Whatever happens, the mirror stays usable or is made anew by the next fetch.
    pub fn fetch(&self, request: &Request) -> Result<Checkout, GitError> {
        let deadline = Deadline::after(request.timeout);
        let auth = self
            .tokens
            .login(&request.auth, request.proxy.as_ref(), deadline)?;
        let left = Cell::new(MAX_NUMBER);
        self.checkout(request, self.call(request, &auth, deadline), Nesting::top(&left))
    }

    /// Removes the mirrors that nobody has used for so long and nobody reads, and directories of earlier processes that no request
    /// has asked for since the start.
    pub fn prune(&self, unused_for: Duration) {
        for dir in self.put_aside(unused_for) {
            let _ = std::fs::remove_dir_all(dir);
        }
    }

    /// Renames what is to be removed, to a name that no mirror has: to remove it takes a while, and nobody is to wait for that.
    fn put_aside(&self, unused_for: Duration) -> Vec<PathBuf> {
        let mut open = lock(&self.open);
        open.retain(|_, used| used.last.elapsed() < unused_for || Arc::strong_count(&used.mirror) > 1);
        let entries = std::fs::read_dir(&self.root).into_iter().flatten().flatten();
        let aside = entries.filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            // A process was killed before this was gone.
            if name.starts_with(ASIDE) {
                return Some(entry.path());
            }
            let used = entry.metadata().and_then(|data| data.modified()).ok()?;
            if open.contains_key(&name) || used.elapsed().ok()? < unused_for {
                return None;
            }
            let aside = self.root.join(format!("{ASIDE}{name}"));
            std::fs::rename(entry.path(), &aside).ok()?;
            tracing::debug!(mirror = name, "removing an unused mirror");
            Some(aside)
        });
        aside.collect()
    }

    pub(super) fn checkout(
        &self,
        request: &Request,
        call: Call<'_>,
        nesting: Nesting<'_>,
    ) -> Result<Checkout, GitError> {
        let full = matches!(request.reference, Reference::Commit { branch: Some(_), .. });
        let mirror = self.mirror(request, full);
        match self.attempt(&mirror, request, call, nesting) {
            // What cannot be read from our own disk is fetched again, once.
            Err(error) if is_damage(&error) => {
                tracing::warn!(mirror = %mirror.dir().display(), ?error, "making a damaged mirror anew");
                mirror.retire();
                self.attempt(&mirror, request, call, nesting)
            }
            other => other,
        }
    }

    fn attempt(
        &self,
        mirror: &Arc<Mirror>,
        request: &Request,
        call: Call<'_>,
        nesting: Nesting<'_>,
    ) -> Result<Checkout, GitError> {
        let wanted = find(call, &request.reference, cannot_clone(call))?;
        let (generation, repository) = mirror.open().map_err(GitError::Mirror)?;
        // One fetch at a time; whoever waited finds the objects there. Where nothing is missing, nobody waits.
        let inside = match bring::is_here(&repository, &wanted) {
            true => None,
            false => Some(
                mirror
                    .gate
                    .enter(call.deadline.at())
                    .ok_or(GitError::Mirror(MirrorError::Busy))?,
            ),
        };
        let origin = Origin {
            mirror: Arc::clone(mirror),
            generation,
            rooms: Arc::clone(&self.rooms),
        };
        let brought = bring::bring(call, &repository, &origin.reader()?, wanted);
        drop((inside, repository));
        let mut checkout = match brought {
            Ok(resolved) => Checkout::open(origin, resolved)?,
            Err(GitError::Checkout(CheckoutError::NoCommit(commit))) => {
                self.search(request, call, &commit)?
            }
            Err(error) => return Err(error),
        };
        if request.recurse_submodules {
            checkout.submodules = self.submodules(&checkout, request, call, nesting)?;
        }
        Ok(checkout)
    }

    /// Looks for a commit in the histories of all branches, where a server of the old protocol lets nobody ask for it by name.
    fn search(&self, request: &Request, call: Call<'_>, commit: &str) -> Result<Checkout, GitError> {
        let no_commit = || GitError::Checkout(CheckoutError::NoCommit(commit.to_owned()));
        let failed = |failure| in_context(failure, cannot_clone(call));
        let id: ObjectId = commit.parse().map_err(|_| no_commit())?;
        if !matches!(request.reference, Reference::Commit { branch: None, .. }) {
            return Err(no_commit());
        }
        let (branches, modern) = list_and_version(call, &["refs/heads/"]).map_err(failed)?;
        if modern {
            return Err(no_commit());
        }
        let branches: Vec<Advertised> = branches
            .into_iter()
            .filter(|branch| branch.name.starts_with("refs/heads/"))
            .collect();
        let mirror = self.mirror(request, true);
        let _inside = mirror
            .gate
            .enter(call.deadline.at())
            .ok_or(GitError::Mirror(MirrorError::Busy))?;
        let (generation, repository) = mirror.open().map_err(GitError::Mirror)?;
        if !repository.has_object(id) {
            fetch(call, &repository, Want::Histories(&branches)).map_err(failed)?;
        }
        drop(repository);
        let origin = Origin {
            mirror: Arc::clone(&mirror),
            generation,
            rooms: Arc::clone(&self.rooms),
        };
        let found = origin.reader()?;
        let found = found.read(|repository| Ok(repository.find_commit(id)?.id));
        found.map_err(|_| no_commit())?;
        let resolved = Wanted::Commit(commit.to_owned())
            .resolved()
            .ok_or_else(no_commit)?;
        Checkout::open(origin, resolved)
    }

    /// The mirror of a URL for a credential and a way there: another proxy may lead to another host of that name. Whole
    /// histories are kept apart from single commits: a shallow repository cannot say what lies on a branch.
    fn mirror(&self, request: &Request, full: bool) -> Arc<Mirror> {
        let mut hash = Sha256::new();
        hash.update(request.url.as_str());
        hash.update([0, u8::from(full)]);
        if let Some(proxy) = &request.proxy {
            hash.update([1]);
            proxy.fingerprint(&mut hash);
        }
        // The credential that was given, not a token that changes every hour.
        request.auth.fingerprint(&mut hash);
        let key = hex::encode(&hash.finalize()[..20]);
        let mut open = lock(&self.open);
        let used = open.entry(key.clone()).or_insert_with(|| Used {
            mirror: Arc::new(Mirror::new(
                self.root.join(key),
                self.limits.packs,
                self.rooms.most.memory,
            )),
            last: Instant::now(),
        });
        used.last = Instant::now();
        Arc::clone(&used.mirror)
    }

    fn call<'a>(&'a self, request: &'a Request, auth: &'a super::Auth, deadline: Deadline) -> Call<'a> {
        Call {
            url: &request.url,
            auth,
            proxy: request.proxy.as_ref(),
            deadline,
            limit: self.limits.answer_bytes,
            rooms: &self.rooms,
            ssh: &self.limits.ssh,
            greetings: &self.greetings,
        }
    }
}

/// Whether an error is about objects that are here and cannot be read.
fn is_damage(error: &GitError) -> bool {
    matches!(
        error,
        GitError::Mirror(MirrorError::Object { .. } | MirrorError::Open(_))
            | GitError::Checkout(CheckoutError::Object { .. })
    )
}
