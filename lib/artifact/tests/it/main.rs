//! Tests of what the crate does from outside, one module a topic.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in helpers too")]

mod archive;
mod deflate;
mod gnu;
mod members;
mod pack;
mod unpack;
