//! The kustomize crate against the real tool's recorded answers.
#![expect(
    clippy::disallowed_methods,
    reason = "tests read their cases and run the oracle"
)]

mod case;
mod closure;
mod differential;
