//! Why files cannot be copied together, in the words of Flux's source-watcher where it has some.

use super::merge::MergeError;
use crate::artifact_generator::allowance::Spent;
use artifact::{PathError, UnpackError};
use std::io;
use thiserror::Error;

/// A copy that failed, and which.
#[derive(Debug, Error)]
#[error("failed to apply copy operation from '{from}' to '{to}'")]
pub struct ComposeError {
    pub(super) from: String,
    pub(super) to: String,
    #[source]
    pub(super) source: Box<CopyError>,
}

/// Why a copy failed.
#[derive(Debug, Error)]
pub enum CopyError {
    /// `from` is not `@<alias>/<pattern>`, or `to` is not `@artifact/<path>`.
    #[error("'{0}' is not of the form '@alias/path'")]
    Form(String),
    /// No source is called so.
    #[error("source alias '{0}' not found")]
    Alias(String),
    /// An item of `exclude` is malformed.
    #[error("invalid exclude pattern '{0}'")]
    Exclude(String),
    /// The pattern of `from` is malformed.
    #[error("invalid glob pattern '{0}': syntax error in pattern")]
    Pattern(String),
    /// Nothing matches.
    #[error("no files match pattern '{pattern}' in source '{alias}'")]
    NoMatch {
        /// The pattern of `from`.
        pattern: String,
        /// The source.
        alias: String,
    },
    /// Everything that matches is excluded.
    #[error("all files matching pattern '{pattern}' in source '{alias}' were excluded")]
    AllExcluded {
        /// The pattern of `from`.
        pattern: String,
        /// The source.
        alias: String,
    },
    /// The source has no such file or directory.
    #[error("source '{0}' does not exist")]
    Missing(String),
    /// A directory is to be extracted.
    #[error("extract strategy is not supported for directories, got '{0}'")]
    ExtractDirectory(String),
    /// What is to be extracted is not called like an archive.
    #[error("extract strategy requires tarball file (.tar.gz or .tgz), got '{0}'")]
    NoArchive(String),
    /// An archive cannot be unpacked.
    #[error("failed to extract tarball '{path}'")]
    Extract {
        /// The archive.
        path: String,
        /// What is wrong with it.
        #[source]
        source: UnpackError,
    },
    /// Two files cannot be merged.
    #[error("failed to merge '{path}' into '{into}'")]
    Merge {
        /// The file of the source.
        path: String,
        /// The file of the artifact.
        into: String,
        /// Which of them is wrong, and how.
        #[source]
        source: MergeError,
    },
    /// A file is larger than one that is merged may be.
    #[error("'{0}' has more than the {1} bytes that a file which is merged may have")]
    LargeMerge(String, u64),
    /// Contents cannot be read, or not be kept.
    #[error("cannot keep what is copied")]
    Disk(#[from] io::Error),
    /// A path leads out of the source or the artifact, or a file and a directory want one name.
    #[error(transparent)]
    Path(#[from] PathError),
    /// The archives that were extracted are too large together.
    #[error("the extracted archives are larger than {0} bytes together")]
    TooLarge(u64),
    /// More is copied than an artifact may have, or than is copied for one.
    #[error("more than {0} {1} are copied for one artifact")]
    TooMany(u64, &'static str),
    /// Patterns are longer than is let in, with all that their braces stand for.
    #[error("its patterns stand for too much: make them shorter, or take out some of their braces")]
    PatternTooMuch,
    /// All artifacts of a generator cost too much together.
    #[error(transparent)]
    Spent(#[from] Spent),
}

impl ComposeError {
    /// Whether it is more than is let in: to try again costs as much, and does not help.
    pub fn is_bound(&self) -> bool {
        use UnpackError::{Ratio, TooLarge, TooMany, TooManyDirectories};
        match &*self.source {
            CopyError::LargeMerge(..)
            | CopyError::TooLarge(_)
            | CopyError::TooMany(..)
            | CopyError::PatternTooMuch
            | CopyError::Spent(_) => true,
            CopyError::Extract { source, .. } => {
                matches!(
                    source,
                    TooLarge(_) | Ratio(_) | TooMany(_) | TooManyDirectories(_)
                )
            }
            CopyError::Form(_)
            | CopyError::Alias(_)
            | CopyError::Exclude(_)
            | CopyError::Pattern(_)
            | CopyError::NoMatch { .. }
            | CopyError::AllExcluded { .. }
            | CopyError::Missing(_)
            | CopyError::ExtractDirectory(_)
            | CopyError::NoArchive(_)
            | CopyError::Merge { .. }
            | CopyError::Disk(_)
            | CopyError::Path(_) => false,
        }
    }
}
