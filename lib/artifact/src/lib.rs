//! What flows from a source to its consumers: a tree of files, its deterministic archive, and the digest that names it.
//!
//! Pure: bytes and values in, bytes and values out. No file system, clock, network or Kubernetes here.

pub mod deflate;
mod digest;
mod members;
mod pack;
mod path;
mod tar;
mod tree;
mod unpack;

pub use digest::{Algorithm, Digest, DigestError, DigestWriter, Hasher};
pub use members::{Member, Members};
pub use pack::{Entry, EntryKind, PackError, pack, pack_tree};
pub use path::{MAX_DEPTH, MAX_LENGTH, PathError, clean_path, walk_order};
pub use tree::{File, Node, Tree, TreeBuilder};
pub use unpack::{Limits, Place, UnpackError, Unpacked, unpack, unpack_some, unpack_to};
