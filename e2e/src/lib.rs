//! The whole, against a real API server: a control plane on loopback, the world outside it, and the suite under test.

pub mod app;
pub mod cluster;
pub mod control_plane;
pub mod demo;
pub mod expect;
pub mod fleet;
pub mod flux;
pub mod origin;
pub mod process;
pub mod space;
pub mod suite;
pub mod tools;
pub mod world;
