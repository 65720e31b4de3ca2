//! PURE: OpenPGP signatures (RFC 9580), and which of the keys in a Secret may make them: of commits, tags and charts.

use std::io::Cursor;

use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag, VerifyingKey};
use sha2::{Digest as _, Sha256};

/// Clocks differ; a signature from a little in the future is fine. Seconds.
const SKEW: u64 = 24 * 3600;
/// So many signatures of one text are looked at.
const MAX_SIGNATURES: usize = 16;
/// So often a text is compared with a key, for all its signatures: each reads all of it.
const MAX_TRIES: u32 = 256;
/// How an armored key ring begins.
const ARMOR: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";

/// Public keys of those who are trusted.
#[derive(Debug, Clone)]
pub struct Keys {
    keys: Vec<SignedPublicKey>,
    fingerprint: [u8; 32],
}

/// Who made a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The id of the primary key: 16 hexadecimal digits.
    pub key: String,
    /// Until when the signature is good, in seconds since 1970; `u64::MAX` if for ever.
    pub until: u64,
}

/// Why a signature is not good.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// It cannot be read.
    #[error("unable to read the signature: {0}")]
    Malformed(String),
    /// There is nothing to compare it with.
    #[error("there is no readable OpenPGP public key")]
    NoKeys,
    /// Its maker is not trusted.
    #[error("the signature is by a key that is not among those given ({0})")]
    Unknown(String),
    /// It says to be of a trusted key, and is not: the text is another.
    #[error("the signature by the key '{0}' does not match the signed text")]
    Mismatch(String),
    /// It is no signature of a text, or by a hash that can be forged.
    #[error("the signature by the key '{0}' is of a kind or a hash that is not accepted")]
    Unacceptable(String),
    /// It was made in the future, or its time is over.
    #[error("the signature by the key '{0}' is not valid at this time")]
    NotCurrent(String),
    /// The key's time is over.
    #[error("the key '{0}' has expired")]
    Expired(String),
    /// Its owner has taken the key back.
    #[error("the key '{0}' is revoked")]
    Revoked(String),
    /// The key is for something else.
    #[error("the key '{0}' may not make signatures")]
    NotForSigning(String),
}

