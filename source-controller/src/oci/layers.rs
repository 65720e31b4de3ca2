//! Layers that several objects want: each is downloaded once, while somebody has it or had it a moment ago.

use super::{Descriptor, OciError, Registry, Repository};
use crate::lock::lock;
use sha2::{Digest as _, Sha256};
use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Read, Write as _},
    os::unix::fs::FileExt as _,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// A layer that nobody wants any longer stays for so long.
const STAYS: Duration = Duration::from_secs(60);
/// So many layers that nobody has in hand stay at the most.
const MOST: usize = 256;
/// All of those together are never larger, in bytes.
const MAX_BYTES: u64 = 512 << 20;

/// Which layer, and by whose login it was had: nobody gets what only another may read.
pub(super) type Id = [u8; 32];

/// The layers that are at hand. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Layers(Arc<Mutex<HashMap<Id, Arc<Place>>>>);

/// Where one layer is. Whoever downloads it holds the lock, and the others wait.
#[derive(Debug)]
struct Place {
    layer: tokio::sync::Mutex<Option<Layer>>,
    used: Mutex<Instant>,
}

/// The content of a layer, checked against its digest. Cheap to clone; the file goes with the last of them.
#[derive(Debug, Clone)]
pub struct Layer {
    file: Arc<File>,
    size: u64,
}

/// Reads a layer from its beginning, whoever else reads it.
#[derive(Debug)]
pub struct LayerReader {
    file: Arc<File>,
    at: u64,
}

impl Registry {
    /// The content of a blob in a file that `scratch` makes: downloaded once for all who want it by this login and in this
    /// way, and each of them waits no longer than it would for its own.
    ///
    /// # Errors
    /// As [`Registry::download`]; [`OciError::Write`] if there is no file.
    pub async fn layer(
        &self,
        repository: &Repository,
        blob: &Descriptor,
        limit: u64,
        scratch: impl FnOnce() -> io::Result<File>,
    ) -> Result<Layer, OciError> {
        let mut hash = Sha256::new();
        hash.update(self.id);
        hash.update((repository.path.len() as u64).to_be_bytes());
        hash.update(&repository.path);
        hash.update(&blob.digest);
        let download = async {
            let mut writer = BufWriter::new(scratch().map_err(OciError::Write)?);
            self.download(repository, blob, limit, &mut writer).await?;
            writer.flush().map_err(OciError::Write)?;
            let file = writer.into_inner().map_err(|e| OciError::Write(e.into_error()))?;
            let size = file.metadata().map_err(OciError::Write)?.len();
            Ok(Layer::new(file, size))
        };
        self.layers.get(hash.finalize().into(), download).await
    }
}

impl Layers {
    /// The layer, as `download` brings it if it is not at hand.
    pub(super) async fn get(
        &self,
        id: Id,
        download: impl Future<Output = Result<Layer, OciError>>,
    ) -> Result<Layer, OciError> {
        let place = self.place(id);
        let mut at_hand = place.layer.lock().await;
        *lock(&place.used) = Instant::now();
        if let Some(layer) = &*at_hand {
            return Ok(layer.clone());
        }
        let layer = download.await?;
        *lock(&place.used) = Instant::now();
        *at_hand = Some(layer.clone());
        Ok(layer)
    }

    /// Lets go of the layers that nobody wanted for a while, and of the oldest where they are too many.
    pub fn purge(&self) {
        tidy(&mut lock(&self.0));
    }

    fn place(&self, id: Id) -> Arc<Place> {
        let mut places = lock(&self.0);
        tidy(&mut places);
        let fresh = || {
            Arc::new(Place {
                layer: tokio::sync::Mutex::default(),
                used: Mutex::new(Instant::now()),
            })
        };
        places.entry(id).or_insert_with(fresh).clone()
    }
}

impl Layer {
    /// A file that holds a layer.
    pub(super) fn new(file: File, size: u64) -> Self {
        let file = Arc::new(file);
        Self { file, size }
    }

    /// How many bytes it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// All of it. Blocks on the disk.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn bytes(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.reader().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Its content.
    pub fn reader(&self) -> LayerReader {
        LayerReader {
            file: self.file.clone(),
            at: 0,
        }
    }
}

impl Read for LayerReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(into, self.at)?;
        self.at += count as u64;
        Ok(count)
    }
}

/// Removes places that nobody is at: those past their time, and the longest unused beyond what may stay.
fn tidy(places: &mut HashMap<Id, Arc<Place>>) {
    let mut idle: Vec<(Instant, Id, u64)> = Vec::new();
    for (id, place) in &*places {
        // Whoever is at a place holds it besides the table; a layer in hand has been taken from it.
        if Arc::strong_count(place) == 1
            && let Ok(layer) = place.layer.try_lock()
        {
            let size = layer.as_ref().map_or(0, |layer| layer.size);
            idle.push((*lock(&place.used), *id, size));
        }
    }
    idle.sort_unstable_by_key(|(used, ..)| std::cmp::Reverse(*used));
    let mut bytes = 0;
    for (number, (used, id, size)) in idle.into_iter().enumerate() {
        bytes += size;
        if used.elapsed() >= STAYS || number >= MOST || bytes > MAX_BYTES {
            places.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(text: &str, size: u64) -> Layer {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Layer::new(file, size)
    }

    fn text(layer: &Layer) -> String {
        let mut text = String::new();
        layer.reader().read_to_string(&mut text).unwrap();
        text
    }

    #[tokio::test]
    async fn one_download_for_all_who_want_it_and_none_for_others() {
        let (layers, asked) = (Layers::default(), Mutex::new(0));
        let get = |id: u8, answer: Result<&'static str, ()>| {
            let (layers, asked) = (layers.clone(), &asked);
            async move {
                let download = async {
                    *lock(asked) += 1;
                    tokio::task::yield_now().await;
                    answer
                        .map(|text| layer(text, 1))
                        .map_err(|()| OciError::Reference("no".into()))
                };
                layers
                    .get([id; 32], download)
                    .await
                    .map(|layer| text(&layer))
                    .ok()
            }
        };
        let (a, b, other) = tokio::join!(get(1, Ok("one")), get(1, Ok("one")), get(2, Ok("two")));
        assert_eq!(
            (a.as_deref(), b.as_deref(), other.as_deref()),
            (Some("one"), Some("one"), Some("two"))
        );
        assert_eq!(*lock(&asked), 2);
        assert_eq!(
            get(1, Err(())).await.as_deref(),
            Some("one"),
            "it is still at hand"
        );
        // What failed is tried by the next one.
        let (failed, next) = tokio::join!(get(3, Err(())), get(3, Ok("three")));
        assert_eq!((failed, next.as_deref()), (None, Some("three")));
    }

    #[tokio::test]
    async fn what_is_at_hand_is_bounded() {
        let layers = Layers::default();
        for number in 0..4_u8 {
            let large = async { Ok(layer("", MAX_BYTES / 2)) };
            layers.get([number; 32], large).await.unwrap();
        }
        layers.purge();
        let mut left: Vec<u8> = lock(&layers.0).keys().map(|id| id[0]).collect();
        left.sort_unstable();
        assert_eq!(left, [2, 3], "the newest stay");
        let place = layers.place([3; 32]);
        *lock(&place.used) = Instant::now() - STAYS;
        layers.purge();
        assert!(lock(&layers.0).contains_key(&[3; 32]), "somebody is at it");
        drop(place);
        layers.purge();
        assert!(!lock(&layers.0).contains_key(&[3; 32]));
    }
}
