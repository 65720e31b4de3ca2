//! The trusted root of Sigstore's public instance, from its TUF repository: fetched when first wanted, and then once a day.
//!
//! What is signed by whom, for how long, and what may follow what, is judged by Sigstore's own client (The Update Framework,
//! 1.0, section 5). Ours are the way to the network, what is kept, and how often somebody is asked.

mod kept;
mod mirror;

use super::cosign::TrustedRoot;
use jiff::{Timestamp, ToSpan as _};
use kept::{Kept, Remembered};
use mirror::Mirror;
use runtime::telemetry::chain;
use sigstore_trust_root::SigstoreInstance;
use sigstore_tuf::{Repository, TrustedMetadataSet, Updater, UpdaterConfig};
use std::{
    io::Read as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use url::Url;

/// What is asked of the repository.
const TARGET: &str = "trusted_root.json";
/// No file of a repository, or of what is kept of it, is larger, in bytes.
const MAX_FILE: u64 = 2 << 20;
/// How long a look at the repository may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Where the trusted root comes from, by the variables that Sigstore's tools, and so Flux, read.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// `TUF_ROOT`: where the repository's files are kept. `targets/trusted_root.json` in it was put there by an operator and
    /// is taken as it is; then nobody is asked.
    pub folder: Option<PathBuf>,
    /// `TUF_MIRROR`: another repository than that of the public instance.
    pub mirror: Option<String>,
    /// `TUF_ROOT_JSON`: the root that the repository is believed from.
    pub root: Option<PathBuf>,
}

/// The trusted root of the public instance.
#[derive(Debug)]
pub struct PublicRoot {
    place: Place,
    kept: Arc<Kept>,
    known: Mutex<Known>,
    /// Held by whoever looks at the repository; others wait, or do with what is known.
    looking: tokio::sync::Mutex<()>,
    patience: Duration,
}

/// What came of the last look.
#[derive(Debug, Default)]
struct Known {
    held: Option<Held>,
    failure: String,
    /// When to look again.
    next: Option<Timestamp>,
}

/// A trusted root, and until when the repository vouches for it.
#[derive(Debug, Clone)]
struct Held {
    root: Arc<TrustedRoot>,
    until: Timestamp,
}

impl PublicRoot {
    /// Nothing is fetched before somebody asks.
    pub fn new(place: Place) -> Self {
        let kept = place.folder.as_ref().map(|folder| folder.join(place.name()));
        Self {
            kept: Arc::new(Kept::new(kept)),
            place,
            known: Mutex::default(),
            looking: tokio::sync::Mutex::default(),
            patience: PATIENCE,
        }
    }

    /// The trusted root at a moment.
    ///
    /// # Errors
    /// Why there is none. The repository is then left alone for a minute.
    pub async fn get(&self, now: Timestamp) -> Result<Arc<TrustedRoot>, String> {
        if let Some(given) = self.place.given() {
            return TrustedRoot::parse(&given?).map(Arc::new);
        }
        if let Some(answer) = self.known().answer(now) {
            return answer;
        }
        let held = self.known().valid(now);
        let _looking = match (self.looking.try_lock(), held) {
            (Ok(looking), _) => looking,
            (Err(_), Some(held)) => return Ok(held.root),
            (Err(_), None) => self.looking.lock().await,
        };
        // Whoever looked in the meantime looked for us as well.
        if let Some(answer) = self.known().answer(now) {
            return answer;
        }
        let found = match self.look(now).await {
            Ok(found) => Ok(found),
            Err(problem) => {
                tracing::warn!(problem, "the trusted root of Sigstore is not renewed");
                self.again(now).await;
                Err(problem)
            }
        };
        let mut known = self.known();
        known.learn(found, now);
        known.answer(now).unwrap_or_else(|| Err(known.failure.clone()))
    }

    /// Asks the repository.
    async fn look(&self, now: Timestamp) -> Result<Held, String> {
        let mirror = Mirror::new(&self.place.mirror()?)?;
        let refreshed = self.refresh(mirror, now);
        let late = |_| format!("no end of the answers within {} s", self.patience.as_secs());
        tokio::time::timeout(self.patience, refreshed)
            .await
            .unwrap_or_else(|e| Err(late(e)))
    }

    /// After a start with nobody to ask: what is kept counts, as long as the repository vouched for it.
    async fn again(&self, now: Timestamp) {
        if self.known().held.is_none()
            && let Ok(held) = self.refresh(Remembered(self.kept.clone()), now).await
        {
            self.known().held = Some(held);
        }
    }

