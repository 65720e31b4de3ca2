//! The name of content: `sha256:<hex>` and its siblings, as `status.artifact.digest` has it.

use std::fmt;
use std::io::{self, Write};
use std::str::FromStr;

use sha2::Digest as _;

/// A hash algorithm that Flux's `--artifact-digest-algo` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Algorithm {
    /// Only to read what others wrote; too weak to trust.
    Sha1,
    /// The default.
    #[default]
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// BLAKE3 with 32 bytes.
    Blake3,
}

/// A digest as it is written: an algorithm and lower-case hex of its length.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Digest {
    algorithm: Algorithm,
    hex: String,
}

/// Why a text is no digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The part before the colon is not an algorithm we know.
    #[error("unknown digest algorithm {0:?}")]
    Algorithm(String),
    /// The part after the colon is not lower-case hex of the algorithm's length.
    #[error("digest {digest:?} is not {length} characters of lower-case hex")]
    Hex {
        /// The text as given.
        digest: String,
        /// The length that the algorithm has, in characters.
        length: usize,
    },
}

/// Hashes what is written to it, piece by piece.
#[derive(Clone)]
pub struct Hasher(State);

/// Passes bytes on to a writer while counting and hashing them: the artifact's size and digest for nothing.
pub struct DigestWriter<W> {
    inner: W,
    hasher: Hasher,
    written: u64,
}

#[derive(Clone)]
enum State {
    Sha1(sha1::Sha1),
    Sha256(sha2::Sha256),
    Sha384(sha2::Sha384),
    Sha512(sha2::Sha512),
    Blake3(Box<blake3::Hasher>),
}

impl Algorithm {
    /// The name before the colon.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Algorithm::Sha1 => "sha1",
            Algorithm::Sha256 => "sha256",
            Algorithm::Sha384 => "sha384",
            Algorithm::Sha512 => "sha512",
            Algorithm::Blake3 => "blake3",
        }
    }

    fn hex_length(self) -> usize {
        match self {
            Algorithm::Sha1 => 40,
            Algorithm::Sha256 | Algorithm::Blake3 => 64,
            Algorithm::Sha384 => 96,
            Algorithm::Sha512 => 128,
        }
    }
}

impl FromStr for Algorithm {
    type Err = DigestError;

    fn from_str(name: &str) -> Result<Self, DigestError> {
        use Algorithm::{Blake3, Sha1, Sha256, Sha384, Sha512};
        let known = [Sha1, Sha256, Sha384, Sha512, Blake3]
            .into_iter()
            .find(|known| known.name() == name);
        known.ok_or_else(|| DigestError::Algorithm(name.to_owned()))
    }
}

impl Digest {
    /// The digest of bytes at hand.
    #[must_use]
    pub fn of(algorithm: Algorithm, bytes: &[u8]) -> Digest {
        let mut hasher = Hasher::new(algorithm);
        hasher.update(bytes);
        hasher.finish()
    }

    /// The algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The part after the colon.
    #[must_use]
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Whether these bytes have this digest.
    #[must_use]
    pub fn verify(&self, bytes: &[u8]) -> bool {
        *self == Digest::of(self.algorithm, bytes)
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    /// Reads `algorithm:hex`; bare hex is SHA-256, as Flux's consumers take it.
    fn from_str(text: &str) -> Result<Self, DigestError> {
        let (algorithm, hex) = match text.split_once(':') {
            Some((name, hex)) => (name.parse()?, hex),
            None => (Algorithm::Sha256, text),
        };
        let length = algorithm.hex_length();
        if hex.len() != length || !hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(DigestError::Hex {
                digest: text.to_owned(),
                length,
            });
        }
        Ok(Digest {
            algorithm,
            hex: hex.to_owned(),
        })
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.algorithm.name(), self.hex)
    }
}

