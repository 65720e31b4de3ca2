//! `cargo run -p helm --example template -- CHART [--name N] [--namespace NS] [-f FILE]… [--set K=V]… …` prints what
//! `helm template N CHART …` prints; errors go to stderr.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    reason = "an example is a tool at the edge, not the engine"
)]

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run(std::env::args().skip(1).collect()) {
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
