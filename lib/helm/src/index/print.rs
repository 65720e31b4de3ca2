//! The entries that were read, by chart, and the stored form of all of them.

use super::entry::{indent, normal};
use super::read::Head;
use super::{IndexError, MAX_VERSIONS, Table};
use crate::funcs::json::write_string;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom, Write};
use versions::Version;

/// The entries of all charts: their text in a scratch file, their places in memory.
pub(super) struct Charts<'a, S> {
    scratch: &'a mut S,
    pending: Vec<u8>,
    written: u64,
    charts: BTreeMap<Box<str>, Versions>,
    count: usize,
}

/// The versions of a chart; `None` if it has `null` for them.
type Versions = Option<Vec<Place>>;

/// Where a version is, and what counts for its order: there may be hundreds of thousands.
struct Place {
    numbers: [u64; 3],
    pre: Box<str>,
    start: u64,
    length: u32,
}

impl Place {
    fn version(&self) -> Version {
        let [major, minor, patch] = self.numbers;
        let pre = self.pre.as_ref().to_owned();
        Version {
            major,
            minor,
            patch,
            pre,
            ..Version::default()
        }
    }
}

/// So much is written at once.
const PIECE: usize = 256 << 10;

impl<'a, S: Read + Write + Seek> Charts<'a, S> {
    pub(super) fn new(scratch: &'a mut S) -> Self {
        Self {
            scratch,
            pending: Vec::new(),
            written: 0,
            charts: BTreeMap::new(),
            count: 0,
        }
    }

    /// Takes in a chart, without versions for now; what was known of one of that name is forgotten.
    pub(super) fn chart(&mut self, name: &str, null: bool) {
        self.charts.insert(name.into(), (!null).then(Vec::new));
    }

    /// Takes in that there is a chart, whatever is known of it already.
    pub(super) fn known(&mut self, name: &str) {
        if !self.charts.contains_key(name) {
            self.chart(name, false);
        }
    }

    /// Takes in an entry of a chart, unless it is one that is left out.
    pub(super) fn entry(&mut self, chart: &str, entry: &Json, strict: bool) -> Result<(), IndexError> {
        self.count += 1;
        if self.count > MAX_VERSIONS {
            return Err(IndexError::TooMany);
        }
        self.known(chart);
        let json = normal(entry, strict).map_err(|error| {
            IndexError::Content(match strict {
                true => format!("error unmarshaling JSON: while decoding JSON: json: {error}"),
                false => format!("json: {error}"),
            })
        })?;
        let Some(json) = json else { return Ok(()) };
        let version = json.get("version").and_then(Json::as_str).unwrap_or_default();
        let Ok(version) = Version::parse(version) else {
            return Ok(());
        };
        let mut text = "      ".to_owned();
        indent(&mut text, &json, 3);
        let start = self.written + self.pending.len() as u64;
        let length = u32::try_from(text.len()).map_err(|_| IndexError::TooMany)?;
        self.pending.extend_from_slice(text.as_bytes());
        if self.pending.len() > PIECE {
            self.flush().map_err(IndexError::Write)?;
        }
        if let Some(Some(versions)) = self.charts.get_mut(chart) {
            versions.push(Place {
                numbers: [version.major, version.minor, version.patch],
                pre: version.pre.into(),
                start,
                length,
            });
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.scratch.write_all(&self.pending)?;
        self.written += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }

    /// Writes the stored form.
    pub(super) fn print(mut self, head: &Head, out: &mut impl Write) -> Result<Table, IndexError> {
        self.flush().map_err(IndexError::Write)?;
        self.print_all(head, out).map_err(IndexError::Write)
    }

    fn print_all(self, head: &Head, out: &mut impl Write) -> io::Result<Table> {
        let mut out = Counting { out, at: 0 };
        let field = |out: &mut Counting<_>, name: &str, value: &Json| {
            let mut text = if out.at == 0 { "{\n" } else { ",\n" }.to_owned();
            text.push_str("  ");
            write_string(&mut text, name, true);
            text.push_str(": ");
            indent(&mut text, value, 1);
            out.write(text.as_bytes())
        };
        if !head.server_info.is_null() {
            field(&mut out, "serverInfo", &head.server_info)?;
        }
        field(&mut out, "apiVersion", &json!(head.api_version))?;
        field(&mut out, "generated", &json!(head.generated))?;
        let mut places = Vec::new();
        if !head.has_entries && self.charts.is_empty() {
            field(&mut out, "entries", &Json::Null)?;
        } else if self.charts.is_empty() {
            field(&mut out, "entries", &json!({}))?;
        } else {
            out.write(b",\n  \"entries\": {\n")?;
            for (at, (name, versions)) in self.charts.into_iter().enumerate() {
                let mut text = if at > 0 { ",\n    " } else { "    " }.to_owned();
                write_string(&mut text, &name, true);
                text.push_str(": ");
                out.write(text.as_bytes())?;
                let start = out.at;
                print_versions(self.scratch, versions, &mut out)?;
                places.push((name, start..out.at));
            }
            out.write(b"\n  }")?;
        }
        if !head.public_keys.is_empty() {
            field(&mut out, "publicKeys", &json!(head.public_keys))?;
        }
        if !head.annotations.is_null() {
            field(&mut out, "annotations", &head.annotations)?;
        }
        out.write(b"\n}")?;
        Ok(Table::new(places))
    }
}

fn print_versions<S: Read + Seek, W: Write>(
    scratch: &mut S,
    versions: Versions,
    out: &mut Counting<W>,
) -> io::Result<()> {
    let Some(versions) = versions else {
        return out.write(b"null");
    };
    if versions.is_empty() {
        return out.write(b"[]");
    }
    // Those of one chart only are taken apart at a time.
    let mut versions: Vec<(Version, Place)> = versions.into_iter().map(|p| (p.version(), p)).collect();
    versions.sort_by(|(a, _), (b, _)| b.precedence(a));
    let mut text = Vec::new();
    for (at, (_, place)) in versions.iter().enumerate() {
        out.write(if at == 0 { b"[\n" } else { b",\n" })?;
        scratch.seek(SeekFrom::Start(place.start))?;
        text.resize(place.length as usize, 0);
        scratch.read_exact(&mut text)?;
        out.write(&text)?;
    }
    out.write(b"\n    ]")
}

struct Counting<W> {
    out: W,
    at: u64,
}

impl<W: Write> Counting<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.at += bytes.len() as u64;
        self.out.write_all(bytes)
    }
}
