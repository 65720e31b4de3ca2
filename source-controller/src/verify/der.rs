//! PURE: just enough DER to take an extension out of a certificate and to read a timestamp: bytes stay as they are.

use x509_parser::{der_parser::oid::Oid, prelude::FromDer as _};

/// The tag of the extensions in a TBSCertificate.
const EXTENSIONS: u8 = 0xa3;
/// The tag of a sequence.
const SEQUENCE: u8 = 0x30;

/// An element.
#[derive(Debug, Clone, Copy)]
pub struct Element<'d> {
    /// Its tag.
    pub tag: u8,
    /// What is in it.
    pub content: &'d [u8],
    /// All of it.
    pub raw: &'d [u8],
    /// What follows it.
    after: &'d [u8],
}

impl<'d> Element<'d> {
    /// Reads an element that is all there is.
    pub fn only(der: &'d [u8]) -> Option<Self> {
        element(der).filter(|element| element.after.is_empty())
    }

    /// The elements in it, in order; `None` if something else is there.
    pub fn parts(&self) -> Option<Vec<Element<'d>>> {
        let (mut rest, mut found) = (self.content, Vec::new());
        while !rest.is_empty() {
            let part = element(rest)?;
            rest = part.after;
            found.push(part);
        }
        Some(found)
    }

    /// An object identifier in dots.
    pub fn oid(&self) -> Option<String> {
        let (rest, id) = Oid::from_der(self.raw).ok()?;
        rest.is_empty().then(|| id.to_id_string())
    }
}

/// The extensions of a TBSCertificate: identifier in dots, and DER.
pub fn extensions(tbs: &[u8]) -> Option<Vec<(String, &[u8])>> {
    let mut fields = element(tbs)?.content;
    while !fields.is_empty() {
        let field = element(fields)?;
        fields = field.after;
        if field.tag != EXTENSIONS {
            continue;
        }
        let mut list = element(field.content)?.content;
        let mut found = Vec::new();
        while !list.is_empty() {
            let extension = element(list)?;
            let id = element(extension.content)?.raw;
            let (_, id) = Oid::from_der(id).ok()?;
            found.push((id.to_id_string(), extension.raw));
            list = extension.after;
        }
        return Some(found);
    }
    Some(Vec::new())
}

/// A TBSCertificate with other extensions.
pub fn with_extensions(tbs: &[u8], extensions: &[u8]) -> Option<Vec<u8>> {
    let whole = element(tbs)?;
    let (mut fields, mut content) = (whole.content, Vec::new());
    while !fields.is_empty() {
        let field = element(fields)?;
        if field.tag == EXTENSIONS {
            content.extend(wrapped(EXTENSIONS, &wrapped(SEQUENCE, extensions)));
        } else {
            content.extend_from_slice(field.raw);
        }
        fields = field.after;
    }
    Some(wrapped(whole.tag, &content))
}

fn element(der: &[u8]) -> Option<Element<'_>> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if !(1..=4).contains(&count) {
            return None;
        }
        let (bytes, rest) = rest.split_at_checked(count)?;
        let length = bytes
            .iter()
            .fold(0_usize, |sum, byte| (sum << 8) | usize::from(*byte));
        (length, rest)
    };
    let (content, after) = rest.split_at_checked(length)?;
    Some(Element {
        tag,
        content,
        raw: &der[..der.len() - after.len()],
        after,
    })
}

/// An element with this content.
pub fn wrapped(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.push(u8::try_from(length).unwrap_or_default());
    } else {
        let bytes = length.to_be_bytes();
        let bytes: Vec<u8> = bytes.iter().copied().skip_while(|byte| *byte == 0).collect();
        out.push(0x80 | u8::try_from(bytes.len()).unwrap_or_default());
        out.extend(bytes);
    }
    out.extend_from_slice(content);
    out
}
