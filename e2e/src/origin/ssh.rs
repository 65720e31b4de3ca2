//! A Git server over SSH: the real `sshd`, with throw-away keys, that does nothing but serve Git.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::process::{Process, free_port};

/// A Git server on a free loopback port. It ends when it is dropped.
#[derive(Debug)]
pub struct SshServer {
    port: u16,
    user: String,
    root: PathBuf,
    host_key: SshKey,
    authorized_keys: PathBuf,
    process: Process,
    _folder: tempfile::TempDir,
}

/// A key pair for a host or a user.
#[derive(Clone, Debug)]
pub struct SshKey {
    /// The private key, in OpenSSH's format.
    pub private: String,
    /// The public key, as a line of `authorized_keys` without its comment: type and base64.
    pub public: String,
}

impl SshKey {
    /// A new ed25519 key, encrypted if there is a passphrase.
    pub fn generate(passphrase: &str) -> Result<Self> {
        Self::generate_of("ed25519", passphrase)
    }

    /// A new key of a type that `ssh-keygen -t` knows, such as `ecdsa` or `rsa`.
    pub fn generate_of(type_: &str, passphrase: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("key");
        let mut command = Command::new("ssh-keygen");
        command
            .args(["-q", "-t", type_, "-C", "", "-N", passphrase, "-f"])
            .arg(&path);
        done(command, "ssh-keygen is missing: install openssh-client")?;
        let public = std::fs::read_to_string(path.with_extension("pub"))?;
        Ok(Self {
            private: std::fs::read_to_string(&path)?,
            public: public.trim().to_owned(),
        })
    }
}

impl SshServer {
    /// Serves the repositories under `root` to whoever has one of the keys, as the user that runs this.
    ///
    /// # Errors
    /// When `sshd` is missing and cannot be installed (said in so many words), or does not start.
    pub fn start(root: &Path, authorized: &[&SshKey]) -> Result<Self> {
        let sshd = find_or_install()?;
        let folder = tempfile::tempdir()?;
        let host_key = SshKey::generate("")?;
        write_private(&folder.path().join("host_key"), &host_key.private)?;
        let authorized_keys = folder.path().join("authorized_keys");
        let user = user()?;
        if user == "root" {
            // Where sshd locks itself up before it knows its client. The package makes it at boot.
            std::fs::create_dir_all("/run/sshd").context("make /run/sshd for sshd")?;
        }
        let port = free_port()?;
        let config = folder.path().join("sshd_config");
        std::fs::write(&config, settings(port, folder.path()))?;
        let log = folder.path().join("log");
        let args = ["-D".as_ref(), "-e".as_ref(), "-f".as_ref(), config.as_os_str()];
        let process = Process::start("sshd", &sshd, args, &[], &log)?;
        let server = Self {
            port,
            user,
            root: root.canonicalize()?,
            host_key,
            authorized_keys,
            process,
            _folder: folder,
        };
        server.authorize(authorized)?;
        let connect = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        server.process.wait_until(Duration::from_secs(180), connect)?;
        Ok(server)
    }

    /// Address of the repository that was created with this name.
    pub fn url(&self, name: &str) -> String {
        format!(
            "ssh://{}@127.0.0.1:{}{}/{name}.git",
            self.user,
            self.port,
            self.root.display()
        )
    }

    /// The line of `known_hosts` by which a client knows this server.
    pub fn known_hosts(&self) -> String {
        self.known_hosts_with(&self.host_key)
    }

    /// A line of `known_hosts` for this address with another key, as if somebody else answered there.
    pub fn known_hosts_with(&self, key: &SshKey) -> String {
        format!("[127.0.0.1]:{} {}\n", self.port, key.public)
    }

    /// Lets in whoever has one of these keys, and nobody else, from the next connection on.
    pub fn authorize(&self, keys: &[&SshKey]) -> Result<()> {
        let lines: String = keys
            .iter()
            .map(|key| format!("restrict {}\n", key.public))
            .collect();
        Ok(std::fs::write(&self.authorized_keys, lines)?)
    }
}

/// Only keys, only Git, and nothing that depends on the machine's own settings.
fn settings(port: u16, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "ListenAddress 127.0.0.1:{port}\n\
         HostKey {folder}/host_key\n\
         AuthorizedKeysFile {folder}/authorized_keys\n\
         PidFile none\n\
         UsePAM no\n\
         StrictModes no\n\
         PermitRootLogin yes\n\
         AuthenticationMethods publickey\n\
         AcceptEnv GIT_PROTOCOL\n\
         MaxStartups 100\n\
         ForceCommand git shell -c \"$SSH_ORIGINAL_COMMAND\"\n"
    )
}

/// The path of `sshd`, installed first where that is possible and starts no service.
fn find_or_install() -> Result<PathBuf> {
    if let Some(path) = find() {
        return Ok(path);
    }
    // Installing the package starts a server for everybody, unless such a policy forbids it, as in containers.
    let quiet = Command::new("/usr/sbin/policy-rc.d")
        .args(["ssh", "start"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .is_ok_and(|status| status.code() == Some(101));
    if user()? == "root" && quiet {
        eprintln!("setting up: installing openssh-server with apt-get …");
        let mut update = Command::new("apt-get");
        update.args(["-o", "DPkg::Lock::Timeout=120", "-q", "update"]);
        let mut install = Command::new("apt-get");
        install.args([
            "-o",
            "DPkg::Lock::Timeout=120",
            "-q",
            "-y",
            "--no-install-recommends",
            "install",
        ]);
        install
            .arg("openssh-server")
            .env("DEBIAN_FRONTEND", "noninteractive");
        const HINT: &str = "apt-get is missing: install sshd (openssh-server) as your distribution does";
        // Package lists may be there already, and the index out of reach.
        if let Err(error) = done(update, HINT) {
            eprintln!("setting up: {error:#}");
        }
        done(install, HINT)?;
    }
    find().context(
        "`sshd` is missing: install it (package openssh-server on Debian, Ubuntu and Fedora), \
         then run the same command again",
    )
}

fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(usual)
        .map(|folder| folder.join("sshd"))
        .find(|sshd| sshd.is_file())
}

/// The name of the user that runs this.
fn user() -> Result<String> {
    let output = Command::new("id").arg("-un").output().context("run id")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    Ok(std::io::Write::write_all(&mut file, text.as_bytes())?)
}

/// Runs a command to its end; its output is told only if it fails.
fn done(mut command: Command, hint: &str) -> Result<()> {
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| hint.to_owned())?;
    if !output.status.success() {
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        bail!("{command:?} failed:\n{out}{err}");
    }
    Ok(())
}
