//! `%YAML` and `%TAG`.

use super::{Fault, Mark, Scanner, TokenKind, text};

impl Scanner<'_> {
    pub(super) fn directive(&mut self) -> Result<(), Fault> {
        let start = self.cursor.mark;
        self.close_blocks(-1, start);
        self.drop_key()?;
        self.key_allowed = false;
        self.cursor.skip();
        let name = self.word()?;
        if name.is_empty() {
            return Err(self.fault(start, "could not find expected directive name"));
        }
        if !self.cursor.is_space_or_end(0) {
            return Err(self.fault(start, "found unexpected non-alphabetical character"));
        }
        let kind = match name.as_slice() {
            b"YAML" => self.version(start)?,
            b"TAG" => self.tag_directive(start)?,
            _ => return Err(self.fault(start, "found unknown directive name")),
        };
        self.push(kind, start);
        self.end_of_line(start)
    }

    fn version(&mut self, start: Mark) -> Result<TokenKind, Fault> {
        self.skip_blanks()?;
        let major = self.number(start)?;
        if self.cursor.byte(0) != b'.' {
            return Err(self.fault(start, "did not find expected digit or '.' character"));
        }
        self.cursor.skip();
        let minor = self.number(start)?;
        Ok(TokenKind::Version(major, minor))
    }

    fn number(&mut self, start: Mark) -> Result<u8, Fault> {
        self.cursor.need(1)?;
        let (mut value, mut length) = (0, 0);
        while self.cursor.byte(0).is_ascii_digit() {
            length += 1;
            if length > 2 {
                return Err(self.fault(start, "found extremely long version number"));
            }
            value = value * 10 + (self.cursor.byte(0) - b'0');
            self.cursor.skip();
            self.cursor.need(1)?;
        }
        if length == 0 {
            return Err(self.fault(start, "did not find expected version number"));
        }
        Ok(value)
    }

    fn tag_directive(&mut self, start: Mark) -> Result<TokenKind, Fault> {
        self.skip_blanks()?;
        let handle = self.tag_handle(start)?;
        if !(handle == b"!" || handle.len() > 1 && handle.ends_with(b"!")) {
            return Err(self.fault(start, "did not find expected '!'"));
        }
        self.cursor.need(1)?;
        if !self.cursor.is_blank(0) {
            return Err(self.fault(start, "did not find expected whitespace"));
        }
        self.skip_blanks()?;
        let prefix = self.tag_uri(b"", start)?;
        self.cursor.need(1)?;
        if !self.cursor.is_space_or_end(0) {
            return Err(self.fault(start, "did not find expected whitespace or line break"));
        }
        let (handle, prefix) = (text(handle), text(prefix));
        Ok(TokenKind::TagDirective { handle, prefix })
    }
}