    async fn refresh(&self, repository: impl Repository + 'static, now: Timestamp) -> Result<Held, String> {
        let said = |error: sigstore_tuf::Error| chain(&error);
        let start = self.place.start()?;
        let mut limits = UpdaterConfig::default();
        limits.snapshot_max_length = MAX_FILE;
        limits.targets_max_length = MAX_FILE;
        limits.target_max_length = MAX_FILE;
        limits.max_delegations = 8;
        let updater = Updater::new(repository, &start).map_err(said)?;
        let mut updater = updater.with_config(limits).with_store(self.kept.clone());
        updater.refresh(now).await.map_err(said)?;
        let text = updater.get_target(TARGET, now).await.map_err(said)?;
        let root = TrustedRoot::parse(&text)?;
        let until = until(updater.trusted()).ok_or("a role is missing in the repository")?;
        Ok(Held {
            root: Arc::new(root),
            until,
        })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// What can be said without looking.
    fn answer(&self, now: Timestamp) -> Option<Result<Arc<TrustedRoot>, String>> {
        // A clock that was set back does not put off a look for longer than one that was not.
        let next = self.next?;
        if next <= now || next > soon(now, 24 * 60) {
            return None;
        }
        Some(match self.valid(now) {
            Some(held) => Ok(held.root),
            None => Err(self.failure.clone()),
        })
    }

    fn valid(&self, now: Timestamp) -> Option<Held> {
        self.held.clone().filter(|held| now < held.until)
    }

    /// After a look: the next is due in a day, or when the repository's word ends. After one that failed, in an hour if there is
    /// something to do with until then, or else in a minute, as in Flux.
    fn learn(&mut self, found: Result<Held, String>, now: Timestamp) {
        let pause = match found {
            Ok(held) => {
                self.held = Some(held);
                self.failure = "what the repository vouched for has expired".to_owned();
                24 * 60
            }
            Err(problem) => {
                self.failure = problem;
                if self.valid(now).is_some() { 60 } else { 1 }
            }
        };
        let next = soon(now, pause);
        self.next = Some(self.valid(now).map_or(next, |held| next.min(held.until)));
    }
}

impl Place {
    /// What an operator put there.
    fn given(&self) -> Option<Result<Vec<u8>, String>> {
        let path = self.folder.as_ref()?.join("targets").join(TARGET);
        path.exists().then(|| read(&path))
    }

    /// The repository's address.
    fn mirror(&self) -> Result<Url, String> {
        let Some(text) = &self.mirror else {
            return Url::parse(SigstoreInstance::PublicGood.tuf_url()).map_err(|e| e.to_string());
        };
        let url = Url::parse(text).ok();
        let url = url.filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
        url.ok_or_else(|| "TUF_MIRROR is no URL of http or https".to_owned())
    }

    /// The folder of the repository among others, as Sigstore's tools call it.
    fn name(&self) -> String {
        let mirror = self.mirror.as_deref();
        let mirror = mirror.unwrap_or(SigstoreInstance::PublicGood.tuf_url());
        let bare = mirror
            .trim_start_matches("https://")
            .trim_start_matches("http://");
        bare.replace(['/', ':'], "-").to_lowercase()
    }

    /// The root that the repository is believed from: the one that is named, the public instance's, or one that
    /// `cosign initialize` left.
    fn start(&self) -> Result<Vec<u8>, String> {
        if let Some(path) = &self.root {
            return read(path);
        }
        let public = SigstoreInstance::PublicGood;
        let Some(mirror) = &self.mirror else {
            return Ok(public.tuf_root().to_vec());
        };
        if mirror.trim_end_matches('/') == public.tuf_url() {
            return Ok(public.tuf_root().to_vec());
        }
        let left = self
            .folder
            .as_ref()
            .map(|folder| folder.join(self.name()).join("root.json"));
        match left.filter(|path| path.exists()) {
            Some(path) => read(&path),
            None => Err(
                "TUF_MIRROR needs TUF_ROOT_JSON, the root that this repository is believed from".to_owned(),
            ),
        }
    }
}

/// The first moment at which a part of the repository does not count any more.
fn until(trusted: &TrustedMetadataSet) -> Option<Timestamp> {
    let others = [
        trusted.timestamp()?.expires,
        trusted.snapshot()?.expires,
        trusted.targets_role("targets")?.expires,
    ];
    Some(others.into_iter().fold(trusted.root().expires, Timestamp::min))
}

fn soon(now: Timestamp, minutes: i64) -> Timestamp {
    now.saturating_add(minutes.minutes()).unwrap_or(Timestamp::MAX)
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let unread = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let mut text = Vec::new();
    let file = std::fs::File::open(path).map_err(unread)?;
    file.take(MAX_FILE + 1).read_to_end(&mut text).map_err(unread)?;
    if text.len() as u64 > MAX_FILE {
        return Err(format!("{} is larger than {MAX_FILE} bytes", path.display()));
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
