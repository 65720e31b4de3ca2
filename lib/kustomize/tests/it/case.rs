//! A case of kustomize's: what is built, with which flags.
//!
//! The head says `build: FOLDER` and `flags: fifo anywhere`. In recorded errors the folder of the case is `<root>`.
//! `error: TEXT` in the head means that ours only has to contain TEXT.

use golden::{Case, Outcome};
use kustomize::{Load, Options, Order};
use std::path::PathBuf;
use std::process::Command;

/// Files, and what is built of them.
#[derive(Debug, Clone)]
pub struct Build {
    pub build: String,
    pub fifo: bool,
    pub anywhere: bool,
    pub files: Vec<(String, Vec<u8>)>,
}

pub fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases")
}

/// True if ours is what the tool gave, as far as the case asks.
pub fn agrees(case: &Case, real: &Outcome, ours: &Outcome) -> bool {
    match (real, ours, case.head("error")) {
        (Err(_), Err(ours), Some(text)) => ours.contains(text),
        // Ours may say more: in which file, of which object.
        (Err(real), Err(ours), None) => ours.contains(real.trim_end()),
        _ => real == ours,
    }
}

impl Build {
    pub fn of(case: &Case) -> Build {
        let flags = case.head("flags").unwrap_or_default();
        Build {
            build: case.head("build").unwrap_or_default().to_string(),
            fifo: flags.contains("fifo"),
            anywhere: flags.contains("anywhere"),
            files: case.files.clone(),
        }
    }

    /// What ours gives.
    pub fn ours(&self) -> Outcome {
        let tree = artifact::Tree::from_files(self.files.clone()).unwrap();
        let options = Options {
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
        };
        match kustomize::build(&tree, &self.build, &options) {
            Ok(build) => Ok(build.to_yaml()),
            Err(error) => Err(format!("{}\n", error.chain().trim_end())),
        }
    }

    /// What the real tool gives.
    pub fn real(&self, kustomize: &str) -> Outcome {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        golden::lay(&self.files, &root);
        let mut command = Command::new(kustomize);
        command.arg("build").arg(root.join(&self.build));
        if self.fifo {
            command.args(["--reorder", "none"]);
        }
        if self.anywhere {
            command.args(["--load-restrictor", "LoadRestrictionsNone"]);
        }
        let hidden = |text: String| text.replace(root.to_str().unwrap(), "<root>");
        // Go prints where things lie in memory when nobody thought of printing them.
        let pointer = regex::Regex::new("0x[0-9a-f]{6,}").unwrap();
        golden::run(&mut command)
            .map(hidden)
            .map_err(|error| pointer.replace_all(&hidden(error), "0x?").into_owned())
    }
}
