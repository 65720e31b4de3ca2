//! I/O: a repository that charts and their dependencies come from, over HTTP or a registry.

use super::registry;
use crate::{
    context::Context,
    downloads::Download,
    helm_remote::{self, Access, Failed, Id, Remote, RemoteError, TableError},
    oci::{Reference, Registry, Repository as Place},
    shared,
    shelf::blocking,
    verify::{self, Policy, Verdict, VerifyError},
};
use crds::{
    meta::Artifact,
    source::{HelmRepository, OciProvider, Source as _},
};
use helm::index::{ChooseError, Listed};
use peer::http::shown;
use percent_encoding::percent_decode_str;
use runtime::telemetry::chain;
use std::{
    io::{self, BufWriter},
    sync::Arc,
    time::Duration,
};
use url::Url;

/// A provenance file is never larger, in bytes.
const MAX_PROVENANCE: u64 = 1 << 20;

/// A repository.
#[derive(Debug)]
pub struct Repository {
    place: At,
    timeout: Duration,
    /// Whether what others saw of it a moment ago will not do.
    now: bool,
}

#[derive(Debug)]
enum At {
    /// With its index on the shelf, or to be had.
    Http {
        remote: (Id, Arc<Remote>),
        stored: Option<Artifact>,
    },
    Registry {
        url: String,
        access: crate::oci::Access,
        provider: OciProvider,
    },
}

/// A version of a chart in a repository.
#[derive(Debug)]
pub struct Chosen {
    /// The chart's name.
    pub name: String,
    /// The version.
    pub version: String,
    from: From,
}

#[derive(Debug)]
enum From {
    /// With the digest that the index has for it, if any.
    Url(Url, String),
    Nowhere,
    Registry(Arc<Registry>, Place, Reference),
}

/// Why there is no such chart.
#[derive(Debug)]
pub enum Missing {
    /// The repository says so.
    Reference(String),
    /// The repository cannot be asked.
    External(String, Option<Duration>),
}

/// Why a repository cannot be used at all.
#[derive(Debug)]
pub enum Unusable {
    /// Its URL.
    Url(String),
    /// Its certificates.
    Client(String),
}

impl Repository {
    /// The repository at a URL, with the access that goes with it; `object` is whose index is on the shelf.
    pub fn open(
        context: &Context,
        url: &str,
        access: Access,
        object: Option<&HelmRepository>,
    ) -> Result<Self, Unusable> {
        let timeout = access.timeout;
        let base = helm_url(url)?;
        if helm_remote::is_oci(url) {
            let provider = access.provider;
            let access = crate::oci::Access {
                keychain: access.keychain,
                tls: access.tls,
                proxy: None,
                insecure: access.insecure,
            };
            let url = base.as_str().to_owned();
            return Ok(Self {
                place: At::Registry {
                    url,
                    access,
                    provider,
                },
                timeout,
                now: false,
            });
        }
        let remote = context.remotes.get(&base, &access);
        let remote = remote.map_err(|e| Unusable::Client(chain(&e)))?;
        let stored = object.and_then(|object| object.artifact()).cloned();
        Ok(Self {
            place: At::Http { remote, stored },
            timeout,
            now: false,
        })
    }

    /// The repository, for somebody who asked for a look just now, or did not.
    #[must_use]
    pub fn looked_at(self, now: bool) -> Self {
        Self { now, ..self }
    }

    /// Whether what others saw of it a moment ago will not do.
    pub fn now(&self) -> bool {
        self.now
    }

    /// The version of a chart that is meant.
    pub async fn choose(&self, context: &Arc<Context>, name: &str, wanted: &str) -> Result<Chosen, Missing> {
        match &self.place {
            At::Registry {
                url,
                access,
                provider,
            } => {
                let work = registry::choose(context, url, access, *provider, (name, wanted), self.now);
                let late = |_| Missing::External(self.late(), None);
                tokio::time::timeout(self.timeout, work).await.map_err(late)?
            }
            At::Http { remote, stored } => {
                let chosen = self
                    .listed(context, remote, stored.as_ref(), name, wanted)
                    .await?;
                of_index(remote.1.base(), &chosen)
            }
        }
    }

