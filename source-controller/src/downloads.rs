//! What peers gave, layers and charts, in files: each is downloaded once for all who want it.

use crate::shared::{Shareable, Shared};
use std::{
    fs::File,
    io::{self, BufWriter, Read},
    os::unix::fs::FileExt as _,
    sync::Arc,
};

/// The downloads that are at hand. Cheap to clone.
pub type Downloads = Shared<Download>;

/// Content that was downloaded, in a file. Cheap to clone; the file goes with the last of them.
#[derive(Debug, Clone)]
pub struct Download {
    file: Arc<File>,
    size: u64,
}

/// Reads a download from its beginning, whoever else reads it.
#[derive(Debug)]
pub struct DownloadReader {
    file: Arc<File>,
    at: u64,
}

impl Download {
    /// What was written.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn of(writer: BufWriter<File>) -> io::Result<Self> {
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        let size = file.metadata()?.len();
        let file = Arc::new(file);
        Ok(Self { file, size })
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// All of it. Blocks on the disk.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Its content.
    pub fn reader(&self) -> DownloadReader {
        DownloadReader {
            file: self.file.clone(),
            at: 0,
        }
    }
}

impl Shareable for Download {
    const MOST_BYTES: u64 = 512 << 20;

    fn size(&self) -> u64 {
        self.size
    }

    fn is_in_hand(&self) -> bool {
        Arc::strong_count(&self.file) > 1
    }
}

impl Read for DownloadReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn each_reads_from_the_beginning() {
        let mut writer = BufWriter::new(tempfile::tempfile().unwrap());
        writer.write_all(b"content").unwrap();
        let download = Download::of(writer).unwrap();
        let mut first = download.reader();
        assert!(download.is_in_hand());
        first.read_exact(&mut [0; 3]).unwrap();
        assert_eq!(download.bytes().unwrap(), b"content");
        drop(first);
        assert!(!download.is_in_hand());
        assert_eq!(download.size(), 7);
    }
}
