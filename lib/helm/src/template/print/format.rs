//! The directives of a format: flags, widths, indexes, verbs.

use super::{MAX_NUMBER, Printer};
use crate::template::error::Fault;
use crate::template::value::Value;

/// A format and the operands that are left.
pub(super) struct Format<'a> {
    pub format: &'a [u8],
    pub at: usize,
    pub values: &'a [Value],
    pub arg: usize,
    pub reordered: bool,
    pub good: bool,
}

impl Format<'_> {
    pub fn run(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        while self.at < self.format.len() {
            let rest = &self.format[self.at..];
            let text = rest.iter().position(|&b| b == b'%').unwrap_or(rest.len());
            out.extend_from_slice(&rest[..text]);
            self.at += text;
            if self.at >= self.format.len() {
                break;
            }
            self.at += 1;
            self.directive(out)?;
        }
        Ok(())
    }

    fn peek(&self) -> Option<u8> {
        self.format.get(self.at).copied()
    }

    fn directive(&mut self, out: &mut Vec<u8>) -> Result<(), Fault> {
        let mut printer = Printer::default();
        while let Some(flag) = self.peek() {
            match flag {
                b'#' => printer.sharp = true,
                b'0' => printer.zero = true,
                b'+' => printer.plus = true,
                b'-' => printer.minus = true,
                b' ' => printer.space = true,
                _ => break,
            }
            self.at += 1;
        }
        self.good = true;
        let mut after_index = self.index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.star() {
                Some(width) if width < 0 => {
                    printer.width = Some(width.unsigned_abs() as usize);
                    printer.minus = true;
                    printer.zero = false;
                }
                Some(width) => printer.width = Some(width as usize),
                None => out.extend_from_slice(b"%!(BADWIDTH)"),
            }
            after_index = false;
        } else if let Some(width) = self.number() {
            printer.width = Some(width);
            if after_index {
                self.good = false;
            }
        }
        if self.peek() == Some(b'.') {
            self.at += 1;
            if after_index {
                self.good = false;
            }
            after_index = self.index();
            if self.peek() == Some(b'*') {
                self.at += 1;
                match self.star() {
                    Some(precision) if precision >= 0 => printer.precision = Some(precision as usize),
                    Some(_) => {}
                    None => out.extend_from_slice(b"%!(BADPREC)"),
                }
                after_index = false;
            } else {
                printer.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !after_index {
            after_index = self.index();
        }
        let _ = after_index;
        if self.at >= self.format.len() {
            out.extend_from_slice(b"%!(NOVERB)");
            return Ok(());
        }
        let (verb, size) = next_char(&self.format[self.at..]);
        self.at += size;
        if verb == '%' {
            out.push(b'%');
            return Ok(());
        }
        if !self.good {
            out.extend_from_slice(format!("%!{verb}(BADINDEX)").as_bytes());
            return Ok(());
        }
        let Some(value) = self.values.get(self.arg) else {
            out.extend_from_slice(format!("%!{verb}(MISSING)").as_bytes());
            return Ok(());
        };
        self.arg += 1;
        if verb == 'v' {
            printer.sharp_v = std::mem::take(&mut printer.sharp);
            printer.plus_v = std::mem::take(&mut printer.plus);
        }
        printer.verb(value, verb);
        printer.finish(out)
    }

    /// `[n]`: the next operand is the n-th; true if there was one.
    fn index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let rest = &self.format[self.at..];
        let Some(end) = rest.iter().position(|&b| b == b']') else {
            self.good = false;
            self.at += 1;
            return false;
        };
        let number = std::str::from_utf8(&rest[1..end])
            .ok()
            .and_then(|text| text.parse::<usize>().ok());
        self.at += end + 1;
        match number {
            Some(n) if n >= 1 && n <= self.values.len() => {
                self.arg = n - 1;
                true
            }
            _ => {
                self.good = false;
                number.is_some()
            }
        }
    }

    fn number(&mut self) -> Option<usize> {
        let start = self.at;
        let mut value: i64 = 0;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            if value > MAX_NUMBER {
                return None;
            }
            value = value * 10 + i64::from(digit - b'0');
            self.at += 1;
        }
        (self.at > start && value <= MAX_NUMBER * 10).then_some(value as usize)
    }

    fn star(&mut self) -> Option<i64> {
        let value = self.values.get(self.arg)?;
        self.arg += 1;
        let number = value.as_int().or(match value {
            Value::Byte(byte) => Some(i64::from(*byte)),
            _ => None,
        })?;
        (-MAX_NUMBER..=MAX_NUMBER).contains(&number).then_some(number)
    }
}

fn next_char(bytes: &[u8]) -> (char, usize) {
    let chunk = &bytes[..bytes.len().min(4)];
    match chunk.utf8_chunks().next().and_then(|c| c.valid().chars().next()) {
        Some(c) => (c, c.len_utf8()),
        None => ('\u{fffd}', 1),
    }
}
