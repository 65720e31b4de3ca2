//! The shelf on a real disk.

use super::*;
use crds::meta::Artifact;
use std::{convert::Infallible, time::SystemTime};

fn shelf(dir: &Path) -> Storage {
    let retention = Retention {
        ttl: Duration::from_secs(60),
        records: 2,
    };
    Storage::open(dir, "http://here".into(), Algorithm::Sha256, retention).unwrap()
}

fn put(storage: &Storage, file: &str, bytes: &[u8]) -> Artifact {
    let path = Storage::path("GitRepository", &Key::new("n", "a"), file);
    let (digest, size) = storage
        .write(&path, |w| {
            w.write_all(bytes).unwrap();
            Ok::<_, Infallible>(())
        })
        .unwrap();
    serde_json::from_value(serde_json::json!({
        "digest": digest.to_string(), "path": path, "url": storage.url(&path), "revision": "r",
        "lastUpdateTime": "2026-01-01T00:00:00Z", "size": size,
    }))
    .unwrap()
}

#[test]
fn what_is_written_is_good_until_it_is_harmed() {
    let dir = tempfile::tempdir().unwrap();
    let storage = shelf(dir.path());
    let artifact = put(&storage, "one.tar.gz", b"content");
    assert_eq!(artifact.url, "http://here/gitrepository/n/a/one.tar.gz");
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
    let failed = storage.write("gitrepository/n/a/x", |_| Err::<(), _>(io::Error::other("no")));
    assert!(matches!(failed, Err(StorageError::Pack(_))));
    assert_eq!(
        fs::read_dir(dir.path().join("gitrepository/n/a"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn old_ones_go_and_the_current_one_stays() {
    let dir = tempfile::tempdir().unwrap();
    let storage = shelf(dir.path());
    let all: Vec<Artifact> = (0..4)
        .map(|n| put(&storage, &format!("{n}.tar.gz"), &[n]))
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
