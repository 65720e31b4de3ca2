//! Charts as last read, by the digest of their artifact: many releases of one chart read it once.

use helm::{ArchiveLimits, Chart};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// How many bytes of charts are kept for the next reader; charts in use are held by their users anyway.
const KEPT: usize = 64 << 20;

/// The charts that were read last.
#[derive(Debug, Default)]
pub struct Charts {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    charts: HashMap<String, (Arc<Chart>, u64)>,
    clock: u64,
}

impl Charts {
    /// A chart that was read before.
    pub fn get(&self, digest: &str) -> Option<Arc<Chart>> {
        let mut kept = self.lock();
        kept.clock += 1;
        let clock = kept.clock;
        let (chart, used) = kept.charts.get_mut(digest)?;
        *used = clock;
        Some(chart.clone())
    }

    /// Keeps a chart, and forgets those that were not used for the longest time if they are too large together.
    pub fn put(&self, digest: &str, chart: Arc<Chart>) {
        let mut kept = self.lock();
        kept.clock += 1;
        let clock = kept.clock;
        kept.charts.insert(digest.to_owned(), (chart, clock));
        let mut total: usize = kept.charts.values().map(|(chart, _)| size(chart)).sum();
        while total > KEPT && kept.charts.len() > 1 {
            let oldest = kept.charts.iter().min_by_key(|(_, (_, used))| *used);
            let Some(oldest) = oldest.map(|(digest, _)| digest.clone()) else {
                break;
            };
            if let Some((chart, _)) = kept.charts.remove(&oldest) {
                total -= size(&chart);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// About how many bytes a chart takes: its files, and those of its dependencies.
fn size(chart: &Chart) -> usize {
    let files = chart.templates.iter().chain(&chart.files);
    let own: usize = files.map(|file| file.data.len()).sum();
    own + chart.dependencies.iter().map(size).sum::<usize>()
}

/// Reads a chart's archive, on a thread that may take its time.
///
/// # Errors
/// In Helm's words, what is wrong with it.
pub async fn read(bytes: Vec<u8>) -> Result<Chart, String> {
    let read = tokio::task::spawn_blocking(move || Chart::from_archive(&bytes, &ArchiveLimits::default()));
    let read = read
        .await
        .map_err(|panic| format!("the reading broke off: {panic}"))?;
    read.map_err(|e| e.to_string())
}
