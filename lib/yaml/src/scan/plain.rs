//! Scalars without quotes.

use super::{Fault, ScalarStyle, Scanner, TokenKind, text};

/// White space between pieces of a scalar that may have several lines.
#[derive(Debug, Default)]
pub(super) struct Gap {
    /// Blanks, while there is no line break.
    blanks: Vec<u8>,
    /// The first line break.
    first: Vec<u8>,
    /// All further ones.
    more: Vec<u8>,
    /// Whether a line break came.
    pub broken: bool,
}

impl Gap {
    /// Appends what the gap stands for: one line break is a space, more of them are themselves without the first.
    pub fn fold_into(&mut self, text: &mut Vec<u8>) {
        if !self.broken {
            text.append(&mut self.blanks);
            return;
        }
        if self.first.first() != Some(&b'\n') {
            text.append(&mut self.first);
        } else if self.more.is_empty() {
            text.push(b' ');
        }
        text.append(&mut self.more);
        self.first.clear();
        self.broken = false;
    }
}

impl Scanner<'_> {
    /// Takes a blank or a line break into a gap.
    pub(super) fn take_space(&mut self, gap: &mut Gap) -> Result<(), Fault> {
        if self.cursor.is_blank(0) {
            if gap.broken {
                self.cursor.skip();
            } else {
                self.cursor.take(&mut gap.blanks);
            }
        } else {
            self.cursor.need(2)?;
            if gap.broken {
                self.cursor.take_line(&mut gap.more);
            } else {
                gap.blanks.clear();
                self.cursor.take_line(&mut gap.first);
                gap.broken = true;
            }
        }
        self.cursor.need(1)
    }

    /// Any character may begin a plain scalar that means nothing else; `-`, and `?` and `:` outside of brackets, if no
    /// white space follows.
    pub(super) fn plain_may_begin(&self) -> bool {
        let cursor = &self.cursor;
        match cursor.byte(0) {
            b'-' => !cursor.is_blank(1),
            b'?' | b':' => self.flow == 0 && !cursor.is_space_or_end(1),
            b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"'
            | b'%' | b'@' | b'`' => false,
            _ => !cursor.is_space_or_end(0),
        }
    }

    pub(super) fn plain(&mut self) -> Result<(), Fault> {
        self.save_key()?;
        self.key_allowed = false;
        let indent = self.indent + 1;
        let start = self.cursor.mark;
        let mut end = start;
        let (mut value, mut gap) = (Vec::new(), Gap::default());
        loop {
            self.cursor.need(4)?;
            if self.cursor.is_document_indicator() || self.cursor.byte(0) == b'#' {
                break;
            }
            while !self.cursor.is_space_or_end(0) && !self.plain_ends() {
                gap.fold_into(&mut value);
                self.cursor.take(&mut value);
                end = self.cursor.mark;
                self.cursor.need(2)?;
            }
            if !self.cursor.is_blank(0) && !self.cursor.is_break(0) {
                break;
            }
            while self.cursor.is_blank(0) || self.cursor.is_break(0) {
                let tab = self.cursor.byte(0) == b'\t';
                if gap.broken && tab && self.cursor.mark.column < indent {
                    return Err(self.fault(start, "found a tab character that violates indentation"));
                }
                self.take_space(&mut gap)?;
            }
            if self.flow == 0 && self.cursor.mark.column < indent {
                break;
            }
        }
        self.push(TokenKind::Scalar(text(value), ScalarStyle::Plain), start);
        if let Some(token) = self.tokens.back_mut() {
            token.end = end;
        }
        // After a line break a key may begin again.
        if gap.broken {
            self.key_allowed = true;
        }
        Ok(())
    }

    fn plain_ends(&self) -> bool {
        match self.cursor.byte(0) {
            b':' => self.cursor.is_space_or_end(1),
            b',' | b'?' | b'[' | b']' | b'{' | b'}' => self.flow > 0,
            _ => false,
        }
    }
}
