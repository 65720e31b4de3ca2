//! Files, logins, and how little is asked for when nothing has moved.

use std::sync::atomic::Ordering;
use std::time::Duration;

use artifact::pack;
use source_controller::git::{Auth, Reference};

use super::origin::{Origin, chain, login};

fn main_branch() -> Reference {
    Reference::Branch("main".to_owned())
}

#[test]
fn who_is_due_together_asks_once() {
    let origin = Origin::new();
    origin.repository("r").commit(&[("a", "1")]);
    let (request, other) = (
        origin.request("r", main_branch()),
        origin.request("r", Reference::Tag("none".to_owned())),
    );
    let first = origin.mirrors.look(&request, false).unwrap().unwrap();
    assert!(!origin.take_requests().is_empty());
    for _ in 0..3 {
        assert_eq!(origin.mirrors.look(&request, false).unwrap(), Some(first.clone()));
    }
    assert!(origin.take_requests().is_empty(), "the answer was a moment ago");
    // Whoever wants to know it now, another question, and another login are asked.
    origin.mirrors.look(&request, true).unwrap();
    assert!(!origin.take_requests().is_empty());
    for _ in 0..2 {
        assert!(origin.mirrors.look(&other, false).is_err());
        assert!(!origin.take_requests().is_empty(), "a failure is no answer");
    }
    let mut stranger = request;
    stranger.auth = login(stranger.url.as_str(), &[("username", "u"), ("password", "p")]);
    let _ = origin.mirrors.look(&stranger, false);
    assert!(!origin.take_requests().is_empty());
}