impl Keys {
    /// The keys of rings, each armored (one block or several, one after the other) or in binary. What cannot be read is
    /// passed over: one bad ring does not take the others' trust away.
    pub fn read<'a>(rings: impl Iterator<Item = &'a [u8]>) -> Self {
        let (mut keys, mut hash) = (Vec::new(), Sha256::new());
        for ring in rings {
            hash.update((ring.len() as u64).to_be_bytes());
            hash.update(ring);
            // A text may begin so as well, with a byte order mark.
            let is_binary = ring.first().is_some_and(|byte| byte & 0x80 != 0);
            let binary = is_binary.then(|| SignedPublicKey::from_bytes_many(Cursor::new(ring)));
            let before = keys.len();
            keys.extend(binary.into_iter().flatten().flatten().filter(Result::is_ok));
            if keys.len() > before {
                continue;
            }
            for block in blocks(ring) {
                let read = SignedPublicKey::from_armor_many(Cursor::new(block));
                keys.extend(read.into_iter().flat_map(|(keys, _)| keys));
            }
        }
        Self {
            keys: keys.into_iter().flatten().collect(),
            fingerprint: hash.finalize().into(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Equal for keys from equal rings, and no others.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }
}

/// The armored blocks of a text.
fn blocks(text: &[u8]) -> Vec<&[u8]> {
    let begins = |at: &usize| text.get(*at..).is_some_and(|rest| rest.starts_with(ARMOR));
    let starts: Vec<usize> = (0..text.len()).filter(begins).collect();
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    let ranges = starts.iter().zip(ends);
    ranges.filter_map(|(start, end)| text.get(*start..end)).collect()
}

/// Who, of the owners of the keys, made an armored signature of a text. Of several signatures the first one by a known key
/// decides, as for Git and Helm.
///
/// # Errors
/// See [`SignatureError`].
pub fn check(armor: &[u8], text: &[u8], keys: &Keys, now: u64) -> Result<Signer, SignatureError> {
    let malformed = |error: pgp::errors::Error| SignatureError::Malformed(error.to_string());
    if keys.is_empty() {
        return Err(SignatureError::NoKeys);
    }
    let (signatures, _) = DetachedSignature::from_armor_many(Cursor::new(armor)).map_err(malformed)?;
    let (mut unknown, mut tries) = (Vec::new(), MAX_TRIES);
    for signature in signatures.take(MAX_SIGNATURES) {
        let signature = signature.map_err(malformed)?.signature;
        match decide(&signature, text, keys, (now, &mut tries)) {
            Some(decision) => return decision,
            None => unknown.push(issuer(&signature)),
        }
    }
    if unknown.is_empty() {
        return Err(SignatureError::Malformed("there is none".to_owned()));
    }
    Err(SignatureError::Unknown(unknown.join(", ")))
}

/// What comes of a signature by one of the keys; `None` if it is by none of them. A key may be there more than once, as it
/// was at several times: one good copy will do.
fn decide(
    signature: &Signature,
    text: &[u8],
    keys: &Keys,
    (now, tries): (u64, &mut u32),
) -> Option<Result<Signer, SignatureError>> {
    let mut refusal = None;
    for key in &keys.keys {
        let primary = is_by(signature, &key.primary_key).then_some(None);
        let subkeys = key.public_subkeys.iter();
        let subkeys = subkeys.filter(|subkey| is_by(signature, &subkey.key)).map(Some);
        for part in primary.into_iter().chain(subkeys) {
            let Some(left) = tries.checked_sub(1) else {
                return refusal;
            };
            *tries = left;
            let made = match part {
                None => signature.verify(&key.primary_key, text),
                Some(subkey) => signature.verify(&subkey.key, text),
            };
            let decision = match made {
                Ok(()) => judge(signature, key, part, now),
                // One that names nobody may be anybody's: that it is not of this key is not to say that it is wrong.
                Err(_) if !names_issuer(signature) => continue,
                Err(_) => Err(SignatureError::Mismatch(id(&key.primary_key))),
            };
            match decision {
                Ok(signer) => return Some(Ok(signer)),
                Err(error) => refusal = refusal.or(Some(Err(error))),
            }
        }
    }
    refusal
}

/// Whether a signature says to be by a key, or does not say by which.
fn is_by(signature: &Signature, key: &impl KeyDetails) -> bool {
    if !names_issuer(signature) {
        return true;
    }
    let (id, fingerprint) = (key.legacy_key_id(), key.fingerprint());
    signature.issuer_key_id().into_iter().any(|named| *named == id)
        || signature
            .issuer_fingerprint()
            .into_iter()
            .any(|named| *named == fingerprint)
}

fn names_issuer(signature: &Signature) -> bool {
    !(signature.issuer_key_id().is_empty() && signature.issuer_fingerprint().is_empty())
}

/// Whom a signature names, for people.
fn issuer(signature: &Signature) -> String {
    let ids = signature.issuer_key_id();
    let fingerprints = signature.issuer_fingerprint();
    let found = ids.first().map(|id| hex::encode_upper(id.as_ref()));
    let found = found.or_else(|| fingerprints.first().map(|print| format!("{print:X}")));
    found.unwrap_or_else(|| "it names none".to_owned())
}

fn id(key: &impl KeyDetails) -> String {
    hex::encode_upper(key.legacy_key_id().as_ref())
}

/// Whether a signature that a key, or one of its subkeys, did make is worth something.
fn judge(
    signature: &Signature,
    key: &SignedPublicKey,
    subkey: Option<&SignedPublicSubKey>,
    now: u64,
) -> Result<Signer, SignatureError> {
    let (primary, name) = (&key.primary_key, id(&key.primary_key));
    if !is_acceptable(signature) {
        return Err(SignatureError::Unacceptable(name));
    }
    let Some(until) = current(signature, now) else {
        return Err(SignatureError::NotCurrent(name));
    };
    let mut revocations = key.details.revocation_signatures.iter();
    if revocations.any(|revocation| revocation.verify_key(primary).is_ok()) {
        return Err(SignatureError::Revoked(name));
    }
    let Some((own, own_until)) = newest(self_signatures(key), now) else {
        return Err(SignatureError::NotForSigning(name));
    };
    let key_until = end(primary, own);
    if now >= key_until {
        return Err(SignatureError::Expired(name));
    }
    let used_until = match subkey {
        None if may_sign(own) => u64::MAX,
        None => return Err(SignatureError::NotForSigning(name)),
        Some(subkey) => of_subkey(key, subkey, now)?,
    };
    let ends = [until, own_until, key_until, used_until];
    Ok(Signer {
        key: name,
        until: ends.into_iter().min().unwrap_or_default(),
    })
}

/// A signature over data, by a hash that still means something.
fn is_acceptable(signature: &Signature) -> bool {
    let weak = [HashAlgorithm::Md5, HashAlgorithm::Sha1, HashAlgorithm::Ripemd160];
    let kind = matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text));
    kind && signature.hash_alg().is_some_and(|hash| !weak.contains(&hash))
}

