//! Servers behind ssh that hang, never end, drip, or are cut off.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use source_controller::git::{Auth, Credentials, Provider, Reference, Request, parse_url};

use super::super::hostile::packs::{BLOB, MIB, banded, begin, blob, head, line};
use super::super::hostile::{capabilities, packet};
use super::super::origin::{Origin, chain};
use super::sshd::Sshd;

/// What a server says of itself. Over ssh it says so without the words that HTTP needs.
fn greeting() -> Vec<u8> {
    let http = [packet(b"# service=git-upload-pack\n"), b"0000".to_vec()].concat();
    capabilities().split_off(http.len())
}

/// Whatever is sent, and however it ends, there is an error that says what was wrong, in time and within the bound on bytes.
#[test]
fn hostile_servers_are_bounded() {
    let origin = Origin::new();
    let sshd = Sshd::start(origin.dir.path());
    let work = origin.repository("r");
    // Half of it is not all of it, however it is packed.
    let content: String = (0..20_000_u32)
        .map(|n| format!("{:x}\n", n.wrapping_mul(2_654_435_761)))
        .collect();
    let commit = work.commit(&[("a", &content)]);
    let auth = |identity: &str| sshd.auth(identity, &sshd.line("", "host.pub"), "").unwrap();
    let url = parse_url(&sshd.url(&work.bare.display().to_string())).unwrap();
    let request = |identity: &str, seconds: u64| Request {
        url: url.clone(),
        auth: auth(identity),
        timeout: Duration::from_secs(seconds),
        ..origin.request("x", Reference::Branch("main".to_owned()))
    };
    let mirrors = origin.bounded(2 << 20);
    let file = |name: &str, bytes: &[u8]| {
        let path = origin.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let script = |text: &str| {
        let path = file("script", text.as_bytes());
        sshd.starts("other", &format!("sh {path}"));
    };
    let fails = |seconds: u64| {
        let started = Instant::now();
        let error = chain(
            &mirrors
                .fetch(&request("other", seconds))
                .map(|_| ())
                .err()
                .unwrap(),
        );
        assert!(started.elapsed() < Duration::from_secs(seconds + 10), "{error}");
        error.rsplit_once("': ").unwrap().1.to_owned()
    };
    let too_large = "the remote sent more than 2097152 bytes";
    let greeted = file("greeting", &greeting());
    let branch = packet(format!("{} refs/heads/main\n", "1".repeat(40)).as_bytes());
    let listed = [greeting(), branch.clone(), b"0000".to_vec()].concat();
    let listed = file("listed", &listed);
    let reference = format!("{} refs/heads/{}\n", "1".repeat(40), "x".repeat(200));
    let listing = file("listing", &packet(reference.as_bytes()).repeat(300));

    // A list without end, complaints without end, and a pack without end.
    script(&format!("cat {greeted}; while cat {listing}; do :; done"));
    assert_eq!(fails(60), too_large);
    script(&format!("while cat {listing} >&2; do :; done"));
    assert_eq!(fails(60), too_large);
    let begun = [packet(b"packfile\n"), banded(1, &begin(1_000_000))].concat();
    let begun = file("begun", &begun);
    let more = file("more", &banded(1, &blob()));
    script(&format!("cat {listed} {begun}; while cat {more}; do :; done"));
    assert_eq!(fails(60), too_large);

    // Objects that stand for more than there is memory.
    let bomb = line(50, 512);
    assert!(bomb.len() < MIB);
    let pieces: Vec<u8> = bomb.chunks(60_000).flat_map(|piece| banded(1, piece)).collect();
    let bomb = file("bomb", &[packet(b"packfile\n"), pieces].concat());
    script(&format!("cat {listed} {bomb}"));
    assert_eq!(
        fails(60),
        "the remote sent objects that need more than 2147483648 bytes of memory to be put together (half of what the container may have, 2 GiB at the most)"
    );

    // One that comes after something that looks like a pack, in the greeting.
    let mut greeted_so = greeting();
    greeted_so.truncate(greeted_so.len() - 4);
    let large = banded(1, &[begin(1), head(BLOB, 1 << 30)].concat());
    let all = [
        greeted_so,
        banded(1, &begin(0)),
        b"0000".to_vec(),
        branch,
        b"0000".to_vec(),
        packet(b"packfile\n"),
        large,
    ];
    let hiding = file("hiding", &all.concat());
    script(&format!("cat {hiding}"));
    assert_eq!(
        fails(60),
        "the remote sent an object of 1073741824 bytes, where 536870912 are allowed"
    );

    // Nothing after the login, a byte now and then, and nothing after half of it.
    let late = "context deadline exceeded after 2s";
    script("cat > /dev/null");
    assert_eq!(fails(2), late);
    let drip = "printf 0fff; while sleep 0.1; do printf x; done";
    script(drip);
    assert_eq!(fails(2), late);
    script(&format!("cat {listed} {begun}; {drip}"));
    assert_eq!(fails(2), late);

    // It goes away: at once, in the middle of its greeting, and in the middle of a real pack.
    let cut = |text: &str| {
        script(text);
        let error = fails(20);
        assert!(
            error.starts_with("invalid answer from the remote: ")
                || error.starts_with("git-upload-pack failed"),
            "{text}: {error}"
        );
    };
    cut("exit 0");
    cut("kill -9 $$");
    cut(&format!("head -c 30 {greeted}"));
    cut(&format!("cat {listed} {begun}"));
    cut("sh -c \"$SSH_ORIGINAL_COMMAND\" | dd bs=1 count=20000 status=none");

    // None of that has harmed the mirror, which is the user's whoever lets him in.
    script("exec sh -c \"$SSH_ORIGINAL_COMMAND\"");
    let checkout = mirrors
        .fetch(&request("other", 20))
        .map_err(|error| chain(&error));
    assert_eq!(checkout.unwrap().commit(), commit);
    let mut left = super::super::hostile::files(&origin.dir.path().join("small"));
    left.retain(|path| is_half_made(path));
    assert_eq!(left, [] as [std::path::PathBuf; 0]);
}

fn is_half_made(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(".tmp") || name.starts_with("tmp") || name.ends_with(".lock")
}

#[test]
fn a_silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let origin = Origin::new();
    let key = origin.dir.path().join("key");
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-f"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    let data = [
        ("identity", std::fs::read(&key).unwrap()),
        ("known_hosts", b"h x y".to_vec()),
    ];
    let data = data
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let url = parse_url(&format!("ssh://127.0.0.1:{port}/x.git")).unwrap();
    let secret = Credentials {
        name: "ns/secret",
        data: &data,
    };
    let auth = Auth::from_secret(&url, Provider::Generic, Some(secret)).unwrap();
    let request = Request {
        url,
        auth,
        timeout: Duration::from_millis(300),
        ..origin.request("x", Reference::Branch("main".to_owned()))
    };
    let started = Instant::now();
    let error = chain(&origin.mirrors.fetch(&request).err().unwrap());
    assert!(
        error.contains("context deadline exceeded") && started.elapsed() < Duration::from_secs(5),
        "{error}"
    );
}
