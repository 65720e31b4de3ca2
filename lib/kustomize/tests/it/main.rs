//! The kustomize crate against the real tool's recorded answers.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests read their cases, run the oracle, and stop at the first thing amiss"
)]

mod case;
mod closure;
mod closure_fields;
mod differential;
mod fuzz;
mod helm;
mod limits;
mod paths;
mod random;
mod remote;
mod warnings;