    /// The archive of a chart, at most `limit` bytes of it.
    pub async fn download(
        &self,
        context: &Context,
        chosen: &Chosen,
        limit: u64,
    ) -> Result<Vec<u8>, (String, Option<Duration>)> {
        let work = async {
            match (&chosen.from, &self.place) {
                (From::Url(url, digest), At::Http { remote, .. }) => {
                    archive(context, remote, (url, digest), limit).await
                }
                (From::Registry(registry, place, reference), _) => {
                    let limits = (limit, self.now);
                    registry::pull(&context.storage, registry, place, reference, limits).await
                }
                (From::Url(..) | From::Nowhere, _) => Err((chosen.nowhere(), None)),
            }
        };
        tokio::time::timeout(self.timeout, work)
            .await
            .map_err(|_| (self.late(), None))?
    }

    /// The provenance file of a chart: beside the archive, or a layer of the chart's manifest.
    pub async fn provenance(&self, chosen: &Chosen) -> Result<Vec<u8>, (String, Option<Duration>)> {
        let work = async {
            match (&chosen.from, &self.place) {
                (From::Url(url, _), At::Http { remote, .. }) => {
                    let text = remote.1.provenance(url, MAX_PROVENANCE).await;
                    text.map_err(|error| (chain(&error), error.retry_after()))
                }
                (From::Registry(registry, place, reference), _) => {
                    let limits = (MAX_PROVENANCE, self.now);
                    registry::provenance(registry, place, reference, limits).await
                }
                (From::Url(..) | From::Nowhere, _) => Err((chosen.nowhere(), None)),
            }
        };
        tokio::time::timeout(self.timeout, work)
            .await
            .map_err(|_| (self.late(), None))?
    }

    async fn listed(
        &self,
        context: &Arc<Context>,
        remote: &(Id, Arc<Remote>),
        stored: Option<&Artifact>,
        name: &str,
        wanted: &str,
    ) -> Result<Listed, Missing> {
        let Some(stored) = stored.cloned() else {
            return match self.fetched(context, remote, name, wanted).await? {
                // A newer index has taken its place before it was read.
                Err(TableError::Disk(error)) if error.kind() == io::ErrorKind::NotFound => {
                    self.fetched(context, remote, name, wanted).await?
                }
                found => found,
            }
            .map_err(not_listed);
        };
        let (job, name, wanted) = (context.clone(), name.to_owned(), wanted.to_owned());
        let choose = move || {
            let open = || job.open(&stored);
            job.indexes.choose(&stored, open, &name, &wanted)
        };
        let found = blocking(choose).await;
        let found = found.map_err(|failure| Missing::External(failure.message, None))?;
        found.map_err(not_listed)
    }

    /// The version that is meant, in the index as the server has it.
    async fn fetched(
        &self,
        context: &Arc<Context>,
        remote: &(Id, Arc<Remote>),
        name: &str,
        wanted: &str,
    ) -> Result<Result<Listed, TableError>, Missing> {
        let fetched = context.indexes.fetch(remote, self.timeout, false).await;
        let fetched = fetched.map_err(|error| {
            let delay = match &error {
                Failed::Remote(error) => error.retry_after(),
                Failed::Index(_) | Failed::Disk(_) | Failed::Busy(_) => None,
            };
            Missing::External(format!("failed to cache index: {}", chain(&error)), delay)
        })?;
        let (job, name, wanted) = (context.clone(), name.to_owned(), wanted.to_owned());
        let found = blocking(move || job.indexes.choose_in(&fetched, &name, &wanted)).await;
        found.map_err(|failure| Missing::External(failure.message, None))
    }

    fn late(&self) -> String {
        format!(
            "no answer within the timeout of {}",
            crds::meta::format_go(self.timeout)
        )
    }
}

