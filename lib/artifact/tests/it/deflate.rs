//! The compressor makes Go's bytes: `deflate/golden.tsv` was written by `deflate/golden.go` with Go 1.26.

use std::io::{Read, Write};

use artifact::deflate::GzipWriter;
use artifact::{Algorithm, Digest};

const WORDS: [&str; 13] = [
    "apiVersion: ",
    "kind: ",
    "metadata:\n",
    "  name: ",
    "spec:\n",
    "replicas: ",
    "\n",
    "containers:\n",
    "- image: ",
    "a",
    "b",
    "0",
    "1",
];

/// The generator of `golden.go`.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn input(kind: &str, size: usize, dice: &mut Dice) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::new();
    while out.len() < size {
        let choice = match kind {
            "zero" => 3,
            "noise" => 0,
            "text" => 1,
            "small" => 2,
            "copies" => {
                let choice = 4 + dice.next() % 2;
                if dice.next().is_multiple_of(8) { 0 } else { choice }
            }
            _ => dice.next() % 6,
        };
        let count = 1 + (dice.next() % 300) as usize;
        match choice {
            0 => out.extend((0..count).map(|_| (dice.next() >> 32) as u8)),
            1 => out.extend(WORDS[(dice.next() % WORDS.len() as u64) as usize].bytes()),
            2 => out.extend((0..count).map(|_| b'a' + ((dice.next() >> 32) % 7) as u8)),
            3 => {
                let byte = if kind == "zero" {
                    0
                } else {
                    (dice.next() >> 32) as u8
                };
                out.extend(std::iter::repeat_n(byte, count));
            }
            _ if out.is_empty() => out.push(b'x'),
            _ => {
                let reach = if choice == 4 { 600 } else { 33_000 }.min(out.len());
                let from = out.len() - 1 - (dice.next() % reach as u64) as usize;
                for at in from..from + count {
                    out.push(out[at]);
                }
            }
        }
    }
    out.truncate(size);
    out
}

fn compress(data: &[u8], piece: &str, dice: &mut Dice) -> Vec<u8> {
    let mut writer = GzipWriter::new(Vec::new()).unwrap();
    let mut rest = data;
    while !rest.is_empty() {
        let count = match piece {
            "512" => 512,
            "32768" => 32_768,
            "odd" => 1 + (dice.next() % 20_000) as usize,
            _ => rest.len(),
        };
        let (now, later) = rest.split_at(count.min(rest.len()));
        writer.write_all(now).unwrap();
        rest = later;
    }
    writer.finish().unwrap()
}

#[test]
fn equals_go() {
    let mut wrong = Vec::new();
    for line in include_str!("deflate/golden.tsv").lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let [kind, size, piece, length, digest] = fields[..] else {
            panic!("{line}")
        };
        let size: usize = size.parse().unwrap();
        let mut dice = Dice((size as u64).wrapping_mul(7919) + 88_172_645_463_325_252);
        let data = input(kind, size, &mut dice);
        let packed = compress(&data, piece, &mut dice);
        let mut back = Vec::new();
        flate2::read::GzDecoder::new(packed.as_slice())
            .read_to_end(&mut back)
            .unwrap();
        assert!(back == data, "{line}: does not come back");
        if packed.len().to_string() != length || Digest::of(Algorithm::Sha256, &packed).hex() != digest {
            wrong.push(format!("{line}: {}", packed.len()));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}
