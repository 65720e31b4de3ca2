//! Artifacts in container registries: names, credentials, and a client for the distribution protocol.
//!
//! 1. [`Repository::parse`] (pure) reads a URL, [`Keychain`] (pure) finds the login for it.
//! 2. [`Registries::get`] gives the client that all users of this registry, trust and login share.
//! 3. [`Registry::resolve`], [`Registry::tags`], [`Registry::manifest`] and [`Registry::download`] ask it; [`Registry::layer`]
//!    downloads once what many want, [`Registry::look`] asks once.

mod challenge;
mod error;
mod identity;
mod keychain;
mod layer;
mod looks;
mod manifest;
mod name;
mod registries;
mod registry;

pub use error::OciError;
pub use identity::login;
pub use keychain::{CONFIG as DOCKER_CONFIG, Keychain, Login};
pub use manifest::{Descriptor, Manifest};
pub use name::{Reference, Repository};
pub use registries::{Access, Registries};
pub use registry::Registry;
