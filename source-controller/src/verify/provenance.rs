//! PURE: a chart's provenance file, as `helm package --sign` writes it and `helm verify` judges it (Helm 4).
//!
//! It is an OpenPGP message in cleartext (RFC 9580, section 7). The text is the chart's `Chart.yaml`, a line `...`, and in YAML
//! `files: {<name>-<version>.tgz: sha256:<hexadecimal>}`. What the file has around the first message counts for nothing, and
//! nothing of the text is looked at before its signature was found to be good.

use crate::openpgp::{self, Keys, SignatureError, Signer};
use helm::Metadata;
use serde_json::Value;
use thiserror::Error;
use versions::Version;
use yaml::{Limits, Schema};

const BEGIN: &[u8] = b"-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &[u8] = b"-----BEGIN PGP SIGNATURE-----";
const END: &[u8] = b"-----END PGP SIGNATURE-----";
/// What is between the sections of the text.
const BETWEEN: &[u8] = b"\n...\n";
/// The hashes that a message may name in its head. What the signature was made with is in the signature.
const HASHES: [&str; 9] = [
    "MD5",
    "SHA1",
    "RIPEMD160",
    "SHA224",
    "SHA256",
    "SHA384",
    "SHA512",
    "SHA3-256",
    "SHA3-512",
];
/// What the list of files may be.
const LIMITS: Limits = Limits {
    depth: 8,
    nodes: 4096,
    held: 8192,
};
/// So many characters of what is in the list are told.
const MAX_TOLD: usize = 200;

/// Why a provenance file proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProvenanceError {
    /// There is nothing in it.
    #[error("the provenance file is empty")]
    Empty,
    /// It is something else.
    #[error("the provenance file has no message that is signed with OpenPGP in cleartext")]
    NoMessage,
    /// The message breaks off, or its head is none.
    #[error("the signed message in the provenance file is malformed: {0}")]
    Malformed(&'static str),
    /// The signature is not good.
    #[error("the signature in the provenance file is not good")]
    Signature(#[source] SignatureError),
    /// The signed text has but one section.
    #[error("the signed text has no list of files")]
    NoFiles,
    /// The list cannot be read.
    #[error("the signed list of files cannot be read: {0}")]
    Files(String),
    /// The signed text is no chart's.
    #[error("the signed text begins with no Chart.yaml: {0}")]
    Chart(String),
    /// What was signed is another chart, or another version.
    #[error("the provenance file is of the chart '{signed}', not of '{wanted}'")]
    OtherChart {
        /// What was chosen.
        wanted: String,
        /// What was signed.
        signed: String,
    },
    /// The signed list is of other files.
    #[error("the provenance file is not of '{file}': it names {named}")]
    OtherFile {
        /// The archive.
        file: String,
        /// What is named.
        named: String,
    },
    /// The archive is not the one that was signed.
    #[error(
        "the chart is not the one that was signed: '{file}' has the digest '{found}', and '{signed}' was signed"
    )]
    OtherDigest {
        /// The archive.
        file: String,
        /// What it is.
        found: String,
        /// What it should be.
        signed: String,
    },
}

/// A message in cleartext.
#[derive(Debug, PartialEq, Eq)]
struct Message<'a> {
    /// The text, with a line feed after each line but the last.
    text: Vec<u8>,
    /// The armored signature of it.
    signature: &'a [u8],
}

/// What is to be proven.
#[derive(Debug, Clone, Copy)]
pub struct Archive<'a> {
    /// The name of the archive's file.
    pub file: &'a str,
    /// What it has: `sha256:<hexadecimal>`.
    pub digest: &'a str,
    /// The name of the chart.
    pub name: &'a str,
    /// Its version.
    pub version: &'a str,
}

/// Who signed that an archive is what it should be, according to a provenance file. That the chart has the name and the version for
/// which it was chosen is not looked at by `helm verify`, which is told of a file alone.
///
/// # Errors
/// See [`ProvenanceError`].
pub fn check(
    provenance: &[u8],
    archive: &Archive<'_>,
    keys: &Keys,
    now: u64,
) -> Result<Signer, ProvenanceError> {
    if provenance.trim_ascii().is_empty() {
        return Err(ProvenanceError::Empty);
    }
    let message = Message::first(provenance)?;
    let signer = openpgp::check(message.signature, &signed(&message.text), keys, now)
        .map_err(ProvenanceError::Signature)?;
    let (chart, files) = sections(&message.text)?;
    let listed = listed(files, archive.file)?;
    if listed != archive.digest {
        return Err(ProvenanceError::OtherDigest {
            file: archive.file.to_owned(),
            found: archive.digest.to_owned(),
            signed: shortened(&listed),
        });
    }
    let chart =
        Metadata::of_files(chart, None).map_err(|e| ProvenanceError::Chart(shortened(&e.to_string())))?;
    if chart.name != archive.name || !same(&chart.version, archive.version) {
        return Err(ProvenanceError::OtherChart {
            wanted: format!("{} {}", archive.name, archive.version),
            signed: shortened(&format!("{} {}", chart.name, chart.version)),
        });
    }
    Ok(signer)
}

