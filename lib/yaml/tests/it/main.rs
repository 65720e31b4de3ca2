//! The YAML crate against go-yaml's recorded answers and against itself.
#![expect(
    clippy::disallowed_methods,
    reason = "tests may look at the clock and the environment"
)]

mod fuzz;
mod items;
mod limits;
mod sigs;
mod stable;