impl Hasher {
    /// A hasher that has seen nothing.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Hasher {
        Hasher(match algorithm {
            Algorithm::Sha1 => State::Sha1(sha1::Sha1::new()),
            Algorithm::Sha256 => State::Sha256(sha2::Sha256::new()),
            Algorithm::Sha384 => State::Sha384(sha2::Sha384::new()),
            Algorithm::Sha512 => State::Sha512(sha2::Sha512::new()),
            Algorithm::Blake3 => State::Blake3(Box::default()),
        })
    }

    /// Takes the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        match &mut self.0 {
            State::Sha1(state) => state.update(bytes),
            State::Sha256(state) => state.update(bytes),
            State::Sha384(state) => state.update(bytes),
            State::Sha512(state) => state.update(bytes),
            State::Blake3(state) => {
                state.update(bytes);
            }
        }
    }

    /// The digest of all that was taken.
    #[must_use]
    pub fn finish(self) -> Digest {
        let (algorithm, hex) = match self.0 {
            State::Sha1(state) => (Algorithm::Sha1, hex::encode(state.finalize())),
            State::Sha256(state) => (Algorithm::Sha256, hex::encode(state.finalize())),
            State::Sha384(state) => (Algorithm::Sha384, hex::encode(state.finalize())),
            State::Sha512(state) => (Algorithm::Sha512, hex::encode(state.finalize())),
            State::Blake3(state) => (Algorithm::Blake3, hex::encode(state.finalize().as_bytes())),
        };
        Digest { algorithm, hex }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hasher")
    }
}

impl<W: Write> DigestWriter<W> {
    /// Hashes with the algorithm what is written, and writes it to `inner`.
    pub fn new(algorithm: Algorithm, inner: W) -> DigestWriter<W> {
        DigestWriter {
            inner,
            hasher: Hasher::new(algorithm),
            written: 0,
        }
    }

    /// The writer back, the number of bytes that went to it, and their digest.
    pub fn finish(self) -> (W, u64, Digest) {
        (self.inner, self.written, self.hasher.finish())
    }
}

impl<W: Write> Write for DigestWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..taken]);
        self.written += taken as u64;
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_and_print() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let check = |input: String, expected: Option<String>| {
            assert_eq!(
                input.parse::<Digest>().ok().map(|digest| digest.to_string()),
                expected,
                "{input}"
            );
        };
        check(empty.into(), Some(format!("sha256:{empty}")));
        check(format!("sha256:{empty}"), Some(format!("sha256:{empty}")));
        check(format!("blake3:{empty}"), Some(format!("blake3:{empty}")));
        check(
            format!("sha512:{empty}{empty}"),
            Some(format!("sha512:{empty}{empty}")),
        );
        check(format!("sha512:{empty}"), None);
        check(format!("md5:{empty}"), None);
        check(empty.to_uppercase(), None);
        check(String::new(), None);
        check("sha256:".into(), None);
    }

    #[test]
    fn hashes() {
        let check = |algorithm: Algorithm, start: &str| {
            let mut writer = DigestWriter::new(algorithm, Vec::new());
            writer.write_all(b"ab").unwrap();
            writer.write_all(b"c").unwrap();
            let (bytes, written, digest) = writer.finish();
            assert_eq!((bytes.as_slice(), written), (&b"abc"[..], 3));
            assert!(digest.to_string().starts_with(start), "{digest}");
            assert!(digest.verify(b"abc") && !digest.verify(b"abd"));
            assert_eq!(digest.to_string().parse::<Digest>(), Ok(digest));
        };
        check(Algorithm::Sha1, "sha1:a9993e364706816a");
        check(Algorithm::Sha256, "sha256:ba7816bf8f01cfea");
        check(Algorithm::Sha384, "sha384:cb00753f45a35e8b");
        check(Algorithm::Sha512, "sha512:ddaf35a193617aba");
        check(Algorithm::Blake3, "blake3:6437b3ac38465133");
    }
}
