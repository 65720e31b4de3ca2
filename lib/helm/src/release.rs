//! The record of a release as Helm stores it in a Secret: read, written, and what its labels are.

mod record;

pub use record::{HookRun, Info, LastRun, Release, Status};

use crate::Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};

/// The type of the Secret.
pub const SECRET_TYPE: &str = "helm.sh/release.v1";
/// The key in the Secret's data.
pub const SECRET_KEY: &str = "release";
/// The most bytes that a Secret may hold.
pub const MAX_SECRET: usize = 1 << 20;
/// A record may not become larger than that when it is unpacked: 85 times what a Secret holds.
const MAX_UNPACKED: u64 = 64 << 20;
/// Values that a record may hold: each takes much more memory than the two bytes that it needs as text.
const MAX_VALUES: usize = 1_000_000;
/// Labels that Helm sets itself; nobody else's may have these names.
pub const SYSTEM_LABELS: [&str; 6] = ["name", "owner", "status", "version", "createdAt", "modifiedAt"];

/// The Secret's name.
pub fn secret_name(release: &str, revision: i64) -> String {
    format!("sh.helm.release.v1.{release}.v{revision}")
}

/// The Secret's labels: the release's own and Helm's; `created` or `modified` in seconds since 1970.
pub fn labels(
    release: &Release,
    own: &BTreeMap<String, String>,
    created: Option<i64>,
    modified: Option<i64>,
) -> BTreeMap<String, String> {
    let mut labels: BTreeMap<String, String> = own
        .iter()
        .filter(|(key, _)| !SYSTEM_LABELS.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let mut set = |key: &str, value: String| labels.insert(key.to_string(), value);
    set("name", release.name.clone());
    set("owner", "helm".to_string());
    set("status", release.info.status.name().to_string());
    set("version", release.version.to_string());
    if let Some(seconds) = created {
        set("createdAt", seconds.to_string());
    }
    if let Some(seconds) = modified {
        set("modifiedAt", seconds.to_string());
    }
    labels
}

/// The value of the Secret's key: base64 of gzip of JSON. (On the wire a Secret's data is base64 once more.)
///
/// # Errors
/// A record that does not fit into a Secret.
pub fn encode(release: &Release) -> Result<String, Error> {
    let json = release.to_json();
    let failed = |error: std::io::Error| Error::Release(format!("release {}: {error}", release.name));
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(json.as_bytes()).map_err(failed)?;
    let text = STANDARD.encode(encoder.finish().map_err(failed)?);
    if text.len() > MAX_SECRET {
        return Err(Error::Release(format!(
            "release {} of revision {} needs {} bytes, and a Secret holds {MAX_SECRET}: leave files that no template \
             reads out of the chart (.helmignore), or split it",
            release.name,
            release.version,
            text.len()
        )));
    }
    Ok(text)
}

/// The chart of a record, folded up: a chart can be large, and many releases may wait for long.
#[derive(Debug)]
pub struct Folded(Vec<u8>);

impl Release {
    /// Takes the chart out of a record. It has to be given back before the record is encoded.
    pub fn fold(&mut self) -> Folded {
        let chart = std::mem::take(&mut self.chart);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        // Neither can fail: JSON is written to memory.
        let _ = serde_json::to_writer(&mut encoder, &chart);
        Folded(encoder.finish().unwrap_or_default())
    }

    /// Gives the chart back.
    ///
    /// # Errors
    /// When it is not what [`Release::fold`] made.
    pub fn unfold(&mut self, folded: &Folded) -> Result<(), Error> {
        let decoder = MultiGzDecoder::new(folded.0.as_slice());
        self.chart = serde_json::from_reader(std::io::BufReader::new(decoder))
            .map_err(|e| Error::Release(format!("release {}: {e}", self.name)))?;
        Ok(())
    }
}

/// Reads the value of the Secret's key; what was stored without compression is read too.
///
/// # Errors
/// Text that is not such a record, or one that is too large unpacked.
pub fn decode(text: &str) -> Result<Release, Error> {
    let failed = |error: String| Error::Release(format!("release record cannot be read: {error}"));
    let bytes = STANDARD.decode(text.trim()).map_err(|e| failed(e.to_string()))?;
    let json = if bytes.starts_with(&[0x1f, 0x8b, 0x08]) {
        let mut json = Vec::new();
        MultiGzDecoder::new(bytes.as_slice())
            .take(MAX_UNPACKED + 1)
            .read_to_end(&mut json)
            .map_err(|e| failed(e.to_string()))?;
        if json.len() as u64 > MAX_UNPACKED {
            return Err(failed(format!("it is larger than {MAX_UNPACKED} bytes")));
        }
        json
    } else {
        bytes
    };
    if crate::json::count(&json) > MAX_VALUES {
        return Err(failed(format!("it has more than {MAX_VALUES} values")));
    }
    let json: serde_json::Value = serde_json::from_slice(&json).map_err(|e| failed(e.to_string()))?;
    Release::from_json(&json).map_err(failed)
}
