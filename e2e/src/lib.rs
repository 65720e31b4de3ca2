//! The whole, against a real API server: a control plane on loopback, the world outside it, and the suite under test.

pub mod control_plane;
pub mod origin;
pub mod process;
pub mod tools;
