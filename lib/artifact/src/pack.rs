//! The archive that names a revision's content: a tar.gz in which nothing depends on when or where it was made.

use std::cmp::Ordering;
use std::io::{self, Read, Write};

use crate::deflate::GzipWriter;
use crate::path::{MAX_LENGTH, walk_order};
use crate::tar;
use crate::tree::{Node, Tree};

/// Content goes to the compressor in pieces of this size, like Go's `io.Copy`; another size would give other bytes.
const PIECE: usize = 32 * 1024;

/// One thing to archive.
#[derive(Debug, Clone)]
pub struct Entry<C> {
    /// Relative, clean, `/`-separated, no slash at the end. Bytes, because Git's paths are.
    pub path: Vec<u8>,
    /// What it is.
    pub kind: EntryKind<C>,
}

/// A directory, or a file with its content.
#[derive(Debug, Clone)]
pub enum EntryKind<C> {
    /// Archived with mode 0750.
    Directory,
    /// Archived with mode 0600, or 0700 if executable.
    File {
        /// How many bytes `content` gives.
        size: u64,
        /// Whether any execute bit is set.
        executable: bool,
        /// The content.
        content: C,
    },
}

/// Why an archive could not be written. `E` is the error of whoever hands in the entries.
#[derive(Debug, thiserror::Error)]
pub enum PackError<E: std::error::Error + 'static> {
    /// The next entry could not be had.
    #[error("cannot read the next entry to archive")]
    Entry(#[source] E),
    /// A path is empty, absolute, not clean or too long.
    #[error("cannot archive the path {0:?}")]
    Path(String),
    /// Entries did not come in the order of [`walk_order`], or one came twice.
    #[error("entry {0:?} is out of order")]
    Order(String),
    /// A file's content could not be read.
    #[error("cannot read {path:?}")]
    Read {
        /// The file.
        path: String,
        /// What its reader said.
        #[source]
        source: io::Error,
    },
    /// A file's content is not as long as its entry said.
    #[error("{path:?} is not {size} bytes long")]
    Size {
        /// The file.
        path: String,
        /// The size that the entry said, in bytes.
        size: u64,
    },
    /// The archive could not be written.
    #[error("cannot write the archive")]
    Write(#[source] io::Error),
}

/// Writes entries as tar.gz with nothing in it but paths, content and one execute bit, and gives the writer back.
///
/// The root (`.`) is added in front. Entries must come in [`walk_order`], each once. Memory is bounded by a few hundred KiB
/// whatever the entries' size. The bytes are those of Flux's source-controller for the same files.
///
/// # Errors
/// Entries that fail, are out of order or have another size than they said; a writer that fails.
pub fn pack<C: Read, E: std::error::Error + 'static, W: Write>(
    entries: impl IntoIterator<Item = Result<Entry<C>, E>>,
    writer: W,
) -> Result<W, PackError<E>> {
    let mut archive = GzipWriter::new(writer).map_err(PackError::Write)?;
    write_headers(&mut archive, b".", b'5', 0o750, 0).map_err(PackError::Write)?;
    let mut previous = Vec::new();
    let mut buffer = vec![0; PIECE];
    for entry in entries {
        let Entry { path, kind } = entry.map_err(PackError::Entry)?;
        if !is_clean(&path) {
            return Err(PackError::Path(lossy(&path)));
        }
        if walk_order(&previous, &path) != Ordering::Less {
            return Err(PackError::Order(lossy(&path)));
        }
        match kind {
            EntryKind::Directory => {
                write_headers(&mut archive, &path, b'5', 0o750, 0).map_err(PackError::Write)?;
            }
            EntryKind::File {
                size,
                executable,
                content,
            } => {
                let mode = if executable { 0o700 } else { 0o600 };
                write_headers(&mut archive, &path, b'0', mode, size).map_err(PackError::Write)?;
                copy(content, &path, size, &mut buffer, &mut archive)?;
                pad(&mut archive, size).map_err(PackError::Write)?;
            }
        }
        previous = path;
    }
    // Two empty blocks end an archive; Go writes them one by one.
    archive.write_all(&[0; tar::BLOCK]).map_err(PackError::Write)?;
    archive.write_all(&[0; tar::BLOCK]).map_err(PackError::Write)?;
    archive.finish().map_err(PackError::Write)
}

/// Writes all of a tree as [`pack`] does.
///
/// # Errors
/// A writer that fails.
pub fn pack_tree<W: Write>(tree: &Tree, writer: W) -> Result<W, PackError<std::convert::Infallible>> {
    let entries = tree.walk().map(|(path, node)| {
        let kind = match node {
            Node::Directory => EntryKind::Directory,
            Node::File(file) => {
                let content = file.bytes();
                EntryKind::File {
                    size: content.len() as u64,
                    executable: file.executable(),
                    content,
                }
            }
        };
        Ok(Entry {
            path: path.into_bytes(),
            kind,
        })
    });
    pack(entries, writer)
}

fn write_headers(archive: &mut impl Write, name: &[u8], kind: u8, mode: u64, size: u64) -> io::Result<()> {
    let encoded = tar::encode(name, kind, mode, size, 0);
    if let Some((header, records)) = encoded.pax {
        archive.write_all(&header)?;
        archive.write_all(&records)?;
        pad(archive, records.len() as u64)?;
    }
    archive.write_all(&encoded.header)
}

fn pad(archive: &mut impl Write, size: u64) -> io::Result<()> {
    archive.write_all(&[0; tar::BLOCK][..tar::padding(size)])
}

fn copy<E: std::error::Error + 'static>(
    mut content: impl Read,
    path: &[u8],
    size: u64,
    buffer: &mut [u8],
    archive: &mut impl Write,
) -> Result<(), PackError<E>> {
    let wrong_size = || PackError::Size {
        path: lossy(path),
        size,
    };
    let mut left = size;
    loop {
        let filled = fill(&mut content, buffer).map_err(|source| PackError::Read {
            path: lossy(path),
            source,
        })?;
        left = left.checked_sub(filled as u64).ok_or_else(wrong_size)?;
        archive.write_all(&buffer[..filled]).map_err(PackError::Write)?;
        if filled < buffer.len() {
            return if left == 0 { Ok(()) } else { Err(wrong_size()) };
        }
    }
}

/// Reads until the buffer is full or the reader ends.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match reader.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn is_clean(path: &[u8]) -> bool {
    path.len() <= MAX_LENGTH
        && !path.contains(&0)
        && path
            .split(|byte| *byte == b'/')
            .all(|segment| !matches!(segment, b"" | b"." | b".."))
}

fn lossy(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}
