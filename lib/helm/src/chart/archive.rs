//! A packaged chart: an untrusted tar.gz with one top directory, read within limits.

use super::File;
use crate::Error;
use crate::funcs::paths::clean;
use crate::template::quote::quote;
use flate2::read::MultiGzDecoder;
use std::io::Read;

/// What an archive, with those inside it, may still hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of all files together. Helm's limit is 100 MiB.
    pub bytes: u64,
    /// Files.
    pub files: u64,
    /// Bytes of one file. Helm's limit is 5 MiB.
    pub file: u64,
    /// Values in all `values.yaml`: three bytes of text may be one, which takes much more memory.
    pub values: u64,
}

impl Default for Limits {
    /// 100 MiB, 100 000 files, 5 MiB a file, two million values.
    fn default() -> Self {
        Limits {
            bytes: 100 << 20,
            files: 100_000,
            file: 5 << 20,
            values: 2_000_000,
        }
    }
}

/// The files, without the top directory; what they need is taken off the limits.
pub(super) fn read(bytes: &[u8], limits: &mut Limits) -> Result<Vec<File>, Error> {
    read_some(bytes, limits, |_| true)
}

/// As [`read`], but of files that are not wanted nothing is held.
pub(super) fn read_some(
    bytes: &[u8],
    limits: &mut Limits,
    wanted: impl Fn(&str) -> bool,
) -> Result<Vec<File>, Error> {
    let load = |text: &str| Error::Load(text.to_string());
    if bytes.is_empty() {
        return Err(load("EOF"));
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Err(load("gzip: invalid header"));
    }
    // Headers, padding and what is skipped cost time too, and count little against the limit.
    let ceiling = limits.bytes.saturating_add(64 << 20);
    let mut archive = tar::Archive::new(MultiGzDecoder::new(bytes).take(ceiling));
    let (mut files, mut any) = (Vec::new(), false);
    let entries = archive.entries().map_err(|e| Error::Load(e.to_string()))?;
    for entry in entries {
        let mut entry = entry.map_err(|e| Error::Load(e.to_string()))?;
        limits.files = limits.files.checked_sub(1).ok_or_else(too_many)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let full = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if full.ends_with('/') {
            continue;
        }
        let name = inner_name(&full)?;
        let size = entry.size();
        if size > limits.bytes {
            return Err(too_large());
        }
        if size > limits.file {
            return Err(Error::Load(format!(
                "decompressed chart file {} is larger than the maximum file size {}",
                quote(full.as_bytes()),
                limits.file
            )));
        }
        let is_wanted = wanted(&name);
        let mut data = Vec::new();
        let mut content = entry.by_ref().take(limits.bytes);
        let read = match is_wanted {
            true => content.read_to_end(&mut data).map(|read| read as u64),
            false => std::io::copy(&mut content, &mut std::io::sink()),
        };
        let read = read.map_err(|e| Error::Load(e.to_string()))?;
        limits.bytes -= read;
        if read < size || limits.bytes == 0 {
            return Err(too_large());
        }
        any = true;
        if !is_wanted {
            continue;
        }
        let modified = entry
            .header()
            .mtime()
            .ok()
            .and_then(|seconds| i64::try_from(seconds).ok());
        files.push(File {
            modified,
            ..File::new(name, data)
        });
    }
    // What was not read is not left out without a word.
    if archive.into_inner().limit() == 0 {
        return Err(too_large());
    }
    if !any {
        return Err(load("no files in chart archive"));
    }
    Ok(files)
}

/// What Helm says of charts above its limit.
pub(super) fn too_large() -> Error {
    Error::Load("decompressed chart is larger than the maximum size 104857600".to_string())
}

/// A chart has more files than may be.
pub(super) fn too_many() -> Error {
    Error::Load("chart has too many files".to_string())
}

/// The path below the top directory; names that lead elsewhere are refused.
fn inner_name(full: &str) -> Result<String, Error> {
    let load = |text: &str| Err(Error::Load(text.to_string()));
    let delimiter = if full.contains('\\') { '\\' } else { '/' };
    let (top, rest) = full.split_once(delimiter).unwrap_or((full, ""));
    let rest = rest.replace(delimiter, "/");
    if rest.starts_with('/') {
        return load("chart illegally contains absolute paths");
    }
    let name = clean(&rest);
    if name == "." {
        let full = quote(full.as_bytes());
        return load(&format!(
            "chart illegally contains content outside the base directory: {full}"
        ));
    }
    if name.starts_with("..") {
        return load("chart illegally references parent directory");
    }
    if let [letter, b':', b'/', ..] = name.as_bytes()
        && letter.is_ascii_alphabetic()
    {
        return load("chart contains illegally named files");
    }
    if top == "Chart.yaml" {
        return load("chart yaml not in base directory");
    }
    Ok(name)
}
