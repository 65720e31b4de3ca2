//! Git repositories as sources: what a reference points to, and the files of a commit, read from a local mirror.
//!
//! Blocking by design (the object database is files and zlib): call it from a blocking thread, never from an async task.
//! Nothing is ever checked out. A mirror is a bare repository per URL and credential; a fetch brings what is missing, and
//! blobs are read from it straight into the archive.
//!
//! 1. [`Auth::from_secret`] and [`Reference::from_spec`] (pure) read the spec.
//! 2. [`Mirrors::resolve`] asks the remote where the reference points (one listing, nothing fetched), [`Mirrors::look`] asks once
//!    for several who want to know.
//! 3. [`Mirrors::fetch`] brings that commit and gives a [`Checkout`].
//! 4. [`Checkout::listing`] lists files; [`Listing::ignore`] drops some; [`Listing::entries`] feeds [`artifact::pack`].

mod auth;
mod checkout;
mod deadline;
mod error;
mod gate;
mod github_app;
mod greeting;
mod http;
mod identity;
mod intake;
mod known_hosts;
mod listing;
mod mirror;
mod mirrors;
mod pack;
mod reader;
mod recent;
mod reference;
mod remote;
mod resolve;
mod room;
mod ssh;
mod ssh_algorithms;
mod submodules;
mod verify;

use std::time::Duration;

use url::Url;

pub use auth::{
    Auth, AuthError, Credentials, GitHubApp, HttpAuth, Identity, Installation, Login, Provider, Proxy,
    Secret, SshAuth, Tls,
};
pub use checkout::{Checkout, Signature};
pub use error::{CheckoutError, GitError, MirrorError, RemoteError, TokenError, UrlError};
pub use known_hosts::HostKeyError;
pub use listing::{Listing, ListingEntries};
pub use mirrors::{Limits, Mirrors};
pub use pack::PackError;
pub use reference::{Reference, ReferenceSpec, revision, same_revision};
pub use resolve::Resolved;
pub use ssh::SshError;
pub use ssh_algorithms::{HostKey, KeyExchange, SshAlgorithms, host_key, key_exchange};
pub use verify::{SignatureError, Verified, VerifyError, VerifyMode, verify};

/// What a GitRepository asks for.
#[derive(Debug, Clone)]
pub struct Request {
    /// `spec.url`, checked by [`parse_url`].
    pub url: Url,
    /// Login and trust.
    pub auth: Auth,
    /// `spec.proxySecretRef`.
    pub proxy: Option<Proxy>,
    /// `spec.ref`.
    pub reference: Reference,
    /// `spec.timeout`: everything, waiting for others included, must be over then.
    pub timeout: Duration,
    /// `spec.recurseSubmodules`.
    pub recurse_submodules: bool,
}

/// Reads `spec.url`.
///
/// # Errors
/// Text that is no URL, schemes but http, https and ssh, no host, and a host or user that an ssh program would take for an
/// option (CVE-2017-1000117 and its kin; we start no program, but do not pass such names on either).
pub fn parse_url(text: &str) -> Result<Url, GitError> {
    // Text that is no URL may still have a password in it.
    let shown = if text.contains('@') {
        http::bare(text)
    } else {
        text.to_owned()
    };
    let error = |source: UrlError| GitError::Url {
        url: shown.clone(),
        source,
    };
    let url = Url::parse(text).map_err(|source| error(source.into()))?;
    if !matches!(url.scheme(), "http" | "https" | "ssh") {
        return Err(error(UrlError::Scheme(url.scheme().to_owned())));
    }
    let host = url.host_str().unwrap_or_default();
    if host.is_empty() || host.starts_with('-') || url.username().starts_with('-') {
        return Err(error(UrlError::Host));
    }
    Ok(url)
}
