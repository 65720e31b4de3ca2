//! Tests of what the crate does from outside, one module a topic.

mod deflate;
mod pack;
mod unpack;
