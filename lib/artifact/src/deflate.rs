//! gzip that gives, byte for byte, what Go's `compress/gzip` gives at its default level.
//!
//! The digest of an artifact is over compressed bytes, so a cluster that moves between Flux and us keeps its digests only
//! if two compressors make the same decisions: which match is taken (`matcher`), where a block ends and how it is coded
//! (`block`), and which of several optimal Huffman codes is used (`huffman`). Go's decisions are the specification;
//! `tests/it/deflate.rs` holds digests of Go's output.

mod bits;
mod block;
mod huffman;
mod matcher;

use std::io::{self, Write};

use bits::BitWriter;
use matcher::Matcher;

/// Compresses what is written to it into one gzip member without name or time.
///
/// **The sizes of the writes matter**: like Go's, the compressor moves its 64 KiB window when a write meets it nearly full,
/// and what is then out of reach changes later matches. Whoever wants Go's bytes makes Go's writes.
pub struct GzipWriter<W: Write> {
    matcher: Matcher,
    out: BitWriter<W>,
    checksum: flate2::Crc,
}

impl<W: Write> GzipWriter<W> {
    /// Writes the header to `inner` and is ready for content.
    ///
    /// # Errors
    /// Those of `inner`.
    pub fn new(inner: W) -> io::Result<GzipWriter<W>> {
        GzipWriter::with_notes(inner, b"", "")
    }

    /// As [`GzipWriter::new`], with an extra field (at most 64 KiB) and a comment (ASCII, without NUL) in the header;
    /// empty ones are left out.
    ///
    /// # Errors
    /// Those of `inner`; notes that do not fit.
    pub fn with_notes(mut inner: W, extra: &[u8], comment: &str) -> io::Result<GzipWriter<W>> {
        let length = u16::try_from(extra.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        if !comment.is_ascii() || comment.contains('\0') {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let flags = (u8::from(!extra.is_empty()) << 2) | (u8::from(!comment.is_empty()) << 4);
        // RFC 1952: magic, deflate, flags, no time, no extra flags, operating system "unknown".
        inner.write_all(&[0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 0xff])?;
        if !extra.is_empty() {
            inner.write_all(&length.to_le_bytes())?;
            inner.write_all(extra)?;
        }
        if !comment.is_empty() {
            inner.write_all(comment.as_bytes())?;
            inner.write_all(&[0])?;
        }
        Ok(GzipWriter {
            matcher: Matcher::new(),
            out: BitWriter::new(inner),
            checksum: flate2::Crc::new(),
        })
    }

    /// Ends the stream with checksum and length, and gives the writer back, not flushed.
    ///
    /// # Errors
    /// Those of the inner writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.matcher.finish(&mut self.out)?;
        let mut inner = self.out.finish()?;
        inner.write_all(&self.checksum.sum().to_le_bytes())?;
        inner.write_all(&self.checksum.amount().to_le_bytes())?;
        Ok(inner)
    }
}

impl<W: Write> Write for GzipWriter<W> {
    /// Takes all bytes or fails; after an error the stream is of no use.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.checksum.update(bytes);
        self.matcher.write(bytes, &mut self.out)?;
        Ok(bytes.len())
    }

    /// Does nothing: a flush inside the stream would change its bytes.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
