//! Text that is changed at random, for whoever reads what others say.

use golden::Random;

/// Pieces that parsers trip over.
const PIECES: [&str; 14] = [
    "\"", "{", "}", "[", "=", ".", "\\u0000", "\\ud800", "1e999", "-1", "null", "sha256=", "%", "\u{fffd}",
];

/// A text that is another in a few places.
pub fn mutate(random: &mut Random, text: &[u8]) -> Vec<u8> {
    let mut text = text.to_vec();
    for _ in 0..=random.below(4) {
        let at = random.below(text.len() + 1);
        match random.below(6) {
            0 if at < text.len() => text[at] ^= 1 << random.below(8),
            1 => text.truncate(at),
            2 => drop(text.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
            3 => {
                let copied = text[at..(at + random.below(40)).min(text.len())].to_vec();
                text.splice(at..at, copied);
            }
            4 => drop(text.splice(at..at, "{\"a\":[".repeat(random.below(300)).bytes())),
            _ => {
                let end = (at + random.below(8)).min(text.len());
                text.drain(at..end);
            }
        }
    }
    text
}
