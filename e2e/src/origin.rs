//! The world outside the cluster: Git repositories, and the servers that offer them.

pub mod authority;
pub mod git;
pub mod helm;
pub mod objects;
pub mod oci;
pub mod relay;
pub mod repository;
pub mod scripted;
pub mod signers;
pub mod sigstore;
pub mod sink;
pub mod socks;
pub mod ssh;
pub mod timestamps;
pub mod tunnel;

pub use authority::{Authority, Identity};
pub use git::{Auth, Counts, GitServer, Tls};
pub use helm::{HelmServer, Page, Seen};
pub use objects::{AzureServer, GcsServer, S3Server};
pub use oci::{Artifact, Clients, Guard, Registry};
pub use relay::Relay;
pub use repository::{Change, GitSigner, Repo, git};
pub use scripted::{Asked, Scripted};
pub use signers::{Cosign, Notation, Style};
pub use sigstore::Sigstore;
pub use sink::{Answer, Letter, Sink};
pub use socks::Socks;
pub use ssh::{SshKey, SshServer};
pub use timestamps::TimestampServer;
pub use tunnel::Tunnel;
