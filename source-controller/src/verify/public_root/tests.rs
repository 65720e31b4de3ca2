mod repository;

use super::{Place, PublicRoot};
use jiff::{Timestamp, ToSpan as _};
use repository::{Files, Key, Origin, Page, signed};
use sigstore_trust_root::SigstoreInstance;
use sigstore_tuf::TrustedMetadataSet;
use std::{path::Path, time::Duration};

/// Another page than the repository's own.
type Change = Option<(String, Page)>;

/// A client of a repository, with a folder that holds the root to start from.
fn client(origin: &Origin, folder: &Path, keeps: bool) -> PublicRoot {
    let root = folder.join("first.json");
    std::fs::write(&root, origin.first()).unwrap();
    PublicRoot::new(Place {
        folder: keeps.then(|| folder.join("tuf")),
        mirror: Some(origin.url.clone()),
        root: Some(root),
    })
}

fn after(origin: &Origin, hours: i64) -> Timestamp {
    origin.now.saturating_add(hours.hours()).unwrap()
}

async fn problem(public: &PublicRoot, now: Timestamp) -> String {
    public.get(now).await.map(drop).expect_err("it is refused")
}

#[tokio::test]
async fn the_repository_is_asked_once_a_day() {
    let (origin, folder) = (Origin::start().await, tempfile::tempdir().unwrap());
    let public = client(&origin, folder.path(), false);
    assert_eq!(origin.asked(), Vec::<String>::new(), "nobody wants anything yet");
    let (one, two) = tokio::join!(public.get(origin.now), public.get(origin.now));
    assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
    let path = origin.content_path(&Files::at(1));
    let all = [
        "2.root.json",
        "timestamp.json",
        "1.snapshot.json",
        "1.targets.json",
        &path,
    ];
    assert_eq!(origin.asked(), all.map(|path| format!("/repo/{path}")));
    public.get(after(&origin, 23)).await.unwrap();
    assert_eq!(origin.asked(), Vec::<String>::new());
    // What has not changed is not fetched again.
    public.get(after(&origin, 25)).await.unwrap();
    assert_eq!(origin.asked(), ["/repo/2.root.json", "/repo/timestamp.json"]);
    // A clock that was set back is no reason to wait.
    public.get(after(&origin, -48)).await.unwrap();
    assert_eq!(origin.asked(), ["/repo/2.root.json", "/repo/timestamp.json"]);
}

#[tokio::test]
async fn roots_follow_each_other() {
    let (origin, folder) = (Origin::start().await, tempfile::tempdir().unwrap());
    let old: Vec<&Key> = origin.root.iter().collect();
    let others = [Key::prime(), Key::edwards(), Key::prime()];
    let new: Vec<&Key> = others.iter().collect();
    let both = [old[0], old[2], new[0], new[1]];
    // The second may have expired; only the last must not have.
    origin.put("2.root.json", Page::Text(origin.root_file(2, &new, &both, -1)));
    origin.put(
        "3.root.json",
        Page::Text(origin.root_file(3, &new, &new[1..], 50)),
    );
    let public = client(&origin, folder.path(), true);
    // The old keys do not count for targets any more.
    assert!(
        problem(&public, origin.now)
            .await
            .contains("threshold not met for role targets")
    );
    let targets = origin.targets_file(&Files::at(1));
    origin.put("1.targets.json", Page::Text(signed(&targets, &new[..2])));
    public.get(after(&origin, 1)).await.unwrap();
    // Another process goes on from the third.
    origin.asked();
    let next = client(&origin, folder.path(), true);
    next.get(origin.now).await.unwrap();
    assert_eq!(origin.asked()[0], "/repo/4.root.json");
}

