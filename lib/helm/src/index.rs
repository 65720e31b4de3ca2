//! A repository's index: read entry by entry, kept in the form in which Flux stores it, and asked for one chart at a time.
//!
//! 1. [`convert`] reads `index.yaml` (YAML or JSON) and writes the stored form and its [`Table`]; it holds no more than the
//!    text, one entry, and a few dozen bytes for each.
//! 2. [`Table::find`] says where in the stored form the versions of a chart are.
//! 3. [`choose`] reads those, and takes the one that a constraint means.

mod choose;
mod entry;
mod print;
mod read;
mod table;
mod time;

pub use choose::{ChooseError, Listed, choose, concrete};
pub use table::Table;

use print::Charts;
use std::io::{Read, Seek, Write};

/// More versions of all charts together are refused.
const MAX_VERSIONS: usize = 500_000;

/// When a lock says that it was made, as Go prints it.
pub(crate) fn generated(lock: &serde_json::Value) -> Result<String, String> {
    time::normal(lock.get("generated"))
}

/// Why an index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It is not one, in Helm's words.
    #[error("{0}")]
    Content(String),
    /// It has too many entries.
    #[error("the index has more than {MAX_VERSIONS} chart versions")]
    TooMany,
    /// The scratch file or the output failed.
    #[error("cannot write the index")]
    Write(#[source] std::io::Error),
}

/// Reads the text of an index and writes it to `out` as Flux stores it: indented JSON as Go's `encoding/json` prints Helm's
/// `IndexFile`, charts by name, versions from the highest down.
///
/// As in Flux, entries with malformed metadata are left out, unless it is only a dependency that is named twice; a field
/// that Helm does not know, or of another type, makes a YAML index unusable, as does a key that is there twice.
/// `scratch` must be empty; what is in it afterwards is of no use.
///
/// # Errors
/// See [`IndexError`].
pub fn convert(
    text: &[u8],
    scratch: &mut (impl Read + Write + Seek),
    out: &mut impl Write,
) -> Result<Table, IndexError> {
    if text.is_empty() {
        return Err(IndexError::Content("empty index.yaml file".to_owned()));
    }
    let mut charts = Charts::new(scratch);
    let head = read::read(text, &mut charts)?;
    if head.api_version.is_empty() {
        return Err(IndexError::Content("no API version specified".to_owned()));
    }
    charts.print(&head, out)
}
