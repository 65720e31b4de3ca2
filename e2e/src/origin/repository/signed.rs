//! Commits and tags that are signed as developers sign theirs: by the real gpg or ssh-keygen, through the real `git`.

use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::{Repo, run};
use crate::origin::SshKey;

/// Somebody who signs with a key of their own.
#[derive(Debug)]
pub struct GitSigner {
    folder: tempfile::TempDir,
    kind: Kind,
    /// What `git` has to be told in order to sign with the key.
    settings: Vec<String>,
    public: String,
    key: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    OpenPgp,
    Ssh,
}

impl GitSigner {
    /// Somebody with a new OpenPGP key.
    ///
    /// # Errors
    /// When gpg is missing, or makes no key.
    pub fn openpgp() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700))?;
        // What `git` starts, with the keys that are in this folder alone.
        let program = folder.path().join("gpg.sh");
        let text = format!(
            "#!/bin/sh\nexec gpg --homedir '{}' --batch --no-tty --quiet --pinentry-mode loopback --passphrase '' \"$@\"\n",
            folder.path().display()
        );
        write(&program, &text, 0o700)?;
        let gpg = |args: &[&str]| {
            let mut command = Command::new(&program);
            command.args(args);
            run(command, None).context("make a key with gpg: is gnupg installed?")
        };
        gpg(&[
            "--quick-gen-key",
            "Dev <dev@example.com>",
            "ed25519",
            "sign",
            "never",
        ])?;
        let list = gpg(&["--with-colons", "--list-keys"])?;
        let fingerprint = list.lines().find_map(|line| line.strip_prefix("fpr:::::::::"));
        let fingerprint = fingerprint
            .context("a fingerprint")?
            .trim_end_matches(':')
            .to_owned();
        Ok(Self {
            settings: vec![
                format!("gpg.program={}", program.display()),
                format!("user.signingkey={fingerprint}"),
            ],
            public: gpg(&["--armor", "--export", &fingerprint])?,
            // The last sixteen digits of a fingerprint are the key's id.
            key: fingerprint.get(24..).context("forty digits")?.to_owned(),
            kind: Kind::OpenPgp,
            folder,
        })
    }

    /// Somebody with a new SSH key.
    ///
    /// # Errors
    /// When ssh-keygen is missing, or makes no key.
    pub fn ssh() -> Result<Self> {
        let (folder, pair) = (tempfile::tempdir()?, SshKey::generate("")?);
        let path = folder.path().join("key");
        write(&path, &pair.private, 0o600)?;
        let mut command = Command::new("ssh-keygen");
        command.arg("-l").arg("-f").arg(&path);
        let told = run(command, None)?;
        Ok(Self {
            settings: vec![
                "gpg.format=ssh".to_owned(),
                format!("user.signingkey={}", path.display()),
            ],
            public: pair.public,
            key: told.split(' ').nth(1).context("a fingerprint")?.to_owned(),
            kind: Kind::Ssh,
            folder,
        })
    }

    /// How the key is called: the id of an OpenPGP key, the fingerprint of an SSH key.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The public key as a Secret has it: the name of the entry, and its text.
    pub fn entry(&self) -> (&'static str, &str) {
        let name = match self.kind {
            Kind::OpenPgp => "dev.asc",
            Kind::Ssh => "dev.sshpub",
        };
        (name, &self.public)
    }

    /// The beginning of a command of `git` that signs.
    fn command<'a>(&'a self, rest: &[&'a str]) -> Vec<&'a str> {
        let own = ["user.name=Dev", "user.email=dev@example.com"];
        let settings = own.into_iter().chain(self.settings.iter().map(String::as_str));
        let settings = settings.flat_map(|setting| ["-c", setting]);
        settings.chain(rest.iter().copied()).collect()
    }
}

impl Drop for GitSigner {
    fn drop(&mut self) {
        if self.kind == Kind::OpenPgp {
            // The agent, which gpg left behind.
            let _ = Command::new("gpgconf")
                .arg("--homedir")
                .arg(self.folder.path())
                .args(["--kill", "all"])
                .output();
        }
    }
}

impl Repo {
    /// Signs the last commit of a branch: a new one with the same files takes its place. Gives its id.
    ///
    /// # Errors
    /// When there is no such branch, or nothing to sign with.
    pub fn sign(&self, branch: &str, signer: &GitSigner) -> Result<String> {
        let tree = format!("{branch}^{{tree}}");
        let plain = ["commit-tree", "-S", "-m", "signed", &tree];
        let parents = self.git(&["log", "-1", "--format=%P", branch])?;
        let parents = parents.split_whitespace().flat_map(|parent| ["-p", parent]);
        let rest: Vec<&str> = plain.into_iter().chain(parents).collect();
        let commit = self.git(&signer.command(&rest))?;
        self.branch(branch, &commit)?;
        Ok(commit)
    }

    /// Creates a signed annotated tag at a commit; gives the id of the tag's own object.
    ///
    /// # Errors
    /// When there is such a tag, or nothing to sign with.
    pub fn signed_tag(&self, name: &str, commit: &str, signer: &GitSigner) -> Result<String> {
        self.git(&signer.command(&["tag", "-s", "-m", "signed", name, commit]))?;
        self.git(&["rev-parse", &format!("refs/tags/{name}")])
    }
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    Ok(std::io::Write::write_all(&mut file, text.as_bytes())?)
}
