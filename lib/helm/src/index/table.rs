//! Where in a stored index the versions of each chart are.

use super::IndexError;
use std::io::{self, BufRead, Write};
use std::ops::Range;

/// The charts of a stored index by name, each with the place of its versions, in bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    places: Vec<(Box<str>, Range<u64>)>,
}

impl Table {
    pub(super) fn new(mut places: Vec<(Box<str>, Range<u64>)>) -> Table {
        places.sort_by(|a, b| a.0.cmp(&b.0));
        Table { places }
    }

    /// How many charts there are.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is no chart.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Where the versions of a chart are.
    pub fn find(&self, chart: &str) -> Option<Range<u64>> {
        let at = self
            .places
            .binary_search_by(|(name, _)| (**name).cmp(chart))
            .ok()?;
        Some(self.places[at].1.clone())
    }

    /// Writes the table, a line of JSON for each chart.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        for (name, place) in &self.places {
            let line = serde_json::to_string(&(place.start, place.end, name))?;
            out.write_all(line.as_bytes())?;
            out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// Reads what [`Table::write`] wrote.
    ///
    /// # Errors
    /// Those of the reader; lines that are no such thing.
    pub fn read(input: impl BufRead) -> io::Result<Table> {
        let mut places = Vec::new();
        for line in input.lines() {
            let (start, end, name): (u64, u64, Box<str>) = serde_json::from_str(&line?)?;
            places.push((name, start..end));
        }
        Ok(Table::new(places))
    }

    /// Makes the table of a stored index, as Flux or [`super::convert`] wrote it: by its lines, for in JSON that is indented
    /// the depth of a line says where it belongs.
    ///
    /// # Errors
    /// Those of the reader; a text that is not of that form.
    pub fn scan(mut stored: impl BufRead) -> Result<Table, IndexError> {
        let odd = || IndexError::Content("this is not an index as it is stored".to_owned());
        let (mut places, mut at, mut inside) = (Vec::new(), 0u64, false);
        let mut open: Option<(Box<str>, u64)> = None;
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = stored.read_until(b'\n', &mut line).map_err(IndexError::Write)?;
            let text = line.strip_suffix(b"\n").unwrap_or(&line);
            let text = text.strip_suffix(b",").unwrap_or(text);
            match text {
                _ if read == 0 => break,
                b"  \"entries\": {" => inside = true,
                b"  }" => inside = false,
                b"    ]" if inside => {
                    let (name, start) = open.take().ok_or_else(odd)?;
                    places.push((name, start..at + 5));
                }
                [b' ', b' ', b' ', b' ', b'"', ..] if inside => {
                    let (name, value) = [&b": ["[..], b": []", b": null"]
                        .iter()
                        .find_map(|value| Some((text.strip_suffix(*value)?, value.len() - 2)))
                        .ok_or_else(odd)?;
                    let start = at + text.len() as u64 - value as u64;
                    let name: Box<str> = serde_json::from_slice(&name[4..]).map_err(|_| odd())?;
                    match value {
                        1 => open = Some((name, start)),
                        value => places.push((name, start..start + value as u64)),
                    }
                }
                _ => {}
            }
            at += read as u64;
        }
        Ok(Table::new(places))
    }
}
