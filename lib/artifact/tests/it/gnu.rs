//! Odd archives, read by GNU tar and by us: what both take is the same files. A reader that sees other files than everybody else does
//! is how content is smuggled past those who look (CVE-2025-62518 and its kin).
#![expect(
    clippy::disallowed_methods,
    reason = "the other reader is a program, and writes to disk"
)]

use super::archive::{Archive, archive};
use std::{
    collections::BTreeMap,
    path::Path,
    process::{Command, Stdio},
};

/// So many archives are tried.
const TRIES: u64 = 400;

/// The generator of xorshift64.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % end) as usize
    }
}

const NAMES: [&str; 12] = [
    "a",
    "b",
    "a/b",
    "d/",
    "d/e",
    "./a",
    "d//e",
    "./d/./f",
    "g h",
    "\u{e9}.yaml",
    "../x",
    "/x",
];
const TEXTS: [&str; 4] = ["", "1", "two\n", "x: 1\n"];

/// One member more, and what belongs to it.
fn more(archive: Archive, dice: &mut Dice) -> Archive {
    let name = NAMES[dice.below(NAMES.len() as u64)];
    let text = TEXTS[dice.below(4)];
    match dice.below(16) {
        0..6 => archive.file(name, text),
        6 => archive.member(b'\0', name, text),
        7 => archive.member(b'5', name, ""),
        8 => archive.member(b'5', name.trim_end_matches('/'), ""),
        // A member whose size only its pax header says: the header of the file says another.
        9 => {
            let size = text.len().to_string();
            let pax = archive.pax(&[("path", name), ("size", &size)]);
            pax.header(b'0', b"short", format!("{:011o}", dice.below(3)).as_bytes())
                .content(text.as_bytes())
        }
        10 => {
            let long = format!("{}{name}", "n/".repeat(60 + dice.below(30)));
            archive
                .member(b'L', "././@LongLink", format!("{long}\0"))
                .file("short", text)
        }
        11 => archive.pax(&[("path", name)]).file("short", text),
        12 => archive.pax(&[("comment", name)]).file(name, text),
        13 => archive
            .member(b'g', "global", "20 comment=whatever\n")
            .file(name, text),
        // Something to read where its size says that there is nothing.
        14 => archive.header(b'0', name.as_bytes(), b"00000000000"),
        _ => archive.member(b'5', "deep/er", ""),
    }
}

/// The files below a directory, and what is in them.
fn files(dir: &Path, inside: &str, found: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let name = format!("{inside}{}", entry.file_name().to_str().unwrap());
        let kind = entry.file_type().unwrap();
        if kind.is_dir() {
            files(&entry.path(), &format!("{name}/"), found);
        } else if kind.is_file() {
            found.insert(name, std::fs::read(entry.path()).unwrap());
        }
    }
}

/// The files that GNU tar makes of an archive, if it is content with all of it.
fn by_tar(archive: &[u8]) -> Option<BTreeMap<String, Vec<u8>>> {
    let dir = tempfile::tempdir().unwrap();
    let (packed, out) = (dir.path().join("a.tar.gz"), dir.path().join("out"));
    std::fs::write(&packed, archive).unwrap();
    std::fs::create_dir(&out).unwrap();
    let ended = Command::new("tar")
        .args(["--no-same-owner", "--no-same-permissions", "-xzf"])
        .arg(&packed)
        .arg("-C")
        .arg(&out)
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let mut found = BTreeMap::new();
    files(&out, "", &mut found);
    ended.success().then_some(found)
}

#[test]
fn what_both_take_is_the_same_files() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let (mut both, mut ours_alone, mut theirs_alone) = (0, 0, 0);
    for _ in 0..TRIES {
        let members = 1 + dice.below(5);
        let made = (0..members).fold(archive(), |archive, _| more(archive, &mut dice));
        let packed = made.gzip();
        match (made.unpack(), by_tar(&packed)) {
            (Ok(tree), Some(theirs)) => {
                both += 1;
                let ours: BTreeMap<String, Vec<u8>> = tree
                    .files()
                    .map(|(path, file)| (path, file.bytes().to_vec()))
                    .collect();
                assert_eq!(ours, theirs, "{:?}", String::from_utf8_lossy(&made.0));
            }
            (Ok(_), None) => ours_alone += 1,
            (Err(_), Some(_)) => theirs_alone += 1,
            (Err(_), None) => {}
        }
    }
    assert!(both > TRIES / 5, "of {TRIES} both took {both}");
    // What tar is not content with is nothing that we should be.
    assert_eq!(ours_alone, 0, "both {both}, tar alone {theirs_alone}");
}
