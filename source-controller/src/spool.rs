//! The files of an archive, unpacked to disk: memory grows with their number, not with their content.

use artifact::{Entry, EntryKind, File, Limits, Node, Place, Tree, UnpackError, unpack_to};
use std::{
    fs,
    io::{self, BufWriter, Read},
    os::unix::fs::FileExt as _,
    sync::Arc,
};

/// An archive that was unpacked.
#[derive(Debug)]
pub struct Spool {
    tree: Tree,
    content: Arc<fs::File>,
    size: u64,
}

/// The content of a file in a [`Spool`].
#[derive(Debug)]
pub struct Content {
    file: Arc<fs::File>,
    at: u64,
    left: u64,
}

impl Spool {
    /// Unpacks an archive into an empty file. Blocks.
    ///
    /// # Errors
    /// See [`UnpackError`].
    pub fn unpack(archive: impl Read, limits: &Limits, scratch: fs::File) -> Result<Spool, UnpackError> {
        let tree = unpack_to(archive, limits, BufWriter::new(&scratch))?.tree;
        let size = scratch.metadata().map_err(UnpackError::Keep)?.len();
        Ok(Spool {
            tree,
            content: Arc::new(scratch),
            size,
        })
    }

    /// What is where. The files hold no content: see [`Spool::content`].
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// How many bytes all files have together.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The content of a file of the tree.
    #[must_use]
    pub fn content(&self, file: &File) -> Content {
        // All files of the tree have a place.
        self.at(Place::of(file).unwrap_or(Place { offset: 0, size: 0 }))
    }

    /// The content that is at a place.
    #[must_use]
    pub fn at(&self, place: Place) -> Content {
        Content::new(self.content.clone(), place)
    }

    /// What is at a path, as an archive has it.
    #[must_use]
    pub fn entry(&self, path: &str, node: Node<'_>) -> Entry<Content> {
        let kind = match node {
            Node::Directory => EntryKind::Directory,
            Node::File(file) => {
                let content = self.content(file);
                EntryKind::File {
                    size: content.left,
                    executable: file.executable(),
                    content,
                }
            }
        };
        Entry {
            path: path.as_bytes().to_vec(),
            kind,
        }
    }
}

impl Content {
    /// What a file has at a place.
    #[must_use]
    pub fn new(file: Arc<fs::File>, place: Place) -> Content {
        Content {
            file,
            at: place.offset,
            left: place.size,
        }
    }

    /// How many bytes are left to read.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.left
    }

    /// All of it.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn bytes(mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl Read for Content {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(into.len());
        let read = self.file.read_at(&mut into[..most], self.at)?;
        self.at += read as u64;
        self.left -= read as u64;
        Ok(read)
    }
}
