//! `cargo run -p kustomize --example build -- DIR [--fifo] [--anywhere]` prints what `kustomize build DIR` prints.
//!
//! An engine reads only a tree, so this loads one: it begins at DIR itself and, as long as the build asks for
//! something outside, tries again one directory further up (bases like `../base` stand beside DIR).
#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "an example is a tool at the edge, not the engine"
)]

use artifact::Tree;
use kustomize::{Load, Options, Order};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

fn main() -> ExitCode {
    let (flags, paths): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|arg| arg.starts_with("--"));
    let order = if flags.iter().any(|flag| flag == "--fifo") {
        Order::None
    } else {
        Order::Unspecified
    };
    let load = if flags.iter().any(|flag| flag == "--anywhere") {
        Load::Anywhere
    } else {
        Load::RootOnly
    };
    let (result, warnings) = run(paths.first().map_or(".", String::as_str), order, load);
    for warning in warnings {
        eprintln!("{warning}");
    }
    match result {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("Error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(dir: &str, order: Order, load: Load) -> (Result<String, String>, Vec<String>) {
    let dir = match Path::new(dir).canonicalize() {
        Ok(dir) => dir,
        Err(error) => return (Err(format!("{dir}: {error}")), Vec::new()),
    };
    let mut root: &Path = &dir;
    loop {
        let tree = match tree(root) {
            Ok(tree) => tree,
            Err(error) => return (Err(format!("{}: {error}", root.display())), Vec::new()),
        };
        let path = dir.strip_prefix(root).unwrap_or(&dir).to_string_lossy();
        let options = Options {
            order,
            load,
            display_root: root.display().to_string(),
            ..Options::default()
        };
        let (built, warnings) = kustomize::build_warning(&tree, &path, &options);
        match (built, root.parent()) {
            (Ok(build), _) => return (Ok(build.to_yaml()), warnings),
            (Err(error), Some(parent)) if error.leaves_tree() && parent.parent().is_some() => root = parent,
            (Err(error), _) => return (Err(error.chain()), warnings),
        }
    }
}

fn tree(root: &Path) -> Result<Tree, Box<dyn std::error::Error>> {
    let mut files = Vec::new();
    let mut waiting: Vec<PathBuf> = vec![root.to_path_buf()];
    while let Some(dir) = waiting.pop() {
        for entry in std::fs::read_dir(&dir)?.flatten() {
            let path = entry.path();
            let kind = entry.file_type()?;
            if kind.is_dir() && entry.file_name() != ".git" {
                waiting.push(path);
            } else if kind.is_file()
                && let (Some(name), Ok(bytes)) = (path.strip_prefix(root)?.to_str(), std::fs::read(&path))
            {
                files.push((name.to_string(), bytes));
            }
        }
    }
    Ok(Tree::from_files(files)?)
}
