//! Private keys for ssh, in all forms that OpenSSH and Go write.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use russh::keys::{PrivateKey, decode_secret_key};

use peer::secret::Secret;
use sha2::Sha256;
use std::fmt;
use std::sync::Arc;

const BEGIN: &str = "-----BEGIN OPENSSH PRIVATE KEY-----";
const END: &str = "-----END OPENSSH PRIVATE KEY-----";
const MAGIC: &[u8] = b"openssh-key-v1\0";

/// Why a private key cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IdentityError {
    /// It needs a passphrase and none was given.
    Encrypted,
    /// It is no key, or the passphrase is wrong.
    Invalid,
}

/// A private key for ssh, ready to sign.
#[derive(Clone)]
pub struct Identity {
    text: Secret,
    key: Arc<PrivateKey>,
}

impl Identity {
    /// Reads a private key, decrypting it if need be: that takes a moment, as whoever chose a passphrase wanted it.
    pub(super) fn parse(text: Secret, passphrase: Option<&Secret>) -> Result<Identity, IdentityError> {
        let written = std::str::from_utf8(text.expose()).map_err(|_| IdentityError::Invalid)?;
        let passphrase = passphrase.map(|secret| String::from_utf8_lossy(secret.expose()));
        let padded = padded(written);
        match decode_secret_key(padded.as_deref().unwrap_or(written), passphrase.as_deref()) {
            Ok(key) if key.is_encrypted() => Err(IdentityError::Encrypted),
            Ok(key) => Ok(Identity {
                text,
                key: Arc::new(key),
            }),
            Err(russh::keys::Error::KeyIsEncrypted) => Err(IdentityError::Encrypted),
            Err(_) => Err(IdentityError::Invalid),
        }
    }

    /// The key, for the one place that signs with it.
    pub(super) fn key(&self) -> Arc<PrivateKey> {
        self.key.clone()
    }

    /// Equal for equal keys.
    pub(super) fn fingerprint(&self, into: &mut Sha256) {
        self.text.fingerprint(into);
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// An unencrypted OpenSSH key with its ECDSA scalar at full length, if it is one that is shorter.
///
/// OpenSSH leaves out leading zeros, which one in 256 scalars has; ssh-key 0.7.0-rc.11 then reads no key at all. (An
/// encrypted key of that kind still cannot be read.)
fn padded(text: &str) -> Option<String> {
    let inner = text.trim().strip_prefix(BEGIN)?.strip_suffix(END)?;
    let bytes = STANDARD
        .decode(inner.split_whitespace().collect::<String>())
        .ok()?;
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let cipher = string(&mut rest)?;
    let (kdf, options) = (string(&mut rest)?, string(&mut rest)?);
    let count = take(&mut rest, 4)?;
    let (public, mut private) = (string(&mut rest)?, string(&mut rest)?);
    if cipher != b"none" || count != 1u32.to_be_bytes() {
        return None;
    }
    let check = take(&mut private, 8)?;
    let (algorithm, curve) = (string(&mut private)?, string(&mut private)?);
    let length = match curve {
        b"nistp256" => 32,
        b"nistp384" => 48,
        b"nistp521" => 66,
        _ => return None,
    };
    let (point, scalar, comment) = (
        string(&mut private)?,
        string(&mut private)?,
        string(&mut private)?,
    );
    if scalar.len() >= length {
        return None;
    }
    let scalar = [vec![0; length - scalar.len()], scalar.to_vec()].concat();
    let mut private = check.to_vec();
    for part in [algorithm, curve, point, &scalar, comment] {
        push(&mut private, part);
    }
    let mut filler = 1;
    while private.len() % 8 != 0 {
        private.push(filler);
        filler += 1;
    }
    let mut whole = MAGIC.to_vec();
    for part in [cipher, kdf, options] {
        push(&mut whole, part);
    }
    whole.extend_from_slice(count);
    push(&mut whole, public);
    push(&mut whole, &private);
    let lines: Vec<String> = STANDARD
        .encode(whole)
        .as_bytes()
        .chunks(70)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    Some(format!("{BEGIN}\n{}\n{END}\n", lines.join("\n")))
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(count)?;
    *bytes = rest;
    Some(taken)
}

/// A string of the SSH wire format (RFC 4251 §5).
fn string<'a>(bytes: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_be_bytes(*take(bytes, 4)?.first_chunk()?);
    take(bytes, length as usize)
}

fn push(bytes: &mut Vec<u8>, part: &[u8]) {
    bytes.extend_from_slice(&(part.len() as u32).to_be_bytes());
    bytes.extend_from_slice(part);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key whose scalar is 1, written as OpenSSH writes scalars; its point is the curve's generator.
    fn one() -> String {
        let point = "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";
        let point = hex::decode(point).unwrap();
        let kind = &b"ecdsa-sha2-nistp256"[..];
        let join = |parts: &[&[u8]]| {
            let mut bytes = Vec::new();
            parts.iter().for_each(|part| push(&mut bytes, part));
            bytes
        };
        let public = join(&[kind, b"nistp256", &point]);
        let mut private = [vec![0; 8], join(&[kind, b"nistp256", &point, &[1], b""])].concat();
        private.extend(1..=(8 - private.len() % 8) as u8 % 8);
        let whole = [
            MAGIC,
            &join(&[b"none", b"none", b""]),
            &[0, 0, 0, 1],
            &join(&[&public, &private]),
        ]
        .concat();
        let lines: Vec<String> = STANDARD
            .encode(whole)
            .as_bytes()
            .chunks(70)
            .map(|line| String::from_utf8_lossy(line).into_owned())
            .collect();
        format!("{BEGIN}\n{}\n{END}\n", lines.join("\n"))
    }

    #[test]
    fn short_scalars() {
        let parse = |identity: &str| Identity::parse(Secret::new(identity), None);
        assert!(padded(&one()).is_some() && parse(&one()).is_ok());
        let invalid = Some(IdentityError::Invalid);
        assert_eq!(parse(&one().replace("AAAA", "BBBB")).err(), invalid);
        assert_eq!(parse("").err(), invalid);
    }
}