/// Until when a signature is good that was made by now, unless it has expired.
fn current(signature: &Signature, now: u64) -> Option<u64> {
    let created = signature.created().map(|created| u64::from(created.as_secs()))?;
    let lifetime = signature
        .signature_expiration_time()
        .map_or(0, |lifetime| u64::from(lifetime.as_secs()));
    let until = if lifetime == 0 {
        u64::MAX
    } else {
        created + lifetime
    };
    (created <= now.saturating_add(SKEW) && now < until).then_some(until)
}

/// The newest of signatures that are good now, and until when it is.
fn newest<'s>(signatures: impl Iterator<Item = &'s Signature>, now: u64) -> Option<(&'s Signature, u64)> {
    let current = signatures.filter_map(|signature| current(signature, now).map(|until| (signature, until)));
    current.max_by_key(|(signature, _)| signature.created().map(|created| created.as_secs()))
}

/// Those of a key on itself that are its own: they say what the key is for and until when.
fn self_signatures(key: &SignedPublicKey) -> impl Iterator<Item = &Signature> {
    let primary = &key.primary_key;
    let direct = key
        .details
        .direct_signatures
        .iter()
        .filter(|signature| signature.verify_key(primary).is_ok());
    let users = key.details.users.iter().flat_map(|user| {
        let good = |signature: &&Signature| {
            signature.is_certification()
                && signature
                    .verify_certification(primary, Tag::UserId, &user.id)
                    .is_ok()
        };
        user.signatures.iter().filter(good)
    });
    direct.chain(users)
}

/// A primary key that says nothing about its use may be used for what it can do.
fn may_sign(own: &Signature) -> bool {
    let flags = own.key_flags();
    let says_something = flags.sign()
        || flags.certify()
        || flags.encrypt_comms()
        || flags.encrypt_storage()
        || flags.authentication();
    flags.sign() || !says_something
}

/// Until when a subkey signs for its owner: the primary key has to say so, the subkey to agree, and neither may have been
/// taken back.
fn of_subkey(key: &SignedPublicKey, subkey: &SignedPublicSubKey, now: u64) -> Result<u64, SignatureError> {
    let (primary, name) = (&key.primary_key, id(&subkey.key));
    let bound = |signature: &&Signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok();
    let of_type = |kind| {
        subkey
            .signatures
            .iter()
            .filter(move |signature| signature.typ() == Some(kind))
    };
    if of_type(SignatureType::SubkeyRevocation).any(|signature| bound(&signature)) {
        return Err(SignatureError::Revoked(name));
    }
    let found = newest(of_type(SignatureType::SubkeyBinding).filter(bound), now);
    let found = found.filter(|(binding, _)| {
        let agrees = binding
            .embedded_signature()
            .is_some_and(|embedded| embedded.verify_primary_key_binding(&subkey.key, primary).is_ok());
        binding.key_flags().sign() && agrees
    });
    let Some((binding, until)) = found else {
        return Err(SignatureError::NotForSigning(name));
    };
    let key_until = end(&subkey.key, binding);
    if now >= key_until {
        return Err(SignatureError::Expired(name));
    }
    Ok(until.min(key_until))
}

/// When a key expires, by what is signed of it.
fn end(key: &impl VerifyingKey, signature: &Signature) -> u64 {
    let lifetime = signature
        .key_expiration_time()
        .map_or(0, |lifetime| u64::from(lifetime.as_secs()));
    if lifetime == 0 {
        u64::MAX
    } else {
        u64::from(key.created_at().as_secs()) + lifetime
    }
}
