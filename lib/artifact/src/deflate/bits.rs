//! Bits to bytes, least significant first (RFC 1951 §3.1.1).

use std::io::{self, Write};

/// Whole bytes are handed to the inner writer in pieces of about this size.
const BUFFER: usize = 32 * 1024;

/// Packs bit fields into the inner writer.
pub(super) struct BitWriter<W> {
    inner: W,
    buffer: Vec<u8>,
    /// Bits not yet in the buffer, the next one lowest; always fewer than 32 between calls.
    pending: u64,
    count: u32,
}

impl<W: Write> BitWriter<W> {
    pub(super) fn new(inner: W) -> BitWriter<W> {
        BitWriter {
            inner,
            buffer: Vec::with_capacity(BUFFER + 8),
            pending: 0,
            count: 0,
        }
    }

    /// Appends the low `count` bits of `value`, at most 32; the others are zero.
    #[inline]
    pub(super) fn bits(&mut self, value: u32, count: u32) -> io::Result<()> {
        self.pending |= u64::from(value) << self.count;
        self.count += count;
        if self.count >= 32 {
            self.buffer
                .extend_from_slice(&(self.pending as u32).to_le_bytes());
            self.pending >>= 32;
            self.count -= 32;
            if self.buffer.len() >= BUFFER {
                return self.drain();
            }
        }
        Ok(())
    }

    /// Fills up the last byte with zeros.
    pub(super) fn align(&mut self) {
        while self.count > 0 {
            self.buffer.push(self.pending as u8);
            self.pending >>= 8;
            self.count = self.count.saturating_sub(8);
        }
    }

    /// Appends whole bytes; the writer must be aligned.
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.align();
        self.drain()?;
        self.inner.write_all(bytes)
    }

    /// Writes out everything and gives the inner writer back.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.align();
        self.drain()?;
        Ok(self.inner)
    }

    fn drain(&mut self) -> io::Result<()> {
        self.inner.write_all(&self.buffer)?;
        self.buffer.clear();
        Ok(())
    }
}
