//! Identities at cloud providers: the controller's own, or that of a ServiceAccount, and what they are exchanged for.
//!
//! Each provider's protocol is spoken directly; where its SDKs read an endpoint from the environment, so do we.

mod account;
pub mod aws;
pub mod azure;
mod call;
mod cluster;
pub mod gcp;
mod kept;
mod registry;
pub mod sigv4;
mod way;

pub use cluster::Clusters;
use kept::Kept;
use peer::{
    http::{Proxy, Tls},
    secret::Secret,
};
pub use registry::{Login, Service};
use reqwest::{Client, ClientBuilder, redirect};
use sigv4::Keys;
use std::time::Duration;
use thiserror::Error;
pub use way::Way;

/// How long until a provider's address answers at all.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take.
const ANSWER: Duration = Duration::from_secs(60);

/// The identities that this controller may use, and what it got for them.
pub struct Cloud {
    kube: kube::Client,
    settings: Settings,
    keys: Kept<Keys>,
    tokens: Kept<Secret>,
    logins: Kept<Login>,
}

/// What is fixed, or flags say, of identities.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Who we are, where a session must have a name.
    pub controller: &'static str,
    /// Whether objects may name a ServiceAccount (feature `ObjectLevelWorkloadIdentity`).
    pub object_level: bool,
    /// The ServiceAccount of objects that name none (Flux flag `--default-service-account`).
    pub default_account: String,
    /// So many tokens are kept of each kind (Flux flag `--token-cache-max-size`).
    pub most: usize,
    /// And never longer than this (Flux flag `--token-cache-max-duration`).
    pub life: Duration,
}

impl Settings {
    /// What the flags say that every controller has; `default_account` is whose identity objects use that name none, or empty.
    pub fn new(controller: &'static str, flags: &runtime::args::CommonArgs, default_account: &str) -> Self {
        Self {
            controller,
            object_level: flags.feature("ObjectLevelWorkloadIdentity", false),
            default_account: default_account.to_owned(),
            most: flags.token_cache_max_size,
            life: flags.token_cache_max_duration,
        }
    }
}

/// On whose behalf a provider is asked.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// The object's namespace.
    pub namespace: &'a str,
    /// The ServiceAccount that it names.
    pub account: Option<&'a str>,
    /// Through which proxy.
    pub proxy: Option<&'a Proxy>,
}

impl Who<'_> {
    /// Whether the object acts as a ServiceAccount that it names, which is its tenant's. Any other identity is everybody's:
    /// what it is granted must not be heard by the tenant.
    pub fn is_its_own(&self) -> bool {
        self.account.is_some_and(|name| !name.is_empty())
    }
}

/// How something is asked for.
#[derive(Debug, Clone, Copy)]
struct Ask<'a> {
    who: &'a Who<'a>,
    /// Whom a ServiceAccount's token is for, if not whom the provider wants.
    audiences: &'a [String],
    /// What is kept does not count: it was refused.
    anew: bool,
}

impl<'a> Ask<'a> {
    fn of(who: &'a Who<'a>) -> Self {
        Self {
            who,
            audiences: &[],
            anew: false,
        }
    }

    /// Whom a ServiceAccount's token is for.
    fn audiences(&self, usual: &str) -> Vec<String> {
        if self.audiences.is_empty() {
            return vec![usual.to_owned()];
        }
        self.audiences.to_vec()
    }
}

/// Why there is no identity, or nothing to be had for it. Display has no secret in it.
#[derive(Debug, Error)]
pub enum CloudError {
    /// The feature is off.
    #[error(
        "to use spec.serviceAccountName for provider authentication please enable the ObjectLevelWorkloadIdentity feature \
         gate in the controller"
    )]
    Gate,
    /// What is needed is not set up, or not as it must be.
    #[error("{0}")]
    Setup(String),
    /// A request could not be sent, or its answer broke off.
    #[error("{method} {url}")]
    Request {
        /// How.
        method: reqwest::Method,
        /// Where it went.
        url: String,
        /// Why.
        #[source]
        source: reqwest::Error,
    },
    /// The provider refused.
    #[error("{url}: {problem}")]
    Refused {
        /// Who refused.
        url: String,
        /// What it said.
        problem: String,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The answer is not what was asked for.
    #[error("{0}: the answer holds no credentials")]
    Answer(String),
    /// There is no client for such a proxy.
    #[error("cannot make a client")]
    Client(#[source] reqwest::Error),
    /// A private key cannot be used. What it says is not told.
    #[error("the private key cannot be used")]
    Key(#[source] jsonwebtoken::errors::Error),
}

impl CloudError {
    /// How long the provider asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Refused { retry_after, .. } => *retry_after,
            Self::Gate
            | Self::Setup(_)
            | Self::Request { .. }
            | Self::Answer(_)
            | Self::Client(_)
            | Self::Key(_) => None,
        }
    }
}

impl Cloud {
    /// Identities by these settings; ServiceAccounts are read, and their tokens asked for, with this client.
    pub fn new(kube: kube::Client, settings: Settings) -> Self {
        Self {
            keys: Kept::new(settings.most, settings.life),
            tokens: Kept::new(settings.most, settings.life),
            logins: Kept::new(settings.most, settings.life),
            kube,
            settings,
        }
    }

    /// Whether an object may name a ServiceAccount.
    pub fn object_level(&self) -> bool {
        self.settings.object_level
    }
}

impl std::fmt::Debug for Cloud {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cloud")
    }
}

/// A client for token services that an object's owner names. They are spoken to where they are: no redirect is followed.
fn client(tls: &Tls, proxy: Option<&Proxy>) -> Result<Client, CloudError> {
    finished(peer::http::builder(tls, proxy).map_err(CloudError::Client)?)
}

/// A client for the providers' token services. Without TLS a proxy that an object names would hear what an identity that is
/// not the object's own is granted: such a service, which only our own environment can name, is spoken to without it.
fn client_of(who: &Who<'_>) -> Result<Client, CloudError> {
    if who.is_its_own() {
        return client(&Tls::default(), who.proxy);
    }
    let mut builder = peer::http::builder(&Tls::default(), None).map_err(CloudError::Client)?;
    if let Some(proxy) = who.proxy {
        builder = builder.proxy(proxy.for_tls().map_err(CloudError::Client)?);
    }
    finished(builder)
}

/// A client for the services of the machine and the container that we run in, which tell everything to whoever asks. No
/// proxy leads to them: neither one that an object names, to which it would all be told, nor the environment's.
fn direct() -> Result<Client, CloudError> {
    let builder = peer::http::builder(&Tls::default(), None).map_err(CloudError::Client)?;
    finished(builder.no_proxy())
}

fn finished(builder: ClientBuilder) -> Result<Client, CloudError> {
    let builder = builder.connect_timeout(CONNECT).timeout(ANSWER);
    let builder = builder.redirect(redirect::Policy::none());
    builder.build().map_err(CloudError::Client)
}

/// A variable of the environment that is set to something.
fn env(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether a secret may go to a URL: over TLS, or to this machine.
fn is_safe(url: &url::Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

/// Whether a URL leads to this machine, unless a proxy has another idea of that.
pub fn is_loopback(url: &url::Url) -> bool {
    match url.host() {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
