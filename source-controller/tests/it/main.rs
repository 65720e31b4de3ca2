//! Tests of what the crate does from outside, one module a topic.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in helpers too")]

mod git;
mod ignore;
