//! What comes from a remote, whatever it comes over: not too slow, not too much, and nothing that stands for more than there is room for.

use std::sync::Arc;
use std::time::Duration;

use peer::http::Pace;

use super::deadline::Deadline;
use super::error::RemoteError;
use super::pack::Scale;
use super::room::{Rooms, Taken};

/// Whoever reads a packet that is no part of a pack keeps so many bytes besides its own: names, identifiers, room to grow.
const LINE: u64 = 256;
/// For so long a large pack may arrive while others wait for the memory that it takes.
const PATIENCE: Duration = Duration::from_secs(300);

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
    rooms: Arc<Rooms>,
    /// What is known of the pack that arrives.
    arriving: Option<Taken>,
    /// What the pack that has come may take while it is put together.
    making: Option<Taken>,
    deadline: Deadline,
}

impl Intake {
    /// For at most so many bytes, in the room for packs that there is, until then.
    pub(super) fn new(speech: Speech, limit: u64, rooms: Arc<Rooms>, deadline: Deadline) -> Intake {
        let most = rooms.most;
        Intake {
            limit: match speech {
                Speech::Greeting => limit.min(most.talk),
                Speech::Answer | Speech::Connection => limit,
            },
            received: 0,
            talk: 0,
            pace: Pace::of_work(),
            scale: Scale::new(most, speech == Speech::Connection),
            rooms,
            arriving: None,
            making: None,
            deadline,
        }
    }

    /// Whoever reads wants more. A pack whose last packet has come is put together by then.
    pub(super) fn resume(&mut self) {
        if self.making.take().is_some() {
            self.arriving = None;
        }
    }

    /// How long nothing may come.
    pub(super) fn patience(&self) -> Duration {
        self.pace.left()
    }

