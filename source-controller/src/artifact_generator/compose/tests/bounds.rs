//! What an artifact may cost, and all artifacts of a generator together.

use super::{allowance, but, by, compose, copy, scratch, sources, spool};
use crate::artifact_generator::{
    allowance::Turn,
    compose::{Allowance, BOUNDS, Bounds, Cost, Sources, compose_within, hold},
};
use artifact::{Tree, TreeBuilder};
use crds::extensions::{CopyOperation, CopyStrategy};
use runtime::telemetry::chain;

#[test]
fn artifacts_are_bounded() {
    let all = copy("@git/**", "@artifact/");
    let check = |bounds: Bounds, copies: &[CopyOperation]| {
        let made = compose_within(bounds, copies, &sources(), allowance(), scratch());
        made.map(drop)
            .map_err(|error| chain(&error).rsplit(": ").next().unwrap().to_owned())
    };
    let again = vec![all.clone(); 4];
    assert_eq!(check(BOUNDS, &again), Ok(()), "what is replaced is there once");
    let bounds = |change: fn(&mut Bounds)| {
        let mut bounds = BOUNDS;
        change(&mut bounds);
        bounds
    };
    let extract = by(
        CopyStrategy::Extract,
        copy("@git/charts/chart-1.tgz", "@artifact/"),
    );
    for (bounds, copies, expected) in [
        (
            bounds(|b| b.written = 40),
            again.clone(),
            "more than 40 files and directories are copied for one artifact",
        ),
        (
            bounds(|b| b.paths = 400),
            again.clone(),
            "more than 400 bytes of paths are copied for one artifact",
        ),
        (
            bounds(|b| b.paths = 60),
            vec![copy("@git/configs/*/*", "@artifact/")],
            "more than 60 bytes of paths are copied for one artifact",
        ),
        (
            bounds(|b| b.directories = 2),
            again.clone(),
            "more than 2 directories are copied for one artifact",
        ),
        (
            bounds(|b| b.bytes = 100),
            again,
            "more than 100 bytes are copied for one artifact",
        ),
        (
            bounds(|b| b.merged = 20),
            vec![
                copy("@git/base.yaml", "@artifact/v.yaml"),
                by(CopyStrategy::Merge, copy("@git/over.yaml", "@artifact/v.yaml")),
            ],
            "'v.yaml' has more than the 20 bytes that a file which is merged may have",
        ),
        (
            bounds(|b| b.extracted = 100),
            vec![extract.clone()],
            "archive is larger than 100 bytes when unpacked",
        ),
        (
            bounds(|b| b.extracted = 4000),
            vec![extract; 100],
            "the extracted archives are larger than 4000 bytes together",
        ),
    ] {
        assert_eq!(check(bounds, &copies), Err(expected.to_owned()));
    }
}

/// Directories that are empty are written, too: they are as much in memory as those that have something.
#[test]
fn empty_directories_count() {
    let mut many = TreeBuilder::default();
    for number in 0..100 {
        many.directory(&number.to_string()).unwrap();
    }
    let sources = [("many".to_owned(), spool(&many.build()))].into();
    let copies: Vec<CopyOperation> = (0..100)
        .map(|number| copy("@many/*", &format!("@artifact/{number}/")))
        .collect();
    let check = |bounds: Bounds, allowance: &Allowance| {
        let made = compose_within(bounds, &copies, &sources, allowance, scratch());
        let made = made.map(|made| made.tree.walk().count());
        made.map_err(|error| chain(&error).rsplit(": ").next().unwrap().to_owned())
    };
    assert_eq!(check(BOUNDS, allowance()), Ok(100 * 101));
    let (written, directories) = (
        Bounds {
            written: 5000,
            ..BOUNDS
        },
        Bounds {
            directories: 5000,
            ..BOUNDS
        },
    );
    for (bounds, what) in [(written, "files and directories"), (directories, "directories")] {
        let told = format!("more than 5000 {what} are copied for one artifact");
        assert_eq!(check(bounds, allowance()), Err(told));
    }
    let told = check(BOUNDS, &Allowance::but(Cost::Written, 5000)).unwrap_err();
    assert!(
        told.contains("more than 5000 files and directories to copy"),
        "{told}"
    );
}

/// What has many files is in memory until it is packed: one at a time, of all generators.
#[test]
fn artifacts_of_many_files_take_turns() {
    let turn = Turn::default();
    let allowance = Allowance::new(turn.clone());
    for (many, alone) in [(1000, false), (10, true)] {
        let bounds = Bounds { many, ..BOUNDS };
        let all = [copy("@git/", "@artifact/")];
        let made = compose_within(bounds, &all, &sources(), &allowance, scratch()).unwrap();
        assert_eq!(turn.try_lock().is_err(), alone, "{many}");
        drop(made);
        assert!(turn.try_lock().is_ok(), "it is packed: {many}");
    }
}

/// Braces multiply what is around them, and all patterns of a copy are held at once.
#[test]
fn patterns_that_stand_for_too_much_are_refused() {
    let braces = |around: usize| "{a,b}".repeat(7) + &"x".repeat(around);
    let told = |pattern: String, count: usize| {
        let patterns = vec![pattern; count];
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        let made = compose(&[but(&patterns, copy("@git/", "@artifact/"))], &sources());
        made.map(drop).map_err(|error| {
            assert!(error.is_bound(), "to try again does not help");
            chain(&error)
        })
    };
    assert_eq!(told(braces(100), 1), Ok(()));
    for (pattern, count) in [(braces(100), 100), (braces(900), 1), ("x".repeat(250_000), 1)] {
        let told = told(pattern, count).unwrap_err();
        assert!(
            told.ends_with(
                "its patterns stand for too much: make them shorter, or take out some of their braces"
            ),
            "{told}"
        );
    }
}

