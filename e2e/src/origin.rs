//! The world outside the cluster: Git repositories, and the servers that offer them.

pub mod authority;
pub mod git;
pub mod helm;
pub mod oci;
pub mod repository;
pub mod ssh;

pub use authority::{Authority, Identity};
pub use git::{Auth, Counts, GitServer, Tls};
pub use helm::{HelmServer, Page, Seen};
pub use oci::{Artifact, Guard, Registry};
pub use repository::{Change, Repo, git};
pub use ssh::{SshKey, SshServer};
