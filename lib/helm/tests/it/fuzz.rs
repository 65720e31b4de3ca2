//! Mutated charts, values, schemas, archives, indexes, records and expressions: no panic, no hang. `FUZZ_SECONDS` says
//! for how long (2); `FUZZ_SEED` begins elsewhere.

use crate::case;
use golden::{Case, Random};
use helm::{ArchiveLimits, Chart, Environment, Error, File, Limits, Options, index, release, values};
use serde_json::Map;
use std::io::{Cursor, Write as _};
use std::time::{Duration, Instant};

struct Dice;

impl Environment for Dice {
    fn now(&self) -> (i64, u32) {
        (1_700_000_000, 5)
    }

    fn random(&self, bytes: &mut [u8]) {
        bytes.fill(9);
    }
}

pub fn mutate(random: &mut Random, text: &[u8], dictionary: &[Vec<u8>]) -> Vec<u8> {
    let mut out = text.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(out.len() + 1);
        match random.below(6) {
            0 if !out.is_empty() => {
                let at = random.below(out.len());
                out[at] = random.number() as u8;
            }
            1 if !out.is_empty() => {
                let from = random.below(out.len());
                let to = (from + 1 + random.below(12)).min(out.len());
                out.drain(from..to);
            }
            2 if !out.is_empty() => {
                let from = random.below(out.len());
                let to = (from + random.below(40)).min(out.len());
                let piece = out[from..to].to_vec();
                out.splice(at..at, piece);
            }
            3 => out.truncate(at),
            _ => {
                let word = dictionary[random.below(dictionary.len())].clone();
                out.splice(at..at, word);
            }
        }
    }
    out
}

#[test]
fn mutated_inputs_are_survived() {
    let seconds = golden::seconds().unwrap_or(2);
    let mut random = Random::begin();
    let charts: Vec<Vec<(String, Vec<u8>)>> = Case::all(&case::folder()).iter().map(case::inputs).collect();
    let mut dictionary: Vec<Vec<u8>> = [
        "{{",
        "}}",
        "{{-",
        "-}}",
        "(",
        ")",
        "|",
        "$x",
        ":=",
        ".Values",
        "range",
        "if",
        "else",
        "with",
        "end",
        "define \"x\"",
        "\"",
        "`",
        "'",
        "%",
        "\\",
        "\n",
        "  ",
        "- ",
        ": ",
        "&a",
        "*a",
        "<<: ",
        "null",
        "---\n",
        "!!binary ",
        "|-\n",
        "\u{0}",
        "\u{feff}",
        "99999999999999999999",
        "-1",
        "1e308",
        "$ref",
        "#/$defs/x",
        "anyOf",
        "[0]",
        ",",
        "{",
        "}",
        "[",
        "]",
        "\u{1F600}",
        "tpl",
        "include \"x\" .",
    ]
    .iter()
    .map(|word| word.as_bytes().to_vec())
    .collect();
    for chart in &charts {
        for (_, text) in chart {
            let text = String::from_utf8_lossy(text);
            dictionary.extend(
                text.split_whitespace()
                    .take(40)
                    .map(|word| word.as_bytes().to_vec()),
            );
        }
    }
    let options = Options {
        limits: Limits {
            steps: 200_000,
            bytes: 4 << 20,
            depth: 200,
        },
        ..Options::default()
    };
    let record = release::encode(&crate::release::sample()).unwrap();
    let (begin, mut runs) = (Instant::now(), 0u64);
    while begin.elapsed() < Duration::from_secs(seconds) {
        let mut files = charts[random.below(charts.len())].clone();
        for _ in 0..=random.below(3) {
            let at = random.below(files.len());
            files[at].1 = mutate(&mut random, &files[at].1.clone(), &dictionary);
        }
        let started = Instant::now();
        let shown = || {
            format!(
                "{:?}",
                files
                    .iter()
                    .map(|(n, t)| (n, String::from_utf8_lossy(t)))
                    .collect::<Vec<_>>()
            )
        };
        let chart = if random.below(4) == 0 {
            let packed = pack(&files);
            let packed = if random.below(2) == 0 {
                mutate(&mut random, &packed, &dictionary)
            } else {
                packed
            };
            Chart::from_archive(&packed, &ArchiveLimits::default())
        } else {
            Chart::from_files(
                files
                    .iter()
                    .map(|(name, text)| File::new(name.clone(), text))
                    .collect(),
            )
        };
        let mut given = Map::new();
        let expression = String::from_utf8_lossy(&mutate(
            &mut random,
            b"a.b[1]={x,y},c=1,global.g=null",
            &dictionary,
        ))
        .into_owned();
        let kinds = [
            values::SetKind::Typed,
            values::SetKind::Text,
            values::SetKind::Json,
            values::SetKind::Literal,
        ];
        let _ = values::set(&mut given, &expression, kinds[random.below(4)]);
        if let Ok(chart) = &chart {
            let rendered = helm::render(chart, &given, &options, &Dice);
            let panicked =
                matches!(&rendered, Err(Error::Limit(text)) if text == "the work could not be finished");
            assert!(!panicked, "panicked: {expression} {}", shown());
        }
        let index = mutate(
            &mut random,
            b"apiVersion: v1\nentries:\n  a:\n  - {name: a, version: 1.0.0, urls: [x]}\n",
            &dictionary,
        );
        let mut stored = Vec::new();
        if let Ok(table) = index::convert(&index, &mut Cursor::new(Vec::new()), &mut stored) {
            assert_eq!(
                index::Table::scan(stored.as_slice()).unwrap(),
                table,
                "{}",
                shown()
            );
            if let Some(place) = table.find("a") {
                let _ = index::choose(
                    "a",
                    &expression,
                    &stored[place.start as usize..place.end as usize],
                );
            }
        }
        if let Ok(chart) = &chart {
            let _ = helm::package(chart, 0);
        }
        if let Ok(read) = release::decode(&String::from_utf8_lossy(&mutate(
            &mut random,
            record.as_bytes(),
            &dictionary,
        ))) {
            let _ = release::encode(&read);
        }
        assert!(
            started.elapsed().as_secs() < 30,
            "took {:?}: {expression} {}",
            started.elapsed(),
            shown()
        );
        runs += 1;
    }
    println!("{runs} runs");
}

fn pack(files: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(flate2::write::GzEncoder::new(
        Vec::new(),
        flate2::Compression::fast(),
    ));
    for (name, data) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        if tar
            .append_data(&mut header, format!("c/{name}"), data.as_slice())
            .is_err()
        {
            continue;
        }
    }
    let mut gzip = tar.into_inner().unwrap();
    gzip.flush().unwrap();
    gzip.finish().unwrap()
}
