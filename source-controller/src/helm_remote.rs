//! Helm repositories over HTTP as all their users share them: access, clients, indexes, charts.
//!
//! 1. [`Access::read`] (I/O) reads the Secrets that a HelmRepository names.
//! 2. [`Remotes::get`] gives the client that all users of this URL and access share.
//! 3. [`Indexes::fetch`] has its index: one request for all who want it at a time, and none of its content if it is known.
//! 4. [`Indexes::choose`] finds the version of a chart that is meant; [`Remote::chart`] downloads it.

mod access;
mod counts;
mod indexes;
mod remote;
mod remotes;
mod stored;
mod tables;
mod url;

pub use access::{Access, is_static};
pub use indexes::{Failed, Fetched, Indexes, Limits};
pub use remote::{Remote, RemoteError};
pub use remotes::{Id, Remotes};
pub use tables::TableError;
pub use url::{is_oci, normalized, resolve};