#[tokio::test]
async fn a_root_that_does_not_follow_is_refused() {
    let origin = Origin::start().await;
    let old: Vec<&Key> = origin.root.iter().collect();
    let others = [Key::prime(), Key::edwards()];
    let new: Vec<&Key> = others.iter().collect();
    for (root, part) in [
        (
            origin.root_file(2, &new, &new, 9),
            "threshold not met for role root: 0/2",
        ),
        (
            origin.root_file(2, &old, &old[..1], 9),
            "threshold not met for role root: 1/2",
        ),
        (
            origin.root_file(2, &old, &[old[0], old[0]], 9),
            "duplicate signature",
        ),
        (
            origin.root_file(2, &new, &old, 9),
            "threshold not met for role root: 0/2",
        ),
        (
            origin.root_file(3, &old, &old, 9),
            "root version must increment by one",
        ),
        (
            origin.root_file(1, &old, &old, 9),
            "root version must increment by one",
        ),
        (origin.root_file(2, &old, &old, -1), "root metadata expired"),
        (b"{".to_vec(), "failed to parse JSON"),
        (b"[".repeat(400_000), "failed to parse JSON: recursion limit"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        origin.put("2.root.json", Page::Text(root));
        let told = problem(&client(&origin, folder.path(), true), origin.now).await;
        assert!(told.contains(part), "{part}: {told}");
    }
}

#[tokio::test]
async fn what_is_expired_wrongly_signed_or_altered_is_refused() {
    let origin = Origin::start().await;
    let good = Files::at(1);
    let snapshot = signed(&origin.snapshot_file(&good), &[&origin.online]);
    let timestamp = |files: &Files, key: &Key| signed(&origin.timestamp_file(files, &snapshot), &[key]);
    let expired = |change: fn(&mut Files)| {
        let mut files = good.clone();
        change(&mut files);
        files
    };
    let mut flaws: Vec<(Files, Change, &str)> = vec![
        (
            expired(|f| f.timestamp_days = -1),
            None,
            "timestamp metadata expired",
        ),
        (
            expired(|f| f.snapshot_days = -1),
            None,
            "snapshot metadata expired",
        ),
        (expired(|f| f.targets_days = -1), None, "targets metadata expired"),
        (
            expired(|f| f.content = b"{}".to_vec()),
            None,
            "is not the media type of a trusted root",
        ),
    ];
    let targets = signed(&origin.targets_file(&good), &[&origin.root[0]]);
    let stranger = Key::edwards();
    let mut long = repository::TRUSTED_ROOT.as_bytes().to_vec();
    long.push(b'\n');
    let other = repository::TRUSTED_ROOT.replace("0.1", "0.2").into_bytes();
    let root = origin.content_path(&good);
    let text = |path: &str, text: Vec<u8>| Some((path.to_owned(), Page::Text(text)));
    let page = |path: &str, page: Page| Some((path.to_owned(), page));
    for (change, part) in [
        (
            text("timestamp.json", timestamp(&good, &stranger)),
            "threshold not met for role timestamp: 0/1",
        ),
        (
            text("1.targets.json", targets),
            "threshold not met for role targets: 1/2",
        ),
        (
            text("1.snapshot.json", [&snapshot[..], b" "].concat()),
            "snapshot.json: length",
        ),
        (
            text("1.snapshot.json", vec![b' '; snapshot.len()]),
            "snapshot.json: sha256 mismatch",
        ),
        (text(&root, long), "is larger than"),
        (text(&root, other), "sha256 mismatch"),
        (text(&root, b"{}".to_vec()), "trusted_root.json: length 2"),
        (
            page("timestamp.json", Page::Endless),
            "timestamp.json is larger than 16384 bytes",
        ),
        (
            page("2.root.json", Page::Endless),
            "2.root.json is larger than 512000 bytes",
        ),
        (
            page("1.targets.json", Page::Endless),
            "1.targets.json is larger than 2097152 bytes",
        ),
        (page(&root, Page::Endless), "is larger than"),
        (page("timestamp.json", Page::Silent), "no end of the answers"),
        (page("timestamp.json", Page::Broken), "answered 502"),
    ] {
        flaws.push((good.clone(), change, part));
    }
    for (files, change, part) in flaws {
        let folder = tempfile::tempdir().unwrap();
        origin.clear();
        origin.put_files(&files);
        if let Some((path, page)) = change {
            origin.put(&path, page);
        }
        let mut public = client(&origin, folder.path(), true);
        if part.starts_with("no end") {
            public.patience = Duration::from_millis(300);
        }
        let told = problem(&public, origin.now).await;
        assert!(told.contains(part), "{part}: {told}");
        // Nothing of it is left that would count without the repository.
        origin.clear();
        problem(&client(&origin, folder.path(), true), origin.now).await;
    }
}

#[tokio::test]
async fn there_is_no_way_back() {
    for restarts in [false, true] {
        let (origin, folder) = (Origin::start().await, tempfile::tempdir().unwrap());
        origin.put_files(&Files::at(5));
        let mut public = client(&origin, folder.path(), true);
        public.get(origin.now).await.unwrap();
        // A snapshot without what an older one has, and one that goes back, each under a newer timestamp.
        let (mut back, mut lower) = (Files::at(6), Files::at(6));
        (back.snapshot, lower.targets) = (4, 4);
        for (files, part) in [
            (Files::at(4), "rollback detected for timestamp"),
            (back, "rollback detected for snapshot (via timestamp)"),
            (lower, "rollback detected for targets.json (via snapshot)"),
        ] {
            if restarts {
                public = client(&origin, folder.path(), true);
            }
            origin.clear();
            origin.put_files(&files);
            let told = public.look(origin.now).await.map(drop).expect_err("it goes back");
            assert!(told.contains(part), "{part}: {told}");
        }
        // What is held is good until the repository's word for it ends.
        if !restarts {
            let mut files = Files::at(4);
            files.timestamp_days = 20;
            origin.put_files(&files);
            assert!(public.get(after(&origin, 25)).await.is_ok());
            let told = problem(&public, after(&origin, 7 * 24 + 1)).await;
            assert!(told.contains("rollback detected"), "{told}");
        }
    }
}

#[tokio::test]
async fn an_outage_is_survived_until_the_last_word_expires() {
    let (origin, folder) = (Origin::start().await, tempfile::tempdir().unwrap());
    origin.clear();
    let public = client(&origin, folder.path(), true);
    let told = problem(&public, origin.now).await;
    assert!(told.contains("timestamp.json not found"), "{told}");
    // For a minute nobody is asked again, whoever wants it.
    origin.put_files(&Files::at(1));
    origin.asked();
    assert_eq!(
        problem(&public, origin.now.saturating_add(50.seconds()).unwrap()).await,
        told
    );
    assert_eq!(origin.asked(), Vec::<String>::new());
    public.get(after(&origin, 1)).await.unwrap();

    origin.clear();
    public.get(after(&origin, 26)).await.unwrap();
    origin.asked();
    let half = after(&origin, 26).saturating_add(30.minutes()).unwrap();
    public.get(half).await.unwrap();
    assert_eq!(origin.asked(), Vec::<String>::new(), "an hour's peace");
    let next = client(&origin, folder.path(), true);
    next.get(after(&origin, 26)).await.unwrap();
    let late = after(&origin, 7 * 24 + 1);
    for public in [public, next, client(&origin, folder.path(), true)] {
        let told = problem(&public, late).await;
        assert!(told.contains("timestamp.json not found"), "{told}");
    }
    // Whoever damages what is kept gains nothing, and the repository is enough.
    for name in [
        "timestamp.json",
        "snapshot.json",
        "targets.json",
        "targets/trusted_root.json",
    ] {
        let kept = std::fs::read_dir(folder.path().join("tuf"))
            .unwrap()
            .next()
            .unwrap()
            .unwrap();
        let path = kept.path().join(name);
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, good.iter().rev().copied().collect::<Vec<_>>()).unwrap();
        problem(&client(&origin, folder.path(), true), origin.now).await;
        origin.put_files(&Files::at(1));
        client(&origin, folder.path(), true)
            .get(origin.now)
            .await
            .unwrap();
        origin.clear();
    }
}

