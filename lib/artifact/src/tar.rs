//! One 512-byte tar header as bytes: where the fields are, and how Go writes them (POSIX.1-2001 pax, ustar layout).

/// Headers are this long, and content is padded to a multiple of it.
pub(crate) const BLOCK: usize = 512;

/// A header block.
pub(crate) type Header = [u8; BLOCK];

/// Where a field is in a header.
pub(crate) type Field = std::ops::Range<usize>;

pub(crate) const NAME: Field = 0..100;
pub(crate) const MODE: Field = 100..108;
pub(crate) const UID: Field = 108..116;
pub(crate) const GID: Field = 116..124;
pub(crate) const SIZE: Field = 124..136;
pub(crate) const MTIME: Field = 136..148;
pub(crate) const CHECKSUM: Field = 148..156;
pub(crate) const KIND: usize = 156;
pub(crate) const MAGIC: Field = 257..265;
pub(crate) const DEV_MAJOR: Field = 329..337;
pub(crate) const DEV_MINOR: Field = 337..345;
pub(crate) const PREFIX: Field = 345..500;

/// The largest size that fits the octal size field.
pub(crate) const MAX_OCTAL_SIZE: u64 = (1 << 33) - 1;

/// How many zeros follow content of this size.
pub(crate) fn padding(size: u64) -> usize {
    (BLOCK - (size % BLOCK as u64) as usize) % BLOCK
}

/// The sum of a header's bytes, the checksum field taken as spaces: unsigned as POSIX wants it, signed as old Sun tars wrote it.
pub(crate) fn checksums(header: &Header) -> (i64, i64) {
    let byte = |at: usize| if CHECKSUM.contains(&at) { b' ' } else { header[at] };
    let unsigned = (0..BLOCK).map(|at| i64::from(byte(at))).sum();
    let signed = (0..BLOCK).map(|at| i64::from(byte(at) as i8)).sum();
    (unsigned, signed)
}

/// Headers of one entry: at most a pax header with its content, and the entry's own.
pub(crate) struct Encoded {
    /// The pax header and its content with padding still to come, if the name or size needs them.
    pub(crate) pax: Option<(Header, Vec<u8>)>,
    /// The header of the entry itself.
    pub(crate) header: Header,
}

/// Headers for a regular file or directory without an owner, last changed at `time` (in seconds since 1970), in the format
/// that Go's writer picks: ustar if name and size fit (the name perhaps split in two), else pax.
pub(crate) fn encode(name: &[u8], kind: u8, mode: u64, size: u64, time: u64) -> Encoded {
    let short = name.is_ascii() && name.len() <= NAME.len();
    let split = if short { None } else { split(name) };
    if (short || split.is_some()) && size <= MAX_OCTAL_SIZE {
        let (prefix, suffix) = split.unwrap_or((b"", name));
        let mut header = plain(suffix, kind, mode, size, time);
        text(&mut header, PREFIX, prefix);
        seal(&mut header);
        return Encoded { pax: None, header };
    }

    let mut records = Vec::new();
    if !short {
        record(&mut records, "path", name);
    }
    if size > MAX_OCTAL_SIZE {
        record(&mut records, "size", size.to_string().as_bytes());
    }
    let mut pax: Header = [0; BLOCK];
    let pax_name = pax_name(name);
    text(&mut pax, NAME, &pax_name);
    for field in [MODE, UID, GID, MTIME] {
        octal(&mut pax, field, 0);
    }
    octal(&mut pax, SIZE, records.len() as u64);
    pax[KIND] = b'x';
    seal(&mut pax);

    let ascii: Vec<u8> = name.iter().copied().filter(u8::is_ascii).collect();
    // A size too large for the field is left to the pax record.
    let size = if size > MAX_OCTAL_SIZE { 0 } else { size };
    let mut header = plain(&ascii, kind, mode, size, time);
    seal(&mut header);
    Encoded {
        pax: Some((pax, records)),
        header,
    }
}

