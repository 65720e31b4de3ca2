//! A case of Helm's: the files of a chart, and how to render it.
//!
//! The head says `args: --set a=1 --namespace ns`. Without a `Chart.yaml` the chart is named `c`. A file `each` is no file:
//! every line of it is a template of its own, rendered alone, and what is recorded is one `> line` and its outcome after
//! the other. In recorded errors the directory of the case is `<root>`.

use crate::cli;
use golden::{Case, Outcome};
use std::path::{Path, PathBuf};
use std::process::Command;

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/cases")
}

/// The chart's files; the first line of `each` is a template (of many, one that fails would hide the others).
pub fn inputs(case: &Case) -> Vec<(String, Vec<u8>)> {
    let (mut files, each) = parts(case);
    if let Some(line) = each.first() {
        files.push((
            "templates/each.yaml".to_string(),
            format!("# {line}\n").into_bytes(),
        ));
    }
    files
}

/// What ours gives.
pub fn ours(case: &Case) -> Outcome {
    outcomes(case, render)
}

/// What the real tool gives.
pub fn real(case: &Case, helm: &str) -> Outcome {
    outcomes(case, |root, args| template(helm, root, args))
}

/// Renders the chart in a directory as `rel` with ours.
pub fn render(root: &Path, args: &[String]) -> Outcome {
    let named = [
        root.display().to_string(),
        "--name".to_string(),
        "rel".to_string(),
    ];
    cli::run([&named, args].concat()).map_err(|error| format!("{}\n", error.trim_end()))
}

/// Renders the chart in a directory as `rel` with the real tool.
pub fn template(helm: &str, root: &Path, args: &[String]) -> Outcome {
    let mut command = Command::new(helm);
    golden::run(
        command
            .env("TZ", "UTC")
            .args(["template", "rel"])
            .arg(root)
            .args(args),
    )
}

/// The chart's files, and the lines of `each`.
fn parts(case: &Case) -> (Vec<(String, Vec<u8>)>, Vec<String>) {
    let (each, mut files): (Vec<_>, Vec<_>) =
        case.files.iter().cloned().partition(|(name, _)| name == "each");
    if !files.iter().any(|(name, _)| name == "Chart.yaml") {
        let chart = b"apiVersion: v2\nname: c\nversion: 0.1.0\n";
        files.push(("Chart.yaml".to_string(), chart.to_vec()));
    }
    let lines = |bytes: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(bytes)
            .lines()
            .map(str::to_string)
            .collect()
    };
    (files, each.iter().flat_map(|(_, bytes)| lines(bytes)).collect())
}

fn outcomes(case: &Case, render: impl Fn(&Path, &[String]) -> Outcome) -> Outcome {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().canonicalize().unwrap();
    let shown = root.to_str().unwrap();
    let args = case.head("args").unwrap_or_default().split_whitespace();
    let args: Vec<String> = args.map(|arg| arg.replace("<root>", shown)).collect();
    let hide = |text: String| text.replace(shown, "<root>");
    let (files, each) = parts(case);
    golden::lay(&files, &root);
    if each.is_empty() {
        return render(&root, &args).map(hide).map_err(hide);
    }
    let mut all = String::new();
    std::fs::create_dir_all(root.join("templates")).unwrap();
    for line in &each {
        // What an expression prints is a comment: it need not be YAML.
        let comment = if line.starts_with("{{") { "# " } else { "" };
        let text = format!("{comment}{}", line.replace("\\n", "\n"));
        std::fs::write(root.join("templates/each.yaml"), text).unwrap();
        let (mark, text) = match render(&root, &args) {
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
