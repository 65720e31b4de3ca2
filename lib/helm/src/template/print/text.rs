//! Texts and bytes with their verbs, and padding.

use super::Printer;
use crate::template::quote;
use crate::template::value::Value;

impl Printer {
    pub(super) fn string(&mut self, bytes: &[u8], verb: char) {
        let cut: Vec<u8>;
        let mut bytes = bytes;
        if let Some(precision) = self.precision
            && matches!(verb, 's' | 'v' | 'q')
        {
            cut = cut_chars(bytes, precision);
            bytes = &cut;
        }
        match verb {
            'x' | 'X' => self.hex(bytes, verb == 'X'),
            'q' => {
                let plain = bytes
                    .iter()
                    .all(|&b| b != b'`' && b != 0x7f && (b >= b' ' || b == b'\t'));
                let text = match std::str::from_utf8(bytes) {
                    Ok(text) if self.sharp && plain && !text.contains('\u{feff}') => format!("`{text}`"),
                    _ if self.plus => quote::quote_ascii(bytes),
                    _ => quote::quote(bytes),
                };
                self.pad(text.as_bytes());
            }
            _ => self.pad(bytes),
        }
    }

    pub(super) fn hex(&mut self, bytes: &[u8], upper: bool) {
        let bytes = &bytes[..bytes.len().min(self.precision.unwrap_or(usize::MAX))];
        let mut text = String::with_capacity(bytes.len() * 2);
        let prefix = if upper { "0X" } else { "0x" };
        for (i, byte) in bytes.iter().enumerate() {
            if self.space && i > 0 {
                text.push(' ');
            }
            if self.sharp && (self.space || i == 0) {
                text.push_str(prefix);
            }
            text.push_str(&if upper {
                format!("{byte:02X}")
            } else {
                format!("{byte:02x}")
            });
        }
        self.pad(text.as_bytes());
    }

    pub(super) fn bytes(&mut self, bytes: &[u8], verb: char, depth: usize) {
        match verb {
            'v' | 'd' => {
                let go = self.sharp_v && verb == 'v';
                self.raw(if go { "[]byte{" } else { "[" });
                for (i, byte) in bytes.iter().enumerate() {
                    if i > 0 {
                        self.raw(if go { ", " } else { " " });
                    }
                    if go {
                        self.raw(&format!("{byte:#x}"));
                    } else {
                        self.integer(&Value::Byte(*byte), i64::from(*byte), 'd', depth);
                    }
                }
                self.raw(if go { "}" } else { "]" });
            }
            's' | 'x' | 'X' | 'q' => self.string(bytes, verb),
            _ => {
                self.raw("[");
                for (i, byte) in bytes.iter().enumerate() {
                    if i > 0 {
                        self.raw(" ");
                    }
                    self.integer(&Value::Byte(*byte), i64::from(*byte), verb, depth);
                }
                self.raw("]");
            }
        }
    }

    pub(super) fn pad(&mut self, text: &[u8]) {
        let length = text
            .utf8_chunks()
            .map(|c| c.valid().chars().count() + c.invalid().len())
            .sum::<usize>();
        let missing = self.width.unwrap_or(0).saturating_sub(length);
        if missing == 0 {
            self.out.extend_from_slice(text);
        } else if self.minus {
            self.out.extend_from_slice(text);
            self.out.extend(std::iter::repeat_n(b' ', missing));
        } else {
            let fill = if self.zero { b'0' } else { b' ' };
            self.out.extend(std::iter::repeat_n(fill, missing));
            self.out.extend_from_slice(text);
        }
    }
}

/// The first `count` characters; a byte that is no UTF-8 is one.
fn cut_chars(bytes: &[u8], count: usize) -> Vec<u8> {
    let mut left = count;
    let mut out = Vec::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if left == 0 {
                return out;
            }
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            left -= 1;
        }
        for &byte in chunk.invalid() {
            if left == 0 {
                return out;
            }
            out.push(byte);
            left -= 1;
        }
    }
    out
}
