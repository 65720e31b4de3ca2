//! What flows from a source to the rest: a tree of files as a value.

mod tree;

pub use tree::{File, PathError, Tree, clean_path};
