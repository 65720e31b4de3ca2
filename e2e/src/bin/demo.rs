//! `cargo demo`: a GitOps day on a real control plane. `--once` ends after the account.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    let mut once = false;
    for arg in std::env::args().skip(1) {
        match arg.as_str() {
            "--once" => once = true,
            other => {
                eprintln!("unknown argument {other}; usage: cargo demo [--once]");
                return ExitCode::from(2);
            }
        }
    }
    match e2e::demo::run(once).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nthe demo failed: {error:?}");
            ExitCode::FAILURE
        }
    }
}
