//! End-to-end tests, one promise a file.

mod control_plane;
mod layers;
mod origin;