#[tokio::test]
async fn what_an_operator_gives_counts() {
    let (origin, folder) = (Origin::start().await, tempfile::tempdir().unwrap());
    let place = |root: Option<&str>| Place {
        folder: Some(folder.path().to_owned()),
        mirror: Some(origin.url.clone()),
        root: root.map(|name| folder.path().join(name)),
    };
    let told = problem(&PublicRoot::new(place(None)), origin.now).await;
    assert!(told.contains("TUF_MIRROR needs TUF_ROOT_JSON"), "{told}");
    let told = problem(&PublicRoot::new(place(Some("missing.json"))), origin.now).await;
    assert!(told.contains("missing.json: No such file"), "{told}");
    let mut odd = place(None);
    odd.mirror = Some("file:///etc".into());
    let told = problem(&PublicRoot::new(odd), origin.now).await;
    assert!(told.contains("no URL of http or https"), "{told}");
    assert_eq!(origin.asked(), Vec::<String>::new());
    // As `cosign initialize` leaves it.
    let cache = folder.path().join(place(None).name());
    std::fs::create_dir(&cache).unwrap();
    std::fs::write(cache.join("root.json"), origin.first()).unwrap();
    PublicRoot::new(place(None)).get(origin.now).await.unwrap();
    // Put there as it is, it is enough.
    let targets = folder.path().join("targets");
    std::fs::create_dir(&targets).unwrap();
    std::fs::write(targets.join("trusted_root.json"), repository::TRUSTED_ROOT).unwrap();
    origin.asked();
    PublicRoot::new(place(None)).get(origin.now).await.unwrap();
    std::fs::write(targets.join("trusted_root.json"), "{").unwrap();
    problem(&PublicRoot::new(place(None)), origin.now).await;
    assert_eq!(origin.asked(), Vec::<String>::new());
}

#[test]
fn the_public_instance_has_a_root_to_start_from() {
    let place = Place::default();
    let set = TrustedMetadataSet::from_root(&place.start().unwrap()).unwrap();
    assert!(set.root().version >= 16);
    assert_eq!(
        place.mirror().unwrap().as_str(),
        "https://tuf-repo-cdn.sigstore.dev/"
    );
    assert_eq!(place.name(), "tuf-repo-cdn.sigstore.dev");
    let same = Place {
        mirror: Some(format!("{}/", SigstoreInstance::PublicGood.tuf_url())),
        ..Place::default()
    };
    assert_eq!(same.start(), place.start());
}
