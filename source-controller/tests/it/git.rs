//! Repositories fetched from the real `git`: every kind of reference, every login, and peers that mean harm.

mod fetching;
mod origin;
mod references;
mod ssh;
