//! The shelf on a real disk.

use super::*;
use crds::meta::Artifact;
use std::time::SystemTime;

fn shelf(dir: &Path) -> Storage {
    shelf_of(dir, 2)
}

fn shelf_of(dir: &Path, records: usize) -> Storage {
    let retention = Retention {
        ttl: Duration::from_secs(60),
        records,
    };
    Storage::open(dir, "http://here".into(), Algorithm::Sha256, retention).unwrap()
}

fn offer(file: &str) -> Offer<'static> {
    Offer {
        kind: "GitRepository",
        key: Key::new("n", "a"),
        file: file.to_owned(),
        revision: Some("r".to_owned()),
        metadata: [("of".to_owned(), "this".to_owned())].into(),
        link: Some("latest.tar.gz"),
    }
}

fn put(storage: &Storage, file: &str, bytes: &[u8]) -> Artifact {
    let published = storage.publish(offer(file), |w| w.write_all(bytes));
    published.unwrap().artifact
}

#[test]
fn what_is_written_is_good_until_it_is_harmed() {
    let dir = tempfile::tempdir().unwrap();
    let storage = shelf(dir.path());
    let artifact = put(&storage, "one.tar.gz", b"content");
    assert_eq!(artifact.url, "http://here/gitrepository/n/a/one.tar.gz");
    assert_eq!((artifact.revision.as_str(), artifact.size), ("r", Some(7)));
    assert_eq!(
        artifact.metadata,
        Some([("of".to_owned(), "this".to_owned())].into())
    );
    assert_eq!(storage.check(&artifact).unwrap(), Stored::Good);
    let path = dir.path().join(&artifact.path);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs::write(&path, b"CONTENT").unwrap();
    assert_eq!(storage.check(&artifact).unwrap(), Stored::Damaged);
    assert_eq!(storage.check(&artifact).unwrap(), Stored::Missing);
}

#[test]
fn a_failed_write_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let storage = shelf(dir.path());
    let failed = storage.publish(offer("x"), |_| Err::<(), _>(io::Error::other("no")));
    assert!(matches!(failed, Err(StorageError::Pack(_))));
    assert_eq!(
        fs::read_dir(dir.path().join("gitrepository/n/a"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn what_is_offered_is_named_and_the_link_leads_to_it() {
    let dir = tempfile::tempdir().unwrap();
    let storage = shelf(dir.path());
    for file in ["1.tar.gz", "2.tar.gz"] {
        let published = storage
            .publish(offer(file), |w| w.write_all(file.as_bytes()))
            .unwrap();
        let latest = "http://here/gitrepository/n/a/latest.tar.gz";
        assert_eq!(published.latest.as_deref(), Some(latest));
        let link = dir.path().join("gitrepository/n/a/latest.tar.gz");
        assert_eq!(fs::read(link).unwrap(), file.as_bytes());
    }
    let nameless = Offer {
        revision: None,
        metadata: std::collections::BTreeMap::new(),
        link: None,
        ..offer("3.tar.gz")
    };
    let Published { artifact, latest } = storage.publish(nameless, |w| w.write_all(b"3")).unwrap();
    assert_eq!(artifact.revision, format!("latest@{}", artifact.digest));
    assert_eq!((artifact.metadata, latest), (None, None));
}

#[test]
fn old_ones_go_and_the_current_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (roomy, storage) = (shelf_of(dir.path(), 9), shelf(dir.path()));
    let all: Vec<Artifact> = (0..4)
        .map(|n| put(&roomy, &format!("{n}.tar.gz"), &[n]))
        .collect();
    for (n, artifact) in all.iter().enumerate() {
        let age = Duration::from_secs(40 - 10 * n as u64);
        let file = File::options()
            .append(true)
            .open(dir.path().join(&artifact.path))
            .unwrap();
        file.set_modified(SystemTime::now() - age).unwrap();
    }
    // Two records: the current one, here the oldest, and the newest other.
    assert_eq!(storage.collect(&all[0]).unwrap(), 2);
    let left: Vec<bool> = all
        .iter()
        .map(|a| storage.check(a).unwrap() == Stored::Good)
        .collect();
    assert_eq!(left, [true, false, false, true]);
    let file = File::options()
        .append(true)
        .open(dir.path().join(&all[3].path))
        .unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(61))
        .unwrap();
    assert_eq!(storage.collect(&all[0]).unwrap(), 1);
}

#[test]
fn no_path_leads_out() {
    let dir = tempfile::tempdir().unwrap();
    let storage = shelf(dir.path());
    for path in ["../../etc/passwd", "/etc/passwd", "a/../../../etc/passwd"] {
        assert!(
            storage.file(path).starts_with(dir.path().canonicalize().unwrap()),
            "{path}"
        );
    }
    assert!(
        Storage::open(
            &dir.path().join("none"),
            String::new(),
            Algorithm::Sha256,
            Retention {
                ttl: Duration::ZERO,
                records: 1
            }
        )
        .is_err()
    );
}