/// The archive of a chart over HTTP: downloaded once for all who want, of this repository and with this access, what the
/// index has this digest for. Without a digest nobody knows whether the archive is still the same.
async fn archive(
    context: &Context,
    (id, remote): &(Id, Arc<Remote>),
    (url, digest): (&Url, &str),
    limit: u64,
) -> Result<Vec<u8>, (String, Option<Duration>)> {
    let disk = |error: io::Error| (format!("cannot keep what is downloaded: {error}"), None);
    let download = async {
        let mut writer = BufWriter::new(context.storage.scratch().map_err(disk)?);
        let written = remote.chart(url, limit, &mut writer).await;
        written.map_err(|error| (chain(&error), error.retry_after()))?;
        Download::of(writer).map_err(disk)
    };
    let content = if digest.is_empty() {
        download.await?
    } else {
        let id = shared::id(&[id, url.as_str().as_bytes(), digest.as_bytes()]);
        context.downloads.get(id, download).await?
    };
    // Somebody else may have had it under another limit.
    if content.size() > limit {
        let error = RemoteError::TooLarge { what: "chart", limit };
        return Err((chain(&error), None));
    }
    let read = blocking(move || content.bytes()).await;
    read.map_err(|failure| (failure.message, None))?.map_err(disk)
}

impl Chosen {
    /// A chart under a tag of a registry.
    pub fn tagged(name: &str, version: &str, registry: Arc<Registry>, place: Place) -> Self {
        // Tags cannot have `+`; Helm writes `_` instead.
        let tag = version.replace('+', "_");
        Self {
            name: name.to_owned(),
            version: version.to_owned(),
            from: From::Registry(registry, place, Reference::Tag(tag)),
        }
    }

    /// The name of its archive, as Helm calls it: over HTTP what its URL ends in.
    pub fn file(&self) -> String {
        match &self.from {
            From::Url(url, _) => percent_decode_str(last(url.path()))
                .decode_utf8_lossy()
                .into_owned(),
            From::Registry(..) | From::Nowhere => format!("{}-{}.tgz", last(&self.name), self.version),
        }
    }

    fn nowhere(&self) -> String {
        format!("chart '{}' has no downloadable URLs", self.name)
    }

    /// Checks that a chart in a registry bears a signature as the policy wants it. It is what was checked that is then
    /// downloaded, wherever its tag leads by that time.
    ///
    /// # Errors
    /// See [`VerifyError`]; a chart that is in no registry has no signature.
    pub async fn verify(&mut self, policy: &Policy, now: bool) -> Result<Verdict, VerifyError> {
        let From::Registry(registry, place, reference) = &mut self.from else {
            return Err(VerifyError::Policy("not implemented".to_owned()));
        };
        let digest = registry.look(place, reference, now).await;
        let digest = digest.map_err(|source| VerifyError::Registry {
            reference: reference.with(place),
            source,
        })?;
        let verdict = verify::verify(registry, place, &digest, policy, jiff::Timestamp::now()).await?;
        *reference = Reference::Digest(digest);
        Ok(verdict)
    }
}

fn not_listed(error: TableError) -> Missing {
    match error {
        TableError::Choose(ChooseError::None(problem)) => Missing::Reference(problem),
        error => Missing::External(format!("failed to load index: {}", chain(&error)), None),
    }
}

fn of_index(base: &Url, listed: &Listed) -> Result<Chosen, Missing> {
    let from = match listed.urls.first() {
        None => From::Nowhere,
        Some(reference) => match helm_remote::resolve(base, reference) {
            Ok(url) if matches!(url.scheme(), "http" | "https") => From::Url(url, listed.digest.clone()),
            Ok(url) => {
                let text = format!("scheme {:?} not supported", url.scheme());
                return Err(Missing::External(text, None));
            }
            Err(error) => {
                let text = format!("failed to parse {} as URL: {error}", shown(reference));
                return Err(Missing::External(text, None));
            }
        },
    };
    Ok(Chosen {
        name: listed.name.clone(),
        version: listed.version.clone(),
        from,
    })
}

fn helm_url(url: &str) -> Result<Url, Unusable> {
    helm_remote::normalized(url).map_err(|error| Unusable::Url(format!("parse {:?}: {error}", shown(url))))
}

/// What stands behind the last slash: the name of a chart without the folders that it is in.
pub fn last(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}
