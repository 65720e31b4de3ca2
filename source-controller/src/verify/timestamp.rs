//! PURE: timestamps: the signed word of an authority that it has seen something at a time (RFC 3161, in CMS of RFC 5652).

use super::{
    certificate::{Certificate, Usage},
    der::{Element, wrapped},
    key::Scheme,
};
use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

const SIGNED_DATA: &str = "1.2.840.113549.1.7.2";
const TST_INFO: &str = "1.2.840.113549.1.9.16.1.4";
const CONTENT_TYPE: &str = "1.2.840.113549.1.9.3";
const MESSAGE_DIGEST: &str = "1.2.840.113549.1.9.4";
const SIGNING_CERTIFICATE: &str = "1.2.840.113549.1.9.16.2.12";
const SIGNING_CERTIFICATE_V2: &str = "1.2.840.113549.1.9.16.2.47";

const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const GENERALIZED_TIME: u8 = 0x18;
/// The first field in brackets of a structure.
const FIRST: u8 = 0xa0;

/// So many certificates of a timestamp are looked at.
const MAX_CERTIFICATES: usize = 16;

/// A timestamp that was read; nothing of it is checked.
struct Stamp<'d> {
    /// TSTInfo in DER: what is signed, through the attributes.
    info: &'d [u8],
    certificates: Vec<Certificate>,
    issuer_and_serial: (&'d [u8], &'d [u8]),
    attributes: Element<'d>,
    digest: String,
    algorithm: String,
    signature: &'d [u8],
}

/// Checks that a token (or an answer with one) is a timestamp of `signed` by somebody who leads to one of the anchors, over
/// the certificates that are given or come along; gives the time. Where the first given one is no authority itself, only
/// that may have signed.
///
/// # Errors
/// What is wrong.
pub fn check(
    token: &[u8],
    signed: &[u8],
    anchors: &[&Certificate],
    given: &[&Certificate],
) -> Result<Timestamp, String> {
    let stamp = read(token).ok_or("the timestamp cannot be read")?;
    let (time, algorithm, imprint) = info(stamp.info).ok_or("the timestamp cannot be read")?;
    if hash(&algorithm, signed).as_deref() != Some(imprint) {
        return Err("the timestamp is of something else".into());
    }
    let all: Vec<&Certificate> = given.iter().copied().chain(&stamp.certificates).collect();
    let named = |certificate: &&Certificate| {
        let found = certificate.issuer_and_serial();
        found
            .is_some_and(|(issuer, serial)| (issuer.as_slice(), serial.as_slice()) == stamp.issuer_and_serial)
    };
    let signer = all
        .iter()
        .copied()
        .find(named)
        .ok_or("the timestamp's signer is not known")?;
    if given
        .first()
        .is_some_and(|first| !first.is_ca() && *first != signer)
    {
        return Err("the timestamp is by somebody else".into());
    }
    if !stamp.is_signed_by(signer) {
        return Err("the timestamp's signature is wrong".into());
    }
    if !signer.leads_to(anchors, &all, time, Usage::TimeStamping) {
        return Err("the timestamp's signer leads to nobody who is trusted".into());
    }
    Ok(time)
}

impl Stamp<'_> {
    /// Whether the attributes are about this content and this signer, and the signer's key signed them.
    fn is_signed_by(&self, signer: &Certificate) -> bool {
        let attribute = |wanted: &str| {
            let all = self.attributes.parts()?;
            let mut found = all.iter().filter_map(|attribute| {
                let parts = attribute.parts()?;
                let [id, values] = parts.as_slice() else {
                    return None;
                };
                (id.oid()? == wanted)
                    .then(|| values.parts()?.first().copied())
                    .flatten()
            });
            // Twice the same would be two answers to one question.
            found.next().filter(|_| found.next().is_none())
        };
        let typed = attribute(CONTENT_TYPE).and_then(|value| value.oid()).as_deref() == Some(TST_INFO);
        let digest = attribute(MESSAGE_DIGEST).map(|value| value.content.to_vec());
        let about = digest.is_some() && digest == hash(&self.digest, self.info);
        let named = match (attribute(SIGNING_CERTIFICATE_V2), attribute(SIGNING_CERTIFICATE)) {
            (Some(value), _) => names_v2(value, signer) == Some(true),
            (None, Some(value)) => names_v1(value, signer) == Some(true),
            (None, None) => false,
        };
        let Some(scheme) = scheme(&self.algorithm, &self.digest) else {
            return false;
        };
        // They are signed as the set that they are, not as the field.
        let message = wrapped(SET, self.attributes.content);
        typed && about && named && signer.key().signed(scheme, &message, self.signature)
    }
}

/// Whether the first certificate that an attribute names is this one.
fn names_v2(value: Element<'_>, signer: &Certificate) -> Option<bool> {
    let first = value.parts()?.first()?.parts()?.first()?.parts()?;
    let (algorithm, digest) = match first.as_slice() {
        [algorithm, digest, ..] if algorithm.tag == SEQUENCE => (algorithm.parts()?.first()?.oid()?, digest),
        // SHA-256 is what is meant where nothing is said.
        [digest, ..] => ("2.16.840.1.101.3.4.2.1".to_owned(), digest),
        [] => return None,
    };
    Some(hash(&algorithm, signer.der())? == digest.content)
}

