//! What one artifact may cost.

/// What one artifact may cost; what all of a generator may cost together is
/// their [`Allowance`](crate::artifact_generator::allowance::Allowance).
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    /// Files and directories from which on it has to be the only one of its kind in the process.
    pub(super) many: u64,
    /// Files and directories that are written, also those that later ones replace.
    pub(super) written: u64,
    /// Bytes of their paths, of which a list is made; the same for those that a pattern finds.
    pub(super) paths: u64,
    /// Directories that it has.
    pub(super) directories: u64,
    /// Bytes that it has: whoever reads it takes no more.
    pub(super) bytes: u64,
    /// Bytes that come out of archives.
    pub(super) extracted: u64,
    /// Bytes of a file that is merged: it is held in memory.
    pub(super) merged: u64,
}

/// Those of every artifact.
pub(super) const BOUNDS: Bounds = Bounds {
    many: 100_000,
    written: 1_000_000,
    paths: 128 << 20,
    directories: 200_000,
    bytes: 1 << 30,
    extracted: 256 << 20,
    merged: 4 << 20,
};
