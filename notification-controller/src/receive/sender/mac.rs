//! Signatures with a shared key (RFC 2104), compared in constant time.

use super::Refused;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::{Sha256, Sha512};

/// Holds that `value`, as in `sha256=<hex>`, signs the body with the token.
pub fn prefixed(name: &str, value: &str, token: &[u8], body: &[u8]) -> Result<(), Refused> {
    let (algorithm, hex) = value.split_once('=').unwrap_or(("", value));
    match algorithm {
        "sha1" => sha1(name, hex, token, body),
        "sha256" => verify(name, hex, token, |key, mac| {
            Hmac::<Sha256>::new_from_slice(key).is_ok_and(|h| h.chain_update(body).verify_slice(mac).is_ok())
        }),
        "sha512" => verify(name, hex, token, |key, mac| {
            Hmac::<Sha512>::new_from_slice(key).is_ok_and(|h| h.chain_update(body).verify_slice(mac).is_ok())
        }),
        _ => Err(Refused(format!(
            "the header {name} names no algorithm of sha1, sha256 and sha512"
        ))),
    }
}

/// Holds that `hex` is the SHA-1 signature of the body.
pub fn sha1(name: &str, hex: &str, token: &[u8], body: &[u8]) -> Result<(), Refused> {
    verify(name, hex, token, |key, mac| {
        Hmac::<Sha1>::new_from_slice(key).is_ok_and(|h| h.chain_update(body).verify_slice(mac).is_ok())
    })
}

fn verify(name: &str, hex: &str, token: &[u8], signs: impl Fn(&[u8], &[u8]) -> bool) -> Result<(), Refused> {
    if token.is_empty() {
        return Err(Refused("an empty token signs nothing".into()));
    }
    let mac = hex::decode(hex).map_err(|_| Refused(format!("the header {name} is not hexadecimal")))?;
    // Of another length as well: nothing but the whole signature is one.
    if signs(token, &mac) {
        Ok(())
    } else {
        Err(Refused(format!(
            "the header {name} does not sign the body with the token"
        )))
    }
}
