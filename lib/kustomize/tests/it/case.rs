//! A case: the files of a source, what to build, and what the real tool made of it, in one text.
//!
//! ```text
//! Why the case is there.
//! build: overlay
//! flags: fifo anywhere
//! -- overlay/kustomization.yaml --
//! …
//! == stdout ==            (or `== error ==`)
//! …
//! ```
//! `(no newline)` or `(base64)` before the closing dashes says what a file really holds. In recorded errors the
//! directory of the case is `<root>`. `error: TEXT` in the head means that ours only has to contain TEXT.

use base64::Engine as _;
use kustomize::{Load, Options, Order};
use std::path::{Path, PathBuf};

pub struct Case {
    pub path: PathBuf,
    /// Everything before the outcome.
    pub input: String,
    pub build: String,
    pub fifo: bool,
    pub anywhere: bool,
    /// What our error has to contain where it cannot equal the recorded one.
    pub error: Option<String>,
    pub files: Vec<(String, Vec<u8>)>,
    /// Recorded: the output, or the error.
    pub outcome: Option<Result<String, String>>,
}

pub fn all() -> Vec<Case> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    paths.into_iter().map(Case::read).collect()
}

impl Case {
    fn read(path: PathBuf) -> Case {
        let text = std::fs::read_to_string(&path).unwrap();
        let (input, outcome) = if let Some(at) = text.find("\n== stdout ==\n") {
            (&text[..=at], Some(Ok(text[at + 14..].to_string())))
        } else if let Some(at) = text.find("\n== error ==\n") {
            (&text[..=at], Some(Err(text[at + 13..].to_string())))
        } else {
            (text.as_str(), None)
        };
        let mut case = Case {
            path,
            input: input.to_string(),
            build: String::new(),
            fifo: false,
            anywhere: false,
            error: None,
            files: Vec::new(),
            outcome,
        };
        let mut file: Option<(String, String)> = None;
        for line in input.split_inclusive('\n') {
            if let Some(name) = line
                .strip_prefix("-- ")
                .and_then(|rest| rest.trim_end().strip_suffix(" --"))
            {
                case.close(file.replace((name.to_string(), String::new())));
            } else if let Some((_, text)) = &mut file {
                text.push_str(line);
            } else if let Some(dir) = line.strip_prefix("build: ") {
                case.build = dir.trim().to_string();
            } else if let Some(flags) = line.strip_prefix("flags: ") {
                case.fifo = flags.contains("fifo");
                case.anywhere = flags.contains("anywhere");
            } else if let Some(text) = line.strip_prefix("error: ") {
                case.error = Some(text.trim_end().to_string());
            }
        }
        case.close(file);
        case
    }

    fn close(&mut self, file: Option<(String, String)>) {
        let Some((name, text)) = file else {
            return;
        };
        let (name, bytes) = if let Some(name) = name.strip_suffix(" (no newline)") {
            (name, text.trim_end_matches('\n').as_bytes().to_vec())
        } else if let Some(name) = name.strip_suffix(" (base64)") {
            (
                name,
                base64::engine::general_purpose::STANDARD
                    .decode(text.trim())
                    .unwrap(),
            )
        } else {
            (name.as_str(), text.into_bytes())
        };
        self.files.push((name.to_string(), bytes));
    }

    pub fn name(&self) -> String {
        self.path.file_stem().unwrap().to_string_lossy().into_owned()
    }

    pub fn tree(&self) -> artifact::Tree {
        artifact::Tree::from_files(self.files.clone()).unwrap()
    }

    pub fn options(&self) -> Options<'static> {
        Options {
            order: if self.fifo {
                Order::None
            } else {
                Order::Unspecified
            },
            load: if self.anywhere {
                Load::Anywhere
            } else {
                Load::RootOnly
            },
            display_root: "<root>".to_string(),
            ..Options::default()
        }
    }

    /// What ours gives.
    pub fn ours(&self) -> Result<String, String> {
        match kustomize::build(&self.tree(), &self.build, &self.options()) {
            Ok(build) => Ok(build.to_yaml()),
            Err(error) => Err(format!("{}\n", error.chain().trim_end())),
        }
    }

    /// What the real tool gives.
    pub fn oracle(&self, kustomize: &str) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for (name, bytes) in &self.files {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
        let mut command = std::process::Command::new(kustomize);
        command.arg("build").arg(root.join(&self.build));
        if self.fifo {
            command.args(["--reorder", "none"]);
        }
        if self.anywhere {
            command.args(["--load-restrictor", "LoadRestrictionsNone"]);
        }
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| {
            String::from_utf8(bytes)
                .unwrap()
                .replace(root.to_str().unwrap(), "<root>")
        };
        // Go prints where things lie in memory when nobody thought of printing them.
        let pointer = regex::Regex::new("0x[0-9a-f]{6,}").unwrap();
        if output.status.success() {
            return Ok(text(output.stdout));
        }
        let error = text(output.stderr);
        let error = error
            .split_once("Error: ")
            .map_or(error.as_str(), |(_, error)| error);
        Err(format!("{}\n", pointer.replace_all(error, "0x?").trim_end()))
    }

    /// True if ours is what was recorded, as far as the case asks.
    pub fn agrees(&self, recorded: &Result<String, String>, ours: &Result<String, String>) -> bool {
        match (recorded, ours, &self.error) {
            (Err(_), Err(ours), Some(text)) => ours.contains(text),
            // Ours may say more: in which file, of which object.
            (Err(recorded), Err(ours), None) => ours.contains(recorded.trim_end()),
            _ => recorded == ours,
        }
    }

    /// Writes the outcome into the case's file.
    pub fn record(&self, outcome: &Result<String, String>) {
        let (kind, text) = match outcome {
            Ok(text) => ("stdout", text),
            Err(text) => ("error", text),
        };
        std::fs::write(&self.path, format!("{}== {kind} ==\n{text}", self.input)).unwrap();
    }
}