#[test]
fn files() {
    let origin = Origin::new();
    let work = origin.repository("r");
    std::fs::create_dir_all(work.dir.join("dir")).unwrap();
    std::os::unix::fs::symlink("../a", work.dir.join("dir/link")).unwrap();
    work.git(&["init", "-q"]);
    let files = [
        ("a", "a"),
        ("a.b", "x"),
        ("b/c", "c"),
        ("b.c/d", "d"),
        ("dir/only.md", "md"),
        ("run.sh", "#!"),
        (".sourceignore", "*.md\n"),
    ];
    for (path, text) in files {
        let path = work.dir.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    work.git(&["add", "-A"]);
    work.git(&["update-index", "--chmod=+x", "run.sh"]);
    work.git(&["commit", "-q", "-m", "x"]);
    work.git(&["push", "-q", "origin", "main"]);
    let checkout = origin.branch("r").unwrap();

    let paths = |sparse: &[&str], ignore: Option<&str>| {
        let sparse: Vec<String> = sparse.iter().map(|entry| entry.to_string()).collect();
        let mut listing = checkout.listing(&sparse).map_err(|error| chain(&error))?;
        listing.ignore(ignore).unwrap();
        let paths = listing
            .paths()
            .map(|(path, dir)| format!("{}{}", String::from_utf8_lossy(path), if dir { "/" } else { "" }));
        Ok::<_, String>(paths.collect::<Vec<_>>().join(" "))
    };
    assert_eq!(
        paths(&[], None),
        Ok(".sourceignore a a.b b/ b/c b.c/ b.c/d dir/ run.sh".into())
    );
    assert_eq!(
        paths(&[], Some("!*.md\n/b*")),
        Ok(".sourceignore a a.b dir/ dir/only.md run.sh".into())
    );
    // The rules of a sparse checkout are those of a prefix, and a root `.sourceignore` is not there.
    assert_eq!(paths(&["./b"], None), Ok("b/ b/c b.c/ b.c/d".into()));
    assert_eq!(paths(&["dir", "a"], None), Ok("a a.b dir/ dir/only.md".into()));
    let missing = "failed to sparse checkout directories : sparse checkout dir 'nope' does not exist in repository: lstat nope: no such file or directory";
    assert_eq!(paths(&["nope"], None), Err(missing.into()));

    let listing = checkout.listing(&[]).unwrap();
    let bytes = pack(listing.entries(), Vec::new()).unwrap();
    let tree = artifact::unpack(bytes.as_slice(), &artifact::Limits::default()).unwrap();
    assert!(tree.file("run.sh").unwrap().executable() && !tree.file("a").unwrap().executable());
    assert_eq!(tree.file("b.c/d").unwrap().bytes(), b"d");

    let mut listing = checkout.listing(&[]).unwrap();
    let spool = super::origin::spool(&bytes);
    assert!(listing.include("b/../lib/x", &spool, "./b").unwrap());
    assert!(listing.include("../../a", &spool, "run.sh").unwrap());
    assert!(!listing.include("lib", &spool, "nope").unwrap());
    let bytes = pack(listing.entries(), Vec::new()).unwrap();
    let tree = artifact::unpack(bytes.as_slice(), &artifact::Limits::default()).unwrap();
    assert_eq!(tree.file("lib/x/c").unwrap().bytes(), b"c");
    assert_eq!(tree.file("a").unwrap().bytes(), b"#!");
}

#[test]
fn logins() {
    let origin = Origin::new();
    origin.repository("private/r");
    let work = origin.repository("r");
    work.commit(&[("a", "1")]);
    let url = format!("{}/private/r.git", origin.address);
    let refused = format!(
        "failed to checkout and determine revision: unable to clone '{url}': authentication required: "
    );
    let check = |auth: Auth, expected: Result<(), &str>| {
        let request = source_controller::git::Request {
            auth,
            ..origin.request("private/r", main_branch())
        };
        let found = origin
            .mirrors
            .fetch(&request)
            .map(|_| ())
            .map_err(|error| chain(&error));
        assert_eq!(found.as_ref().copied().map_err(String::as_str), expected);
        if expected.is_err() {
            let error = origin.mirrors.resolve(&request).err().unwrap();
            assert!(
                chain(&error).contains(": unable to list remote for '"),
                "{}",
                chain(&error)
            );
        }
    };
    check(Auth::anonymous(), Err(&refused));
    check(
        login(&url, &[("username", "user"), ("password", "wrong")]),
        Err(&refused),
    );
    check(
        login(&url, &[("username", "user"), ("password", "right")]),
        Ok(()),
    );
    check(
        login(
            &url,
            &[
                ("bearerToken", "token"),
                ("username", "user"),
                ("password", "wrong"),
            ],
        ),
        Ok(()),
    );
    check(login(&url.replace("//", "//user:right@"), &[]), Ok(()));
    // Another's credentials open another mirror: what one has fetched is not given to the next.
    check(Auth::anonymous(), Err(&refused));
}

#[test]
fn little_is_asked_for() {
    let origin = Origin::new();
    let work = origin.repository("r");
    let noise: Vec<String> = (0..60).map(|n| hex::encode(sha2_of(n))).collect();
    let files: Vec<(String, &str)> = noise
        .iter()
        .enumerate()
        .map(|(n, text)| (format!("f{n}"), text.as_str()))
        .collect();
    work.commit(
        &files
            .iter()
            .map(|(path, text)| (path.as_str(), *text))
            .collect::<Vec<_>>(),
    );
    origin.branch("r").unwrap();
    assert_eq!(origin.take_requests().len(), 4, "two to list, two to fetch");
    let whole = origin.seen.sent.swap(0, Ordering::Relaxed);

    origin.branch("r").unwrap();
    let list = ["POST /r.git/git-upload-pack"];
    assert_eq!(
        origin.take_requests(),
        list,
        "nothing moved: the references are listed, and that is all"
    );
    origin
        .mirrors
        .resolve(&origin.request("r", main_branch()))
        .unwrap();
    assert_eq!(origin.take_requests(), list);
    origin.seen.sent.store(0, Ordering::Relaxed);

    for round in 0..3 {
        work.commit(&[("f0", &format!("changed {round}"))]);
        assert_eq!(
            origin.branch("r").unwrap().listing(&[]).unwrap().paths().count(),
            60
        );
        let part = origin.seen.sent.swap(0, Ordering::Relaxed);
        assert!(
            part * 2 < whole,
            "a change of one file brought {part} of {whole} bytes"
        );
    }
    // A process that starts again finds the mirror.
    let again =
        source_controller::git::Mirrors::new(origin.dir.path().join("mirrors"), Default::default()).unwrap();
    again.fetch(&origin.request("r", main_branch())).unwrap();
    let part = origin.seen.sent.swap(0, Ordering::Relaxed);
    assert!(part < 2000, "a restart brought {part} bytes");
}

#[test]
fn many_at_once() {
    let origin = Origin::new();
    let work = origin.repository("r");
    let commit = work.commit(&[("a", "1")]);
    std::thread::scope(|scope| {
        let fetches: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| origin.branch("r").map(|checkout| checkout.commit().to_owned())))
            .collect();
        for fetch in fetches {
            assert_eq!(fetch.join().unwrap().unwrap(), commit);
        }
    });
    let packs = origin
        .take_requests()
        .iter()
        .filter(|request| request.starts_with("POST"))
        .count();
    assert!(packs <= 8 + 2, "one fetch for all, a listing for each: {packs}");
}