/// The same of the older attribute, whose digest is SHA-1: it only says which of those who are trusted anyway it was.
fn names_v1(value: Element<'_>, signer: &Certificate) -> Option<bool> {
    let digest = value
        .parts()?
        .first()?
        .parts()?
        .first()?
        .parts()?
        .first()?
        .content;
    Some(Sha1::digest(signer.der()).as_slice() == digest)
}

/// Reads a TimeStampResp, or the token in one.
fn read(token: &[u8]) -> Option<Stamp<'_>> {
    let whole = Element::only(token)?;
    let parts = whole.parts()?;
    let content = match parts.as_slice() {
        [id, content] if id.tag == OID => (id.oid()? == SIGNED_DATA).then_some(*content)?,
        [status, token] if status.tag == SEQUENCE => {
            // 0 is granted, 1 is granted with changes.
            let status = status.parts()?.first().copied()?;
            if status.tag != INTEGER || !matches!(status.content, [0 | 1]) {
                return None;
            }
            let parts = token.parts()?;
            let [id, content] = parts.as_slice() else {
                return None;
            };
            (id.oid()? == SIGNED_DATA).then_some(*content)?
        }
        _ => return None,
    };
    let data = Element::only(content.content)?.parts()?;
    let [_version, _digests, encapsulated, rest @ ..] = data.as_slice() else {
        return None;
    };
    let encapsulated = encapsulated.parts()?;
    let [kind, info] = encapsulated.as_slice() else {
        return None;
    };
    let info = Element::only(info.content).filter(|info| info.tag == OCTETS)?;
    if kind.oid()? != TST_INFO {
        return None;
    }
    let certificates = match rest.iter().find(|field| field.tag == FIRST) {
        Some(field) => field
            .parts()?
            .iter()
            .take(MAX_CERTIFICATES)
            .filter_map(|c| Certificate::from_der(c.raw))
            .collect(),
        None => Vec::new(),
    };
    let signers = rest.last().filter(|field| field.tag == SET)?.parts()?;
    let [signer] = signers.as_slice() else {
        return None;
    };
    let signer = signer.parts()?;
    let [_version, id, digest, attributes, algorithm, signature, ..] = signer.as_slice() else {
        return None;
    };
    let id = id.parts()?;
    let [issuer, serial] = id.as_slice() else {
        return None;
    };
    if attributes.tag != FIRST || signature.tag != OCTETS {
        return None;
    }
    Some(Stamp {
        info: info.content,
        certificates,
        issuer_and_serial: (issuer.raw, serial.content),
        attributes: *attributes,
        digest: digest.parts()?.first()?.oid()?,
        algorithm: algorithm.parts()?.first()?.oid()?,
        signature: signature.content,
    })
}

/// The time of a TSTInfo, and of what it is: algorithm and digest.
fn info(der: &[u8]) -> Option<(Timestamp, String, &[u8])> {
    let parts = Element::only(der)?.parts()?;
    let [_version, _policy, imprint, _serial, time, ..] = parts.as_slice() else {
        return None;
    };
    let imprint = imprint.parts()?;
    let [algorithm, digest] = imprint.as_slice() else {
        return None;
    };
    let algorithm = algorithm.parts()?.first()?.oid()?;
    if time.tag != GENERALIZED_TIME {
        return None;
    }
    // `20261124165600Z`, perhaps with a fraction, which is of no interest.
    let text = std::str::from_utf8(time.content).ok()?.strip_suffix('Z')?;
    let text = text.split('.').next()?;
    let time = DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    Some((
        time.to_zoned(TimeZone::UTC).ok()?.timestamp(),
        algorithm,
        digest.content,
    ))
}

fn hash(algorithm: &str, bytes: &[u8]) -> Option<Vec<u8>> {
    Some(match algorithm {
        "2.16.840.1.101.3.4.2.1" => Sha256::digest(bytes).to_vec(),
        "2.16.840.1.101.3.4.2.2" => Sha384::digest(bytes).to_vec(),
        "2.16.840.1.101.3.4.2.3" => Sha512::digest(bytes).to_vec(),
        _ => return None,
    })
}

/// How a signature was made: most algorithms name their hash, RSA's alone leaves it to the digest's.
fn scheme(algorithm: &str, digest: &str) -> Option<Scheme> {
    let by_digest = || match digest {
        "2.16.840.1.101.3.4.2.1" => Some(Scheme::Sha256),
        "2.16.840.1.101.3.4.2.2" => Some(Scheme::Sha384),
        "2.16.840.1.101.3.4.2.3" => Some(Scheme::Sha512),
        _ => None,
    };
    match algorithm {
        "1.2.840.10045.4.3.2" | "1.2.840.113549.1.1.11" | "1.3.101.112" => Some(Scheme::Sha256),
        "1.2.840.10045.4.3.3" | "1.2.840.113549.1.1.12" => Some(Scheme::Sha384),
        "1.2.840.10045.4.3.4" | "1.2.840.113549.1.1.13" => Some(Scheme::Sha512),
        "1.2.840.113549.1.1.1" | "1.2.840.10045.2.1" => by_digest(),
        _ => None,
    }
}
