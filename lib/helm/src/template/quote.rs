//! Go's quoted strings: `strconv.Quote` and its inverse.

use super::value::Text;

/// `text` in double quotes, as `%q` prints it.
pub(crate) fn quote(text: &[u8]) -> String {
    quote_with(text, '"', false)
}

/// `text` in double quotes with everything outside ASCII escaped (`%+q`).
pub(crate) fn quote_ascii(text: &[u8]) -> String {
    quote_with(text, '"', true)
}

/// A character in single quotes, as `%q` prints an integer.
pub(crate) fn quote_char(value: i64, ascii: bool) -> String {
    let c = u32::try_from(value)
        .ok()
        .and_then(char::from_u32)
        .unwrap_or('\u{fffd}');
    let mut out = String::from("'");
    escape(c, '\'', ascii, &mut out);
    out.push('\'');
    out
}

fn quote_with(text: &[u8], mark: char, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push(mark);
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            escape(c, mark, ascii, &mut out);
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out.push(mark);
    out
}

fn escape(c: char, mark: char, ascii: bool, out: &mut String) {
    match c {
        '\\' => out.push_str("\\\\"),
        c if c == mark => {
            out.push('\\');
            out.push(c);
        }
        ' '..='~' => out.push(c),
        '\x07' => out.push_str("\\a"),
        '\x08' => out.push_str("\\b"),
        '\x0c' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\x0b' => out.push_str("\\v"),
        c if (c as u32) < 0x80 => out.push_str(&format!("\\x{:02x}", c as u32)),
        c if !ascii && is_print(c) => out.push(c),
        c if (c as u32) < 0x10000 => out.push_str(&format!("\\u{:04x}", c as u32)),
        c => out.push_str(&format!("\\U{:08x}", c as u32)),
    }
}

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space.
pub(crate) fn is_print(c: char) -> bool {
    if c.is_ascii() {
        return (' '..='~').contains(&c);
    }
    // Rust's Debug escapes exactly what is not printable, spaces and grapheme extenders apart.
    if c.is_alphanumeric() {
        return true;
    }
    if c.is_whitespace() || c.is_control() || matches!(c, '\u{ad}') {
        return false;
    }
    let mut escaped = c.escape_debug();
    let single = escaped.next() == Some(c);
    single || is_mark(c)
}

/// Combining marks: printable to Go, escaped by Rust's Debug.
fn is_mark(c: char) -> bool {
    matches!(c as u32,
        0x300..=0x36f | 0x483..=0x489 | 0x591..=0x5bd | 0x610..=0x61a | 0x64b..=0x65f | 0x900..=0x903
        | 0x93a..=0x94f | 0x1ab0..=0x1ace | 0x1dc0..=0x1dff | 0x20d0..=0x20f0 | 0x3099..=0x309a
        | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f | 0xe0100..=0xe01ef)
}

/// Takes a Go string constant apart; none if it is malformed.
pub(crate) fn unquote(quoted: &str) -> Option<Text> {
    let mut chars = quoted.chars();
    let mark = chars.next()?;
    let inner = quoted.strip_prefix(mark)?.strip_suffix(mark)?;
    match mark {
        '`' => Some(if inner.contains('\r') {
            Text::from(inner.replace('\r', ""))
        } else {
            Text::from(inner)
        }),
        '"' => {
            let mut out = Vec::with_capacity(inner.len());
            let mut rest = inner;
            while !rest.is_empty() {
                let (piece, after) = unquote_char(rest, '"')?;
                match piece {
                    Piece::Byte(byte) => out.push(byte),
                    Piece::Char(c) => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
                }
                rest = after;
            }
            Some(Text::new(out))
        }
        _ => None,
    }
}

/// One character of a string or character constant.
pub(crate) enum Piece {
    Byte(u8),
    Char(char),
}

/// Reads one character, escaped or not, in a constant between `mark`s.
pub(crate) fn unquote_char(text: &str, mark: char) -> Option<(Piece, &str)> {
    let mut chars = text.chars();
    let c = chars.next()?;
    if c == mark || c == '\n' {
        return None;
    }
    if c != '\\' {
        return Some((Piece::Char(c), chars.as_str()));
    }
    let c = chars.next()?;
    let rest = chars.as_str();
    let simple = |c| Some((Piece::Char(c), rest));
    match c {
        'a' => simple('\x07'),
        'b' => simple('\x08'),
        'f' => simple('\x0c'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\x0b'),
        '\\' => simple('\\'),
        '\'' | '"' if c == mark => simple(c),
        'x' => digits(rest, 2, 16).map(|(value, rest)| (Piece::Byte(value as u8), rest)),
        'u' => {
            let (value, rest) = digits(rest, 4, 16)?;
            Some((Piece::Char(char::from_u32(value)?), rest))
        }
        'U' => {
            let (value, rest) = digits(rest, 8, 16)?;
            Some((Piece::Char(char::from_u32(value)?), rest))
        }
        '0'..='7' => {
            let (value, rest) = digits(&text[1..], 3, 8)?;
            Some((Piece::Byte(u8::try_from(value).ok()?), rest))
        }
        _ => None,
    }
}

fn digits(text: &str, count: usize, radix: u32) -> Option<(u32, &str)> {
    let head = text
        .get(..count)
        .filter(|head| head.bytes().all(|b| b.is_ascii_hexdigit()))?;
    Some((u32::from_str_radix(head, radix).ok()?, &text[count..]))
}
