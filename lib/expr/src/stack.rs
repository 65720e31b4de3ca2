//! A deep stack for work on deeply nested input, and a wall against panics in it.

use std::panic;
use std::thread::{Builder, scope};

/// In bytes. Only what is used is ever backed by memory. The parser needs some 100 kB for each pair of brackets in a
/// build without optimization, and lets at most 96 of them through.
const SIZE: usize = 64 << 20;

/// The work could not be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Crashed;

/// Does `work` on a thread of its own.
pub(crate) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, Crashed> {
    scope(|scope| {
        let thread = Builder::new()
            .name("expr".to_owned())
            .stack_size(SIZE)
            .spawn_scoped(scope, || {
                // The expression is dropped with what it was part of; nothing half-done can be seen afterwards.
                panic::catch_unwind(panic::AssertUnwindSafe(work)).map_err(|_| Crashed)
            });
        thread.map_err(|_| Crashed)?.join().map_err(|_| Crashed)?
    })
}
