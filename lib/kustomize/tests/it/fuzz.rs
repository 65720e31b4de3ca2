//! Mutated cases: none panics or takes long. `FUZZ_SECONDS=3600 cargo test --release -p kustomize fuzz` looks longer.

use crate::case;
use std::time::{Duration, Instant, SystemTime};

#[test]
fn fuzz() {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|s| s.parse().ok());
    let end = Instant::now() + Duration::from_secs(seconds.unwrap_or(1));
    let mut cases = case::all();
    let words: Vec<Vec<u8>> = cases
        .iter()
        .flat_map(|case| &case.files)
        .flat_map(|(_, text)| text.split_inclusive(|&b| b" \n,{}[]".contains(&b)))
        .map(<[u8]>::to_vec)
        .collect();
    // The ordinary run is the same each time.
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map_or(1, |now| now.as_nanos() as u64 | 1);
    let mut random = Random(if seconds.is_some() {
        now
    } else {
        0x5_1a1c_e5ee_d001
    });
    while Instant::now() < end {
        let at = random.below(cases.len());
        let case = &mut cases[at];
        let kept = case.files.clone();
        for _ in 0..=random.below(3) {
            let file = random.below(case.files.len());
            random.change(&mut case.files[file].1, &words);
        }
        let begin = Instant::now();
        let _ = case.ours();
        assert!(
            begin.elapsed() < Duration::from_secs(10),
            "{:?} takes long",
            case.files
        );
        case.files = kept;
    }
}

/// Xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit.max(1) as u64) as usize
    }

    /// Takes a piece away, puts a word in, or changes a byte.
    fn change(&mut self, text: &mut Vec<u8>, words: &[Vec<u8>]) {
        let at = self.below(text.len() + 1);
        match self.below(4) {
            0 => {
                let end = (at + self.below(12)).min(text.len());
                text.drain(at..end);
            }
            1 if at < text.len() => text[at] = self.below(256) as u8,
            _ => {
                // Most words make sense only in the place of another.
                let start = text[..at]
                    .iter()
                    .rposition(|b| b" \n,{}[]".contains(b))
                    .map_or(0, |i| i + 1);
                let end = text[at..]
                    .iter()
                    .position(|b| b" \n,{}[]".contains(b))
                    .map_or(text.len(), |i| at + i + 1);
                text.splice(start..end, words[self.below(words.len())].iter().copied());
            }
        }
    }
}
