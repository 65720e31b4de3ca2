//! Blocking: the content of an artifact in the making, on disk: in what its sources were unpacked to, and beside it what was
//! unpacked or merged on the way. Files hold where theirs is, so memory grows with their number alone.

use crate::spool::{Content, Spool};
use artifact::{Entry, EntryKind, File, Limits, Node, Place, UnpackError, Unpacked, unpack_to};
use std::{
    fs,
    io::{self, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    sync::Arc,
};

/// Where files have their content. What a file of the artifact holds is known here alone.
#[derive(Debug)]
pub struct Contents {
    /// Sources as they are unpacked, and what was made; those in use are counted from 1.
    sources: Vec<Arc<Spool>>,
    made: Arc<fs::File>,
    /// How many bytes were made.
    end: u64,
}

/// Where the files of a tree have their content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Of a source its number; 0 for what was made.
    number: u32,
    /// What is before the tree's own first byte.
    before: u64,
}

impl Contents {
    /// Nothing yet; `scratch` is an empty file for what is made.
    pub fn new(scratch: fs::File) -> Self {
        Self {
            sources: Vec::new(),
            made: Arc::new(scratch),
            end: 0,
        }
    }

    /// From now on files of a source can be taken over.
    pub fn source(&mut self, spool: &Arc<Spool>) -> Origin {
        let known = self.sources.iter().position(|known| Arc::ptr_eq(known, spool));
        let place = known.unwrap_or_else(|| {
            self.sources.push(spool.clone());
            self.sources.len() - 1
        });
        Origin {
            // No spec has as many sources.
            number: u32::try_from(place + 1).unwrap_or(u32::MAX),
            before: 0,
        }
    }

    /// A file of a tree as the artifact holds it.
    pub fn take(&self, origin: Origin, file: &File) -> File {
        let Place { offset, size } = Place::of(file).unwrap_or(NOWHERE);
        held(origin.number, origin.before + offset, size, file.executable())
    }

    /// How many bytes a file of the artifact has.
    pub fn size(file: &File) -> u64 {
        place(file).1.size
    }

    /// The content of a file of the artifact.
    pub fn content(&self, file: &File) -> Content {
        let (number, place) = place(file);
        let source = (number as usize).checked_sub(1);
        match source.and_then(|source| self.sources.get(source)) {
            Some(spool) => spool.at(place),
            None => Content::new(self.made.clone(), place),
        }
    }

    /// A new file of the artifact.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn make(&mut self, bytes: &[u8], executable: bool) -> io::Result<File> {
        let (mut made, offset) = (&*self.made, self.end);
        made.seek(SeekFrom::Start(offset))?;
        made.write_all(bytes)?;
        self.end += bytes.len() as u64;
        Ok(held(0, offset, bytes.len() as u64, executable))
    }

    /// Unpacks a file of the artifact; what it has inside can be taken over.
    ///
    /// # Errors
    /// See [`UnpackError`].
    pub fn unpack(&mut self, archive: &File, limits: &Limits) -> Result<(Unpacked, Origin), UnpackError> {
        let (mut made, before) = (&*self.made, self.end);
        made.seek(SeekFrom::Start(before)).map_err(UnpackError::Keep)?;
        let content = BufReader::new(self.content(archive));
        let unpacked = unpack_to(content, limits, BufWriter::new(made))?;
        self.end = made.stream_position().map_err(UnpackError::Keep)?;
        Ok((unpacked, Origin { number: 0, before }))
    }

    /// What is at a path, as an archive has it.
    pub fn entry(&self, path: &str, node: Node<'_>) -> Entry<Content> {
        let kind = match node {
            Node::Directory => EntryKind::Directory,
            Node::File(file) => EntryKind::File {
                size: Self::size(file),
                executable: file.executable(),
                content: self.content(file),
            },
        };
        Entry {
            path: path.as_bytes().to_vec(),
            kind,
        }
    }

    /// All of a file, of which the caller knows that it is small.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn bytes(&self, file: &File) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.content(file).read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// Of files that were not made here; there are none.
const NOWHERE: Place = Place { offset: 0, size: 0 };

fn held(number: u32, offset: u64, size: u64, executable: bool) -> File {
    let bytes = [
        &number.to_le_bytes()[..],
        &offset.to_le_bytes(),
        &size.to_le_bytes(),
    ];
    File::new(bytes.concat(), executable)
}

fn place(file: &File) -> (u32, Place) {
    let read = || {
        let (number, rest) = file.bytes().split_first_chunk()?;
        let (offset, size) = rest.split_first_chunk()?;
        let place = Place {
            offset: u64::from_le_bytes(*offset),
            size: u64::from_le_bytes(size.try_into().ok()?),
        };
        Some((u32::from_le_bytes(*number), place))
    };
    read().unwrap_or((0, NOWHERE))
}
