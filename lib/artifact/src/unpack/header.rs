//! What one member of a tar archive says about itself: its header, and the extended headers before it.

use super::UnpackError;
use crate::path::{PathError, clean_path};
use crate::tar::{self, Field, Header};

/// What becomes of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File {
        executable: bool,
    },
    Directory,
    /// A link.
    Skip,
}

/// A member as it is meant.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) kind: Kind,
    /// Bytes of content, without padding.
    pub(super) size: u64,
}

/// A header as it is written.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) kind: u8,
    pub(super) size: u64,
    name: Vec<u8>,
    mode: u64,
}

/// What extended headers said about the next member.
#[derive(Debug, Default)]
pub(super) struct Extended {
    pax_path: Option<Vec<u8>>,
    pax_size: Option<u64>,
    long_name: Option<Vec<u8>>,
    sparse: bool,
}

impl Member {
    /// The clean path inside the tree. A root (`.`) is fine for a directory.
    ///
    /// Refuses what Flux's consumers refuse: empty, absolute, with a backslash, or with a `..` anywhere, even one that stays inside.
    pub(super) fn path(&self) -> Result<String, UnpackError> {
        if self.name.is_empty() {
            return Err(UnpackError::Name(PathError::Root(String::new())));
        }
        if self.name.split('/').any(|segment| segment == "..") {
            return Err(UnpackError::Name(PathError::Outside(self.name.clone())));
        }
        clean_path(&self.name).map_err(UnpackError::Name)
    }
}

impl Raw {
    /// Reads a header whose checksum is right.
    pub(super) fn parse(header: &Header) -> Result<Raw, UnpackError> {
        let sum = number(header, tar::CHECKSUM)? as i64;
        let (unsigned, signed) = tar::checksums(header);
        if sum != unsigned && sum != signed {
            return Err(UnpackError::Header("wrong checksum"));
        }
        let mut name = text(header, tar::NAME).to_vec();
        // Only the POSIX format has a prefix there; GNU's has times.
        let posix = header[tar::MAGIC].starts_with(b"ustar\0");
        let prefix = if posix { text(header, tar::PREFIX) } else { b"" };
        if !prefix.is_empty() {
            name = [prefix, b"/", &name].concat();
        }
        let (size, mode) = (number(header, tar::SIZE)?, number(header, tar::MODE)?);
        Ok(Raw {
            kind: header[tar::KIND],
            size,
            name,
            mode,
        })
    }
}

impl Extended {
    /// Takes the records of a pax header: `<length> <key>=<value>\n`, one after the other without a gap.
    pub(super) fn pax(&mut self, mut records: &[u8]) -> Result<(), UnpackError> {
        let invalid = || UnpackError::Header("malformed pax record");
        while !records.is_empty() {
            let space = records
                .iter()
                .position(|byte| *byte == b' ')
                .ok_or_else(invalid)?;
            let length = decimal(&records[..space]).ok_or_else(invalid)?;
            let length = usize::try_from(length)
                .ok()
                .filter(|length| *length > space + 1 && *length <= records.len());
            let (record, rest) = records.split_at(length.ok_or_else(invalid)?);
            records = rest;
            let record = record[space + 1..].strip_suffix(b"\n").ok_or_else(invalid)?;
            let equals = record.iter().position(|byte| *byte == b'=').ok_or_else(invalid)?;
            let (key, value) = (&record[..equals], &record[equals + 1..]);
            match key {
                b"path" if value.contains(&0) => return Err(invalid()),
                // An empty value takes an earlier one back (POSIX pax).
                b"path" => self.pax_path = Some(value.to_vec()).filter(|path| !path.is_empty()),
                b"size" if value.is_empty() => self.pax_size = None,
                b"size" => self.pax_size = Some(decimal(value).ok_or_else(invalid)?),
                _ => self.sparse |= key.starts_with(b"GNU.sparse."),
            }
        }
        Ok(())
    }

    /// Takes GNU's long name: the content of a header of its own, up to the first NUL.
    pub(super) fn long_name(&mut self, mut name: Vec<u8>) {
        if let Some(end) = name.iter().position(|byte| *byte == 0) {
            name.truncate(end);
        }
        self.long_name = Some(name);
    }

    /// The member that a header is about.
    pub(super) fn apply(self, raw: Raw) -> Result<Member, UnpackError> {
        let name = self.long_name.or(self.pax_path).unwrap_or(raw.name);
        // A tree has text for names. What is not UTF-8 stays reachable under a name with replacement characters.
        let name = String::from_utf8_lossy(&name).into_owned();
        let size = self.pax_size.unwrap_or(raw.size);
        let kind = match raw.kind {
            _ if self.sparse => return Err(UnpackError::Kind { name, kind: 'S' }),
            // Before POSIX, a directory was a file with a slash at the end.
            b'\0' if name.ends_with('/') => Kind::Directory,
            // A directory to GNU tar, a file to Go.
            b'0' | b'7' if name.ends_with('/') => {
                return Err(UnpackError::Header("file whose name ends with a slash"));
            }
            b'0' | b'\0' | b'7' => Kind::File {
                executable: raw.mode & 0o111 != 0,
            },
            b'5' => Kind::Directory,
            b'1' | b'2' => Kind::Skip,
            other => {
                return Err(UnpackError::Kind {
                    name,
                    kind: other.into(),
                });
            }
        };
        if !matches!(kind, Kind::File { .. }) && size != 0 {
            // Readers disagree on whether content follows, which is how members are smuggled past one of them.
            return Err(UnpackError::Header("directory or link with content"));
        }
        Ok(Member { name, kind, size })
    }
}

/// Up to the first NUL.
fn text(header: &Header, field: Field) -> &[u8] {
    let field = &header[field];
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    &field[..end]
}

/// Octal with spaces or NULs around it, or GNU's base 256 (first bit set) if not negative and below 2^63.
fn number(header: &Header, field: Field) -> Result<u64, UnpackError> {
    let field = &header[field];
    let invalid = || UnpackError::Header("malformed number");
    if field[0] & 0x80 != 0 {
        let (first, rest) = field.split_first().ok_or_else(invalid)?;
        return rest.iter().try_fold(u64::from(first & 0x7f), |value, byte| {
            if value >= 1 << 55 {
                Err(invalid())
            } else {
                Ok(value << 8 | u64::from(*byte))
            }
        });
    }
    let outside = |byte: &u8| !matches!(*byte, b' ' | 0);
    let Some(start) = field.iter().position(outside) else {
        return Ok(0);
    };
    let digits = &field[start..];
    let digits = &digits[..digits
        .iter()
        .position(|byte| !outside(byte))
        .unwrap_or(digits.len())];
    digits.iter().try_fold(0u64, |value, digit| match digit {
        b'0'..=b'7' => Ok(value << 3 | u64::from(digit - b'0')),
        _ => Err(invalid()),
    })
}

/// Plain digits; no sign, no overflow.
fn decimal(digits: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(digits).ok()?;
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}
