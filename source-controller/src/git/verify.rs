//! PURE: whether a commit, or the tag that led to it, was signed by someone whom `spec.verify.secretRef` trusts.

mod sshsig;

use std::collections::BTreeMap;

use super::checkout::{Checkout, Signature};
use crate::openpgp::{self, Keys};
use crds::source::reason;

/// `spec.verify.mode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum VerifyMode {
    /// The commit. `head` is the same.
    #[default]
    Head,
    /// The annotated tag.
    Tag,
    /// Both.
    TagAndHead,
}

/// A source that is what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The message of the SourceVerified condition.
    pub message: String,
}

/// Why a source is not trusted.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The mode is about tags, and no annotated tag led here.
    #[error("cannot verify tag object's signature if a tag reference is not specified")]
    NoTag,
    /// The tag has no signature.
    #[error("cannot verify signature of tag '{0}' since it is not signed")]
    UnsignedTag(String),
    /// The tag's signature is not good.
    #[error("signature verification of tag '{tag}' failed")]
    Tag {
        /// `name@id`.
        tag: String,
        /// Why.
        #[source]
        source: SignatureError,
    },
    /// The commit's signature is not good, or there is none.
    #[error("signature verification of commit '{commit}' failed")]
    Commit {
        /// 40 hexadecimal digits.
        commit: String,
        /// Why.
        #[source]
        source: SignatureError,
    },
}

/// What is wrong with a signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// There is none.
    #[error("unable to verify payload as the provided signature is empty")]
    None,
    /// It is neither OpenPGP nor SSH.
    #[error("unsupported signature type")]
    Unsupported,
    /// It cannot be read.
    #[error("unable to read the signature: {0}")]
    Malformed(String),
    /// It is an SSH signature and the Secret has no SSH keys.
    #[error("the signature was made with an SSH key, and the secret has no '.sshpub' entry")]
    NoSshKeys,
    /// It is an OpenPGP signature and the Secret has no readable key ring.
    #[error("the signature was made with OpenPGP, and the secret has no readable armored key ring")]
    NoKeyRings,
    /// Nobody in the Secret made it.
    #[error("unable to verify payload with any of the given keys")]
    NoMatch,
}

impl From<openpgp::SignatureError> for SignatureError {
    /// In Flux's words, which do not say why a signature counts for nothing.
    fn from(error: openpgp::SignatureError) -> Self {
        use openpgp::SignatureError as Error;
        match error {
            Error::Malformed(problem) => Self::Malformed(problem),
            Error::NoKeys => Self::NoKeyRings,
            Error::Unknown(_)
            | Error::Mismatch(_)
            | Error::Unacceptable(_)
            | Error::NotCurrent(_)
            | Error::Expired(_)
            | Error::Revoked(_)
            | Error::NotForSigning(_) => Self::NoMatch,
        }
    }
}

impl VerifyMode {
    /// Reads the CRD's enum; an empty text is the default.
    #[must_use]
    pub fn parse(text: &str) -> Option<VerifyMode> {
        match text {
            "" | "head" | "HEAD" => Some(VerifyMode::Head),
            "Tag" => Some(VerifyMode::Tag),
            "TagAndHEAD" => Some(VerifyMode::TagAndHead),
            _ => None,
        }
    }
}

impl VerifyError {
    /// The reason of the SourceVerified condition.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            VerifyError::NoTag => reason::INVALID_VERIFICATION_MODE,
            VerifyError::UnsignedTag(_) => reason::INVALID_GIT_OBJECT,
            VerifyError::Tag { .. } => reason::INVALID_TAG_SIGNATURE,
            VerifyError::Commit { .. } => reason::INVALID_COMMIT_SIGNATURE,
        }
    }

    /// Whether nothing but a change of the spec can help.
    #[must_use]
    pub fn stalls(&self) -> bool {
        matches!(self, VerifyError::NoTag)
    }
}

/// Verifies what the mode asks for. Nothing is trusted unless a signature by one of the keys is found to be good.
///
/// `keys` is the Secret's data: entries named `*.sshpub` are in the format of `authorized_keys`, all others are OpenPGP
/// key rings, armored or in binary. `now` is in seconds since 1970.
///
/// # Errors
/// See [`VerifyError`].
pub fn verify(
    checkout: &Checkout,
    mode: VerifyMode,
    keys: &BTreeMap<String, Vec<u8>>,
    now: u64,
) -> Result<Verified, VerifyError> {
    let mut message = "verified signature of".to_owned();
    if mode != VerifyMode::Head {
        let (tag, signature) = checkout.tag().ok_or(VerifyError::NoTag)?;
        let signature = signature.ok_or_else(|| VerifyError::UnsignedTag(tag.clone()))?;
        let key = check(signature, keys, now).map_err(|source| VerifyError::Tag {
            tag: tag.clone(),
            source,
        })?;
        message += &format!("\n\t- tag '{tag}' with key '{key}'");
    }
    if mode != VerifyMode::Tag {
        let commit = checkout.commit();
        let signature = checkout.signature().ok_or(SignatureError::None);
        let key = signature.and_then(|signature| check(signature, keys, now));
        let key = key.map_err(|source| VerifyError::Commit {
            commit: commit.to_owned(),
            source,
        })?;
        message += &format!("\n\t- commit '{commit}' with key '{key}'");
    }
    Ok(Verified { message })
}

/// The name of the key that made the signature.
fn check(
    signature: &Signature,
    keys: &BTreeMap<String, Vec<u8>>,
    now: u64,
) -> Result<String, SignatureError> {
    let is_ssh = |name: &str| name.ends_with(".sshpub");
    let of_kind = |ssh: bool| {
        keys.iter()
            .filter(move |(name, _)| is_ssh(name) == ssh)
            .map(|(_, text)| text.as_slice())
    };
    let armor = signature.armor.trim_ascii_start();
    if armor.starts_with(b"-----BEGIN SSH SIGNATURE-----") {
        sshsig::check(armor, &signature.payload, of_kind(true))
    } else if armor.starts_with(b"-----BEGIN PGP SIGNATURE-----") {
        let signer = openpgp::check(armor, &signature.payload, &Keys::read(of_kind(false)), now)?;
        Ok(signer.key)
    } else {
        Err(SignatureError::Unsupported)
    }
}
