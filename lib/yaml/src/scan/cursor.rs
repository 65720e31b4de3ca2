//! The text under the scanner: where it is, what comes next, and whether it is text at all.

use super::Fault;

/// A place in the text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Mark {
    /// In bytes.
    pub at: usize,
    /// In characters.
    pub index: usize,
    /// From 0.
    pub line: u64,
    /// From 0, in characters.
    pub column: isize,
}

/// Walks through a text character by character.
///
/// As in go-yaml, bytes are looked at in pieces of [`PIECE`]: what is wrong with one is told when the first character of
/// its piece is asked for.
#[derive(Debug)]
pub(super) struct Cursor<'t> {
    text: &'t [u8],
    /// Bytes that are known to be good.
    checked: usize,
    /// Characters between the mark and there, and one more at the end of the text.
    unread: usize,
    ended: bool,
    pub mark: Mark,
}

const PIECE: usize = 512;

impl<'t> Cursor<'t> {
    pub fn new(text: &'t [u8]) -> Self {
        Self {
            text,
            checked: 0,
            unread: 0,
            ended: false,
            mark: Mark::default(),
        }
    }

    /// Makes sure that the next `count` characters can be looked at; beyond the end there are zeros.
    pub fn need(&mut self, count: usize) -> Result<(), Fault> {
        while self.unread < count && !self.ended {
            self.check_piece()?;
        }
        Ok(())
    }

    /// The byte so far ahead; zero beyond what was looked at.
    pub fn byte(&self, ahead: usize) -> u8 {
        let at = self.mark.at + ahead;
        if at < self.checked { self.text[at] } else { 0 }
    }

    /// Whether the text is over.
    pub fn over(&self) -> bool {
        self.mark.at >= self.checked && self.ended
    }

    /// Whether a line break is so far ahead: CR, LF, NEL, LS, PS.
    pub fn is_break(&self, ahead: usize) -> bool {
        match self.byte(ahead) {
            b'\r' | b'\n' => true,
            0xc2 => self.byte(ahead + 1) == 0x85,
            0xe2 => self.byte(ahead + 1) == 0x80 && matches!(self.byte(ahead + 2), 0xa8 | 0xa9),
            _ => false,
        }
    }

    /// Whether a space or a tab is so far ahead.
    pub fn is_blank(&self, ahead: usize) -> bool {
        matches!(self.byte(ahead), b' ' | b'\t')
    }

    /// Whether a line break or the end is so far ahead.
    pub fn is_break_or_end(&self, ahead: usize) -> bool {
        self.byte(ahead) == 0 || self.is_break(ahead)
    }

    /// Whether white space or the end is so far ahead.
    pub fn is_space_or_end(&self, ahead: usize) -> bool {
        self.is_blank(ahead) || self.is_break_or_end(ahead)
    }

    /// Whether `---` or `...` stands here, alone at the beginning of a line.
    pub fn is_document_indicator(&self) -> bool {
        self.mark.column == 0
            && (self.starts_with(b"---") || self.starts_with(b"..."))
            && self.is_space_or_end(3)
    }

    pub fn starts_with(&self, text: &[u8]) -> bool {
        (0..text.len()).all(|n| self.byte(n) == text[n])
    }

    /// Steps over a character that is no line break.
    pub fn skip(&mut self) {
        if self.mark.at < self.checked {
            self.mark.at += width(self.text[self.mark.at]);
            self.unread -= 1;
        }
        self.mark.index += 1;
        self.mark.column += 1;
    }

    /// Steps over a line break, if there is one.
    pub fn skip_line(&mut self) {
        let (bytes, characters) = match (self.byte(0), self.byte(1)) {
            (b'\r', b'\n') => (2, 2),
            _ if self.is_break(0) => (width(self.byte(0)), 1),
            _ => return,
        };
        self.mark.at += bytes;
        self.mark.index += characters;
        self.unread -= characters;
        self.mark.line += 1;
        self.mark.column = 0;
    }

    /// Takes a character that is no line break.
    pub fn take(&mut self, into: &mut Vec<u8>) {
        let from = self.mark.at;
        self.skip();
        into.extend_from_slice(&self.text[from..self.mark.at]);
    }

    /// Takes a line break: LS and PS as they are, all others as LF.
    pub fn take_line(&mut self, into: &mut Vec<u8>) {
        if self.byte(0) == 0xe2 {
            into.extend_from_slice(&self.text[self.mark.at..self.mark.at + 3]);
        } else {
            into.push(b'\n');
        }
        self.skip_line();
    }

    fn check_piece(&mut self) -> Result<(), Fault> {
        if self.checked == self.text.len() {
            self.ended = true;
            // The end can be looked at like a character.
            self.unread += 1;
            return Ok(());
        }
        let end = self.text.len().min(self.checked + PIECE);
        let mut at = self.checked;
        while at < end {
            let width = match self.text[at] {
                0..=0x7f => 1,
                0xc0..=0xdf => 2,
                0xe0..=0xef => 3,
                0xf0..=0xf7 => 4,
                _ => return Err(Fault::reader("invalid leading UTF-8 octet")),
            };
            if at + width > end {
                // It is told when nothing else is left before it.
                if at == self.checked {
                    return Err(Fault::reader("incomplete UTF-8 octet sequence"));
                }
                break;
            }
            check_character(&self.text[at..at + width])?;
            at += width;
            self.unread += 1;
        }
        self.checked = at;
        Ok(())
    }
}

/// How many bytes the character has that begins with this one.
pub(super) fn width(first: u8) -> usize {
    match first {
        0xc0..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf7 => 4,
        _ => 1,
    }
}

fn check_character(bytes: &[u8]) -> Result<(), Fault> {
    if let [byte] = bytes {
        return match byte {
            b'\t' | b'\n' | b'\r' | 0x20..=0x7e => Ok(()),
            _ => Err(Fault::reader("control characters are not allowed")),
        };
    }
    if bytes[1..].iter().any(|byte| byte & 0xc0 != 0x80) {
        return Err(Fault::reader("invalid trailing UTF-8 octet"));
    }
    let lead = u32::from(bytes[0]) & (0x7f >> bytes.len());
    let value = bytes[1..]
        .iter()
        .fold(lead, |value, byte| (value << 6) | u32::from(byte & 0x3f));
    let least = [0, 0, 0x80, 0x800, 0x1_0000][bytes.len()];
    if value < least {
        return Err(Fault::reader("invalid length of a UTF-8 sequence"));
    }
    match value {
        0xd800..=0xdfff | 0x11_0000.. => Err(Fault::reader("invalid Unicode character")),
        0x85 | 0xa0..=0xd7ff | 0xe000..=0xfffd | 0x1_0000..=0x10_ffff => Ok(()),
        _ => Err(Fault::reader("control characters are not allowed")),
    }
}
