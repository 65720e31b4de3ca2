//! What is written to a store: a few bytes, or a file that is sent piece by piece.

use super::ObjectsError;
use reqwest::Body;
use sha2::{Digest as _, Sha256};
use std::{
    fs::File,
    io::{self, Read as _},
    path::PathBuf,
};

/// What is written to a store.
#[derive(Debug)]
pub struct Content {
    source: Source,
    /// How many bytes it has.
    pub length: u64,
    /// Their SHA-256 in hexadecimal digits.
    pub(super) hash: String,
}

#[derive(Debug)]
enum Source {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Content {
    /// These bytes.
    pub fn bytes(bytes: Vec<u8>) -> Self {
        Self {
            length: bytes.len() as u64,
            hash: hex::encode(Sha256::digest(&bytes)),
            source: Source::Bytes(bytes),
        }
    }

    /// What a file has, of which everything is known already.
    pub fn known(path: PathBuf, length: u64, sha256: String) -> Self {
        Self {
            source: Source::File(path),
            length,
            hash: sha256,
        }
    }

    /// What a file has now. Blocks on the disk.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn file(path: PathBuf) -> io::Result<Self> {
        let mut file = File::open(&path)?;
        let (mut hash, mut length, mut piece) = (Sha256::new(), 0, vec![0; 64 << 10]);
        loop {
            match file.read(&mut piece)? {
                0 => break,
                read => {
                    hash.update(&piece[..read]);
                    length += read as u64;
                }
            }
        }
        Ok(Self::known(path, length, hex::encode(hash.finalize())))
    }

    /// The body of a request, made anew for each try.
    pub(super) fn body(&self) -> Result<Body, ObjectsError> {
        Ok(match &self.source {
            Source::Bytes(bytes) => Body::from(bytes.clone()),
            Source::File(path) => {
                let file = File::open(path).map_err(ObjectsError::Read)?;
                Body::from(tokio::fs::File::from_std(file))
            }
        })
    }
}
