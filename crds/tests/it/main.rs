//! The custom resources against what Flux serves, and against themselves.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod contract;
mod golden;
mod grammar;
mod roundtrip;
