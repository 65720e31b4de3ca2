//! Peers that hang, never end, lie, or send us elsewhere; and what their mischief leaves behind.

mod listings;
mod mirrors;
pub mod packs;
mod places;
mod trees;

use std::time::Duration;

use source_controller::git::{GitError, Reference, Request, parse_url};

use super::origin::{Asked, Origin, chain};

const ADVERTISEMENT: (&str, &str) = ("Content-Type", "application/x-git-upload-pack-advertisement");
const RESULT: (&str, &str) = ("Content-Type", "application/x-git-upload-pack-result");

pub fn packet(text: &[u8]) -> Vec<u8> {
    [format!("{:04x}", text.len() + 4).as_bytes(), text].concat()
}

/// What a server of protocol 2 says of itself.
pub fn capabilities() -> Vec<u8> {
    let lines = [
        "version 2\n",
        "agent=hostile\n",
        "ls-refs\n",
        "fetch=shallow\n",
        "object-format=sha1\n",
    ];
    let lines: Vec<u8> = lines.iter().flat_map(|line| packet(line.as_bytes())).collect();
    [
        packet(b"# service=git-upload-pack\n"),
        b"0000".to_vec(),
        lines,
        b"0000".to_vec(),
    ]
    .concat()
}

fn one_branch() -> Vec<u8> {
    [
        packet(format!("{} refs/heads/main\n", "1".repeat(40)).as_bytes()),
        b"0000".to_vec(),
    ]
    .concat()
}

fn is_listing(asked: &Asked) -> bool {
    asked.body.windows(7).any(|seven| seven == b"ls-refs")
}

fn request(address: &str, origin: &Origin) -> Request {
    let url = parse_url(&format!("{address}/r.git")).unwrap();
    Request {
        url,
        timeout: Duration::from_secs(5),
        ..origin.request("r", Reference::Branch("main".to_owned()))
    }
}

fn message(error: &GitError, address: &str) -> String {
    let text = chain(error).replace(address, "URL");
    text.strip_prefix("failed to checkout and determine revision: ")
        .unwrap_or(&text)
        .to_owned()
}

/// The errors of listing and of fetching from the same server.
fn errors(origin: &Origin, request: &Request, address: &str) -> (String, String) {
    let listing = origin.mirrors.resolve(request).map(|_| ()).err().unwrap();
    let fetch = origin.mirrors.fetch(request).map(|_| ()).err().unwrap();
    assert!(fetch.reason() == "GitOperationFailed" && !fetch.stalls());
    (message(&listing, address), message(&fetch, address))
}

pub fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => pending.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    found
}
