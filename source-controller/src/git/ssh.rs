//! The SSH transport: one `git-upload-pack` on the other side, spoken to without an `ssh` program.

use russh::keys::{PrivateKey, decode_secret_key};

use super::auth::SshAuth;
use super::error::RemoteError;
use super::http::Failure;
use super::remote::{BoxedTransport, Call};

/// Why a private key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdentityError {
    /// It needs a passphrase and none was given.
    Encrypted,
    /// It is no key, or the passphrase is wrong.
    Invalid,
}

/// What can go wrong between us and an SSH server.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// Not there yet.
    #[error("ssh is not supported yet")]
    Unsupported,
}

/// Reads the private key, decrypting it if need be.
pub(super) fn parse_identity(auth: &SshAuth) -> Result<PrivateKey, IdentityError> {
    let text = std::str::from_utf8(auth.identity.expose()).map_err(|_| IdentityError::Invalid)?;
    let passphrase = auth
        .passphrase
        .as_ref()
        .map(|secret| String::from_utf8_lossy(secret.expose()));
    match decode_secret_key(text, passphrase.as_deref()) {
        Ok(key) if key.is_encrypted() => Err(IdentityError::Encrypted),
        Ok(key) => Ok(key),
        Err(russh::keys::Error::KeyIsEncrypted) => Err(IdentityError::Encrypted),
        Err(_) => Err(IdentityError::Invalid),
    }
}

/// A transport to the repository.
pub(super) fn connect(
    _call: Call<'_>,
    _auth: &SshAuth,
    _failure: Failure,
) -> Result<BoxedTransport, RemoteError> {
    Err(RemoteError::Ssh(SshError::Unsupported))
}
