//! What mischief leaves behind on our own disk.

use source_controller::git::{Auth, Limits, Mirrors, Reference, Request};

use super::super::origin::{Origin, chain};

#[test]
fn a_mirror_that_was_damaged_is_made_anew() {
    let origin = Origin::new();
    let work = origin.repository("r");
    work.commit(&[("a", "1")]);
    origin.branch("r").unwrap();
    let packs = |dir: &std::path::Path| -> Vec<std::path::PathBuf> {
        let mut found = Vec::new();
        let mut pending = vec![dir.to_owned()];
        while let Some(dir) = pending.pop() {
            for entry in std::fs::read_dir(dir).unwrap().flatten() {
                if entry.path().is_dir() {
                    pending.push(entry.path());
                } else if entry
                    .path()
                    .extension()
                    .is_some_and(|extension| extension == "pack")
                {
                    found.push(entry.path());
                }
            }
        }
        found
    };
    let mirrors = origin.dir.path().join("mirrors");
    for pack in packs(&mirrors) {
        let length = std::fs::metadata(&pack).unwrap().len();
        let mut permissions = std::fs::metadata(&pack).unwrap().permissions();
        #[expect(clippy::permissions_set_readonly_false, reason = "a file of this test alone")]
        permissions.set_readonly(false);
        std::fs::set_permissions(&pack, permissions).unwrap();
        std::fs::write(&pack, vec![0; length as usize]).unwrap();
    }
    let again = Mirrors::new(&mirrors, Limits::default()).unwrap();
    let request = origin.request("r", Reference::Branch("main".to_owned()));
    let _reader = origin.branch("r");
    let checkout = again.fetch(&request).map_err(|error| chain(&error)).unwrap();
    assert_eq!(checkout.listing(&[]).unwrap().paths().count(), 1);
    assert_eq!(packs(&mirrors).len(), 1, "the damaged one is gone");
}

#[test]
fn what_a_killed_process_leaves_is_swept() {
    let origin = Origin::new();
    let work = origin.repository("r");
    work.commit(&[("a", "1")]);
    origin.branch("r").unwrap();
    let mirrors = origin.dir.path().join("mirrors");
    let mirror = std::fs::read_dir(&mirrors)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("0");
    for name in [
        "shallow.lock",
        "packed-refs.lock",
        "HEAD.lock",
        "objects/pack/tmp_pack_x",
        "objects/pack/.tmpAbCd",
    ] {
        std::fs::write(mirror.join(name), "x").unwrap();
    }
    let commit = work.commit(&[("a", "2")]);
    let again = Mirrors::new(&mirrors, Limits::default()).unwrap();
    let request = Request {
        auth: Auth::anonymous(),
        ..origin.request("r", Reference::Branch("main".to_owned()))
    };
    assert_eq!(again.fetch(&request).unwrap().commit(), commit);
    assert!(!mirror.join("shallow.lock").exists() && !mirror.join("objects/pack/.tmpAbCd").exists());
}