/// What sources have is in memory as long as an artifact is made of them.
#[test]
fn what_sources_hold_is_bounded() {
    let tree = |name: &str| {
        let files = (0..100).map(|number| (format!("{name}/{number}"), Vec::new()));
        spool(&Tree::from_files(files).unwrap())
    };
    let (first, second) = (tree("first"), tree("second"));
    let allowance = Allowance::but(Cost::Held, first.tree().size() + 100);
    let mut held = Sources::new();
    for alias in ["a", "again", "and-again"] {
        assert!(hold(&mut held, alias, first.clone(), &allowance).is_ok());
    }
    let told = hold(&mut held, "b", second, &allowance).unwrap_err().to_string();
    assert!(told.contains("bytes of memory for the names"), "{told}");
    // A million files can be held: no archive has more.
    let million = first.tree().size() * 10_000;
    assert!(Allowance::new(Turn::default()).take(Cost::Held, million).is_ok());
}

/// What is left out costs, too; and all artifacts of a generator have one allowance.
#[test]
fn what_artifacts_cost_is_bounded_for_all_together() {
    let merge = [
        copy("@git/base.yaml", "@artifact/values.yaml"),
        by(
            CopyStrategy::Merge,
            copy("@git/over.yaml", "@artifact/values.yaml"),
        ),
    ];
    let nothing = [but(&["**/*.nothing", "**"], copy("@git/", "@artifact/"))];
    let all = [copy("@git/", "@artifact/")];
    // What is below a directory that is left out is walked past.
    let past = [but(&["big"], copy("@big/", "@artifact/"))];
    let big = (0..200).map(|number| (format!("big/{number}"), Vec::new()));
    let mut sources = sources();
    sources.insert("big".to_owned(), spool(&Tree::from_files(big).unwrap()));
    let ranges = [but(
        &[&format!("*[{}]!", "b".repeat(900))],
        copy("@git/", "@artifact/"),
    )];
    let extract = [by(
        CopyStrategy::Extract,
        copy("@git/charts/chart-1.tgz", "@artifact/"),
    )];
    for (cost, most, copies, part) in [
        (Cost::Compared, 20_000, &nothing[..], "20000 comparisons"),
        (Cost::Compared, 50_000, &past, "50000 comparisons"),
        (Cost::Compared, 2_000_000, &ranges, "2000000 comparisons"),
        (Cost::Written, 1000, &all, "1000 files and directories"),
        (Cost::Bytes, 30_000, &all, "30000 bytes"),
        (Cost::Extracted, 100_000, &extract, "100000 bytes out of archives"),
        (Cost::Merged, 1000, &merge, "1000 bytes of YAML"),
    ] {
        let allowance = Allowance::but(cost, most);
        let mut ends = (0..100).map(|_| {
            let made = compose_within(BOUNDS, copies, &sources, &allowance, scratch());
            made.map(drop).map_err(|error| {
                assert!(error.is_bound(), "to try again does not help");
                chain(&error)
            })
        });
        assert_eq!(ends.next(), Some(Ok(())), "{cost:?}");
        let last = ends.last().unwrap().unwrap_err();
        assert!(last.contains(&format!("more than {part}")), "{cost:?}: {last}");
    }
}

/// Links in an archive are skipped, and cost what it takes to read past them.
#[test]
fn what_is_skipped_in_an_archive_costs() {
    let mut files = TreeBuilder::default();
    files.file("links.tgz", links(100), false).unwrap();
    let sources = [("git".to_owned(), spool(&files.build()))].into();
    let extract = by(CopyStrategy::Extract, copy("@git/links.tgz", "@artifact/"));
    let bounds = Bounds {
        extracted: 1 << 20,
        ..BOUNDS
    };
    let check = |copies: usize| {
        let copies = vec![extract.clone(); copies];
        compose_within(bounds, &copies, &sources, allowance(), scratch())
            .map(|made| made.tree.walk().count())
            .map_err(|error| chain(&error).rsplit(": ").next().unwrap().to_owned())
    };
    assert_eq!(check(20), Ok(0));
    assert_eq!(
        check(21),
        Err("the extracted archives are larger than 1048576 bytes together".to_owned())
    );
}

/// An archive of symbolic links.
fn links(count: usize) -> Vec<u8> {
    let mut header = [0; 512];
    header[..4].copy_from_slice(b"link");
    header[100..108].copy_from_slice(b"0000777\0");
    header[124..136].copy_from_slice(b"00000000000\0");
    header[156] = b'2';
    header[157..163].copy_from_slice(b"target");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let mut archive = artifact::deflate::GzipWriter::with_notes(Vec::new(), b"", "").unwrap();
    for _ in 0..count {
        std::io::Write::write_all(&mut archive, &header).unwrap();
    }
    std::io::Write::write_all(&mut archive, &[0; 1024]).unwrap();
    archive.finish().unwrap()
}
