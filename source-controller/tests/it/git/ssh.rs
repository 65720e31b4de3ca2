//! Fetching over ssh from a real sshd: who the host is, who we are, and nothing without both.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use source_controller::git::{Auth, AuthError, Credentials, Provider, Reference, Request, parse_url};

use super::origin::{Origin, chain};

const SSHD: &str = "/usr/sbin/sshd";

/// A server with a host key, a certificate for it, and one user key that may log in.
struct Sshd {
    child: Child,
    dir: PathBuf,
    port: u16,
    user: String,
}

impl Sshd {
    /// Nothing, said loudly, where no sshd is installed or it will not start.
    fn start(dir: &Path) -> Option<Sshd> {
        if !Path::new(SSHD).exists() {
            eprintln!("SKIPPED: no {SSHD}; install openssh-server to test ssh");
            return None;
        }
        let keygen = |arguments: &[&str]| {
            let output = Command::new("ssh-keygen")
                .args(arguments)
                .current_dir(dir)
                .output()
                .unwrap();
            assert!(
                output.status.success(),
                "ssh-keygen {arguments:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
        };
        for (name, kind) in [
            ("host", "ed25519"),
            ("authority", "ed25519"),
            ("other", "ed25519"),
            ("user", "ed25519"),
            ("rsa", "rsa"),
            ("ecdsa", "ecdsa"),
        ] {
            keygen(&["-q", "-t", kind, "-N", "", "-C", "", "-f", name]);
        }
        keygen(&[
            "-q",
            "-t",
            "ed25519",
            "-N",
            "open sesame",
            "-C",
            "",
            "-f",
            "locked",
        ]);
        keygen(&[
            "-q",
            "-s",
            "authority",
            "-I",
            "host",
            "-h",
            "-n",
            "127.0.0.1",
            "host.pub",
        ]);
        let allowed = ["user.pub", "rsa.pub", "ecdsa.pub", "locked.pub"]
            .map(|name| std::fs::read_to_string(dir.join(name)).unwrap());
        std::fs::write(dir.join("allowed"), allowed.concat()).unwrap();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let path = |name: &str| dir.join(name).display().to_string();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {}\nHostCertificate {}\nAuthorizedKeysFile {}\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\nAcceptEnv GIT_PROTOCOL\nPidFile none\n",
            path("host"),
            path("host-cert.pub"),
            path("allowed")
        );
        std::fs::write(dir.join("config"), config).unwrap();
        let log = std::fs::File::create(dir.join("log")).unwrap();
        let mut child = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(dir.join("config"))
            .stderr(log)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if child.try_wait().unwrap().is_some() || started.elapsed() > Duration::from_secs(10) {
                eprintln!(
                    "SKIPPED: sshd does not start: {}",
                    std::fs::read_to_string(dir.join("log")).unwrap()
                );
                let _ = child.kill();
                return None;
            }
            std::thread::yield_now();
        }
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout)
            .unwrap()
            .trim()
            .to_owned();
        Some(Sshd {
            child,
            dir: dir.to_owned(),
            port,
            user,
        })
    }

    fn key(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.join(name)).unwrap()
    }

    /// A line of `known_hosts` for our host.
    fn line(&self, marker: &str, key: &str) -> String {
        format!(
            "{marker}[127.0.0.1]:{} {}",
            self.port,
            String::from_utf8(self.key(key)).unwrap()
        )
    }

    fn auth(&self, identity: &str, known_hosts: &str, password: &str) -> Result<Auth, AuthError> {
        let mut data = std::collections::BTreeMap::new();
        data.insert("identity".to_owned(), self.key(identity));
        data.insert("known_hosts".to_owned(), known_hosts.as_bytes().to_vec());
        data.insert("password".to_owned(), password.as_bytes().to_vec());
        let secret = Credentials {
            name: "ns/secret",
            data: &data,
        };
        Auth::from_secret(
            &parse_url(&self.url("/x")).unwrap(),
            Provider::Generic,
            Some(secret),
        )
    }

    fn url(&self, path: &str) -> String {
        format!("ssh://{}@127.0.0.1:{}{path}", self.user, self.port)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn fetches() {
    let origin = Origin::new();
    let Some(sshd) = Sshd::start(origin.dir.path()) else {
        return;
    };
    let work = origin.repository("it's here");
    let commit = work.commit(&[("a", "1")]);
    let path = work.bare.display().to_string();
    let fetch = |path: &str, auth: Auth| {
        let request = Request {
            url: parse_url(&sshd.url(path)).unwrap(),
            auth,
            ..origin.request("x", Reference::Branch("main".to_owned()))
        };
        origin
            .mirrors
            .fetch(&request)
            .map(|checkout| checkout.commit().to_owned())
            .map_err(|error| chain(&error))
    };
    let known = sshd.line("", "host.pub");
    let certified = sshd.line("@cert-authority ", "authority.pub");
    for identity in ["user", "rsa", "ecdsa"] {
        assert_eq!(
            fetch(&path, sshd.auth(identity, &known, "").unwrap()),
            Ok(commit.clone()),
            "{identity}"
        );
    }
    assert_eq!(
        fetch(&path, sshd.auth("locked", &known, "open sesame").unwrap()),
        Ok(commit.clone())
    );
    assert_eq!(
        fetch(&path, sshd.auth("user", &certified, "").unwrap()),
        Ok(commit.clone())
    );
    let wild = certified.replace("[127.0.0.1]", "[*.0.0.1]");
    assert_eq!(
        fetch(&path, sshd.auth("user", &wild, "").unwrap()),
        Ok(commit.clone())
    );

    let refused = |auth: Auth, expected: &str| {
        let error = fetch(&path, auth).unwrap_err();
        assert_eq!(error.rsplit_once("': ").unwrap().1, expected, "{error}");
    };
    let handshake = |problem: &str| format!("ssh: handshake failed: knownhosts: {problem}");
    let auth = |known: &str| sshd.auth("user", known, "").unwrap();
    refused(auth("example.com ssh-ed25519 AAAA"), &handshake("key is unknown"));
    refused(auth(&sshd.line("", "other.pub")), &handshake("key mismatch"));
    refused(
        auth(&format!("{known}{}", sshd.line("@revoked ", "host.pub"))),
        &handshake("key is revoked"),
    );
    refused(
        auth(&sshd.line("@cert-authority ", "other.pub")),
        &handshake("key is unknown"),
    );
    refused(
        auth(&known.replace(&sshd.port.to_string(), "1")),
        &handshake("key is unknown"),
    );
    refused(
        sshd.auth("other", &known, "").unwrap(),
        "ssh: handshake failed: ssh: unable to authenticate, no supported methods remain",
    );
    let error = fetch("/nope.git", auth(&known)).unwrap_err();
    assert!(
        error.contains("does not appear to be a git repository"),
        "{error}"
    );

    assert_eq!(
        sshd.auth("locked", &known, "").err(),
        Some(AuthError::NoPassphrase("ns/secret".into()))
    );
    assert_eq!(
        sshd.auth("locked", &known, "wrong").err(),
        Some(AuthError::Identity("ns/secret".into()))
    );
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
