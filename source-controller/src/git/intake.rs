//! What comes from a remote, whatever it comes over: not too slow, not too much, and nothing that stands for more than there is room for.

use std::sync::Arc;
use std::time::Duration;

use peer::http::Pace;

use super::deadline::Deadline;
use super::error::RemoteError;
use super::pack::Scale;
use super::room::{Room, Taken};

/// What it is that comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Speech {
    /// What a remote says of itself at the beginning; there is no pack in it.
    Greeting,
    /// An answer to one question.
    Answer,
    /// All that one connection says: a greeting, and answers.
    Connection,
}

/// The bounds of what a remote says.
pub(super) struct Intake {
    /// The most bytes.
    limit: u64,
    received: u64,
    /// How much of that is no pack: whoever reads it keeps all of it.
    talk: u64,
    pace: Pace,
    scale: Scale,
    room: Arc<Room>,
    /// What the pack that has come may take while it is put together.
    taken: Option<Taken>,
    deadline: Deadline,
}

impl Intake {
    /// For at most so many bytes, in the room for packs that there is, until then.
    pub(super) fn new(speech: Speech, limit: u64, room: Arc<Room>, deadline: Deadline) -> Intake {
        let most = room.most;
        Intake {
            limit: match speech {
                Speech::Greeting => limit.min(most.talk),
                Speech::Answer | Speech::Connection => limit,
            },
            received: 0,
            talk: 0,
            pace: Pace::of_work(),
            scale: Scale::new(most, speech == Speech::Connection),
            room,
            taken: None,
            deadline,
        }
    }

    /// Whoever reads wants more. A pack that has come is put together by then.
    pub(super) fn resume(&mut self) {
        self.taken = None;
    }

    /// How long nothing may come.
    pub(super) fn patience(&self) -> Duration {
        self.pace.left()
    }

    /// Takes in a piece of what the remote says in Git's protocol. With the last of a pack waits until there is room for it.
    ///
    /// # Errors
    /// When it is too slow, too much, or part of a pack that is not taken; when others take the room for too long.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<(), RemoteError> {
        self.count(piece.len())?;
        self.scale.weigh(piece)?;
        if !self.scale.is_in_pack() {
            self.talk += piece.len() as u64;
            let most = self.room.most.talk;
            if self.talk > most {
                return Err(RemoteError::TooLarge(most));
            }
        }
        if let Some(need) = self.scale.complete() {
            let taken = self.room.take(need, self.deadline.at());
            self.taken = Some(taken.ok_or(RemoteError::Timeout(self.deadline.span()))?);
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::time::Instant;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;
    use crate::git::pack::Most;

    const LINE: &[u8] = b"003d1111111111111111111111111111111111111111 refs/heads/main\n";

    /// How many bytes are taken of this again and again, after the beginning.
    fn taken(speech: Speech, begin: &[u8], again: &[u8]) -> u64 {
        let most = Most {
            talk: 10_000,
            ..Most::within(None)
        };
        let deadline = Deadline::after(Duration::from_secs(60));
        let mut intake = Intake::new(speech, 100_000, Room::new(most), deadline);
        intake.take(begin).unwrap();
        loop {
            match intake.take(again) {
                Ok(()) => {}
                Err(RemoteError::TooLarge(limit)) => return limit,
                Err(error) => unreachable!("{error}"),
            }
        }
    }

    #[test]
    fn what_is_no_pack_is_smaller() {
        let all = [Speech::Greeting, Speech::Answer, Speech::Connection];
        for speech in all {
            assert_eq!(taken(speech, b"", LINE), 10_000, "{speech:?}");
        }
        // A stored block, again and again.
        let pack = b"0015\x01PACK\0\0\0\x02\0\0\0\x01\xb0\x80\x80\x08";
        let pack = [&pack[..], b"0007\x01\x78\x01"].concat();
        let block = [b"100a\x01\0\0\x10\xff\xef".to_vec(), vec![7; 0x1000]].concat();
        assert_eq!(taken(Speech::Answer, &pack, &block), 100_000);
        // In a greeting there is none, whatever it looks like.
        assert_eq!(taken(Speech::Greeting, &pack, &block), 10_000);
        assert_eq!(taken(Speech::Connection, &pack, &block), 10_000);
        let greeted = [b"000eversion 2\n0000", &pack[..]].concat();
        assert_eq!(taken(Speech::Connection, &greeted, &block), 100_000);
        // Nor after one that is over.
        let over = b"0011\x01PACK\0\0\0\x02\0\0\0\0";
        assert_eq!(taken(Speech::Answer, over, &block), 10_000);
    }

    #[test]
    fn a_pack_waits_for_room_and_has_it_until_more_is_read() {
        let mut blob = ZlibEncoder::new(Vec::new(), Compression::fast());
        blob.write_all(&[0; 1000]).unwrap();
        let head = b"PACK\0\0\0\x02\0\0\0\x01\xb8\x3e";
        let pack = [&head[..], &blob.finish().unwrap(), &[7; 20]].concat();
        let band = [format!("{:04x}\x01", 5 + pack.len()).into_bytes(), pack].concat();
        let most = Most {
            memory: 2000,
            each: 0,
            ..Most::within(None)
        };
        let room = Room::new(most);
        let soon = || Instant::now() + Duration::from_millis(10);
        let intake = |milliseconds: u64| {
            let deadline = Deadline::after(Duration::from_millis(milliseconds));
            Intake::new(Speech::Answer, 100_000, Arc::clone(&room), deadline)
        };
        let others = room.take(1500, soon());
        let late = intake(10).take(&band);
        assert!(matches!(late, Err(RemoteError::Timeout(_))), "{late:?}");
        drop(others);
        let mut intake = intake(60_000);
        intake.take(&band).unwrap();
        assert!(room.take(1500, soon()).is_none(), "it is put together");
        intake.resume();
        assert!(room.take(1500, soon()).is_some());
    }
}
