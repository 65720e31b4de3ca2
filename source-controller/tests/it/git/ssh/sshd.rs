//! A real sshd on loopback, with throw-away keys.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use source_controller::git::{Auth, AuthError, Credentials, Provider, parse_url};

const SSHD: &str = "/usr/sbin/sshd";

/// A server with a host key, a certificate for it, and one user key that may log in.
pub struct Sshd {
    child: Child,
    dir: PathBuf,
    pub port: u16,
    user: String,
}

impl Sshd {
    pub fn start(dir: &Path) -> Sshd {
        assert!(
            Path::new(SSHD).exists(),
            "there is no {SSHD}: install openssh-server"
        );
        // Where sshd locks itself up before it knows its client; the package makes it at boot. Only root needs it, and can.
        let _ = std::fs::create_dir_all("/run/sshd");
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
            let runs = child.try_wait().unwrap().is_none() && started.elapsed() < Duration::from_secs(60);
            let log = || std::fs::read_to_string(dir.join("log")).unwrap();
            assert!(runs, "sshd does not start: {}", log());
            std::thread::yield_now();
        }
        let user = String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout)
            .unwrap()
            .trim()
            .to_owned();
        Sshd {
            child,
            dir: dir.to_owned(),
            port,
            user,
        }
    }

    fn key(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.dir.join(name)).unwrap()
    }

    /// A line of `known_hosts` for our host.
    pub fn line(&self, marker: &str, key: &str) -> String {
        format!(
            "{marker}[127.0.0.1]:{} {}",
            self.port,
            String::from_utf8(self.key(key)).unwrap()
        )
    }

    pub fn auth(&self, identity: &str, known_hosts: &str, password: &str) -> Result<Auth, AuthError> {
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

    /// Lets a key in that starts a program of the test's own, whatever it asks for.
    pub fn starts(&self, key: &str, program: &str) {
        let path = self.dir.join("allowed");
        let allowed = std::fs::read_to_string(&path).unwrap();
        let others = allowed.lines().filter(|line| !line.starts_with("command="));
        let key = String::from_utf8(self.key(&format!("{key}.pub"))).unwrap();
        let line = format!("command=\"{program}\" {key}");
        let lines: Vec<&str> = others.chain([line.as_str()]).collect();
        std::fs::write(&path, lines.join("\n")).unwrap();
    }

    pub fn url(&self, path: &str) -> String {
        format!("ssh://{}@127.0.0.1:{}{path}", self.user, self.port)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
