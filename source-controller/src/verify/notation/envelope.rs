//! PURE: envelopes of signatures, as JWS (RFC 7515) and as COSE (RFC 9052), brought to one shape.

mod cose;
mod jws;

use crate::verify::{
    certificate::Certificate,
    key::{Kind, Scheme as KeyScheme},
};
use jiff::Timestamp;

const JWS: &str = "application/jose+json";
const COSE: &str = "application/cose";
/// So many certificates may come along.
const MAX_CHAIN: usize = 16;

/// Header: how the signer is trusted.
const SCHEME: &str = "io.cncf.notary.signingScheme";
/// Header: when it was signed, by the signer's word.
const TIME: &str = "io.cncf.notary.signingTime";
/// Header: when it was signed, by the word of an authority.
const AUTHENTIC_TIME: &str = "io.cncf.notary.authenticSigningTime";
/// Header: until when the signature counts.
const EXPIRY: &str = "io.cncf.notary.expiry";

/// Header, not signed: the word of somebody else on when it was signed.
const TIMESTAMP: &str = "io.cncf.notary.timestampSignature";

/// How a signer is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// By a certificate.
    X509,
    /// By a certificate of somebody who also vouches for the time.
    SigningAuthority,
}

/// An envelope that was read; nothing of it is checked.
#[derive(Debug)]
pub struct Envelope {
    /// What is signed.
    pub payload: Vec<u8>,
    /// Its media type.
    pub content_type: String,
    /// How the signer is trusted.
    pub scheme: Scheme,
    /// When it was signed, as it says.
    pub signing_time: Timestamp,
    /// Until when it counts.
    pub expiry: Option<Timestamp>,
    /// The signer's certificate and those above it; there is at least one.
    pub chain: Vec<Certificate>,
    /// The word of somebody else on when it was signed (RFC 3161).
    pub timestamp: Option<Vec<u8>>,
    /// What the signature is over.
    message: Vec<u8>,
    signature: Vec<u8>,
    algorithm: KeyScheme,
}

/// The headers that are signed, as both formats have them.
#[derive(Debug, Default)]
struct Headers {
    algorithm: Option<KeyScheme>,
    /// Whether the algorithm is RSA's.
    is_rsa: bool,
    content_type: String,
    critical: Vec<String>,
    scheme: String,
    time: Option<Timestamp>,
    authentic_time: Option<Timestamp>,
    expiry: Option<Timestamp>,
    /// Not signed, unlike all else here.
    timestamp: Option<Vec<u8>>,
}

impl Envelope {
    /// Reads an envelope of a media type.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(media_type: &str, text: &[u8]) -> Result<Self, String> {
        match media_type {
            JWS => jws::parse(text),
            COSE => cose::parse(text),
            other => Err(format!("envelopes of the type '{other}' are not known")),
        }
    }

    /// The signer's certificate.
    pub fn leaf(&self) -> &Certificate {
        // There is one: `assemble` refuses an empty chain.
        &self.chain[0]
    }

    /// The signature itself.
    pub fn signature(&self) -> &[u8] {
        &self.signature
    }

    /// Whether the signer's key made the signature.
    pub fn is_signed(&self) -> bool {
        self.leaf()
            .key()
            .signed(self.algorithm, &self.message, &self.signature)
    }
}

/// Puts an envelope together from what a format has.
fn assemble(
    headers: Headers,
    chain: Vec<Vec<u8>>,
    payload: Vec<u8>,
    message: Vec<u8>,
    signature: Vec<u8>,
) -> Result<Envelope, String> {
    let scheme = match headers.scheme.as_str() {
        "notary.x509" => Scheme::X509,
        "notary.x509.signingAuthority" => Scheme::SigningAuthority,
        other => return Err(format!("the signing scheme '{other}' is not known")),
    };
    // What must be understood and is not makes the envelope one that we cannot judge; what a plugin would is among it.
    let known = [SCHEME, EXPIRY, AUTHENTIC_TIME];
    if let Some(unknown) = headers
        .critical
        .iter()
        .find(|name| !known.contains(&name.as_str()))
    {
        return Err(format!(
            "the envelope has '{unknown}', which must be understood and is not"
        ));
    }
    let must = [
        (true, SCHEME),
        (headers.expiry.is_some(), EXPIRY),
        (scheme == Scheme::SigningAuthority, AUTHENTIC_TIME),
    ];
    if must
        .iter()
        .any(|(is_there, name)| *is_there && !headers.critical.iter().any(|found| found == name))
    {
        return Err("the envelope does not mark as critical what it must".into());
    }
    let time = match scheme {
        Scheme::X509 => headers.time,
        Scheme::SigningAuthority => headers.authentic_time,
    };
    let chain = chain.iter().take(MAX_CHAIN).map(|der| Certificate::from_der(der));
    let chain: Vec<Certificate> = chain
        .collect::<Option<_>>()
        .ok_or("a certificate cannot be read")?;
    let leaf = chain.first().ok_or("the envelope has no certificate")?;
    if (leaf.key().kind() == Kind::Rsa) != headers.is_rsa {
        return Err("the algorithm is not that of the signer's key".into());
    }
    Ok(Envelope {
        payload,
        content_type: headers.content_type,
        scheme,
        signing_time: time.ok_or("the envelope does not say when it was signed")?,
        expiry: headers.expiry,
        timestamp: headers.timestamp,
        message,
        signature,
        algorithm: headers
            .algorithm
            .ok_or("the algorithm is not one of Notation's")?,
        chain,
    })
}