/// How the controller calls us: on a blocking thread of an asynchronous program.
#[test]
fn from_an_asynchronous_program() {
    let origin = std::sync::Arc::new(Origin::new());
    let commit = origin.repository("r").commit(&[("a", "1")]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let fetched = runtime.block_on(async {
        let shared = std::sync::Arc::clone(&origin);
        let fetch = move || shared.branch("r").map(|checkout| checkout.commit().to_owned());
        tokio::task::spawn_blocking(fetch).await.unwrap()
    });
    assert_eq!(fetched.unwrap(), commit);
}

#[test]
fn mirrors_that_have_grown_are_made_anew() {
    let origin = Origin::new();
    let work = origin.repository("r");
    let limits = source_controller::git::Limits {
        packs: 2,
        ..Default::default()
    };
    let mirrors = source_controller::git::Mirrors::new(origin.dir.path().join("small"), limits).unwrap();
    let request = origin.request("r", main_branch());
    let mut readers = Vec::new();
    for round in 0..8 {
        let commit = work.commit(&[("a", &format!("{round}"))]);
        let checkout = mirrors.fetch(&request).unwrap();
        assert_eq!(checkout.commit(), commit);
        readers.push(checkout);
    }
    // Whoever reads an old one can go on.
    assert!(
        readers
            .iter()
            .all(|checkout| artifact::pack(checkout.listing(&[]).unwrap().entries(), Vec::new()).is_ok())
    );
    drop(readers);
    let mirror = std::fs::read_dir(origin.dir.path().join("small"))
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path();
    assert_eq!(std::fs::read_dir(mirror).unwrap().count(), 1);
}

#[test]
fn mirrors_go_when_unused_and_come_back() {
    let origin = Origin::new();
    let work = origin.repository("r");
    work.commit(&[("a", "1")]);
    let checkout = origin.branch("r").unwrap();
    let on_disk = || {
        std::fs::read_dir(origin.dir.path().join("mirrors"))
            .unwrap()
            .count()
    };
    origin.mirrors.prune(Duration::ZERO);
    assert_eq!(on_disk(), 1, "someone reads it");
    drop(checkout);
    origin.mirrors.prune(Duration::from_secs(60));
    assert_eq!(on_disk(), 1, "used just now");
    let half_gone = origin.dir.path().join("mirrors/.of-a-killed-process/0");
    std::fs::create_dir_all(half_gone).unwrap();
    origin.mirrors.prune(Duration::ZERO);
    assert_eq!(on_disk(), 0);
    assert_eq!(
        origin.branch("r").unwrap().listing(&[]).unwrap().paths().count(),
        1
    );
}

fn sha2_of(n: u32) -> Vec<u8> {
    (0..8u32)
        .flat_map(|part| {
            artifact::Digest::of(
                artifact::Algorithm::Sha512,
                &[n, part].map(u32::to_be_bytes).concat(),
            )
            .hex()
            .to_owned()
            .into_bytes()
        })
        .collect()
}
