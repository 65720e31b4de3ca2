//! The kustomize crate against the real tool's recorded answers.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "tests read their cases, run the oracle, and stop at the first thing amiss"
)]

mod case;
mod closure;
mod differential;
mod fuzz;
mod limits;
mod random;
