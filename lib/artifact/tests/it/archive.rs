//! Archives that may be wrong in any field.

use std::io::Write;

use artifact::{Limits, Tree, UnpackError, unpack};
use flate2::{Compression, write::GzEncoder};

/// A tar archive written field by field, so that it can be wrong in one.
#[derive(Clone, Default)]
pub struct Archive(pub Vec<u8>);

impl Archive {
    /// A header with the size field given as text.
    pub fn header(mut self, kind: u8, name: &[u8], size: &[u8]) -> Archive {
        let mut block = [0u8; 512];
        let kept = name.len().min(100);
        block[..kept].copy_from_slice(&name[..kept]);
        block[100..107].copy_from_slice(b"0000644");
        block[124..124 + size.len()].copy_from_slice(size);
        block[156] = kind;
        block[257..265].copy_from_slice(b"ustar\x0000");
        block[148..156].copy_from_slice(b"        ");
        let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
        block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
        self.0.extend(block);
        self
    }

    pub fn content(mut self, bytes: &[u8]) -> Archive {
        self.0.extend(bytes);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn member(self, kind: u8, name: impl AsRef<[u8]>, bytes: impl AsRef<[u8]>) -> Archive {
        let bytes = bytes.as_ref();
        self.header(kind, name.as_ref(), format!("{:011o}", bytes.len()).as_bytes())
            .content(bytes)
    }

    pub fn file(self, name: &str, bytes: &str) -> Archive {
        self.member(b'0', name, bytes)
    }

    pub fn pax(self, records: &[(&str, &str)]) -> Archive {
        let record = |(key, value): &(&str, &str)| {
            let rest = key.len() + value.len() + 3;
            let length = (rest..)
                .find(|length| *length == rest + length.to_string().len())
                .unwrap();
            format!("{length} {key}={value}\n")
        };
        let records: String = records.iter().map(record).collect();
        self.member(b'x', "pax", records)
    }

    pub fn gzip(&self) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&self.0).unwrap();
        encoder.write_all(&[0; 1024]).unwrap();
        encoder.finish().unwrap()
    }

    pub fn unpack(&self) -> Result<Tree, UnpackError> {
        unpack(self.gzip().as_slice(), &Limits::default())
    }

    pub fn listing(&self) -> Vec<(String, String)> {
        let tree = self.unpack().unwrap();
        tree.files()
            .map(|(path, file)| (path, String::from_utf8_lossy(file.bytes()).into_owned()))
            .collect()
    }
}

pub fn archive() -> Archive {
    Archive::default()
}
