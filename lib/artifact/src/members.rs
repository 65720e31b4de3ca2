//! A tar archive of files alone, one after the other as they are given: Go's `archive/tar`, without its folders.

use std::io::{self, Write};

use crate::tar;

/// A file in an archive.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    /// The path in the archive, with `/`.
    pub name: &'a str,
    /// Permission bits, such as `0o644`.
    pub mode: u64,
    /// When it was changed, in whole seconds since 1970; at most 33 bits of them are kept.
    pub modified: u64,
    /// What it holds.
    pub content: &'a [u8],
}

/// Writes members; each write to the writer inside is one that Go's writer makes, so that a compressor gives the same bytes.
#[derive(Debug)]
pub struct Members<W> {
    writer: W,
    padding: usize,
}

impl<W: Write> Members<W> {
    /// An archive that is written to `writer`.
    pub fn new(writer: W) -> Members<W> {
        Members { writer, padding: 0 }
    }

    /// Adds a file. Names are not looked at: whoever gives them has seen to it that they stay inside.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn add(&mut self, member: Member<'_>) -> io::Result<()> {
        self.pad()?;
        let size = member.content.len() as u64;
        let modified = member.modified & tar::MAX_OCTAL_SIZE;
        let encoded = tar::encode(member.name.as_bytes(), b'0', member.mode, size, modified);
        if let Some((header, records)) = encoded.pax {
            self.writer.write_all(&header)?;
            self.writer.write_all(&records)?;
            self.padding = tar::padding(records.len() as u64);
            self.pad()?;
        }
        self.writer.write_all(&encoded.header)?;
        self.writer.write_all(member.content)?;
        self.padding = tar::padding(size);
        Ok(())
    }

    /// Ends the archive and gives the writer back.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.pad()?;
        // Two empty blocks end an archive; Go writes them one by one.
        self.writer.write_all(&[0; tar::BLOCK])?;
        self.writer.write_all(&[0; tar::BLOCK])?;
        Ok(self.writer)
    }

    fn pad(&mut self) -> io::Result<()> {
        let padding = std::mem::take(&mut self.padding);
        match padding {
            0 => Ok(()),
            padding => self.writer.write_all(&[0; tar::BLOCK][..padding]),
        }
    }
}
