//! Scalars in quotes.

use super::{Fault, Mark, ScalarStyle, Scanner, TokenKind, plain::Gap, text};

impl Scanner<'_> {
    pub(super) fn quoted(&mut self, style: ScalarStyle) -> Result<(), Fault> {
        self.save_key()?;
        self.key_allowed = false;
        let start = self.cursor.mark;
        let quote = self.cursor.byte(0);
        self.cursor.skip();
        let mut value = Vec::new();
        loop {
            self.cursor.need(4)?;
            if self.cursor.is_document_indicator() {
                return Err(self.fault(start, "found unexpected document indicator"));
            }
            if self.cursor.over() {
                return Err(self.fault(start, "found unexpected end of stream"));
            }
            let mut gap = Gap::default();
            while !self.cursor.is_space_or_end(0) && !gap.broken && !self.quote_ends(quote) {
                match (self.cursor.byte(0), style) {
                    (b'\'', ScalarStyle::Single) => {
                        value.push(b'\'');
                        self.cursor.skip();
                        self.cursor.skip();
                    }
                    // The line goes on as if there were no break.
                    (b'\\', ScalarStyle::Double) if self.cursor.is_break(1) => {
                        self.cursor.need(3)?;
                        self.cursor.skip();
                        self.cursor.skip_line();
                        gap.broken = true;
                    }
                    (b'\\', ScalarStyle::Double) => self.escape(start, &mut value)?,
                    _ => self.cursor.take(&mut value),
                }
                self.cursor.need(2)?;
            }
            self.cursor.need(1)?;
            if self.cursor.byte(0) == quote {
                break;
            }
            while self.cursor.is_blank(0) || self.cursor.is_break(0) {
                self.take_space(&mut gap)?;
            }
            gap.fold_into(&mut value);
        }
        self.cursor.skip();
        self.push(TokenKind::Scalar(text(value), style), start);
        Ok(())
    }

    /// Whether a quote stands here that is no quote inside of the scalar.
    fn quote_ends(&self, quote: u8) -> bool {
        self.cursor.byte(0) == quote && (quote == b'"' || self.cursor.byte(1) != quote)
    }

    fn escape(&mut self, start: Mark, value: &mut Vec<u8>) -> Result<(), Fault> {
        let digits = match self.cursor.byte(1) {
            b'x' => 2,
            b'u' => 4,
            b'U' => 8,
            other => {
                let character = match other {
                    b'0' => '\0',
                    b'a' => '\u{7}',
                    b'b' => '\u{8}',
                    b't' | b'\t' => '\t',
                    b'n' => '\n',
                    b'v' => '\u{b}',
                    b'f' => '\u{c}',
                    b'r' => '\r',
                    b'e' => '\u{1b}',
                    b' ' | b'"' | b'\'' | b'\\' => char::from(other),
                    b'N' => '\u{85}',
                    b'_' => '\u{a0}',
                    b'L' => '\u{2028}',
                    b'P' => '\u{2029}',
                    _ => return Err(self.fault(start, "found unknown escape character")),
                };
                self.cursor.skip();
                self.cursor.skip();
                put(character, value);
                return Ok(());
            }
        };
        self.cursor.skip();
        self.cursor.skip();
        self.cursor.need(digits)?;
        let mut code = 0u32;
        for n in 0..digits {
            let digit = char::from(self.cursor.byte(n)).to_digit(16);
            let digit = digit.ok_or_else(|| self.fault(start, "did not find expected hexdecimal number"))?;
            code = code.wrapping_shl(4) | digit;
        }
        let character = char::from_u32(code)
            .ok_or_else(|| self.fault(start, "found invalid Unicode character escape code"))?;
        (0..digits).for_each(|_| self.cursor.skip());
        put(character, value);
        Ok(())
    }
}

fn put(character: char, into: &mut Vec<u8>) {
    into.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
}
