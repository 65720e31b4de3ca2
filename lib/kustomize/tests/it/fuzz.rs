//! Mutated cases: none panics or takes long. `FUZZ_SECONDS=3600 cargo test --release -p kustomize fuzz` looks longer.

use crate::case::{self, Build};
use golden::{Case, Random};
use std::time::{Duration, Instant};

#[test]
fn fuzz() {
    let end = Instant::now() + Duration::from_secs(golden::seconds().unwrap_or(1));
    let mut cases: Vec<Build> = Case::all(&case::folder()).iter().map(Build::of).collect();
    let words: Vec<Vec<u8>> = cases
        .iter()
        .flat_map(|case| &case.files)
        .flat_map(|(_, text)| text.split_inclusive(|&b| b" \n,{}[]".contains(&b)))
        .map(<[u8]>::to_vec)
        .collect();
    let mut random = Random::begin();
    while Instant::now() < end {
        let at = random.below(cases.len());
        let case = &mut cases[at];
        let kept = case.files.clone();
        for _ in 0..=random.below(3) {
            let file = random.below(case.files.len());
            change(&mut random, &mut case.files[file].1, &words);
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

/// Takes a piece away, puts a word in, or changes a byte.
fn change(random: &mut Random, text: &mut Vec<u8>, words: &[Vec<u8>]) {
    let at = random.below(text.len() + 1);
    match random.below(4) {
        0 => {
            let end = (at + random.below(12)).min(text.len());
            text.drain(at..end);
        }
        1 if at < text.len() => text[at] = random.below(256) as u8,
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
            text.splice(start..end, words[random.below(words.len())].iter().copied());
        }
    }
}
