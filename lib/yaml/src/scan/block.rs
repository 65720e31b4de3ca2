//! Scalars in blocks: literal and folded.

use super::{Fault, Mark, ScalarStyle, Scanner, TokenKind, text};

/// What happens to the line breaks at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chomping {
    Strip,
    Clip,
    Keep,
}

impl Scanner<'_> {
    pub(super) fn block_scalar(&mut self, style: ScalarStyle) -> Result<(), Fault> {
        self.drop_key()?;
        self.key_allowed = true;
        let start = self.cursor.mark;
        self.cursor.skip();
        let (chomping, increment) = self.block_header(start)?;
        self.end_of_line(start)?;
        let mut indent = match increment {
            0 => 0,
            increment => self.indent.max(0) + increment,
        };
        let mut end = self.cursor.mark;
        let (mut value, mut leading, mut trailing) = (Vec::new(), Vec::new(), Vec::new());
        self.block_breaks(&mut indent, &mut trailing, start, &mut end)?;
        self.cursor.need(1)?;
        let mut after_blank = false;
        while self.cursor.mark.column == indent && !self.cursor.over() {
            let blank = self.cursor.is_blank(0);
            let folds =
                style == ScalarStyle::Folded && !after_blank && !blank && leading.first() == Some(&b'\n');
            if !folds {
                value.append(&mut leading);
            } else if trailing.is_empty() {
                value.push(b' ');
            }
            leading.clear();
            value.append(&mut trailing);
            after_blank = blank;
            while !self.cursor.is_break_or_end(0) {
                self.cursor.take(&mut value);
                self.cursor.need(1)?;
            }
            self.cursor.need(2)?;
            if self.cursor.is_break(0) {
                self.cursor.take_line(&mut leading);
            }
            self.block_breaks(&mut indent, &mut trailing, start, &mut end)?;
        }
        if chomping != Chomping::Strip {
            value.append(&mut leading);
        }
        if chomping == Chomping::Keep {
            value.append(&mut trailing);
        }
        self.push(TokenKind::Scalar(text(value), style), start);
        if let Some(token) = self.tokens.back_mut() {
            token.end = end;
        }
        Ok(())
    }

    /// Chomping and indentation, in either order; 0 where the indentation is not told.
    fn block_header(&mut self, start: Mark) -> Result<(Chomping, isize), Fault> {
        self.cursor.need(1)?;
        let mut chomping = self.chomping()?;
        let increment = self.increment(start)?;
        if chomping.is_none() && increment > 0 {
            chomping = self.chomping()?;
        }
        Ok((chomping.unwrap_or(Chomping::Clip), increment))
    }

    fn chomping(&mut self) -> Result<Option<Chomping>, Fault> {
        let chomping = match self.cursor.byte(0) {
            b'+' => Chomping::Keep,
            b'-' => Chomping::Strip,
            _ => return Ok(None),
        };
        self.cursor.skip();
        self.cursor.need(1)?;
        Ok(Some(chomping))
    }

    fn increment(&mut self, start: Mark) -> Result<isize, Fault> {
        let digit = self.cursor.byte(0);
        match digit {
            b'0' => Err(self.fault(start, "found an indentation indicator equal to 0")),
            b'1'..=b'9' => {
                self.cursor.skip();
                self.cursor.need(1)?;
                Ok(isize::from(digit - b'0'))
            }
            _ => Ok(0),
        }
    }

    /// Nothing but a comment stands on the rest of the line.
    pub(super) fn end_of_line(&mut self, start: Mark) -> Result<(), Fault> {
        self.skip_blanks()?;
        self.skip_comment()?;
        if !self.cursor.is_break_or_end(0) {
            return Err(self.fault(start, "did not find expected comment or line break"));
        }
        if self.cursor.is_break(0) {
            self.cursor.need(2)?;
            self.cursor.skip_line();
        }
        Ok(())
    }

    pub(super) fn skip_blanks(&mut self) -> Result<(), Fault> {
        self.cursor.need(1)?;
        while self.cursor.is_blank(0) {
            self.cursor.skip();
            self.cursor.need(1)?;
        }
        Ok(())
    }

    /// Takes empty lines, and the indentation of the next one; finds out how deep it is where that is not told.
    fn block_breaks(
        &mut self,
        indent: &mut isize,
        breaks: &mut Vec<u8>,
        start: Mark,
        end: &mut Mark,
    ) -> Result<(), Fault> {
        *end = self.cursor.mark;
        let mut deepest = 0;
        loop {
            self.cursor.need(1)?;
            let outside = |column: isize| *indent == 0 || column < *indent;
            while outside(self.cursor.mark.column) && self.cursor.byte(0) == b' ' {
                self.cursor.skip();
                self.cursor.need(1)?;
            }
            deepest = deepest.max(self.cursor.mark.column);
            if outside(self.cursor.mark.column) && self.cursor.byte(0) == b'\t' {
                let text = "found a tab character where an indentation space is expected";
                return Err(self.fault(start, text));
            }
            if !self.cursor.is_break(0) {
                break;
            }
            self.cursor.need(2)?;
            self.cursor.take_line(breaks);
            *end = self.cursor.mark;
        }
        if *indent == 0 {
            *indent = deepest.max(self.indent + 1).max(1);
        }
        Ok(())
    }
}
