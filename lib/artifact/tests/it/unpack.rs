//! Archives that lie, hide, escape or explode are refused; honest ones of every writer are read.

use std::io::Write;

use super::archive::{Archive, archive};
use artifact::{Limits, UnpackError, unpack};
use flate2::{Compression, write::GzEncoder};
use proptest::prelude::*;

#[track_caller]
fn reads(archive: Archive, expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(path, text)| (path.to_string(), text.to_string()))
        .collect();
    assert_eq!(archive.listing(), expected);
}

#[track_caller]
fn refuses(archive: Archive, expected: &str) {
    let error = archive.unpack().unwrap_err();
    let source = std::error::Error::source(&error)
        .map(|source| format!(": {source}"))
        .unwrap_or_default();
    assert_eq!(format!("{error}{source}"), expected);
}

#[test]
fn honest_archives() {
    let long = "long/".repeat(50) + "name";
    reads(
        archive()
            .member(b'5', "./", "")
            .file("./a", "1")
            .file("b//c", "2"),
        &[("a", "1"), ("b/c", "2")],
    );
    reads(
        archive().member(b'\0', "old/", "").member(b'\0', "old/file", "x"),
        &[("old/file", "x")],
    );
    reads(
        archive()
            .member(b'L', "././@LongLink", format!("{long}\0"))
            .file("cut", "x"),
        &[(&long, "x")],
    );
    reads(
        archive()
            .pax(&[("path", &long), ("mtime", "1.5")])
            .file("cut", "x"),
        &[(&long, "x")],
    );
    reads(
        archive()
            .member(b'g', "pax_global_header", "19 comment=abcdefg\n")
            .file("a", "x"),
        &[("a", "x")],
    );
    // Later members replace earlier ones, as on a disk.
    reads(archive().file("a", "1").file("a", "2"), &[("a", "2")]);
    reads(archive(), &[]);
    let tree = archive().member(b'5', "empty/dir", "").unpack().unwrap();
    assert!(tree.is_dir("empty/dir"));
}

#[test]
fn execute_bit() {
    let tree = archive().file("a", "x").unpack().unwrap();
    assert!(!tree.file("a").unwrap().executable());
}

#[test]
fn links_are_skipped() {
    reads(
        archive()
            .member(b'2', "s", "")
            .member(b'1', "h", "")
            .file("a", "x"),
        &[("a", "x")],
    );
    // CVE-2021-32690 and kin: what looks like writing through a link lands in a plain directory of that name.
    reads(
        archive().member(b'2', "dir", "").file("dir/a", "x"),
        &[("dir/a", "x")],
    );
}

#[test]
fn names_that_escape() {
    let outside = |name: &str| format!("archive has a forbidden name: path {name:?} leads outside the root");
    refuses(archive().file("../a", ""), &outside("../a"));
    refuses(archive().file("a/../../b", ""), &outside("a/../../b"));
    refuses(archive().file("a/../b", ""), &outside("a/../b"));
    refuses(archive().member(b'5', "..", ""), &outside(".."));
    refuses(
        archive().file("/etc/passwd", ""),
        "archive has a forbidden name: path \"/etc/passwd\" is absolute",
    );
    refuses(
        archive().file("a\\b", ""),
        "archive has a forbidden name: path \"a\\\\b\" has a forbidden character",
    );
    refuses(
        archive().file("", ""),
        "archive has a forbidden name: path \"\" names the root, not a file",
    );
    refuses(
        archive().file(".", ""),
        "archive has a forbidden name: path \"\" names the root, not a file",
    );
    refuses(
        archive().pax(&[("path", "../x")]).file("fine", ""),
        &outside("../x"),
    );
    refuses(
        archive().member(b'L', "l", "../x\0").file("fine", ""),
        &outside("../x"),
    );
    refuses(
        archive().file("a", "").file("a/b", ""),
        "archive has a forbidden name: path \"a\" leads through a file",
    );
    refuses(
        archive().member(b'5', "a", "").file("a", ""),
        "archive has a forbidden name: path \"a\" is a directory",
    );
    let deep = format!("{}e", "d/".repeat(300));
    let deep = archive()
        .pax(&[("path", &deep)])
        .file("cut", "")
        .unpack()
        .unwrap_err();
    assert!(matches!(deep, UnpackError::Name(artifact::PathError::TooDeep(_))));
}

#[test]
fn types_that_are_no_files() {
    for kind in [b'3', b'4', b'6', b'S', b'D', b'V', b'M', b'Z', 0xff] {
        let error = archive().member(kind, "dev", "").unpack().unwrap_err();
        assert!(matches!(error, UnpackError::Kind { .. }), "{kind}: {error}");
    }
    let sparse = archive()
        .pax(&[("GNU.sparse.major", "1")])
        .file("a", "x")
        .unpack()
        .unwrap_err();
    assert!(matches!(sparse, UnpackError::Kind { kind: 'S', .. }));
}

