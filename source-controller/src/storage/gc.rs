//! Which artifacts of an object go: those past their time, and the oldest beyond their number. Never the current one.

use super::Retention;
use std::{
    fs, io,
    path::{Path, PathBuf},
    time::SystemTime,
};

/// So many files are looked at in one go.
const MAX_LOOK: usize = 1000;

/// Removes from `dir` what `retention` does not keep beside `current`; gives the number of files removed.
pub fn collect(dir: &Path, current: &Path, retention: Retention) -> io::Result<usize> {
    let now = SystemTime::now();
    let mut others: Vec<(SystemTime, PathBuf)> = Vec::new();
    for entry in fs::read_dir(dir)?.take(MAX_LOOK) {
        let entry = entry?;
        let meta = entry.metadata()?;
        if meta.is_file() && entry.path() != current {
            others.push((meta.modified().unwrap_or(now), entry.path()));
        }
    }
    others.sort();
    let age = |modified: SystemTime| now.duration_since(modified).unwrap_or_default();
    let past = others
        .iter()
        .filter(|(modified, _)| age(*modified) > retention.ttl)
        .count();
    // The current one counts as a record.
    let surplus = (others.len() + 1).saturating_sub(retention.records.max(1));
    let mut removed = 0;
    for (_, path) in others.iter().take(past.max(surplus)) {
        match fs::remove_file(path) {
            Ok(()) => removed += 1,
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(e),
        }
    }
    Ok(removed)
}
