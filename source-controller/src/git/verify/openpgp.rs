//! PURE: OpenPGP signatures (RFC 9580), and which of a ring's keys may make them.

use std::io::Cursor;

use pgp::composed::{Deserializable, DetachedSignature, SignedPublicKey, SignedPublicSubKey};
use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{Signature, SignatureType};
use pgp::types::{KeyDetails, Tag, VerifyingKey};

use super::SignatureError;

/// Clocks differ; a signature from a little in the future is fine. Seconds.
const SKEW: u64 = 24 * 3600;

/// The id of the primary key, of those in armored rings, whose owner made the signature.
pub(super) fn check<'a>(
    armor: &[u8],
    payload: &[u8],
    rings: impl Iterator<Item = &'a [u8]>,
    now: u64,
) -> Result<String, SignatureError> {
    let malformed = |error: pgp::errors::Error| SignatureError::Malformed(error.to_string());
    let (signature, _) = DetachedSignature::from_armor_single(Cursor::new(armor)).map_err(malformed)?;
    if !is_acceptable(&signature.signature, now) {
        return Err(SignatureError::NoMatch);
    }
    let mut any = false;
    for ring in rings {
        let Ok((keys, _)) = SignedPublicKey::from_armor_many(Cursor::new(ring)) else {
            continue;
        };
        for key in keys.flatten() {
            any = true;
            if signed_by(&signature, payload, &key, now) {
                return Ok(hex::encode_upper(key.primary_key.legacy_key_id().as_ref()));
            }
        }
    }
    Err(if any {
        SignatureError::NoMatch
    } else {
        SignatureError::NoKeyRings
    })
}

/// A signature over data, by a hash that still means something, and not yet or no longer out of date.
fn is_acceptable(signature: &Signature, now: u64) -> bool {
    let weak = [HashAlgorithm::Md5, HashAlgorithm::Sha1, HashAlgorithm::Ripemd160];
    let kind = matches!(signature.typ(), Some(SignatureType::Binary | SignatureType::Text));
    let hash = signature.hash_alg().is_some_and(|hash| !weak.contains(&hash));
    kind && hash && is_current(signature, now)
}

/// Whether a signature was made by now and has not expired.
fn is_current(signature: &Signature, now: u64) -> bool {
    let Some(created) = signature.created().map(|created| u64::from(created.as_secs())) else {
        return false;
    };
    let lifetime = signature
        .signature_expiration_time()
        .map_or(0, |lifetime| u64::from(lifetime.as_secs()));
    created <= now + SKEW && (lifetime == 0 || now < created + lifetime)
}

fn signed_by(signature: &DetachedSignature, payload: &[u8], key: &SignedPublicKey, now: u64) -> bool {
    let primary = &key.primary_key;
    let revoked = key
        .details
        .revocation_signatures
        .iter()
        .any(|revocation| revocation.verify_key(primary).is_ok());
    let Some(own) = self_signature(key, now).filter(|_| !revoked) else {
        return false;
    };
    if is_expired(primary, own, now) {
        return false;
    }
    // A primary key that says nothing about its use may be used for what it can do.
    let flags = own.key_flags();
    let says_nothing = !(flags.sign()
        || flags.certify()
        || flags.encrypt_comms()
        || flags.encrypt_storage()
        || flags.authentication());
    if (flags.sign() || says_nothing) && signature.verify(primary, payload).is_ok() {
        return true;
    }
    let mut subkeys = key
        .public_subkeys
        .iter()
        .filter(|subkey| may_sign(key, subkey, now));
    subkeys.any(|subkey| signature.verify(&subkey.key, payload).is_ok())
}

/// The newest good signature of a key on itself: it says what the key is for and until when.
fn self_signature(key: &SignedPublicKey, now: u64) -> Option<&Signature> {
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
    let current = direct.chain(users).filter(|signature| is_current(signature, now));
    current.max_by_key(|signature| signature.created().map(|created| created.as_secs()))
}

/// A subkey signs for its owner if the primary key says so, the subkey agrees, and neither has been taken back.
fn may_sign(key: &SignedPublicKey, subkey: &SignedPublicSubKey, now: u64) -> bool {
    let primary = &key.primary_key;
    let bound = |signature: &&Signature| signature.verify_subkey_binding(primary, &subkey.key).is_ok();
    let of_type = |kind| {
        subkey
            .signatures
            .iter()
            .filter(move |signature| signature.typ() == Some(kind))
    };
    if of_type(SignatureType::SubkeyRevocation).any(|signature| bound(&signature)) {
        return false;
    }
    let bindings = of_type(SignatureType::SubkeyBinding)
        .filter(bound)
        .filter(|signature| is_current(signature, now));
    let newest = bindings.max_by_key(|signature| signature.created().map(|created| created.as_secs()));
    newest.is_some_and(|binding| {
        let agrees = binding
            .embedded_signature()
            .is_some_and(|embedded| embedded.verify_primary_key_binding(&subkey.key, primary).is_ok());
        binding.key_flags().sign() && agrees && !is_expired(&subkey.key, binding, now)
    })
}

fn is_expired(key: &impl VerifyingKey, signature: &Signature, now: u64) -> bool {
    let lifetime = signature
        .key_expiration_time()
        .map_or(0, |lifetime| u64::from(lifetime.as_secs()));
    lifetime > 0 && now >= u64::from(key.created_at().as_secs()) + lifetime
}
