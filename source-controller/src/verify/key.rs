//! PURE: public keys, and what they have signed. The arithmetic is the library's.

use aws_lc_rs::signature::{self as alg, UnparsedPublicKey, VerificationAlgorithm};
use x509_parser::{oid_registry as oid, prelude::FromDer as _, x509::SubjectPublicKeyInfo};

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    kind: Kind,
    /// As the library reads it: a point, an RSAPublicKey, or 32 bytes.
    bytes: Vec<u8>,
    /// SubjectPublicKeyInfo in DER, by which keys are compared and named.
    spki: Vec<u8>,
}

/// The kind of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// RSA of 2048 to 8192 bits.
    Rsa,
    /// Ed25519.
    Ed25519,
}

/// How a signature was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// By the key's kind with SHA-256: PKCS #1 v1.5 for RSA, DER for ECDSA. What keys in files are used with.
    Sha256,
    /// The same with SHA-384.
    Sha384,
    /// The same with SHA-512.
    Sha512,
    /// RSA-PSS or ECDSA of fixed length, with SHA-256 (JOSE `PS256`, `ES256`).
    Jose256,
    /// The same with SHA-384.
    Jose384,
    /// The same with SHA-512.
    Jose512,
}

impl PublicKey {
    /// Reads PEM (`PUBLIC KEY`) of one key.
    pub fn from_pem(text: &[u8]) -> Option<Self> {
        let blocks = crate::pem::blocks(text, "PUBLIC KEY");
        Self::from_spki(blocks.first()?)
    }

    /// Reads SubjectPublicKeyInfo in DER.
    pub fn from_spki(der: &[u8]) -> Option<Self> {
        let (rest, spki) = SubjectPublicKeyInfo::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let algorithm = &spki.algorithm.algorithm;
        let kind = if *algorithm == oid::OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = spki.algorithm.parameters.as_ref()?.as_oid().ok()?;
            if curve == oid::OID_EC_P256 {
                Kind::P256
            } else if curve == oid::OID_NIST_EC_P384 {
                Kind::P384
            } else if curve == oid::OID_NIST_EC_P521 {
                Kind::P521
            } else {
                return None;
            }
        } else if *algorithm == oid::OID_PKCS1_RSAENCRYPTION {
            Kind::Rsa
        } else if *algorithm == oid::OID_SIG_ED25519 {
            Kind::Ed25519
        } else {
            return None;
        };
        Some(Self {
            kind,
            bytes: spki.subject_public_key.data.to_vec(),
            spki: der.to_vec(),
        })
    }

    /// The kind.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// SubjectPublicKeyInfo in DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// Whether this key made a signature of a message, by a scheme.
    #[must_use]
    pub fn signed(&self, scheme: Scheme, message: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn VerificationAlgorithm = match (self.kind, scheme) {
            (Kind::P256, Scheme::Sha256) => &alg::ECDSA_P256_SHA256_ASN1,
            (Kind::P256, Scheme::Sha384) => &alg::ECDSA_P256_SHA384_ASN1,
            (Kind::P384, Scheme::Sha256) => &alg::ECDSA_P384_SHA256_ASN1,
            (Kind::P384, Scheme::Sha384) => &alg::ECDSA_P384_SHA384_ASN1,
            (Kind::P521, Scheme::Sha256) => &alg::ECDSA_P521_SHA256_ASN1,
            (Kind::P521, Scheme::Sha384) => &alg::ECDSA_P521_SHA384_ASN1,
            (Kind::P521, Scheme::Sha512) => &alg::ECDSA_P521_SHA512_ASN1,
            (Kind::P256, Scheme::Jose256) => &alg::ECDSA_P256_SHA256_FIXED,
            (Kind::P384, Scheme::Jose384) => &alg::ECDSA_P384_SHA384_FIXED,
            (Kind::P521, Scheme::Jose512) => &alg::ECDSA_P521_SHA512_FIXED,
            (Kind::Rsa, Scheme::Sha256) => &alg::RSA_PKCS1_2048_8192_SHA256,
            (Kind::Rsa, Scheme::Sha384) => &alg::RSA_PKCS1_2048_8192_SHA384,
            (Kind::Rsa, Scheme::Sha512) => &alg::RSA_PKCS1_2048_8192_SHA512,
            (Kind::Rsa, Scheme::Jose256) => &alg::RSA_PSS_2048_8192_SHA256,
            (Kind::Rsa, Scheme::Jose384) => &alg::RSA_PSS_2048_8192_SHA384,
            (Kind::Rsa, Scheme::Jose512) => &alg::RSA_PSS_2048_8192_SHA512,
            // The message itself is signed, whatever hash others would use.
            (Kind::Ed25519, Scheme::Sha256) => &alg::ED25519,
            (Kind::P256, _) | (Kind::P384, _) | (Kind::P521, _) | (Kind::Ed25519, _) => return false,
        };
        UnparsedPublicKey::new(algorithm, &self.bytes)
            .verify(message, signature)
            .is_ok()
    }

    /// Whether this key made a signature with the hash that goes with it, or with SHA-256, which older tools use for all.
    #[must_use]
    pub fn signed_by_kind(&self, message: &[u8], signature: &[u8]) -> bool {
        let own = match self.kind {
            Kind::P384 => Some(Scheme::Sha384),
            Kind::P521 => Some(Scheme::Sha512),
            Kind::P256 | Kind::Rsa | Kind::Ed25519 => None,
        };
        own.is_some_and(|own| self.signed(own, message, signature))
            || self.signed(Scheme::Sha256, message, signature)
    }
}
