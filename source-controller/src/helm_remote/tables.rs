//! The tables of stored indexes: on disk beside what they were made from, a few in memory if the flags say so.

use super::counts::Counts;
use crate::{lock::lock, storage::StorageError};
use artifact::Digest;
use helm::index::{self, ChooseError, IndexError, Listed, Table};
use runtime::Key;
use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, BufReader, BufWriter, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, Instant, SystemTime},
};
use thiserror::Error;

/// How many tables are kept in memory, and for how long (Flux flags `--helm-cache-*`).
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// How many; none if it is 0.
    pub most: usize,
    /// For how long after they were used.
    pub life: Duration,
}

/// Why a stored index cannot be read.
#[derive(Debug, Error)]
pub enum TableError {
    /// It is not there.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The disk fails.
    #[error("cannot read the stored index")]
    Disk(#[from] io::Error),
    /// It is not of that form.
    #[error(transparent)]
    Index(#[from] IndexError),
    /// It has no such chart.
    #[error(transparent)]
    Choose(#[from] ChooseError),
}

/// The tables under one folder. All methods block on the disk.
#[derive(Debug)]
pub struct Tables {
    root: PathBuf,
    memory: Memory,
    kept: Mutex<HashMap<String, (Arc<Table>, Instant)>>,
    /// Of those that may be in memory.
    pub(super) counts: Counts,
}

impl Tables {
    pub(super) fn new(root: PathBuf, memory: Memory) -> Self {
        Self {
            root,
            memory,
            kept: Mutex::default(),
            counts: Counts::default(),
        }
    }

    /// The version of a chart that is meant, in the index with this digest that `open` opens; `owner` is the repository
    /// whose it is.
    pub(super) fn choose(
        &self,
        digest: &str,
        owner: Option<&Key>,
        open: &dyn Fn() -> Result<File, TableError>,
        chart: &str,
        wanted: &str,
    ) -> Result<Listed, TableError> {
        let Some(place) = self.table(digest, owner, open)?.find(chart) else {
            let none = ChooseError::None("no chart name found".to_owned());
            return Err(none.into());
        };
        let mut file = open()?;
        file.seek(SeekFrom::Start(place.start))?;
        let versions = BufReader::with_capacity(64 << 10, file.take(place.end - place.start));
        index::choose(chart, wanted, versions).map_err(|error| {
            if matches!(error, ChooseError::Damaged(_)) {
                // It may be the table that is: the next one makes it anew.
                lock(&self.kept).remove(digest);
                let _ = fs::remove_file(self.path(digest));
            }
            error.into()
        })
    }

    /// Keeps the table of a stored index with this digest.
    pub(super) fn keep(&self, digest: &Digest, table: &Table) -> io::Result<()> {
        let mut new = super::stored::draft(&self.root)?;
        let mut writer = BufWriter::new(new.as_file_mut());
        table.write(&mut writer)?;
        writer.flush()?;
        drop(writer);
        new.persist(self.path(&digest.to_string())).map_err(|e| e.error)?;
        Ok(())
    }

    /// Forgets what was in memory for longer than the flags say.
    pub(super) fn purge(&self) {
        lock(&self.kept).retain(|_, (_, used)| used.elapsed() < self.memory.life);
    }

    fn table(
        &self,
        digest: &str,
        owner: Option<&Key>,
        open: &dyn Fn() -> Result<File, TableError>,
    ) -> Result<Arc<Table>, TableError> {
        let kept = lock(&self.kept).get_mut(digest).map(|(table, used)| {
            *used = Instant::now();
            table.clone()
        });
        if let Some(owner) = owner.filter(|_| self.memory.most > 0) {
            self.counts.count(kept.is_some(), owner);
        }
        if let Some(table) = kept {
            return Ok(table);
        }
        let path = self.path(digest);
        let table = match File::open(&path).and_then(|file| Table::read(BufReader::new(file))) {
            Ok(table) => {
                touch(&path);
                table
            }
            // Nobody has made it, or what was made is damaged.
            Err(_) => {
                let table = Table::scan(BufReader::with_capacity(256 << 10, open()?))?;
                if let Ok(digest) = digest.parse() {
                    // Without it the next one makes it again.
                    let _ = self.keep(&digest, &table);
                }
                table
            }
        };
        let table = Arc::new(table);
        if self.memory.most > 0 {
            let mut kept = lock(&self.kept);
            while kept.len() >= self.memory.most {
                let oldest = kept.iter().min_by_key(|(_, (_, used))| *used);
                let Some(oldest) = oldest.map(|(oldest, _)| oldest.clone()) else {
                    break;
                };
                kept.remove(&oldest);
            }
            kept.insert(digest.to_owned(), (table.clone(), Instant::now()));
        }
        Ok(table)
    }

    fn path(&self, digest: &str) -> PathBuf {
        let safe = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
        let name: String = digest.chars().map(safe).take(200).collect();
        self.root.join(format!("{name}.table"))
    }
}

/// Says that a file is in use still.
pub(super) fn touch(path: &Path) {
    // It is only about when it is thrown away.
    if let Ok(file) = fs::OpenOptions::new().append(true).open(path) {
        let _ = file.set_modified(SystemTime::now());
    }
}