fn plain(name: &[u8], kind: u8, mode: u64, size: u64, time: u64) -> Header {
    let mut header = [0; BLOCK];
    text(&mut header, NAME, name);
    octal(&mut header, MODE, mode);
    octal(&mut header, SIZE, size);
    octal(&mut header, MTIME, time);
    for field in [UID, GID, DEV_MAJOR, DEV_MINOR] {
        octal(&mut header, field, 0);
    }
    header[KIND] = kind;
    header
}

/// Copies as much as fits. A name cut off just behind a slash would read as a directory, so that slash goes as well.
fn text(header: &mut Header, field: Field, value: &[u8]) {
    let width = field.len();
    let kept = value.len().min(width);
    let field = &mut header[field];
    field[..kept].copy_from_slice(&value[..kept]);
    if value.len() > width && field[width - 1] == b'/' {
        let end = field
            .iter()
            .rposition(|byte| *byte != b'/')
            .map_or(0, |last| last + 1);
        field[end] = 0;
    }
}

/// Zero-padded octal and a NUL. The value must fit.
fn octal(header: &mut Header, field: Field, mut value: u64) {
    let (_, digits) = header[field].split_last_mut().expect("no field is empty");
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (value % 8) as u8;
        value /= 8;
    }
}

fn seal(header: &mut Header) {
    header[MAGIC].copy_from_slice(b"ustar\x0000");
    let (sum, _) = checksums(header);
    octal(header, CHECKSUM.start..CHECKSUM.end - 1, sum as u64);
    header[CHECKSUM.end - 1] = b' ';
}

/// Splits a long name at the last slash that leaves both parts within their fields.
fn split(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if !name.is_ascii() {
        return None;
    }
    let at = name[..name.len().min(PREFIX.len() + 1)]
        .iter()
        .rposition(|byte| *byte == b'/')?;
    let (prefix, suffix) = (&name[..at], &name[at + 1..]);
    let fits = !prefix.is_empty() && !suffix.is_empty() && suffix.len() <= NAME.len();
    fits.then_some((prefix, suffix))
}

/// One pax record, `<length> <key>=<value>\n`, whose length counts its own digits.
fn record(records: &mut Vec<u8>, key: &str, value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + rest.to_string().len();
    length = rest + length.to_string().len();
    records.extend_from_slice(format!("{length} {key}=").as_bytes());
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// The name that Go gives to a pax header: the entry's, with a made-up directory before the last segment.
fn pax_name(name: &[u8]) -> Vec<u8> {
    let (dir, file) = match name.iter().rposition(|byte| *byte == b'/') {
        Some(at) => (&name[..=at], &name[at + 1..]),
        None => (&b""[..], name),
    };
    let mut joined = [dir, b"PaxHeaders.0/", file].concat();
    joined.retain(u8::is_ascii);
    joined.truncate(NAME.len());
    while joined.last() == Some(&b'/') {
        joined.pop();
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        let check = |name: &str, ustar: bool| {
            assert_eq!(
                encode(name.as_bytes(), b'0', 0o600, 1, 0).pax.is_none(),
                ustar,
                "{name}"
            );
        };
        check("a", true);
        check(&"a".repeat(100), true);
        check(&"a".repeat(101), false);
        check(&format!("{}/{}", "a".repeat(155), "b".repeat(100)), true);
        check(&format!("{}/{}", "a".repeat(156), "b".repeat(100)), false);
        check("ä", false);
    }

    #[test]
    fn records_count_themselves() {
        let check = |length: usize, expected: usize| {
            let mut records = Vec::new();
            record(&mut records, "path", &vec![b'a'; length]);
            assert_eq!(records.len(), expected);
            assert!(records.starts_with(format!("{expected} path=").as_bytes()));
        };
        check(1, 9);
        check(90, 99);
        check(91, 101);
        check(990, 1001);
    }
}
