//! I/O: objects of a mirror, read within bounds. To put one object together from its deltas may take many times its size; most take
//! little, and whoever takes more waits for the room that packs have.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gix::Repository;
use gix::objs::Kind;
use gix::odb::pack::cache::{DecodeEntry, lru::StaticLinkedList};

use super::error::MirrorError;
use super::mirror::Generation;
use super::room::Rooms;

/// So small a part of what packs may need is taken for an object without asking.
const PART: u64 = 16;
/// For so long whoever needs more waits for others.
const PATIENCE: Duration = Duration::from_secs(600);
/// Objects from which others are made are kept at hand, so many of them.
const KEPT: usize = 64;
/// Larger ones are not, in bytes.
const LARGEST: usize = 256 << 10;

/// Reads the objects of one mirror.
pub(super) struct Reader {
    repository: Repository,
    generation: Arc<Generation>,
    rooms: Arc<Rooms>,
}

impl Reader {
    pub(super) fn new(generation: Arc<Generation>, rooms: Arc<Rooms>) -> Result<Reader, MirrorError> {
        let mut repository = generation.repository(rooms.most.memory / PART)?;
        repository.objects.set_pack_cache(|| Box::new(Kept::default()));
        Ok(Reader {
            repository,
            generation,
            rooms,
        })
    }

    /// As [`Reader::read`], bytes that keep none of the room in which they were put together.
    pub(super) fn bytes(&self, read: impl Fn(&Repository) -> gix::Result<Vec<u8>>) -> gix::Result<Vec<u8>> {
        self.read(|repository| {
            let mut bytes = read(repository)?;
            bytes.shrink_to_fit();
            Ok(bytes)
        })
    }

    /// Reads what is asked for; once more, with room, if it takes too much.
    ///
    /// # Errors
    /// What cannot be read, whatever there is room for; or for which there is none in ten minutes.
    pub(super) fn read<T>(&self, read: impl Fn(&Repository) -> gix::Result<T>) -> gix::Result<T> {
        let error = match read(&self.repository) {
            Err(error) if error.is_resource_exhausted() => error,
            read => return read,
        };
        let most = self.rooms.most.memory;
        let Some(_room) = self.rooms.making.take(most, Instant::now() + PATIENCE) else {
            return Err(error);
        };
        let large = self.generation.repository(most);
        read(&large.map_err(gix::Error::from_error)?)
    }
}

/// What was read last of what others are made of.
///
/// gix's own cache goes by how much it holds, and holds without bound once its count is wrong (gix-pack 0.77, `StaticLinkedList`):
/// it is told of no large ones instead.
struct Kept(StaticLinkedList<KEPT>);

impl Default for Kept {
    fn default() -> Self {
        Kept(StaticLinkedList::new(0))
    }
}

impl DecodeEntry for Kept {
    fn put(&mut self, pack_id: u32, offset: u64, data: &[u8], kind: Kind, compressed_size: usize) {
        if data.len() <= LARGEST {
            self.0.put(pack_id, offset, data, kind, compressed_size);
        }
    }

    fn get(&mut self, pack_id: u32, offset: u64, out: &mut Vec<u8>) -> Option<(Kind, usize)> {
        self.0.get(pack_id, offset, out)
    }
}
