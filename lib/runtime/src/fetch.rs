//! The artifact that a source's status names: downloaded once under bounds, checked, unpacked, and shared.

use crate::telemetry::chain;
use artifact::{Digest, Hasher, Limits, Tree, UnpackError, unpack};
use crds::meta::Artifact;
use futures::StreamExt as _;
use std::{
    collections::HashMap,
    env,
    fs::File,
    io::{self, BufWriter, Seek as _, Write},
    sync::{Arc, Mutex},
    time::Duration,
};
use thiserror::Error;
use tokio::sync::OnceCell;

/// The most bytes of an artifact as downloaded.
const MAX_DOWNLOAD: u64 = 512 << 20;
/// How many unpacked bytes are kept for the next reader; trees in use are held by their users anyway.
const KEPT: u64 = 64 << 20;
/// How long one attempt may take.
const ATTEMPT: Duration = Duration::from_secs(120);

/// Downloads artifacts and keeps the latest, each unpacked once however many objects read it.
#[derive(Debug)]
pub struct Artifacts {
    http: reqwest::Client,
    retries: u32,
    most: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    trees: HashMap<Id, Entry>,
    clock: u64,
}

/// The digest of an artifact, and where it is: nobody waits for what another's status says of the same digest.
type Id = (String, String);

#[derive(Debug)]
struct Entry {
    tree: Arc<OnceCell<Tree>>,
    used: u64,
}

/// Why an artifact cannot be read.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The file server does not have it (yet).
    #[error("artifact not found at '{url}'")]
    NotFound {
        /// Where it was looked for.
        url: String,
    },
    /// The server could not be reached or did not answer in time.
    #[error("failed to download the artifact from '{url}'")]
    Http {
        /// Where from.
        url: String,
        /// What happened.
        #[source]
        source: reqwest::Error,
    },
    /// The server refused.
    #[error("failed to download the artifact from '{url}', status: {status}")]
    Status {
        /// Where from.
        url: String,
        /// The status code.
        status: u16,
    },
    /// More bytes than an artifact may have.
    #[error("the artifact at '{url}' is larger than {most} bytes")]
    TooLarge {
        /// Where from.
        url: String,
        /// How many it may have.
        most: u64,
    },
    /// The digest named is no digest.
    #[error("failed to verify archive: '{digest}' is no digest")]
    NoDigest {
        /// What the source's status says.
        digest: String,
    },
    /// The bytes are not those that the source promised.
    #[error("failed to verify archive: computed digest doesn't match '{digest}'")]
    Digest {
        /// What the source's status says.
        digest: String,
    },
    /// The bytes are no archive we accept.
    #[error("failed to extract archive from '{url}'")]
    Unpack {
        /// Where from.
        url: String,
        /// What is wrong with it.
        #[source]
        source: UnpackError,
    },
    /// What is downloaded cannot be kept.
    #[error("cannot keep the artifact")]
    Write(#[source] std::io::Error),
    /// The process is ending.
    #[error("stopped while unpacking the artifact")]
    Stopped,
}

impl Artifacts {
    /// A downloader that tries again `retries` times (Flux flag `--http-retry`).
    ///
    /// # Errors
    /// When the TLS roots of the system cannot be read.
    pub fn new(retries: u32) -> reqwest::Result<Self> {
        let http = reqwest::Client::builder()
            .connect_timeout(Duration::from_secs(10))
            .timeout(ATTEMPT)
            .redirect(reqwest::redirect::Policy::limited(3))
            .build()?;
        Ok(Self {
            http,
            retries,
            most: MAX_DOWNLOAD,
            kept: Mutex::default(),
        })
    }

    /// The files of an artifact. Callers for the same digest at the same place share one download and one tree.
    ///
    /// # Errors
    /// See [`FetchError`]; nothing of a failed attempt is kept.
    pub async fn tree(&self, artifact: &Artifact) -> Result<Tree, FetchError> {
        let cell = self.entry(artifact);
        let tree = cell.get_or_try_init(|| self.download(artifact)).await.cloned();
        self.evict();
        tree
    }

