//! `oracle PROGRAM` builds a real tool that an engine is compared with, once, and prints where it is.
#![expect(clippy::print_stdout, reason = "what it prints is what it is for")]

use anyhow::{Context as _, Result};

fn main() -> Result<()> {
    let program = std::env::args()
        .nth(1)
        .context("say which program: kustomize or helm")?;
    println!("{}", e2e::tools::Tools::oracle(&program)?.display());
    Ok(())
}
