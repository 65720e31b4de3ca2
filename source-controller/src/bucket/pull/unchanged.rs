//! I/O: what did not change since the artifact on the shelf was made, taken from there.

use super::file;
use crate::{
    bucket::{index::Index, known::Known},
    record::Failure,
    shelf::blocking,
    storage::Storage,
};
use crds::meta::Artifact;
use flate2::read::GzDecoder;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fs::File,
    io::{self, BufReader},
    path::Path,
    sync::Arc,
};

/// Files that were taken from the artifact on the shelf.
#[derive(Debug, Default)]
pub struct Old {
    /// Their numbers.
    pub files: HashSet<usize>,
    /// All of them together, in bytes.
    pub size: u64,
}

/// Takes from the artifact on the shelf what has the etag that it had then. What cannot be taken is fetched.
pub async fn run(
    storage: &Storage,
    numbered: &[(String, String)],
    index: &Index,
    known: Option<Arc<Known>>,
    folder: &Path,
) -> Result<Old, Failure> {
    let Some(known) = known else {
        return Ok(Old::default());
    };
    let now: BTreeMap<&str, &str> = index.iter().collect();
    let same = |key: &str| now.get(key).copied() == known.etags.get(key).map(String::as_str);
    let wanted: HashMap<Vec<u8>, usize> = numbered
        .iter()
        .enumerate()
        .filter(|(_, (_, key))| now.contains_key(key.as_str()) && same(key))
        .map(|(number, (path, _))| (path.as_bytes().to_vec(), number))
        .collect();
    let (storage, folder) = (storage.clone(), folder.to_owned());
    blocking(move || take(&storage, &known.artifact, &wanted, &folder).unwrap_or_default()).await
}

/// Blocking: writes files of an artifact under their numbers.
fn take(
    storage: &Storage,
    artifact: &Artifact,
    wanted: &HashMap<Vec<u8>, usize>,
    folder: &Path,
) -> Option<Old> {
    let archive = storage.open_artifact(artifact).ok()?;
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(archive)));
    let mut old = Old::default();
    for entry in archive.entries().ok()? {
        let mut entry = entry.ok()?;
        let number = wanted.get(entry.path_bytes().as_ref()).copied();
        let Some(number) = number.filter(|_| entry.header().entry_type().is_file()) else {
            continue;
        };
        old.size += io::copy(&mut entry, &mut File::create(file(folder, number)).ok()?).ok()?;
        old.files.insert(number);
    }
    Some(old)
}
