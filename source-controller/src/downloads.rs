//! What several objects want of their peers, layers and charts: each is downloaded once, while somebody has it or had it a
//! moment ago.

use crate::lock::lock;
use std::{
    collections::HashMap,
    fs::File,
    io::{self, BufWriter, Read},
    os::unix::fs::FileExt as _,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// What nobody wants any longer stays for so long.
const STAYS: Duration = Duration::from_secs(60);
/// So many that nobody has in hand stay at the most.
const MOST: usize = 256;
/// All of those together are never larger, in bytes.
const MAX_BYTES: u64 = 512 << 20;

/// What it is, from where, and by whose login it was had: nobody gets what only another may read.
pub type Id = [u8; 32];

/// The downloads that are at hand. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Downloads(Arc<Mutex<HashMap<Id, Arc<Place>>>>);

/// Where one of them is. Whoever downloads it holds the lock, and the others wait.
#[derive(Debug)]
struct Place {
    content: tokio::sync::Mutex<Option<Download>>,
    used: Mutex<Instant>,
}

/// Content that was downloaded, in a file. Cheap to clone; the file goes with the last of them.
#[derive(Debug, Clone)]
pub struct Download {
    file: Arc<File>,
    size: u64,
}

/// Reads a download from its beginning, whoever else reads it.
#[derive(Debug)]
pub struct DownloadReader {
    file: Arc<File>,
    at: u64,
}

impl Downloads {
    /// What is at hand, or else what `download` brings.
    ///
    /// # Errors
    /// Those of `download`; whoever waits for it then tries on its own.
    pub async fn get<E>(
        &self,
        id: Id,
        download: impl Future<Output = Result<Download, E>>,
    ) -> Result<Download, E> {
        let place = self.place(id);
        let mut at_hand = place.content.lock().await;
        *lock(&place.used) = Instant::now();
        if let Some(content) = &*at_hand {
            return Ok(content.clone());
        }
        let content = download.await?;
        *lock(&place.used) = Instant::now();
        *at_hand = Some(content.clone());
        Ok(content)
    }

    /// Lets go of what nobody wanted for a while, and of the oldest where they are too many.
    pub fn purge(&self) {
        tidy(&mut lock(&self.0));
    }

    fn place(&self, id: Id) -> Arc<Place> {
        let mut places = lock(&self.0);
        tidy(&mut places);
        let fresh = || {
            Arc::new(Place {
                content: tokio::sync::Mutex::default(),
                used: Mutex::new(Instant::now()),
            })
        };
        places.entry(id).or_insert_with(fresh).clone()
    }
}

impl Download {
    /// What was written.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn of(writer: BufWriter<File>) -> io::Result<Self> {
        let file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        let size = file.metadata()?.len();
        let file = Arc::new(file);
        Ok(Self { file, size })
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
    pub fn reader(&self) -> DownloadReader {
        DownloadReader {
            file: self.file.clone(),
            at: 0,
        }
    }
}

impl Read for DownloadReader {
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
        // Whoever is at a place holds it besides the table; what is in hand has been taken from it.
        if Arc::strong_count(place) == 1
            && let Ok(content) = place.content.try_lock()
        {
            let size = content.as_ref().map_or(0, |content| content.size);
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
    use std::io::Write as _;

    fn content(text: &str) -> Download {
        let mut writer = BufWriter::new(tempfile::tempfile().unwrap());
        writer.write_all(text.as_bytes()).unwrap();
        Download::of(writer).unwrap()
    }

    fn text(content: &Download) -> String {
        let mut text = String::new();
        content.reader().read_to_string(&mut text).unwrap();
        text
    }

    #[tokio::test]
    async fn one_download_for_all_who_want_it_and_none_for_others() {
        let (downloads, asked) = (Downloads::default(), Mutex::new(0));
        let get = |id: u8, answer: Result<&'static str, ()>| {
            let (downloads, asked) = (downloads.clone(), &asked);
            async move {
                let download = async {
                    *lock(asked) += 1;
                    tokio::task::yield_now().await;
                    answer.map(content)
                };
                downloads
                    .get([id; 32], download)
                    .await
                    .map(|content| text(&content))
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
        let downloads = Downloads::default();
        for number in 0..4_u8 {
            let mut large = content("");
            large.size = MAX_BYTES / 2;
            let download = async { Ok::<_, ()>(large) };
            downloads.get([number; 32], download).await.unwrap();
        }
        downloads.purge();
        let mut left: Vec<u8> = lock(&downloads.0).keys().map(|id| id[0]).collect();
        left.sort_unstable();
        assert_eq!(left, [2, 3], "the newest stay");
        let place = downloads.place([3; 32]);
        *lock(&place.used) = Instant::now() - STAYS;
        downloads.purge();
        assert!(lock(&downloads.0).contains_key(&[3; 32]), "somebody is at it");
        drop(place);
        downloads.purge();
        assert!(!lock(&downloads.0).contains_key(&[3; 32]));
    }
}
