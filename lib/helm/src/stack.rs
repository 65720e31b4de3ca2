//! A deep stack for templates that nest deeply, and a wall against panics.

use std::panic;
use std::thread::{Builder, scope};

/// In bytes. Only what is used is ever backed by memory.
const SIZE: usize = 1 << 30;

/// Does `work` on a thread of its own; none if that was not possible.
pub(crate) fn on_deep_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Option<T> {
    scope(|scope| {
        let thread = Builder::new()
            .name("helm".to_owned())
            .stack_size(SIZE)
            // What was half-done is dropped with the work; nobody sees it afterwards.
            .spawn_scoped(scope, || panic::catch_unwind(panic::AssertUnwindSafe(work)).ok());
        thread.ok()?.join().ok()?
    })
}
