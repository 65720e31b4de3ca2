//! The helm crate against the real tool's recorded answers.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::unwrap_used,
    reason = "tests read their cases, run the oracle, and stop at the first thing amiss"
)]

mod case;
#[path = "../../examples/template/cli.rs"]
mod cli;
mod differential;
mod fuzz;
mod generated;
mod generated_values;
mod index;
mod limits;
mod package;
mod release;
mod threats;
