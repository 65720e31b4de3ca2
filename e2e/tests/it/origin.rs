//! The world outside is real: `git clone` takes what the servers offer, and is refused as it should be.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use e2e::origin::{Auth, Authority, Change, Counts, GitServer, Repo, SshKey, SshServer, Tls, git};

const README: &[(&str, &str)] = &[("README", "hello\n"), ("deploy/app.yaml", "kind: ConfigMap\n")];

struct World {
    folder: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    fn file(&self, name: &str, text: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.root().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
        path
    }

    /// `git clone` with these settings; the clone's folder is new each time.
    fn clone(&self, url: &str, config: &[String]) -> (PathBuf, Command) {
        let target = tempfile::tempdir_in(self.root()).unwrap().keep();
        let settings = config.iter().flat_map(|setting| ["-c", setting]);
        let command = git(settings
            .chain(["clone", "-q", url])
            .map(PathBuf::from)
            .chain([target.clone()]));
        (target, command)
    }
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap())
        .await
        .unwrap()
}

async fn clones(world: &World, url: &str, config: &[String]) -> Result<PathBuf, String> {
    let (target, command) = world.clone(url, config);
    let output = run(command).await;
    if output.status.success() {
        Ok(target)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// Waits for a state, not for an event.
async fn eventually(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what} within a minute");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn http_serves_what_was_committed_and_counts() {
    let world = World::new();
    let repo = Repo::create(world.root(), "team/fleet").unwrap();
    let first = repo.commit(README).unwrap();
    let server = GitServer::start(world.root()).await.unwrap();
    let clone = clones(&world, &server.url("team/fleet"), &[]).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(clone.join("deploy/app.yaml")).unwrap(),
        "kind: ConfigMap\n"
    );
    assert_eq!(
        server.counts(),
        Counts {
            info_refs: 1,
            ls_refs: 1,
            fetch: 1,
            ..Counts::default()
        }
    );
    assert_eq!(repo.head("main").unwrap(), first);

    let lost = clones(&world, &server.url("nothing"), &[]).await.unwrap_err();
    assert!(lost.contains("not found"), "{lost}");
    server.set_status(Some(503)).unwrap();
    let broken = clones(&world, &server.url("team/fleet"), &[]).await.unwrap_err();
    assert!(broken.contains("503"), "{broken}");

    let address = server.address();
    drop(server);
    eventually("the server is gone", || {
        std::net::TcpStream::connect(address).is_err()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn http_serves_a_large_repository() {
    let world = World::new();
    let repo = Repo::create(world.root(), "large").unwrap();
    let changes: Vec<Change> = (0..3000)
        .map(|n| Change::Write(format!("apps/{n}/a.yaml"), format!("n: {n}\n").into_bytes()))
        .collect();
    repo.commit_on("main", "all", &changes).unwrap();
    let server = GitServer::start(world.root()).await.unwrap();
    let clone = clones(&world, &server.url("large"), &[]).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(clone.join("apps/2999/a.yaml")).unwrap(),
        "n: 2999\n"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn http_asks_for_credentials() {
    let world = World::new();
    Repo::create(world.root(), "fleet")
        .unwrap()
        .commit(README)
        .unwrap();
    let server = GitServer::start(world.root()).await.unwrap();
    let with = |userinfo: &str| server.url("fleet").replace("//", &format!("//{userinfo}"));

    server.set_auth(Auth::Basic {
        username: "u".into(),
        password: "p:w".into(),
    });
    clones(&world, &with(""), &[]).await.unwrap_err();
    clones(&world, &with("u:wrong@"), &[]).await.unwrap_err();
    clones(&world, &with("u:p%3Aw@"), &[]).await.unwrap();
    assert!(server.counts().refused >= 2);

    server.set_auth(Auth::Bearer("t0ken".into()));
    clones(&world, &with("u:p%3Aw@"), &[]).await.unwrap_err();
    clones(
        &world,
        &with(""),
        &["http.extraHeader=Authorization: Bearer t0ken".into()],
    )
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_for_those_who_trust_and_are_trusted() {
    let world = World::new();
    Repo::create(world.root(), "fleet")
        .unwrap()
        .commit(README)
        .unwrap();
    let authority = Authority::new().unwrap();
    let stranger = Authority::new().unwrap();
    let identity = authority.server(&["127.0.0.1", "localhost"]).unwrap();
    let trust = format!(
        "http.sslCAInfo={}",
        world.file("ca.crt", &authority.certificate()).display()
    );
    let other = format!(
        "http.sslCAInfo={}",
        world.file("other.crt", &stranger.certificate()).display()
    );

    let plain = Tls {
        identity: identity.clone(),
        client_authority: None,
    };
    let server = GitServer::start_tls(world.root(), &plain).await.unwrap();
    clones(&world, &server.url("fleet"), &[]).await.unwrap_err();
    clones(&world, &server.url("fleet"), &[other]).await.unwrap_err();
    clones(&world, &server.url("fleet"), std::slice::from_ref(&trust))
        .await
        .unwrap();

    let mutual = Tls {
        identity,
        client_authority: Some(authority.certificate()),
    };
    let server = GitServer::start_tls(world.root(), &mutual).await.unwrap();
    let show = |name: &str, client: &e2e::origin::Identity| {
        let certificate = world.file(&format!("{name}.crt"), &client.certificate);
        let key = world.file(&format!("{name}.key"), &client.key);
        let show = [
            format!("http.sslCert={}", certificate.display()),
            format!("http.sslKey={}", key.display()),
        ];
        [[trust.clone()].as_slice(), &show].concat()
    };
    let friend = show("friend", &authority.client("friend").unwrap());
    let foe = show("foe", &stranger.client("foe").unwrap());
    clones(&world, &server.url("fleet"), std::slice::from_ref(&trust))
        .await
        .unwrap_err();
    clones(&world, &server.url("fleet"), &foe).await.unwrap_err();
    clones(&world, &server.url("fleet"), &friend).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn http_hangs_until_released_and_delays() {
    let world = World::new();
    Repo::create(world.root(), "fleet")
        .unwrap()
        .commit(README)
        .unwrap();
    let server = GitServer::start(world.root()).await.unwrap();
    server.hang();
    let mut child: Child = git(["ls-remote", &server.url("fleet")])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    eventually("the request arrives", || server.counts().info_refs == 1).await;
    assert!(child.try_wait().unwrap().is_none(), "the request hangs");
    server.release();
    assert!(
        tokio::task::spawn_blocking(move || child.wait().unwrap())
            .await
            .unwrap()
            .success()
    );

    server.set_delay(Duration::from_millis(300));
    let begin = Instant::now();
    assert!(
        run(git(["ls-remote", &server.url("fleet")]))
            .await
            .status
            .success()
    );
    assert!(
        begin.elapsed() >= Duration::from_millis(600),
        "each of two answers is delayed"
    );
}

#[test]
fn the_same_calls_make_the_same_ids() {
    let world = World::new();
    let make = |name: &str| {
        let repo = Repo::create(world.root(), name).unwrap();
        let first = repo.commit(README).unwrap();
        repo.annotated_tag("v1.0.0", &first, "one").unwrap();
        repo.tag("light", &first).unwrap();
        repo.set("refs/pull/1/head", &first).unwrap();
        let changes = [
            Change::Script("bin/run.sh".into(), b"#!/bin/sh\n".to_vec()),
            Change::Link("link".into(), "README".into()),
            Change::Submodule("sub".into(), first.clone()),
            Change::Remove("deploy".into()),
        ];
        repo.commit_on("main", "more", &changes).unwrap();
        repo.commit_on(
            "feature/x",
            "apart",
            &[Change::Write("a b".into(), b"\0\n".to_vec())],
        )
        .unwrap();
        repo.branch("old", &first).unwrap();
        (first, repo)
    };
    let (first, repo) = make("a");
    let (_, other) = make("b");
    let refs = |repo: &Repo| {
        repo.git(&["for-each-ref", "--format=%(refname) %(objecttype) %(objectname)"])
            .unwrap()
    };
    assert_eq!(refs(&repo), refs(&other));
    assert_eq!(
        first, "325fffd7c0f75a6ed328369b2d54465828b4b556",
        "on every machine"
    );
    assert_eq!(repo.head("v1.0.0^{}").unwrap(), first);
    assert_ne!(
        repo.head("v1.0.0").unwrap(),
        first,
        "an annotated tag is an object of its own"
    );
    assert_eq!(repo.head("main~1").unwrap(), first);
    let tree = repo
        .git(&["ls-tree", "-r", "--format=%(objectmode) %(path)", "main"])
        .unwrap();
    assert_eq!(tree, "100644 README\n100755 bin/run.sh\n120000 link\n160000 sub");
    repo.remove(&["bin"]).unwrap();
    assert_eq!(
        repo.git(&["ls-tree", "--name-only", "main"]).unwrap(),
        "README\nlink\nsub"
    );
    repo.delete("refs/heads/old").unwrap();
    assert!(repo.head("old").is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn ssh_serves_git_to_the_right_key() {
    let world = World::new();
    let repo = Repo::create(world.root(), "fleet").unwrap();
    repo.commit(README).unwrap();
    let (friend, foe) = (SshKey::generate("").unwrap(), SshKey::generate("").unwrap());
    let server = SshServer::start(world.root(), &[&friend]).unwrap();
    let ssh = |name: &str, key: &SshKey, known_hosts: &str| {
        let identity = world.file(&format!("{name}.identity"), &key.private);
        let known = world.file(&format!("{name}.known"), known_hosts);
        format!(
            "core.sshCommand=ssh -F /dev/null -i {} -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes \
             -o StrictHostKeyChecking=yes -o GlobalKnownHostsFile=/dev/null -o UserKnownHostsFile={}",
            identity.display(),
            known.display(),
        )
    };
    let right = ssh("right", &friend, &server.known_hosts());
    let clone = clones(&world, &server.url("fleet"), std::slice::from_ref(&right))
        .await
        .unwrap();
    assert_eq!(std::fs::read_to_string(clone.join("README")).unwrap(), "hello\n");

    let wrong_key = clones(
        &world,
        &server.url("fleet"),
        &[ssh("foe", &foe, &server.known_hosts())],
    )
    .await
    .unwrap_err();
    assert!(wrong_key.contains("Permission denied"), "{wrong_key}");
    let impostor = ssh("impostor", &friend, &server.known_hosts_with(&foe));
    let wrong_host = clones(&world, &server.url("fleet"), &[impostor])
        .await
        .unwrap_err();
    assert!(wrong_host.contains("verification failed"), "{wrong_host}");
    server.authorize(&[&foe]).unwrap();
    clones(&world, &server.url("fleet"), &[right]).await.unwrap_err();
    clones(
        &world,
        &server.url("fleet"),
        &[ssh("foe", &foe, &server.known_hosts())],
    )
    .await
    .unwrap();
}

#[test]
fn an_encrypted_key_needs_its_passphrase() {
    let key = SshKey::generate("secret").unwrap();
    let world = World::new();
    let path = world.file("key", &key.private);
    let opens = |passphrase: &str| {
        let output = Command::new("ssh-keygen")
            .args(["-y", "-P", passphrase, "-f"])
            .arg(&path)
            .output()
            .unwrap();
        output.status.success()
    };
    assert!(opens("secret") && !opens("") && !opens("wrong"));
}