    /// Takes in a piece of what the remote says in Git's protocol. With the first of a pack waits until there is room for what is
    /// known of it, with the last until there is for putting it together.
    ///
    /// # Errors
    /// When it is too slow, too much, or part of a pack that is not taken; when others take the room for too long, or wait for it.
    pub(super) fn take(&mut self, piece: &[u8]) -> Result<(), RemoteError> {
        self.count(piece.len())?;
        self.scale.weigh(piece)?;
        if !self.scale.is_in_pack() {
            self.talk += piece.len() as u64;
            let most = self.rooms.most.talk;
            if self.talk + self.scale.lines() * LINE > most {
                return Err(RemoteError::Talk(most));
            }
        }
        let until = self.deadline.at();
        let timeout = || RemoteError::Timeout(self.deadline.span());
        if let Some(need) = self.scale.begun() {
            // Of one that is over: nobody waits for himself.
            self.arriving = None;
            let taken = self.rooms.arriving.take(need, until);
            self.arriving = Some(taken.ok_or_else(timeout)?);
            // While we waited, it could not say anything.
            self.pace = Pace::of_work();
        } else if self
            .arriving
            .as_ref()
            .is_some_and(|held| held.is_too_long(PATIENCE))
        {
            return Err(RemoteError::Awaited(PATIENCE));
        }
        if let Some(need) = self.scale.complete() {
            self.making = None;
            let taken = self.rooms.making.take(need, until);
            self.making = Some(taken.ok_or_else(timeout)?);
            self.pace = Pace::of_work();
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

    /// The limit that is reached if this is said again and again, after the beginning.
    fn taken(speech: Speech, begin: &[u8], again: &[u8]) -> u64 {
        let most = Most {
            talk: 10_000,
            ..Most::within(None)
        };
        let deadline = Deadline::after(Duration::from_secs(60));
        let mut intake = Intake::new(speech, 100_000, Rooms::new(most), deadline);
        intake.take(begin).unwrap();
        loop {
            match intake.take(again) {
                Ok(()) => {}
                Err(RemoteError::TooLarge(limit) | RemoteError::Talk(limit)) => return limit,
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
    fn a_line_counts_more_than_its_bytes() {
        let most = Most {
            talk: 10_000,
            ..Most::within(None)
        };
        let deadline = Deadline::after(Duration::from_secs(60));
        let mut intake = Intake::new(Speech::Answer, 100_000, Rooms::new(most), deadline);
        let lines = (0..).take_while(|_| intake.take(b"0007NAK").is_ok()).count();
        assert_eq!(lines, 10_000 / (7 + 256));
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(10)
    }

    /// An intake of one answer, and its bytes: a pack of one blob that needs 1,300 bytes, 300 of them while it arrives.
    fn one_pack(rooms: &Arc<Rooms>, milliseconds: u64) -> (Intake, Vec<u8>) {
        let mut blob = ZlibEncoder::new(Vec::new(), Compression::fast());
        blob.write_all(&[0; 1000]).unwrap();
        let head = b"PACK\0\0\0\x02\0\0\0\x01\xb8\x3e";
        let pack = [&head[..], &blob.finish().unwrap(), &[7; 20]].concat();
        let deadline = Deadline::after(Duration::from_millis(milliseconds));
        let intake = Intake::new(Speech::Answer, 100_000, Arc::clone(rooms), deadline);
        (intake, pack)
    }

    fn packet(pack: &[u8], besides: usize) -> Vec<u8> {
        [format!("{:04x}\x01", 5 + pack.len() + besides).as_bytes(), pack].concat()
    }

    fn rooms() -> Arc<Rooms> {
        Rooms::new(Most {
            memory: 2000,
            arriving: 400,
            each: 300,
            ..Most::within(None)
        })
    }

    #[test]
    fn a_pack_waits_for_room_and_has_it_until_more_is_read() {
        let rooms = rooms();
        let others = rooms.making.take(1000, soon());
        let (mut intake, pack) = one_pack(&rooms, 10);
        let late = intake.take(&packet(&pack, 0));
        assert!(matches!(late, Err(RemoteError::Timeout(_))), "{late:?}");
        drop((others, intake));
        // What comes with its last byte changes nothing.
        for end in ["", "0000", "0002"] {
            let (mut intake, pack) = one_pack(&rooms, 60_000);
            let all = [&packet(&pack, 0), end.as_bytes()].concat();
            intake.take(&all).unwrap();
            assert!(
                rooms.making.take(1000, soon()).is_none(),
                "it is put together {end}"
            );
            assert!(rooms.arriving.take(200, soon()).is_none(), "{end}");
            intake.resume();
            assert!(rooms.making.take(1000, soon()).is_some(), "{end}");
            assert!(rooms.arriving.take(200, soon()).is_some(), "{end}");
        }
    }

    /// Whoever reads it sees nothing of a packet before its end.
    #[test]
    fn a_pack_is_put_together_when_its_last_packet_is_there() {
        let rooms = rooms();
        let (mut intake, pack) = one_pack(&rooms, 60_000);
        intake.take(&packet(&pack, 1)).unwrap();
        intake.resume();
        assert!(rooms.making.take(1000, soon()).is_some(), "not yet");
        intake.take(b"\0").unwrap();
        assert!(rooms.making.take(1000, soon()).is_none(), "now");
        intake.resume();
        assert!(rooms.making.take(1000, soon()).is_some(), "no longer");
    }

    /// A server that says how many objects come, and keeps them coming.
    #[test]
    fn a_pack_waits_before_it_arrives() {
        let rooms = rooms();
        let (mut first, pack) = one_pack(&rooms, 60_000);
        let all = packet(&pack, 0);
        first.take(&all[..20]).unwrap();
        first.resume();
        let (mut second, _) = one_pack(&rooms, 10);
        let waits = second.take(&all[..20]);
        assert!(matches!(waits, Err(RemoteError::Timeout(_))), "{waits:?}");
        drop(first);
        let (mut third, _) = one_pack(&rooms, 60_000);
        third.take(&all).unwrap();
    }
}
