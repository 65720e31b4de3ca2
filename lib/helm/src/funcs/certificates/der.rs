//! The few pieces of ASN.1's distinguished encoding that keys and certificates are made of.

/// A moment, as text in one of the two forms.
pub(super) enum Time {
    Utc(String),
    General(String),
}

/// A value: tag, length, content.
pub(super) fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.push(length as u8);
    } else {
        let bytes = length.to_be_bytes();
        let skip = bytes.iter().take_while(|&&b| b == 0).count();
        out.push(0x80 | (bytes.len() - skip) as u8);
        out.extend_from_slice(&bytes[skip..]);
    }
    out.extend_from_slice(content);
    out
}

pub(super) fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

/// A non-negative integer from its big-endian bytes.
pub(super) fn integer(bytes: &[u8]) -> Vec<u8> {
    let skip = bytes.iter().take_while(|&&b| b == 0).count();
    let rest = &bytes[skip..];
    match rest.first() {
        None => tlv(2, &[0]),
        Some(&first) if first >= 0x80 => tlv(2, &[&[0], rest].concat()),
        Some(_) => tlv(2, rest),
    }
}

pub(super) fn bits(bytes: &[u8], unused: u8) -> Vec<u8> {
    tlv(3, &[&[unused], bytes].concat())
}

pub(super) fn octets(bytes: &[u8]) -> Vec<u8> {
    tlv(4, bytes)
}

/// An object identifier from its encoded content.
pub(super) fn oid(content: &[u8]) -> Vec<u8> {
    tlv(6, content)
}

pub(super) fn time(time: &Time) -> Vec<u8> {
    match time {
        Time::Utc(text) => tlv(0x17, text.as_bytes()),
        Time::General(text) => tlv(0x18, text.as_bytes()),
    }
}

/// A tag, its content, the whole value, and what follows it.
pub(super) type Part<'a> = (u8, &'a [u8], &'a [u8], &'a [u8]);

/// Reads one value.
pub(super) fn read(bytes: &[u8]) -> Option<Part<'_>> {
    let (&tag, rest) = bytes.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        let count = usize::from(first & 0x7f);
        if count == 0 || count > 4 {
            return None;
        }
        let digits = rest.get(..count)?;
        let length = digits
            .iter()
            .fold(0usize, |value, &b| value << 8 | usize::from(b));
        (length, &rest[count..])
    };
    let content = rest.get(..length)?;
    let after = &rest[length..];
    Some((tag, content, &bytes[..bytes.len() - after.len()], after))
}

/// Reads one value of that tag: its content, and what follows.
pub(super) fn expect(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, _, after) = read(bytes)?;
    (found == tag).then_some((content, after))
}
