//! For tests: cases as text, each with what a real tool made of it, and input that is changed at random.
#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot read its cases or run its tool stops there"
)]

mod case;
mod random;
mod tool;

pub use case::{Case, Outcome, lay};
pub use random::{Random, seconds};
pub use tool::{Held, hold, run};
