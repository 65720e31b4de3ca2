//! Archives of files alone, and archives of which only some files are wanted.

use artifact::deflate::GzipWriter;
use artifact::{Limits, Member, Members, Place, UnpackError, Unpacked, unpack, unpack_some, unpack_to};

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut members = Members::new(GzipWriter::with_notes(Vec::new(), b"extra", "comment").unwrap());
    for (name, content) in files {
        let member = Member {
            name,
            mode: 0o644,
            modified: 1_700_000_000,
            content,
        };
        members.add(member).unwrap();
    }
    members.finish().unwrap().finish().unwrap()
}

#[test]
fn what_goes_in_comes_out() {
    let long = format!("{}/{}", "d".repeat(180), "ä".repeat(60));
    let large = vec![7; 70_000];
    let files: [(&str, &[u8]); 4] = [("a", b"x"), ("empty", b""), (&long, b"long"), ("z", &large)];
    let packed = archive(&files);
    assert_eq!(&packed[..4], [0x1f, 0x8b, 8, 0x14]);
    let tree = unpack(packed.as_slice(), &Limits::default()).unwrap();
    for (name, content) in files {
        assert_eq!(tree.file(name).unwrap().bytes(), content, "{name}");
    }
    assert!(GzipWriter::with_notes(Vec::new(), &[0; 70_000], "").is_err());
    assert!(GzipWriter::with_notes(Vec::new(), b"", "a\0b").is_err());
}

#[test]
fn only_what_is_wanted_is_held() {
    let large = vec![7; 1 << 20];
    let packed = archive(&[("a/x", b"x"), ("a/large", &large), ("b/y", b"yy")]);
    let some = |most: u64, wanted: fn(&str, u64) -> bool| {
        unpack_some(packed.as_slice(), &Limits::default(), most, wanted)
    };
    let tree = some(3, |_, size| size < 100).unwrap();
    let names: Vec<String> = tree.files().map(|(name, _)| name).collect();
    assert_eq!(names, ["a/x", "b/y"]);
    assert!(matches!(
        some(2, |_, size| size < 100),
        Err(UnpackError::TooLarge(2))
    ));
    assert_eq!(some(0, |_, _| false).unwrap().files().count(), 0);
    // The limits are about all of the archive, wanted or not.
    let small = Limits {
        bytes: 1 << 19,
        ..Limits::default()
    };
    let refused = unpack_some(packed.as_slice(), &small, 3, |_, _| false);
    assert!(matches!(refused, Err(UnpackError::TooLarge(_))), "{refused:?}");
}

#[test]
fn contents_are_kept_elsewhere() {
    let large = vec![7; 70_000];
    let packed = archive(&[("b", b"first"), ("a/x", &large), ("b", b"again"), ("empty", b"")]);
    let mut kept = Vec::new();
    let Unpacked { tree, bytes } = unpack_to(packed.as_slice(), &Limits::default(), &mut kept).unwrap();
    // Four headers, and the contents to the next 512.
    assert!(bytes >= 4 * 512 + 512 + 70_144 + 512, "{bytes}");
    let of = |path: &str| {
        let place = Place::of(tree.file(path).unwrap()).unwrap();
        &kept[place.offset as usize..][..place.size as usize]
    };
    assert_eq!(
        (of("a/x"), of("b"), of("empty")),
        (&large[..], &b"again"[..], &b""[..])
    );
    // The limits and the writer's failures are told.
    let small = Limits {
        bytes: 1 << 16,
        ..Limits::default()
    };
    let refused = unpack_to(packed.as_slice(), &small, &mut Vec::new()).unwrap_err();
    assert!(matches!(refused, UnpackError::TooLarge(_)), "{refused:?}");
    let refused = unpack_to(packed.as_slice(), &Limits::default(), &mut [0; 3][..]).unwrap_err();
    assert_eq!(refused.to_string(), "cannot keep what was unpacked");
    let cut = &packed[..packed.len() / 2];
    assert!(unpack_to(cut, &Limits::default(), std::io::sink()).is_err());
    let other = artifact::Tree::from_files([("short".to_owned(), b"short".to_vec())]).unwrap();
    assert_eq!(Place::of(other.file("short").unwrap()), None);
}