    /// The bytes of an artifact, checked against its digest; nothing of them is kept.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn bytes(&self, artifact: &Artifact) -> Result<Vec<u8>, FetchError> {
        self.retried(artifact, || Ok(Vec::new())).await
    }

    /// The bytes of an artifact, checked against its digest, in a file that `scratch` makes anew for each attempt: memory does
    /// not grow with them. The file is at its beginning.
    ///
    /// # Errors
    /// See [`FetchError`].
    pub async fn save(
        &self,
        artifact: &Artifact,
        scratch: impl Fn() -> io::Result<File>,
    ) -> Result<File, FetchError> {
        let writer = || scratch().map(BufWriter::new);
        let written = self.retried(artifact, writer).await?;
        let file = written.into_inner().map_err(|e| e.into_error());
        let rewound = file.and_then(|mut file| file.rewind().map(|()| file));
        rewound.map_err(FetchError::Write)
    }

    async fn retried<W: Write>(
        &self,
        artifact: &Artifact,
        writer: impl Fn() -> io::Result<W>,
    ) -> Result<W, FetchError> {
        let digest: Digest = artifact.digest.parse().map_err(|_| FetchError::NoDigest {
            digest: artifact.digest.clone(),
        })?;
        let url = localhost(&artifact.url);
        let mut attempt = 0;
        loop {
            let mut into = writer().map_err(FetchError::Write)?;
            match self.attempt(&url, &digest, &mut into).await {
                Ok(()) => return Ok(into),
                Err(error) if attempt < self.retries && transient(&error) => {
                    attempt += 1;
                    tracing::debug!(
                        url,
                        attempt,
                        error = chain(&error),
                        "download failed, trying again"
                    );
                    tokio::time::sleep(Duration::from_millis(250).saturating_mul(1 << attempt.min(5))).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn download(&self, artifact: &Artifact) -> Result<Tree, FetchError> {
        let bytes = self.bytes(artifact).await?;
        let url = localhost(&artifact.url);
        let unpacked =
            tokio::task::spawn_blocking(move || unpack(bytes.as_slice(), &Limits::default())).await;
        unpacked
            .map_err(|_| FetchError::Stopped)?
            .map_err(|source| FetchError::Unpack { url, source })
    }

    async fn attempt(&self, url: &str, digest: &Digest, into: &mut impl Write) -> Result<(), FetchError> {
        let http = |source: reqwest::Error| FetchError::Http {
            url: url.to_owned(),
            source: source.without_url(),
        };
        let answer = self.http.get(url).send().await.map_err(http)?;
        match answer.status().as_u16() {
            200 => {}
            404 => return Err(FetchError::NotFound { url: url.to_owned() }),
            status => {
                return Err(FetchError::Status {
                    url: url.to_owned(),
                    status,
                });
            }
        }
        let mut hasher = Hasher::new(digest.algorithm());
        let mut length = 0;
        let mut body = answer.bytes_stream();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(http)?;
            length += chunk.len() as u64;
            if length > self.most {
                let (url, most) = (url.to_owned(), self.most);
                return Err(FetchError::TooLarge { url, most });
            }
            hasher.update(&chunk);
            into.write_all(&chunk).map_err(FetchError::Write)?;
        }
        if hasher.finish() != *digest {
            return Err(FetchError::Digest {
                digest: digest.to_string(),
            });
        }
        Ok(())
    }

    fn entry(&self, artifact: &Artifact) -> Arc<OnceCell<Tree>> {
        let mut kept = self.lock();
        kept.clock += 1;
        let clock = kept.clock;
        let id = (artifact.digest.clone(), artifact.url.clone());
        let entry = kept.trees.entry(id).or_insert_with(|| Entry {
            tree: Arc::default(),
            used: clock,
        });
        entry.used = clock;
        entry.tree.clone()
    }

    /// Forgets the least recently used trees beyond the bound, and attempts that failed.
    fn evict(&self) {
        let mut kept = self.lock();
        let newest = kept.clock;
        kept.trees
            .retain(|_, e| e.tree.initialized() || e.used == newest || Arc::strong_count(&e.tree) > 1);
        let size = |e: &Entry| e.tree.get().map_or(0, Tree::size);
        let mut total: u64 = kept.trees.values().map(size).sum();
        while total > KEPT && kept.trees.len() > 1 {
            let Some(oldest) = kept
                .trees
                .iter()
                .min_by_key(|(_, e)| e.used)
                .map(|(k, _)| k.clone())
            else {
                break;
            };
            if let Some(entry) = kept.trees.remove(&oldest) {
                total -= size(&entry);
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Whether another attempt may succeed.
fn transient(error: &FetchError) -> bool {
    match error {
        FetchError::Http { .. } => true,
        FetchError::Status { status, .. } => *status == 429 || *status >= 500,
        FetchError::NotFound { .. }
        | FetchError::TooLarge { .. }
        | FetchError::NoDigest { .. }
        | FetchError::Digest { .. }
        | FetchError::Unpack { .. }
        | FetchError::Write(_)
        | FetchError::Stopped => false,
    }
}

/// The URL with its host replaced by `SOURCE_CONTROLLER_LOCALHOST`, as Flux does for runs outside the cluster.
fn localhost(url: &str) -> String {
    let (Ok(host), Ok(mut parsed)) = (env::var("SOURCE_CONTROLLER_LOCALHOST"), reqwest::Url::parse(url))
    else {
        return url.to_owned();
    };
    let (name, port) = host
        .split_once(':')
        .map_or((host.as_str(), None), |(n, p)| (n, p.parse().ok()));
    let changed = parsed.set_host(Some(name)).is_ok() && parsed.set_port(port).is_ok();
    if changed { parsed.into() } else { url.to_owned() }
}

#[cfg(test)]
mod tests;
