//! Tests of what the crate does from outside.

mod golden;
