//! Mutated texts: none panics or takes long. `FUZZ_SECONDS=3600 cargo test --release -p yaml fuzz` looks longer.

use golden::Random;
use serde_json::Value;
use std::time::{Duration, Instant};
use yaml::{Limits, Schema};

#[test]
fn fuzz() {
    let end = Instant::now() + Duration::from_secs(golden::seconds().unwrap_or(1));
    let mut seeds: Vec<Vec<u8>> = include_str!("sigs.jsonl")
        .lines()
        .map(|line| serde_json::from_str::<[Value; 3]>(line).unwrap())
        .map(|[text, ..]| text.as_str().unwrap().as_bytes().to_vec())
        .collect();
    seeds.push(
        b"- &a [x, !t y]\n- *a\n? |+\n  k\n: >-2\n   v\n<<: {a: \"\\u00e9\\\n  b\"}\n%TAG ! a\n--- !!set {a, b}\n...\n"
            .to_vec(),
    );
    let mut random = Random::begin();
    while Instant::now() < end {
        let text = mutated(&mut random, &seeds);
        let begin = Instant::now();
        for schema in [Schema::GoV2, Schema::GoV3] {
            for node in yaml::parse_nodes(&text, schema, &Limits::default()).unwrap_or_default() {
                if let Ok(value) = yaml::to_value(&node, schema) {
                    let _ = yaml::to_string(&value);
                }
                let _ = yaml::to_value_strict(&node, schema);
            }
        }
        let shown = String::from_utf8_lossy(&text);
        assert!(begin.elapsed() < Duration::from_secs(5), "{shown:?} takes long");
    }
}

/// A seed with a few pieces of it, of others or of nothing in particular put elsewhere.
fn mutated(random: &mut Random, seeds: &[Vec<u8>]) -> Vec<u8> {
    const PIECES: [&[u8]; 24] = [
        b"\n", b" ", b"- ", b": ", b"? ", b"#", b"&a ", b"*a", b"!t ", b"!!str ", b"|\n", b">-\n", b"'",
        b"\"", b"\\", b"{", b"}", b"[", b"]", b",", b"\t", b"---\n", b"...\n", b"%",
    ];
    let mut text = seeds[random.below(seeds.len())].clone();
    for _ in 0..=random.below(6) {
        let at = random.below(text.len() + 1);
        match random.below(5) {
            0 => text.truncate(at),
            1 => {
                let end = (at + random.below(8)).min(text.len());
                text.drain(at..end);
            }
            2 => {
                let other = &seeds[random.below(seeds.len())];
                let start = random.below(other.len() + 1);
                let end = (start + random.below(30)).min(other.len());
                text.splice(at..at, other[start..end].iter().copied());
            }
            3 => {
                let byte = random.below(256) as u8;
                text.insert(at, byte);
            }
            _ => {
                let piece = PIECES[random.below(PIECES.len())];
                text.splice(at..at, piece.iter().copied());
            }
        }
    }
    text
}
