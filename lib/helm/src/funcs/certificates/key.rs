//! Private keys: made, read and written in PEM, and signing.

use super::der::{bits, expect, integer, octets, oid, sequence, tlv};
use aws_lc_rs::encoding::{AsBigEndian as _, AsDer as _, Curve25519SeedBin, EcPrivateKeyBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A private key. The library that makes it has its own source of randomness.
pub(super) enum Key {
    Rsa {
        pkcs1: Vec<u8>,
        pair: Box<RsaKeyPair>,
    },
    Ecdsa {
        private: Vec<u8>,
        pair: Box<EcdsaKeyPair>,
    },
    Ed25519 {
        seed: Vec<u8>,
        pair: Box<Ed25519KeyPair>,
    },
}

const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
const RSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
const EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
const ECDSA_SHA256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];

type Result<T> = std::result::Result<T, String>;

impl Key {
    pub fn rsa(bits: u32) -> Result<Key> {
        let size = if bits == 4096 {
            KeySize::Rsa4096
        } else {
            KeySize::Rsa2048
        };
        let failed = |_| "error generating rsa key: crypto library failed".to_string();
        let pair = RsaKeyPair::generate(size).map_err(failed)?;
        let pkcs8 = pair.as_der().map_err(failed)?;
        let pkcs1 = inner_key(pkcs8.as_ref()).ok_or("error generating rsa key: malformed key")?;
        Ok(Key::Rsa {
            pkcs1,
            pair: Box::new(pair),
        })
    }