/// CVE-2025-62518 and RUSTSEC-2026-0066 to 0113: readers that take the size from different headers see different members.
#[test]
fn sizes_that_lie() {
    // A pax size wins over the header's, so the inner archive stays content.
    let inner = archive().file("smuggled", "x").0;
    let outer = archive()
        .pax(&[("size", &inner.len().to_string())])
        .header(b'0', b"a", b"00000000000")
        .content(&inner);
    let names: Vec<String> = outer.listing().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["a"]);
    // It is about the next member, not about the next header.
    let named = archive()
        .pax(&[("size", "1")])
        .member(b'L', "l", "long\0")
        .header(b'0', b"b", b"00000000777")
        .content(b"x");
    reads(named, &[("long", "x")]);
    // Nor does it outlive that member.
    reads(
        archive()
            .pax(&[("size", "1")])
            .header(b'0', b"a", b"0")
            .content(b"x")
            .file("b", "yz"),
        &[("a", "x"), ("b", "yz")],
    );

    let header = |what: &str| format!("archive has an invalid header: {what}");
    refuses(
        archive().header(b'5', b"d", b"00000001000").content(&inner),
        &header("directory or link with content"),
    );
    refuses(
        archive().header(b'2', b"l", b"00000001000").content(&inner),
        &header("directory or link with content"),
    );
    refuses(
        archive().header(b'0', b"a", b"0000000009"),
        &header("malformed number"),
    );
    refuses(archive().header(b'0', b"a", b"-1"), &header("malformed number"));
    refuses(
        archive().header(b'0', b"a", &[0xff; 12]),
        &header("malformed number"),
    );
    refuses(
        archive().header(b'0', b"a", b"77777777777"),
        "archive is larger than 1073741824 bytes when unpacked",
    );
    refuses(
        archive().header(b'0', b"a", &[0x80, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0]),
        "archive is larger than 1073741824 bytes when unpacked",
    );
    refuses(
        archive().pax(&[("size", "18446744073709551615")]).file("a", ""),
        "archive is larger than 1073741824 bytes when unpacked",
    );
    refuses(
        archive().header(b'x', b"p", b"00010000000"),
        &header("extended header too large"),
    );
    for record in [
        "5 a=b\n",
        "99 path=x\n",
        "0 a=b\n",
        "path=x\n",
        "6 ab=\n7",
        "+6 a=\n",
        "9 path=\0\n",
        "8 size=\n8 size=x\n",
    ] {
        let error = archive()
            .member(b'x', "p", record)
            .file("a", "")
            .unpack()
            .unwrap_err();
        assert!(
            matches!(error, UnpackError::Header("malformed pax record")),
            "{record:?}: {error}"
        );
    }
    let mut broken = archive().file("a", "x");
    broken.0[5] ^= 1;
    refuses(broken, &header("wrong checksum"));
}

#[test]
fn cut_short() {
    let whole = archive().file("a", &"x".repeat(2000)).gzip();
    for length in 0..whole.len() - 8 {
        // Whatever is cut, the answer is an error or, once the last member is complete, the tree.
        if let Ok(tree) = unpack(&whole[..length], &Limits::default()) {
            assert_eq!(
                tree.file("a").map(|file| file.bytes().len()),
                Some(2000),
                "{length}"
            );
        }
    }
    let half = Archive(archive().file("a", &"x".repeat(2000)).0[..1500].to_vec());
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&half.0).unwrap();
    let error = unpack(encoder.finish().unwrap().as_slice(), &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "archive ends in the middle of \"a\"");
    let error = unpack(&b"not gzip"[..], &Limits::default()).unwrap_err();
    assert_eq!(error.to_string(), "cannot decompress the archive");
}

/// CVE-2022-31016, CVE-2023-40584 and CVE-2024-29893: what is small on the wire and large in memory.
#[test]
fn bombs() {
    let zeros = archive().member(b'0', "zeros", vec![0; 40 << 20]).gzip();
    let check = |limits: Limits, expected: &str| {
        assert_eq!(
            unpack(zeros.as_slice(), &limits).unwrap_err().to_string(),
            expected
        );
    };
    let limits = Limits {
        ratio: 100,
        ..Limits::default()
    };
    check(limits, "archive grows more than 100-fold when unpacked");
    check(
        Limits {
            bytes: 1 << 20,
            ..limits
        },
        "archive is larger than 1048576 bytes when unpacked",
    );
    let many = (0..50).fold(archive(), |archive, at| archive.member(b'2', at.to_string(), ""));
    let limits = Limits {
        entries: 49,
        ..Limits::default()
    };
    let error = unpack(many.gzip().as_slice(), &limits).unwrap_err();
    assert_eq!(error.to_string(), "archive has more than 49 members");
    assert!(
        unpack(
            many.gzip().as_slice(),
            &Limits {
                entries: 50,
                ..limits
            }
        )
        .is_ok()
    );
}

/// A few members whose paths imply directories without end: 255 for each of them.
#[test]
fn directories_that_only_paths_imply_are_counted() {
    let deep = |at: usize| format!("{at}/{}x", "d/".repeat(50));
    let archive = (0..10).fold(archive(), |archive, at| {
        archive.pax(&[("path", &deep(at))]).file("x", "")
    });
    let packed = archive.gzip();
    let check = |directories: u64| {
        let limits = Limits {
            directories,
            ..Limits::default()
        };
        unpack(packed.as_slice(), &limits).map(|tree| tree.walk().count())
    };
    assert_eq!(check(510).unwrap(), 520);
    let error = check(509).unwrap_err();
    assert_eq!(error.to_string(), "archive has more than 509 directories");
}

proptest! {
    /// Flipped bytes never panic, and never make a name that leaves the root.
    #[test]
    fn noise(at in 0usize..4096, byte in any::<u8>(), more in proptest::collection::vec((0usize..4096, any::<u8>()), 0..4)) {
        let mut archive = archive().pax(&[("path", "x/y"), ("size", "3")]).file("a", "abc").member(b'L', "l", "long\0").file("b", "d");
        for (at, byte) in more.into_iter().chain([(at, byte)]) {
            let length = archive.0.len();
            archive.0[at % length] = byte;
        }
        if let Ok(tree) = archive.unpack() {
            for (path, _) in tree.files() {
                prop_assert_eq!(artifact::clean_path(&path), Ok(path));
            }
        }
    }
}
