//! An untrusted tar.gz becomes a tree: regular files and directories only, inside the root, within limits.

mod header;

use std::io::{self, Read, Write};

use flate2::read::MultiGzDecoder;

use crate::path::PathError;
use crate::tar::{BLOCK, Header, padding};
use crate::tree::{File, Tree, TreeBuilder};
use header::{Kind, Member};

/// An extended header (long name, pax records) may not be larger, in bytes. Go's reader has the same limit.
const MAX_EXTENDED: u64 = 1 << 20;
/// Below so many bytes the ratio is not looked at.
const RATIO_FROM: u64 = 32 << 20;

/// What an archive may cost.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// The most bytes after decompression, headers included.
    pub bytes: u64,
    /// The most bytes that one compressed byte may become, once 32 MiB have come out.
    pub ratio: u64,
    /// The most members of the archive, skipped ones included.
    pub entries: u64,
    /// The most directories, those that only paths imply included: each costs more than a file.
    pub directories: u64,
}

impl Default for Limits {
    /// 1 GiB, 300-fold, a million members, 200,000 directories.
    fn default() -> Self {
        Limits {
            bytes: 1 << 30,
            ratio: 300,
            entries: 1_000_000,
            directories: 200_000,
        }
    }
}

/// Why an archive was refused. Nothing of it is used then.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// The bytes cannot be read, are not gzip, or are damaged.
    #[error("cannot decompress the archive")]
    Read(#[source] io::Error),
    /// The contents could not be written to where they are kept.
    #[error("cannot keep what was unpacked")]
    Keep(#[source] io::Error),
    /// The archive ends inside a member.
    #[error("archive ends in the middle of {0:?}")]
    Truncated(String),
    /// A header's checksum or one of its fields is wrong.
    #[error("archive has an invalid header: {0}")]
    Header(&'static str),
    /// A member's name is empty, absolute, has a backslash or `..`, or clashes with another member.
    #[error("archive has a forbidden name")]
    Name(#[source] PathError),
    /// A member is neither file nor directory nor link.
    #[error("archive member {name:?} is of the unsupported type {kind:?}")]
    Kind {
        /// The member.
        name: String,
        /// The type flag of its header.
        kind: char,
    },
    /// More bytes than [`Limits::bytes`].
    #[error("archive is larger than {0} bytes when unpacked")]
    TooLarge(u64),
    /// More than [`Limits::ratio`].
    #[error("archive grows more than {0}-fold when unpacked")]
    Ratio(u64),
    /// More than [`Limits::entries`].
    #[error("archive has more than {0} members")]
    TooMany(u64),
    /// More than [`Limits::directories`].
    #[error("archive has more than {0} directories")]
    TooManyDirectories(u64),
}

/// Reads a gzipped tar archive into memory, as a consumer of Flux artifacts does.
///
/// Symbolic and hard links are skipped; devices, sockets, sparse files and unknown types are errors. Names in GNU long-name and
/// pax headers are honoured, and so is a pax size. What follows the end of the archive is not read.
///
/// # Errors
/// Anything that is not a well-formed archive inside the limits; see [`UnpackError`].
pub fn unpack(reader: impl Read, limits: &Limits) -> Result<Tree, UnpackError> {
    unpack_some(reader, limits, u64::MAX, |_, _| true)
}

/// As [`unpack`], but only files that `wanted` says yes to by path and size, of at most `most` bytes together, are held.
/// The rest of the archive costs time and no memory; `limits` are about all of it.
///
/// # Errors
/// As [`unpack`]; also when what is wanted is larger than `most`.
pub fn unpack_some(
    reader: impl Read,
    limits: &Limits,
    most: u64,
    mut wanted: impl FnMut(&str, u64) -> bool,
) -> Result<Tree, UnpackError> {
    let mut left = most;
    walk(reader, limits, &mut |input, path, member| {
        if !wanted(path, member.size) {
            input.skip(member.size, &member.name)?;
            return Ok(None);
        }
        left = left.checked_sub(member.size).ok_or(UnpackError::TooLarge(most))?;
        let bytes = input.take(member.size, &member.name)?;
        input.skip_padding(member.size, &member.name)?;
        Ok(Some(bytes))
    })
    .map(|unpacked| unpacked.tree)
}

/// What [`unpack_to`] made of an archive.
#[derive(Debug)]
pub struct Unpacked {
    /// What is where.
    pub tree: Tree,
    /// How many bytes came out of the archive, headers and skipped members included: what it cost to unpack it.
    pub bytes: u64,
}

/// As [`unpack`], but contents are written to `into`, one after the other: memory does not grow with them. The tree's files
/// hold where theirs is; see [`Place::of`].
///
/// # Errors
/// As [`unpack`]; also when the writer fails.
pub fn unpack_to(reader: impl Read, limits: &Limits, mut into: impl Write) -> Result<Unpacked, UnpackError> {
    let mut offset = 0;
    let unpacked = walk(reader, limits, &mut |input, _, member| {
        let place = Place {
            offset,
            size: member.size,
        };
        input.copy(member.size, &member.name, &mut into)?;
        input.skip_padding(member.size, &member.name)?;
        offset += member.size;
        Ok(Some(place.to_bytes()))
    })?;
    into.flush().map_err(UnpackError::Keep)?;
    Ok(unpacked)
}

/// Where the content of a file is among those that [`unpack_to`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// How many bytes are before it.
    pub offset: u64,
    /// How many bytes it has.
    pub size: u64,
}

impl Place {
    /// Where a file's content is; nothing if the file is not of a tree that [`unpack_to`] made.
    #[must_use]
    pub fn of(file: &File) -> Option<Place> {
        let (offset, size) = file.bytes().split_first_chunk()?;
        Some(Place {
            offset: u64::from_le_bytes(*offset),
            size: u64::from_le_bytes(size.try_into().ok()?),
        })
    }

    fn to_bytes(self) -> Vec<u8> {
        [self.offset.to_le_bytes(), self.size.to_le_bytes()].concat()
    }
}

/// What becomes of a file: what the tree holds of it, if it is wanted.
type Keep<'k, R> = dyn FnMut(&mut Input<R>, &str, &Member) -> Result<Option<Vec<u8>>, UnpackError> + 'k;

fn walk<R: Read>(reader: R, limits: &Limits, keep: &mut Keep<'_, R>) -> Result<Unpacked, UnpackError> {
    let counting = Counting {
        inner: reader,
        count: 0,
    };
    let mut input = Input {
        decoder: MultiGzDecoder::new(counting),
        unpacked: 0,
        limits: *limits,
    };
    let mut builder = TreeBuilder::default();
    let mut members = 0;
    while let Some(member) = next_member(&mut input, &mut members)? {
        match member.kind {
            Kind::Skip => input.skip(member.size, &member.name)?,
            Kind::Directory => builder.directory(&member.path()?).map_err(UnpackError::Name)?,
            Kind::File { executable } => {
                let path = member.path()?;
                if let Some(bytes) = keep(&mut input, &path, &member)? {
                    builder
                        .file(&path, bytes, executable)
                        .map_err(UnpackError::Name)?;
                }
            }
        }
        // Asked after each member: none implies more than a path is deep.
        if builder.directories() > limits.directories {
            return Err(UnpackError::TooManyDirectories(limits.directories));
        }
    }
    Ok(Unpacked {
        tree: builder.build(),
        bytes: input.unpacked,
    })
}

/// The next file, directory or link, with the extended headers before it worked in; nothing at the end.
fn next_member<R: Read>(input: &mut Input<R>, members: &mut u64) -> Result<Option<Member>, UnpackError> {
    let mut extended = header::Extended::default();
    loop {
        let Some(block) = input.header()? else {
            return Ok(None);
        };
        *members += 1;
        if *members > input.limits.entries {
            return Err(UnpackError::TooMany(input.limits.entries));
        }
        let raw = header::Raw::parse(&block)?;
        match raw.kind {
            // The size of an extended header is its own: a pax size is about the member that follows.
            b'x' => extended.pax(&input.extended(raw.size, "pax header")?)?,
            b'L' => extended.long_name(input.extended(raw.size, "long name")?),
            b'K' => drop(input.extended(raw.size, "long link")?),
            // Defaults for all members; none of the few keys we heed makes sense there.
            b'g' => drop(input.extended(raw.size, "global pax header")?),
            _ => return extended.apply(raw).map(Some),
        }
    }
}

/// The decompressed archive under its limits.
struct Input<R: Read> {
    decoder: MultiGzDecoder<Counting<R>>,
    unpacked: u64,
    limits: Limits,
}

impl<R: Read> Input<R> {
    /// The next header, or nothing where the archive ends: at an empty block or at the end of input.
    fn header(&mut self) -> Result<Option<Header>, UnpackError> {
        let mut block = [0; BLOCK];
        match self.read(&mut block)? {
            0 => Ok(None),
            BLOCK if block == [0; BLOCK] => Ok(None),
            BLOCK => Ok(Some(block)),
            _ => Err(UnpackError::Truncated("a header".to_owned())),
        }
    }

    fn extended(&mut self, size: u64, what: &str) -> Result<Vec<u8>, UnpackError> {
        if size > MAX_EXTENDED {
            return Err(UnpackError::Header("extended header too large"));
        }
        let bytes = self.take(size, what)?;
        self.skip_padding(size, what)?;
        Ok(bytes)
    }

    /// Exactly `size` bytes. Memory follows what really arrives, not what the header claims.
    fn take(&mut self, size: u64, name: &str) -> Result<Vec<u8>, UnpackError> {
        self.allow(size)?;
        let mut bytes = Vec::with_capacity(size.min(64 << 10) as usize);
        self.copy(size, name, &mut bytes)?;
        Ok(bytes)
    }

    /// Exactly `size` bytes, into a writer.
    fn copy(&mut self, size: u64, name: &str, into: &mut impl Write) -> Result<(), UnpackError> {
        self.allow(size)?;
        let mut left = size;
        let mut piece = [0; 16 << 10];
        while left > 0 {
            let wanted = left.min(piece.len() as u64) as usize;
            let got = self.read(&mut piece[..wanted])?;
            into.write_all(&piece[..got]).map_err(UnpackError::Keep)?;
            if got < wanted {
                return Err(UnpackError::Truncated(name.to_owned()));
            }
            left -= got as u64;
        }
        Ok(())
    }

    fn skip(&mut self, size: u64, name: &str) -> Result<(), UnpackError> {
        self.copy(size, name, &mut io::sink())?;
        self.skip_padding(size, name)
    }

    fn skip_padding(&mut self, size: u64, name: &str) -> Result<(), UnpackError> {
        let mut rest = [0; BLOCK];
        let wanted = padding(size);
        match self.read(&mut rest[..wanted])? {
            got if got == wanted => Ok(()),
            // Some writers leave out the padding at the very end.
            0 => Ok(()),
            _ => Err(UnpackError::Truncated(name.to_owned())),
        }
    }

    /// Refuses a size that leads past the limit before reading any of it.
    fn allow(&self, size: u64) -> Result<(), UnpackError> {
        match self.unpacked.checked_add(size) {
            Some(total) if total <= self.limits.bytes => Ok(()),
            _ => Err(UnpackError::TooLarge(self.limits.bytes)),
        }
    }

    /// Fills the buffer as far as the input goes.
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, UnpackError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.decoder.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(UnpackError::Read(error)),
            }
        }
        self.unpacked += filled as u64;
        if self.unpacked > self.limits.bytes {
            return Err(UnpackError::TooLarge(self.limits.bytes));
        }
        let packed = self.decoder.get_ref().count;
        if self.unpacked > RATIO_FROM && self.unpacked > packed.saturating_mul(self.limits.ratio) {
            return Err(UnpackError::Ratio(self.limits.ratio));
        }
        Ok(filled)
    }
}

/// Counts the compressed bytes.
struct Counting<R> {
    inner: R,
    count: u64,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}