/// Whether two texts are one version (SemVer 2): `v1.2.0` is `1.2.0`.
fn same(one: &str, other: &str) -> bool {
    let same =
        |one: Version, other: Version| one.precedence(&other).is_eq() && one.metadata == other.metadata;
    one == other
        || Version::parse(one)
            .ok()
            .zip(Version::parse(other).ok())
            .is_some_and(|(one, other)| same(one, other))
}

impl<'a> Message<'a> {
    /// The first message of a file. A line that does not end it is part of its text, whatever it says.
    fn first(file: &'a [u8]) -> Result<Self, ProvenanceError> {
        let mut lines = Lines(file);
        loop {
            // The marker begins a line, and is the whole line.
            match lines.next() {
                Some(line) if line == BEGIN => break,
                Some(line) if line.starts_with(BEGIN) => return Err(ProvenanceError::NoMessage),
                Some(_) => {}
                None => return Err(ProvenanceError::NoMessage),
            }
        }
        loop {
            let unfinished = ProvenanceError::Malformed("it ends in its head");
            let line = lines.next().ok_or(unfinished)?;
            if line.trim_ascii().is_empty() {
                break;
            }
            head(line)?;
        }
        let mut text = Vec::new();
        let signature = loop {
            let rest = lines.0;
            let unsigned = ProvenanceError::Malformed("there is no signature after the text");
            let line = lines.next().ok_or(unsigned)?;
            if line == SIGNATURE {
                break rest;
            }
            // A hyphen at the beginning of a line is escaped; white space at its end is not signed.
            let line = line.strip_prefix(b"- ").unwrap_or(line);
            let blank = line.iter().rev().take_while(|byte| matches!(byte, b' ' | b'\t'));
            let length = line.len() - blank.count();
            text.extend_from_slice(line.get(..length).unwrap_or_default());
            text.push(b'\n');
        };
        // The end of the last line belongs to the signature.
        text.pop();
        let mut rest = Lines(signature);
        loop {
            let start = signature.len() - rest.0.len();
            let endless = ProvenanceError::Malformed("its signature has no end");
            let line = rest.next().ok_or(endless)?;
            if line.starts_with(END) {
                let signature = signature.get(..start + END.len()).unwrap_or_default();
                return Ok(Self { text, signature });
            }
        }
    }
}

/// Checks a line of a message's head: it may name hashes, and nothing else.
fn head(line: &[u8]) -> Result<(), ProvenanceError> {
    let odd = ProvenanceError::Malformed("its head has something else than the names of hashes");
    let line = std::str::from_utf8(line)
        .ok()
        .filter(|line| line.bytes().all(|byte| matches!(byte, b' '..=b'~')));
    let parts = line.and_then(|line| line.split_once(':'));
    let Some((_, names)) = parts.filter(|(name, _)| name.trim() == "Hash") else {
        return Err(odd);
    };
    let known = |name: &str| HASHES.contains(&name.trim().to_ascii_uppercase().as_str());
    if names.split(',').all(known) {
        Ok(())
    } else {
        Err(odd)
    }
}

/// What of a text is signed: its lines end as on the network.
fn signed(text: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
    lines.join(&b"\r\n"[..])
}

/// The first two sections of a signed text: the chart, and the list of files.
fn sections(text: &[u8]) -> Result<(&[u8], &[u8]), ProvenanceError> {
    let find = |text: &[u8]| text.windows(BETWEEN.len()).position(|part| part == BETWEEN);
    let at = find(text).ok_or(ProvenanceError::NoFiles)?;
    let (chart, rest) = text.split_at(at);
    let files = rest.get(BETWEEN.len()..).unwrap_or_default();
    let files = files
        .get(..find(files).unwrap_or(files.len()))
        .unwrap_or_default();
    Ok((chart, files))
}

/// What a list of files has for one.
fn listed(section: &[u8], file: &str) -> Result<String, ProvenanceError> {
    let node = yaml::parse_first_node(section, Schema::GoV2, &LIMITS)
        .map_err(|error| ProvenanceError::Files(shortened(&error.to_string())))?;
    let value = node.map(|node| yaml::to_value(&node, Schema::GoV2)).transpose();
    let value = value.map_err(|error| ProvenanceError::Files(shortened(&error.to_string())))?;
    let files = value.as_ref().and_then(|value| value.get("files")?.as_object());
    let files = files
        .filter(|files| !files.is_empty())
        .ok_or(ProvenanceError::NoFiles)?;
    match files.get(file) {
        Some(Value::String(digest)) => Ok(digest.clone()),
        Some(other) => Ok(other.to_string()),
        None => {
            let names: Vec<String> = files.keys().map(|name| format!("'{name}'")).collect();
            Err(ProvenanceError::OtherFile {
                file: file.to_owned(),
                named: shortened(&names.join(", ")),
            })
        }
    }
}

/// The beginning of a text that somebody else wrote.
fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_TOLD).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// The lines of a text, each without its end.
struct Lines<'a>(&'a [u8]);

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        if self.0.is_empty() {
            return None;
        }
        let end = self.0.iter().position(|byte| *byte == b'\n');
        let (line, rest) = match end {
            Some(end) => (self.0.get(..end)?, self.0.get(end + 1..)?),
            None => (self.0, &[][..]),
        };
        self.0 = rest;
        Some(line.strip_suffix(b"\r").filter(|_| end.is_some()).unwrap_or(line))
    }
}

#[cfg(test)]
mod tests;
