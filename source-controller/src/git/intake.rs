//! What comes from a remote, whatever it comes over: not too slow, not too much, and nothing that stands for more than there is room for.

use std::time::Duration;

use peer::http::Pace;

use super::error::RemoteError;
use super::pack::{Most, Scale};

/// The bounds of one answer, or of all that one connection says.
pub(super) struct Intake {
    /// The most bytes.
    limit: u64,
    received: u64,
    pace: Pace,
    scale: Scale,
}

impl Intake {
    /// For an answer of at most so many bytes.
    pub(super) fn new(limit: u64) -> Intake {
        Intake {
            limit,
            received: 0,
            pace: Pace::of_work(),
            scale: Scale::new(Most::default()),
        }
    }

    /// How long nothing may come.
    pub(super) fn patience(&self) -> Duration {
        self.pace.left()
    }

    /// Takes in a piece of what the remote says in Git's protocol.
    ///
    /// # Errors
    /// When it is too slow, too much, or part of a pack that is not taken.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<(), RemoteError> {
        self.count(piece.len())?;
        Ok(self.scale.weigh(piece)?)
    }

    /// Counts so many bytes of what it says besides, or none.
    ///
    /// # Errors
    /// When it is too slow, or too much.
    pub(super) fn count(&mut self, bytes: usize) -> Result<(), RemoteError> {
        self.pace.keeps(bytes)?;
        self.received += bytes as u64;
        match self.received > self.limit {
            true => Err(RemoteError::TooLarge(self.limit)),
            false => Ok(()),
        }
    }
}
