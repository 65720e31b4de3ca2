//! What notification-controller does with real peers on loopback.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking, in helpers too")]

mod clouds;
mod deliver;
mod git_hosts;
mod identities;
mod queues;
mod resolve;
mod sink;
