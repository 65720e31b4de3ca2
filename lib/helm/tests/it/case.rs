//! A case: the files of a chart, how to render it, and what the real tool made of it, in one text.
//!
//! ```text
//! Why the case is there.
//! args: --set a=1 --namespace ns
//! -- Chart.yaml --         (left out: a chart named `c`)
//! …
//! -- each --               (optional: every line is a template of its own, rendered alone)
//! …
//! == stdout ==             (or `== error ==`)
//! …
//! ```
//! `(no newline)` before the closing dashes takes the last newline off a file. In recorded errors the directory of the
//! case is `<root>`. With `each`, what is recorded is one `> line` and its outcome after the other.

use crate::cli;
use std::path::{Path, PathBuf};

pub struct Case {
    pub path: PathBuf,
    /// Everything before the outcome.
    pub input: String,
    args: Vec<String>,
    files: Vec<(String, String)>,
    each: Vec<String>,
    /// Recorded: the output, or the error.
    pub outcome: Option<Outcome>,
}

pub type Outcome = Result<String, String>;

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
            args: Vec::new(),
            files: Vec::new(),
            each: Vec::new(),
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
            } else if let Some(args) = line.strip_prefix("args: ") {
                case.args = args.split_whitespace().map(str::to_string).collect();
            }
        }
        case.close(file);
        if !case.files.iter().any(|(name, _)| name == "Chart.yaml") {
            let chart = "apiVersion: v2\nname: c\nversion: 0.1.0\n";
            case.files.push(("Chart.yaml".to_string(), chart.to_string()));
        }
        case
    }

    fn close(&mut self, file: Option<(String, String)>) {
        let Some((name, text)) = file else {
            return;
        };
        if name == "each" {
            self.each = text.lines().map(str::to_string).collect();
        } else if let Some(name) = name.strip_suffix(" (no newline)") {
            self.files
                .push((name.to_string(), text.trim_end_matches('\n').to_string()));
        } else {
            self.files.push((name, text));
        }
    }

    pub fn name(&self) -> String {
        self.path.file_stem().unwrap().to_string_lossy().into_owned()
    }

    /// The chart's files; every line of `each` is a template.
    pub fn inputs(&self) -> Vec<(String, Vec<u8>)> {
        let each = self.each.iter().enumerate().map(|(i, line)| {
            let text = format!("# {line}\n");
            (format!("templates/each-{i}.yaml"), text.into_bytes())
        });
        let files = self
            .files
            .iter()
            .map(|(name, text)| (name.clone(), text.clone().into_bytes()));
        // Many templates of which one fails would hide the others.
        files.chain(each.take(1)).collect()
    }

    /// What ours gives.
    pub fn ours(&self) -> Outcome {
        self.outcomes(|root| {
            let mut args = vec![
                root.display().to_string(),
                "--name".to_string(),
                "rel".to_string(),
            ];
            args.extend(self.args(root));
            cli::run(args).map_err(|error| format!("{}\n", error.trim_end()))
        })
    }

    /// What the real tool gives.
    pub fn oracle(&self, helm: &str) -> Outcome {
        self.outcomes(|root| {
            let output = std::process::Command::new(helm)
                .env("TZ", "UTC")
                .args(["template", "rel"])
                .arg(root)
                .args(self.args(root))
                .output()
                .unwrap();
            let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
            if output.status.success() {
                return Ok(text(output.stdout));
            }
            let error = text(output.stderr);
            let error = error
                .split_once("Error: ")
                .map_or(error.as_str(), |(_, error)| error);
            Err(format!("{}\n", error.trim_end()))
        })
    }

    fn args(&self, root: &Path) -> impl Iterator<Item = String> {
        let root = root.display().to_string();
        self.args.iter().map(move |arg| arg.replace("<root>", &root))
    }

    fn outcomes(&self, render: impl Fn(&Path) -> Outcome) -> Outcome {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        for (name, text) in &self.files {
            let path = root.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let hide = |text: String| text.replace(root.to_str().unwrap(), "<root>");
        if self.each.is_empty() {
            return render(&root).map(hide).map_err(hide);
        }
        let mut all = String::new();
        std::fs::create_dir_all(root.join("templates")).unwrap();
        for line in &self.each {
            // What an expression prints is a comment: it need not be YAML.
            let comment = if line.starts_with("{{") { "# " } else { "" };
            std::fs::write(
                root.join("templates/each.yaml"),
                format!("{comment}{}", line.replace("\\n", "\n")),
            )
            .unwrap();
            let (mark, text) = match render(&root) {
                Ok(text) => ("", text.replace("---\n# Source: c/templates/each.yaml\n", "")),
                Err(text) => (
                    "! ",
                    text.replace("\n\nUse --debug flag to render out invalid YAML", ""),
                ),
            };
            all.push_str(&format!("> {line}\n{mark}{}\n", hide(text).trim_end()));
        }
        Ok(all)
    }

    /// Writes the outcome into the case's file.
    pub fn record(&self, outcome: &Outcome) {
        let (kind, text) = match outcome {
            Ok(text) => ("stdout", text),
            Err(text) => ("error", text),
        };
        std::fs::write(&self.path, format!("{}== {kind} ==\n{text}", self.input)).unwrap();
    }
}
