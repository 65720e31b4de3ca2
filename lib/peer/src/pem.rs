//! PURE: blocks of PEM (RFC 7468).

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The content of all blocks with this label, in order; what cannot be decoded is left out.
pub fn blocks(text: &[u8], label: &str) -> Vec<Vec<u8>> {
    let text = String::from_utf8_lossy(text);
    armored(&text, label).filter_map(content).collect()
}

/// The first private key, as it stands.
pub fn private_key(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    ["PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"]
        .iter()
        .find_map(|label| armored(&text, label).next().map(str::to_owned))
}

fn armored<'t>(text: &'t str, label: &str) -> impl Iterator<Item = &'t str> {
    let (begin, end) = (
        format!("-----BEGIN {label}-----"),
        format!("-----END {label}-----"),
    );
    let mut rest = text;
    std::iter::from_fn(move || {
        let from = &rest[rest.find(&begin)?..];
        let length = from.find(&end)? + end.len();
        rest = &from[length..];
        Some(&from[..length])
    })
}

fn content(block: &str) -> Option<Vec<u8>> {
    let lines = block
        .lines()
        .filter(|line| !line.starts_with("-----") && !line.contains(':'));
    STANDARD
        .decode(lines.flat_map(|line| line.trim().chars()).collect::<String>())
        .ok()
}
