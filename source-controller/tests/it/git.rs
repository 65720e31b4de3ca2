//! Repositories fetched from the real `git`: every kind of reference, every login, and peers that mean harm.

mod conformance;
mod fetching;
mod github_app;
mod greeting;
mod hostile;
mod origin;
mod references;
mod ssh;
mod submodules;
mod transport;
mod verify;
