//! The controllers' programs.

use anyhow::{Context as _, Result, bail, ensure};
use std::{path::PathBuf, process::Command, sync::OnceLock, time::Instant};

use super::workspace;

/// Builds the controllers as this program was built, once, and gives the folder they are in.
///
/// # Errors
/// When `cargo build` fails; its own words are on standard error.
pub fn binaries() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let built = BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}")));
    built.clone().map_err(anyhow::Error::msg)
}

fn build() -> Result<PathBuf> {
    let program = std::env::current_exe()?;
    // Tests and benchmarks are one folder deeper than programs.
    let folder = program
        .ancestors()
        .skip(1)
        .find(|f| !f.ends_with("deps"))
        .context("a program without a folder")?;
    let profile = match folder.file_name().and_then(|n| n.to_str()) {
        Some("debug") => "dev",
        Some(profile) => profile,
        None => bail!("{} does not lie where cargo puts programs", program.display()),
    };
    let target = folder.parent().context("no target folder")?;
    eprintln!("setting up: building the controllers with cargo build (profile {profile}) …");
    let begin = Instant::now();
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(workspace())
        .args(["build", "--quiet", "--profile", profile, "--target-dir"])
        .arg(target)
        // Named beside them, so that features are unified as for this program and nothing is compiled twice.
        .args([
            "-p",
            "e2e",
            "-p",
            "source-controller",
            "-p",
            "kustomize-controller",
            "-p",
            "helm-controller",
            "-p",
            "notification-controller",
        ])
        .args(["--bin", "source-controller", "--bin", "kustomize-controller"])
        .args(["--bin", "helm-controller", "--bin", "notification-controller"])
        .status()
        .context("run cargo build")?;
    ensure!(status.success(), "cargo build of the controllers failed");
    eprintln!(
        "setting up: the controllers are built after {:.0} s",
        begin.elapsed().as_secs_f64()
    );
    Ok(folder.to_owned())
}
