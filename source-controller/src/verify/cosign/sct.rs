//! PURE: that a log of certificates has a certificate: the timestamps inside it (RFC 6962, sections 3.2 and 3.3).

use super::trusted_root::Log;
use crate::verify::{certificate::Certificate, key::Scheme};
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// The extension that holds the timestamps.
const TIMESTAMPS: &str = "1.3.6.1.4.1.11129.2.4.2";
/// So many are looked at.
const MAX: usize = 16;

/// A signed certificate timestamp.
struct Signed<'a> {
    log: &'a [u8],
    milliseconds: u64,
    extensions: &'a [u8],
    signature: &'a [u8],
}

/// Checks that at least one of the timestamps in a certificate is of a trusted log.
///
/// # Errors
/// That none is.
pub fn check(certificate: &Certificate, issuer: &Certificate, logs: &[Log]) -> Result<(), String> {
    let none = || "the certificate bears no timestamp of a trusted log of certificates (SCT)".to_owned();
    let list = certificate.extension(TIMESTAMPS).ok_or_else(none)?;
    let before = certificate.without_extension(TIMESTAMPS).ok_or_else(none)?;
    let issuer = Sha256::digest(issuer.key().spki());
    let good = |signed: &Signed<'_>| {
        let seconds = i64::try_from(signed.milliseconds / 1000).ok()?;
        let time = Timestamp::from_second(seconds).ok()?;
        let log = logs.iter().find(|log| log.id == signed.log)?;
        let message = signed.message(&issuer, &before)?;
        Some(log.counted_at(time) && log.key.signed(Scheme::Sha256, &message, signed.signature))
    };
    let found = timestamps(&list).ok_or_else(none)?;
    let any = found.iter().take(MAX).any(|signed| good(signed) == Some(true));
    any.then_some(()).ok_or_else(none)
}

impl Signed<'_> {
    /// What the log signed: version, kind, time, the certificate before it had the timestamp, extensions.
    fn message(&self, issuer: &[u8], before: &[u8]) -> Option<Vec<u8>> {
        let mut message = vec![0, 0];
        message.extend(self.milliseconds.to_be_bytes());
        message.extend([0, 1]);
        message.extend(issuer);
        let length = u32::try_from(before.len()).ok()?;
        message.extend(&length.to_be_bytes()[1..]);
        message.extend(before);
        message.extend(u16::try_from(self.extensions.len()).ok()?.to_be_bytes());
        message.extend(self.extensions);
        Some(message)
    }
}

/// The list in an extension: an octet string with a TLS vector of vectors.
fn timestamps(extension: &[u8]) -> Option<Vec<Signed<'_>>> {
    let list = match extension {
        [0x04, length @ 0..=0x7f, rest @ ..] if usize::from(*length) == rest.len() => rest,
        [0x04, 0x81, length, rest @ ..] if usize::from(*length) == rest.len() => rest,
        [0x04, 0x82, high, low, rest @ ..] if usize::from(*high) << 8 | usize::from(*low) == rest.len() => {
            rest
        }
        _ => return None,
    };
    let (mut list, rest) = vector(list)?;
    if !rest.is_empty() {
        return None;
    }
    let mut found = Vec::new();
    while !list.is_empty() {
        let (one, rest) = vector(list)?;
        list = rest;
        // Version 1 is the only one.
        let (version, one) = one.split_first()?;
        let (log, one) = one.split_at_checked(32)?;
        let (milliseconds, one) = one.split_at_checked(8)?;
        let (extensions, one) = vector(one)?;
        // Hash and signature algorithm: the key says them too.
        let (_, one) = one.split_at_checked(2)?;
        let (signature, rest) = vector(one)?;
        if *version == 0 && rest.is_empty() {
            found.push(Signed {
                log,
                milliseconds: u64::from_be_bytes(milliseconds.try_into().ok()?),
                extensions,
                signature,
            });
        }
    }
    Some(found)
}

/// A vector of up to 65535 bytes, and what follows it.
fn vector(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_at_checked(2)?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(length.try_into().ok()?)))
}
