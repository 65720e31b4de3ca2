//! Anchors, aliases and tags.

use super::{Fault, Mark, Scanner, TokenKind, cursor::width, text};

impl Scanner<'_> {
    /// An anchor or an alias.
    pub(super) fn anchor(&mut self) -> Result<(), Fault> {
        self.save_key()?;
        self.key_allowed = false;
        let start = self.cursor.mark;
        let is_alias = self.cursor.byte(0) == b'*';
        self.cursor.skip();
        let name = self.word()?;
        let ends = self.cursor.is_space_or_end(0)
            || matches!(
                self.cursor.byte(0),
                b'?' | b':' | b',' | b']' | b'}' | b'%' | b'@' | b'`'
            );
        if name.is_empty() || !ends {
            return Err(self.fault(start, "did not find expected alphabetic or numeric character"));
        }
        let name = text(name);
        self.push(
            if is_alias {
                TokenKind::Alias(name)
            } else {
                TokenKind::Anchor(name)
            },
            start,
        );
        Ok(())
    }

    pub(super) fn tag(&mut self) -> Result<(), Fault> {
        self.save_key()?;
        self.key_allowed = false;
        let start = self.cursor.mark;
        self.cursor.need(2)?;
        let (handle, suffix) = if self.cursor.byte(1) == b'<' {
            self.cursor.skip();
            self.cursor.skip();
            let uri = self.tag_uri(b"", start)?;
            if self.cursor.byte(0) != b'>' {
                return Err(self.fault(start, "did not find the expected '>'"));
            }
            self.cursor.skip();
            (Vec::new(), uri)
        } else {
            let handle = self.tag_handle(start)?;
            if handle.len() > 1 && handle.ends_with(b"!") {
                let uri = self.tag_uri(b"", start)?;
                (handle, uri)
            } else {
                match self.tag_uri(&handle, start)? {
                    // `!` alone.
                    uri if uri.is_empty() => (Vec::new(), b"!".to_vec()),
                    uri => (b"!".to_vec(), uri),
                }
            }
        };
        self.cursor.need(1)?;
        if !self.cursor.is_space_or_end(0) {
            return Err(self.fault(start, "did not find expected whitespace or line break"));
        }
        let (handle, suffix) = (text(handle), text(suffix));
        self.push(TokenKind::Tag { handle, suffix }, start);
        Ok(())
    }

    /// `!`, `!!`, `!name!`, or `!name`, which is no handle but the beginning of a tag.
    pub(super) fn tag_handle(&mut self, start: Mark) -> Result<Vec<u8>, Fault> {
        self.cursor.need(1)?;
        if self.cursor.byte(0) != b'!' {
            return Err(self.fault(start, "did not find expected '!'"));
        }
        self.cursor.skip();
        let mut handle = b"!".to_vec();
        handle.append(&mut self.word()?);
        if self.cursor.byte(0) == b'!' {
            self.cursor.take(&mut handle);
        }
        Ok(handle)
    }

    /// A tag or the end of one. `head` was read already; its `!` is not part of the tag.
    pub(super) fn tag_uri(&mut self, head: &[u8], start: Mark) -> Result<Vec<u8>, Fault> {
        let mut uri = head.get(1..).unwrap_or_default().to_vec();
        let mut any = !head.is_empty();
        self.cursor.need(1)?;
        while is_uri(self.cursor.byte(0)) {
            if self.cursor.byte(0) == b'%' {
                self.uri_escape(start, &mut uri)?;
            } else {
                self.cursor.take(&mut uri);
            }
            self.cursor.need(1)?;
            any = true;
        }
        if any {
            Ok(uri)
        } else {
            Err(self.fault(start, "did not find expected tag URI"))
        }
    }

    /// The bytes of one character, each as `%` and two digits.
    fn uri_escape(&mut self, start: Mark, uri: &mut Vec<u8>) -> Result<(), Fault> {
        let mut left = None;
        while left != Some(0) {
            self.cursor.need(3)?;
            let digit = |n| char::from(self.cursor.byte(n)).to_digit(16);
            let octet = match (self.cursor.byte(0), digit(1), digit(2)) {
                (b'%', Some(high), Some(low)) => (high << 4 | low) as u8,
                _ => return Err(self.fault(start, "did not find URI escaped octet")),
            };
            left = Some(match left {
                None if matches!(octet, 0x80..=0xbf | 0xf8..) => {
                    return Err(self.fault(start, "found an incorrect leading UTF-8 octet"));
                }
                None => width(octet) - 1,
                Some(_) if octet & 0xc0 != 0x80 => {
                    return Err(self.fault(start, "found an incorrect trailing UTF-8 octet"));
                }
                Some(left) => left - 1,
            });
            uri.push(octet);
            (0..3).for_each(|_| self.cursor.skip());
        }
        Ok(())
    }

    /// Letters, digits, `_` and `-`.
    pub(super) fn word(&mut self) -> Result<Vec<u8>, Fault> {
        let mut word = Vec::new();
        self.cursor.need(1)?;
        while is_word(self.cursor.byte(0)) {
            self.cursor.take(&mut word);
            self.cursor.need(1)?;
        }
        Ok(word)
    }
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// With the comma, which libyaml itself does not take.
fn is_uri(byte: u8) -> bool {
    is_word(byte) || b";/?:@&=+$,.!~*'()[]%".contains(&byte)
}
