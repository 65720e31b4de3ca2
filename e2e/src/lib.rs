//! The whole, against a real API server: a control plane on loopback, the world outside it, and the suite under test.

pub mod app;
pub mod charts;
pub mod cluster;
pub mod control_plane;
pub mod demo;
pub mod expect;
pub mod fleet;
pub mod flux;
pub mod origin;
pub mod process;
pub mod promises;
pub mod sources;
pub mod space;
pub mod suite;
pub mod tools;
pub mod webhook;
pub mod world;

/// Tells a measurement, also where the output of tests that pass is not shown.
#[macro_export]
macro_rules! note {
    ($($text:tt)*) => { $crate::expect::note(&format!($($text)*)) };
}
