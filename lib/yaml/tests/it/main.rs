//! The YAML crate against go-yaml's recorded answers and against itself.

mod fuzz;
mod limits;
mod sigs;
mod stable;