    pub fn ecdsa() -> Result<Key> {
        let failed = |_| "failed to generate private key: crypto library failed".to_string();
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).map_err(failed)?;
        let private: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(failed)?;
        let private = private.as_ref().to_vec();
        Ok(Key::Ecdsa {
            private,
            pair: Box::new(pair),
        })
    }

    pub fn ed25519() -> Result<Key> {
        let failed = |_| "failed to generate private key: crypto library failed".to_string();
        let pair = Ed25519KeyPair::generate().map_err(failed)?;
        let seed: Curve25519SeedBin<'_> = pair.seed().map_err(failed)?.as_be_bytes().map_err(failed)?;
        let seed = seed.as_ref().to_vec();
        Ok(Key::Ed25519 {
            seed,
            pair: Box::new(pair),
        })
    }

    /// Reads a key in PEM, in any of the forms that sprig accepts.
    pub fn parse(pem: &str) -> Result<Key> {
        let (label, der) = pem_decode(pem).ok_or("no PEM data in input")?;
        match label.as_str() {
            "PRIVATE KEY" => {
                Key::from_pkcs8(&der).ok_or_else(|| "decoding PEM as PKCS#8: malformed key".to_string())
            }
            "RSA PRIVATE KEY" => Key::from_pkcs1(der)
                .ok_or_else(|| "parsing RSA private key from PEM: malformed key".to_string()),
            "EC PRIVATE KEY" => Key::from_sec1(&der)
                .ok_or_else(|| "parsing EC private key from PEM: malformed key".to_string()),
            other => match other.strip_suffix(" PRIVATE KEY") {
                Some(kind) => Err(format!("invalid private key type {kind}")),
                None => Err(format!("no private key data in PEM block of type {other}")),
            },
        }
    }

    fn from_pkcs8(der: &[u8]) -> Option<Key> {
        let (content, _) = expect(der, 0x30)?;
        let (_, rest) = expect(content, 2)?;
        let (algorithm, rest) = expect(rest, 0x30)?;
        let (kind, _) = expect(algorithm, 6)?;
        let (inner, _) = expect(rest, 4)?;
        match kind {
            RSA => Key::from_pkcs1(inner.to_vec()),
            EC => Key::from_sec1(inner),
            ED25519 => {
                let (seed, _) = expect(inner, 4)?;
                let pair = Ed25519KeyPair::from_seed_unchecked(seed).ok()?;
                Some(Key::Ed25519 {
                    seed: seed.to_vec(),
                    pair: Box::new(pair),
                })
            }
            _ => None,
        }
    }

    fn from_pkcs1(pkcs1: Vec<u8>) -> Option<Key> {
        let pair = RsaKeyPair::from_der(&pkcs1).ok()?;
        Some(Key::Rsa {
            pkcs1,
            pair: Box::new(pair),
        })
    }

    fn from_sec1(der: &[u8]) -> Option<Key> {
        let (content, _) = expect(der, 0x30)?;
        let (_, rest) = expect(content, 2)?;
        let (private, _) = expect(rest, 4)?;
        let pair = EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_ASN1_SIGNING, der).ok()?;
        Some(Key::Ecdsa {
            private: private.to_vec(),
            pair: Box::new(pair),
        })
    }

    /// The key as sprig writes it.
    pub fn pem(&self) -> String {
        match self {
            Key::Rsa { pkcs1, .. } => pem_encode("RSA PRIVATE KEY", pkcs1),
            Key::Ecdsa { private, pair } => {
                let der = sequence(&[
                    &integer(&[1]),
                    &octets(private),
                    &tlv(0xa0, &oid(P256)),
                    &tlv(0xa1, &bits(pair.public_key().as_ref(), 0)),
                ]);
                pem_encode("EC PRIVATE KEY", &der)
            }
            Key::Ed25519 { seed, .. } => {
                let der = sequence(&[&integer(&[]), &sequence(&[&oid(ED25519)]), &octets(&octets(seed))]);
                pem_encode("PRIVATE KEY", &der)
            }
        }
    }

    /// `SubjectPublicKeyInfo`, and the bits of the key in it.
    pub fn public(&self) -> (Vec<u8>, Vec<u8>) {
        let (algorithm, key) = match self {
            Key::Rsa { pair, .. } => (
                sequence(&[&oid(RSA), &[5, 0]]),
                pair.public_key().as_ref().to_vec(),
            ),
            Key::Ecdsa { pair, .. } => (
                sequence(&[&oid(EC), &oid(P256)]),
                pair.public_key().as_ref().to_vec(),
            ),
            Key::Ed25519 { pair, .. } => (sequence(&[&oid(ED25519)]), pair.public_key().as_ref().to_vec()),
        };
        (sequence(&[&algorithm, &bits(&key, 0)]), key)
    }

    /// The identifier of the algorithm that [`Key::sign`] uses.
    pub fn algorithm(&self) -> Vec<u8> {
        match self {
            Key::Rsa { .. } => sequence(&[&oid(RSA_SHA256), &[5, 0]]),
            Key::Ecdsa { .. } => sequence(&[&oid(ECDSA_SHA256)]),
            Key::Ed25519 { .. } => sequence(&[&oid(ED25519)]),
        }
    }

    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let failed = |_| "error creating certificate: crypto library failed".to_string();
        let random = SystemRandom::new();
        match self {
            Key::Rsa { pair, .. } => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(failed)?;
                Ok(signature)
            }
            Key::Ecdsa { pair, .. } => Ok(pair.sign(&random, message).map_err(failed)?.as_ref().to_vec()),
            Key::Ed25519 { pair, .. } => Ok(pair.sign(message).as_ref().to_vec()),
        }
    }
}

/// The key inside PKCS#8.
fn inner_key(der: &[u8]) -> Option<Vec<u8>> {
    let (content, _) = expect(der, 0x30)?;
    let (_, rest) = expect(content, 2)?;
    let (_, rest) = expect(rest, 0x30)?;
    Some(expect(rest, 4)?.0.to_vec())
}

/// PEM with lines of 64 characters.
pub(super) fn pem_encode(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}

/// The label and content of the first block.
pub(super) fn pem_decode(pem: &str) -> Option<(String, Vec<u8>)> {
    let begin = pem.find("-----BEGIN ")?;
    let rest = &pem[begin + 11..];
    let (label, rest) = rest.split_once("-----")?;
    let end = rest.find(&format!("-----END {label}-----"))?;
    let body: String = rest[..end].chars().filter(|c| !c.is_whitespace()).collect();
    Some((label.to_string(), STANDARD.decode(body).ok()?))
}
