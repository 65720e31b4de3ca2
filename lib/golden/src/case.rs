//! A case: files, what is asked of them, and what the real tool made of that, in one text.
//!
//! ```text
//! Why the case is there.
//! key: value               (what the tests of a crate ask of it)
//! -- path/of/a/file --
//! …
//! == stdout ==             (or `== error ==`)
//! …
//! ```
//! `(no newline)` or `(base64)` before the closing dashes says what a file really holds.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::path::{Path, PathBuf};

/// What a tool printed, or the error it ended with.
pub type Outcome = Result<String, String>;

/// A case of a folder.
#[derive(Debug, Clone)]
pub struct Case {
    path: PathBuf,
    /// Everything before the outcome.
    input: String,
    head: Vec<String>,
    /// Paths and contents, in the order of the case.
    pub files: Vec<(String, Vec<u8>)>,
    /// What was recorded, if anything was.
    pub outcome: Option<Outcome>,
}

impl Case {
    /// All cases of a folder, by name.
    pub fn all(folder: &Path) -> Vec<Case> {
        let entries = std::fs::read_dir(folder).unwrap();
        let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        paths.into_iter().map(Case::read).collect()
    }

    /// The case's name: its file's without the ending.
    pub fn name(&self) -> String {
        self.path.file_stem().unwrap().to_string_lossy().into_owned()
    }

    /// What the head says under a key: the rest of the line `key: …`.
    pub fn head(&self, key: &str) -> Option<&str> {
        let value = |line: &'_ String| -> Option<usize> {
            let rest = line.strip_prefix(key)?.strip_prefix(": ")?;
            Some(line.len() - rest.len())
        };
        let line = self.head.iter().find(|line| value(line).is_some())?;
        Some(&line[value(line)?..])
    }

    /// Writes an outcome into the case's file.
    pub fn record(&self, outcome: &Outcome) {
        let (kind, text) = match outcome {
            Ok(text) => ("stdout", text),
            Err(text) => ("error", text),
        };
        std::fs::write(&self.path, format!("{}== {kind} ==\n{text}", self.input)).unwrap();
    }

    fn read(path: PathBuf) -> Case {
        let text = std::fs::read_to_string(&path).unwrap();
        let after = |mark: &str| text.find(mark).map(|at| (at, text[at + mark.len()..].to_owned()));
        let (input, outcome) = match (after("\n== stdout ==\n"), after("\n== error ==\n")) {
            (Some((at, text)), _) => (at + 1, Some(Ok(text))),
            (None, Some((at, text))) => (at + 1, Some(Err(text))),
            (None, None) => (text.len(), None),
        };
        let input = text[..input].to_owned();
        let mut case = Case {
            path,
            head: Vec::new(),
            files: Vec::new(),
            outcome,
            input: String::new(),
        };
        let mut file: Option<(&str, String)> = None;
        for line in input.split_inclusive('\n') {
            let mark = line.strip_prefix("-- ");
            let name = mark.and_then(|rest| rest.trim_end().strip_suffix(" --"));
            match (name, &mut file) {
                (Some(name), open) => case.close(open.replace((name, String::new()))),
                (None, Some((_, text))) => text.push_str(line),
                (None, None) => case.head.push(line.trim_end().to_owned()),
            }
        }
        case.close(file);
        case.input = input;
        case
    }

    fn close(&mut self, file: Option<(&str, String)>) {
        let Some((name, text)) = file else { return };
        let file = if let Some(name) = name.strip_suffix(" (no newline)") {
            (name, text.trim_end_matches('\n').as_bytes().to_vec())
        } else if let Some(name) = name.strip_suffix(" (base64)") {
            (name, STANDARD.decode(text.trim()).unwrap())
        } else {
            (name, text.into_bytes())
        };
        self.files.push((file.0.to_owned(), file.1));
    }
}

/// Writes files below a folder, folders included.
pub fn lay<N: AsRef<Path>, B: AsRef<[u8]>>(files: &[(N, B)], root: &Path) {
    for (name, bytes) in files {
        let path = root.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
}
