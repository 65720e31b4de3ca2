//! The shelf on a real disk.

use super::*;
use crds::meta::Artifact;
use std::{os::unix::fs::PermissionsExt as _, time::SystemTime};

fn shelf(dir: &Path) -> Storage {
    shelf_of(dir, 2)
}

fn shelf_of(dir: &Path, records: usize) -> Storage {
    let retention = Retention {
        ttl: Duration::from_secs(60),
        records,
    };
    Storage::open(dir, "http://here".into(), Algorithm::Sha256, retention, None).unwrap()
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
    for folder in ["gitrepository/n/a", WORK] {
        assert_eq!(fs::read_dir(dir.path().join(folder)).unwrap().count(), 0);
    }
}

#[test]
fn what_is_half_written_is_not_among_the_artifacts() {
    let dir = tempfile::tempdir().unwrap();
    let storage = shelf(dir.path());
    let (artifacts, work) = (dir.path().join("gitrepository/n/a"), dir.path().join(WORK));
    storage
        .publish(offer("x"), |writer| {
            writer.write_all(b"half")?;
            assert_eq!(fs::read_dir(&artifacts)?.count(), 0);
            assert_eq!(fs::read_dir(&work)?.count(), 1);
            Ok::<_, io::Error>(())
        })
        .unwrap();
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
fn what_a_status_may_name_stays_until_it_names_another() {
    let dir = tempfile::tempdir().unwrap();
    let strict = Retention {
        ttl: Duration::ZERO,
        records: 1,
    };
    let storage = Storage::open(dir.path(), String::new(), Algorithm::Sha256, strict, None).unwrap();
    let old = put(&storage, "old.tar.gz", b"old");
    let new = put(&storage, "new.tar.gz", b"new");
    // The status names the old one still, and who has read it may come for it at any time.
    assert_eq!(storage.check(&old).unwrap(), Stored::Good);
    assert_eq!(storage.collect(&new).unwrap(), 1);
    assert_eq!(storage.check(&old).unwrap(), Stored::Missing);
    assert_eq!(storage.check(&new).unwrap(), Stored::Good);
}

#[test]
fn a_standby_touches_nothing_on_a_disk_that_it_shares() {
    let dir = tempfile::tempdir().unwrap();
    let leader = shelf(dir.path());
    leader.lead();
    let work = leader.workspace().unwrap();
    fs::write(work.path().join("half"), b"done").unwrap();
    let standby = shelf(dir.path());
    assert_eq!(fs::read(work.path().join("half")).unwrap(), b"done");
    // The leader is no more.
    standby.lead();
    assert!(!work.path().exists());
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
            },
            None
        )
        .is_err()
    );
}

/// Somebody to ask for logins, and no way to any.
fn nobody() -> Cloud {
    let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
    let settings = cloud::Settings {
        controller: "source-controller",
        object_level: false,
        default_account: String::new(),
        most: 1,
        life: Duration::from_secs(60),
    };
    Cloud::new(kube::Client::try_from(config).unwrap(), settings)
}

#[tokio::test]
async fn what_the_store_does_not_take_is_not_on_the_shelf_either() {
    let dir = tempfile::tempdir().unwrap();
    let alone = shelf(dir.path());
    let old = put(&alone, "same.tar.gz", b"old");
    let place = "s3://b?endpoint=127.0.0.1:1&insecure=true".parse().unwrap();
    let behind = Some((place, nobody()));
    let storage = Storage::open(
        dir.path(),
        String::new(),
        Algorithm::Sha256,
        alone.0.retention,
        behind,
    );
    let storage = storage.unwrap();
    let publish = move || storage.publish(offer("same.tar.gz"), |w| w.write_all(b"new"));
    let published = tokio::task::spawn_blocking(publish).await.unwrap();
    assert!(matches!(published, Err(StorageError::Remote(_))), "{published:?}");
    assert_eq!(alone.check(&old).unwrap(), Stored::Good);
    let left: Vec<_> = fs::read_dir(dir.path().join("gitrepository/n/a"))
        .unwrap()
        .collect();
    assert_eq!(left.len(), 2, "the file and the link: {left:?}");
}
