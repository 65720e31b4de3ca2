//! Certificates: what goes into one, in the order that Go writes it.

use super::der::{self, bits, expect, integer, octets, oid, read, sequence, tlv};
use super::key::Key;
use sha2::Digest as _;
use std::net::IpAddr;

/// What a certificate says.
pub(super) struct Request {
    pub name: String,
    pub serial: [u8; 16],
    pub begins: der::Time,
    pub ends: der::Time,
    pub authority: bool,
    pub ips: Vec<IpAddr>,
    pub names: Vec<String>,
}

/// What a signed certificate takes over from its signer's.
pub(super) struct Subject {
    name: Vec<u8>,
    key_id: Option<Vec<u8>>,
}

/// Makes and signs a certificate of `key`; without a subject it is signed by itself.
pub(super) fn certificate(
    request: &Request,
    key: &Key,
    signer: &Key,
    issuer: Option<&Subject>,
) -> Result<Vec<u8>, String> {
    let algorithm = signer.algorithm();
    let name = name(&request.name);
    let (public, key_bits) = key.public();
    let mut extensions = Vec::new();
    let mut extension = |id: u8, critical: bool, value: &[u8]| {
        let id = oid(&[0x55, 0x1d, id]);
        let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
        extensions.extend(sequence(&[&id, critical, &octets(value)]));
    };
    // Digital signature, key encipherment and, for an authority, certificate signing.
    let usage = if request.authority {
        bits(&[0xa4], 2)
    } else {
        bits(&[0xa0], 5)
    };
    extension(15, true, &usage);
    let server = oid(&[0x2b, 6, 1, 5, 5, 7, 3, 1]);
    let client = oid(&[0x2b, 6, 1, 5, 5, 7, 3, 2]);
    extension(37, false, &sequence(&[&server, &client]));
    let constraints: &[u8] = if request.authority { &[1, 1, 0xff] } else { &[] };
    extension(19, true, &sequence(&[constraints]));
    let own_id = sha256_160(&key_bits);
    if request.authority {
        extension(14, false, &octets(&own_id));
    }
    let authority_id = match issuer {
        Some(issuer) => issuer.key_id.clone(),
        None => request.authority.then(|| own_id.clone()),
    };
    // A certificate that is its own issuer does not name itself as authority.
    if let (Some(id), Some(_)) = (authority_id, issuer) {
        extension(35, false, &sequence(&[&tlv(0x80, &id)]));
    }
    if !request.names.is_empty() || !request.ips.is_empty() {
        let mut entries = Vec::new();
        for name in &request.names {
            entries.extend(tlv(0x82, name.as_bytes()));
        }
        for ip in &request.ips {
            entries.extend(match ip {
                IpAddr::V4(ip) => tlv(0x87, &ip.octets()),
                IpAddr::V6(ip) => tlv(0x87, &ip.octets()),
            });
        }
        extension(17, false, &sequence(&[&entries]));
    }
    let content = sequence(&[
        &tlv(0xa0, &integer(&[2])),
        &integer(&request.serial),
        &algorithm,
        issuer.map_or(&name, |issuer| &issuer.name),
        &sequence(&[&der::time(&request.begins), &der::time(&request.ends)]),
        &name,
        &public,
        &tlv(0xa3, &sequence(&[&extensions])),
    ]);
    let signature = signer.sign(&content)?;
    Ok(sequence(&[&content, &algorithm, &bits(&signature, 0)]))
}

/// Go's identifier of a key: the first 160 bits of its SHA-256.
fn sha256_160(bits: &[u8]) -> Vec<u8> {
    sha2::Sha256::digest(bits)[..20].to_vec()
}

/// A distinguished name of a common name only.
fn name(common: &str) -> Vec<u8> {
    if common.is_empty() {
        return sequence(&[]);
    }
    let printable = |b: u8| b.is_ascii_alphanumeric() || b" '()+,-./:=?".contains(&b);
    let tag = if common.bytes().all(printable) { 0x13 } else { 0x0c };
    let attribute = sequence(&[&oid(&[0x55, 4, 3]), &tlv(tag, common.as_bytes())]);
    sequence(&[&tlv(0x31, &attribute)])
}

/// The subject of a certificate.
pub(super) fn subject(der: &[u8]) -> Result<Subject, String> {
    parse(der).ok_or_else(|| "x509: malformed certificate".to_string())
}

fn parse(der: &[u8]) -> Option<Subject> {
    let (certificate, _) = expect(der, 0x30)?;
    let (content, _) = expect(certificate, 0x30)?;
    let (tag, _, _, after) = read(content)?;
    let rest = if tag == 0xa0 { after } else { content };
    let (_, rest) = expect(rest, 2)?;
    let (_, rest) = expect(rest, 0x30)?;
    let (_, rest) = expect(rest, 0x30)?;
    let (_, rest) = expect(rest, 0x30)?;
    let (tag, _, name, rest) = read(rest)?;
    if tag != 0x30 {
        return None;
    }
    let (_, mut rest) = expect(rest, 0x30)?;
    let mut key_id = None;
    while let Some((tag, content, _, after)) = read(rest) {
        if tag == 0xa3 {
            let (mut list, _) = expect(content, 0x30)?;
            while let Some((extension, after)) = expect(list, 0x30) {
                let (id, value) = expect(extension, 6)?;
                if id == [0x55, 0x1d, 14] {
                    let value = expect(value, 1).map_or(value, |(_, after)| after);
                    let (value, _) = expect(value, 4)?;
                    key_id = expect(value, 4).map(|(id, _)| id.to_vec());
                }
                list = after;
            }
        }
        rest = after;
    }
    Some(Subject {
        name: name.to_vec(),
        key_id,
    })
}
