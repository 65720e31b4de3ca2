//! Git repositories whose commits have the same ids on every machine, made with the real `git`.

mod signed;

pub use signed::GitSigner;

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result, bail, ensure};

/// The date of a repository's first commit, in seconds since 1970; each later one is a minute younger.
const EPOCH: u64 = 1_767_225_600;
/// Who commits.
const AUTHOR: &str = "Dev <dev@example.com>";
/// The branch that a new repository has.
const MAIN: &str = "main";

/// A bare repository. Dates and authors are fixed: the same calls make the same ids.
#[derive(Debug)]
pub struct Repo {
    path: PathBuf,
    commits: AtomicU64,
}

/// A change to one path of a tree; paths are relative and use slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// The file has these bytes.
    Write(String, Vec<u8>),
    /// The file has these bytes and may be executed.
    Script(String, Vec<u8>),
    /// The path is a symbolic link to this one.
    Link(String, String),
    /// The path is a submodule at this commit.
    Submodule(String, String),
    /// The file, or the whole directory, is gone.
    Remove(String),
}

impl Repo {
    /// Creates the empty repository `<root>/<name>.git`; a name may have slashes.
    ///
    /// # Errors
    /// When it exists already, or `git` cannot make it.
    pub fn create(root: &Path, name: &str) -> Result<Self> {
        let path = root.join(format!("{name}.git"));
        ensure!(!path.exists(), "{} exists already", path.display());
        std::fs::create_dir_all(&path)?;
        let repo = Self {
            path,
            commits: AtomicU64::new(0),
        };
        repo.git(&["init", "--quiet", "--bare", "--initial-branch", MAIN, "."])?;
        // Commits are fetched by id, not only by name, as the large hosts allow.
        repo.git(&["config", "uploadpack.allowAnySHA1InWant", "true"])?;
        repo.git(&["config", "uploadpack.allowFilter", "true"])?;
        Ok(repo)
    }

    /// Where the repository is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Commits files to `main`, on top of what is there; returns the commit's id.
    pub fn commit(&self, files: &[(&str, &str)]) -> Result<String> {
        let changes: Vec<Change> = files
            .iter()
            .map(|(path, text)| Change::Write((*path).to_owned(), text.as_bytes().to_vec()))
            .collect();
        self.commit_on(MAIN, "change", &changes)
    }

    /// Commits the removal of files or directories from `main`; returns the commit's id.
    pub fn remove(&self, paths: &[&str]) -> Result<String> {
        let changes: Vec<Change> = paths
            .iter()
            .map(|path| Change::Remove((*path).to_owned()))
            .collect();
        self.commit_on(MAIN, "remove", &changes)
    }

    /// Commits changes to a branch, which is created without history if it does not exist; returns the commit's id.
    ///
    /// # Errors
    /// When `git` refuses. Versions of it differ in what they refuse: a hostile path such as `../out` may pass.
    pub fn commit_on(&self, branch: &str, message: &str, changes: &[Change]) -> Result<String> {
        self.commit_all(branch, message, [changes])
    }

    /// Commits one set of changes after the other as [`Repo::commit_on`] does; returns the last commit's id.
    ///
    /// # Errors
    /// When there is none, or `git` refuses.
    pub fn commit_all(
        &self,
        branch: &str,
        message: &str,
        commits: impl IntoIterator<Item = impl AsRef<[Change]>>,
    ) -> Result<String> {
        let reference = format!("refs/heads/{branch}");
        let mut parent = self.find(&reference)?;
        let mut stream = Vec::new();
        for (mark, changes) in (1..).zip(commits) {
            let date = EPOCH + 60 * self.commits.fetch_add(1, Ordering::Relaxed);
            write!(
                stream,
                "commit {reference}\nmark :{mark}\ncommitter {AUTHOR} {date} +0000\n"
            )?;
            data(&mut stream, message.as_bytes())?;
            if let Some(parent) = parent {
                writeln!(stream, "from {parent}")?;
            }
            for change in changes.as_ref() {
                change.write(&mut stream)?;
            }
            parent = Some(format!(":{mark}"));
        }
        writeln!(stream, "get-mark {}", parent.context("nothing to commit")?)?;
        run(
            self.command(&["fast-import", "--quiet", "--done"]),
            Some(&finished(stream)),
        )
    }

    /// Creates a branch at a commit, or moves it there, also backwards.
    pub fn branch(&self, name: &str, commit: &str) -> Result<()> {
        self.set(&format!("refs/heads/{name}"), commit)
    }

    /// Sets any reference, such as `refs/pull/1/head`, to a commit.
    pub fn set(&self, reference: &str, commit: &str) -> Result<()> {
        self.git(&["update-ref", reference, commit]).map(drop)
    }

    /// Deletes a reference by its full name.
    pub fn delete(&self, reference: &str) -> Result<()> {
        self.git(&["update-ref", "-d", reference]).map(drop)
    }

    /// Creates a lightweight tag at a commit, or moves it there.
    pub fn tag(&self, name: &str, commit: &str) -> Result<()> {
        self.set(&format!("refs/tags/{name}"), commit)
    }

    /// Creates an annotated tag at a commit, or moves it there; returns the id of the tag's own object.
    pub fn annotated_tag(&self, name: &str, commit: &str, message: &str) -> Result<String> {
        let text =
            format!("object {commit}\ntype commit\ntag {name}\ntagger {AUTHOR} {EPOCH} +0000\n\n{message}\n");
        let id = run(
            self.command(&["hash-object", "-t", "tag", "-w", "--stdin"]),
            Some(text.as_bytes()),
        )?;
        self.tag(name, &id)?;
        Ok(id)
    }

    /// The commit that a revision such as `main` or `v1^{}` names.
    ///
    /// # Errors
    /// When there is none.
    pub fn head(&self, revision: &str) -> Result<String> {
        self.git(&["rev-parse", "--verify", "--quiet", revision])
            .with_context(|| format!("{} has no {revision}", self.path.display()))
    }

    /// Runs `git` in the repository and returns what it prints, without the last line's end.
    pub fn git(&self, args: &[&str]) -> Result<String> {
        run(self.command(args), None)
    }

    fn find(&self, reference: &str) -> Result<Option<String>> {
        let id = self.git(&["for-each-ref", "--format=%(objectname)", reference])?;
        Ok(Some(id).filter(|id| !id.is_empty()))
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = git(args);
        command.current_dir(&self.path);
        command
    }
}

impl Change {
    /// Appends the change in the language of `git fast-import`.
    fn write(&self, stream: &mut Vec<u8>) -> Result<()> {
        let (mode, path, bytes) = match self {
            Self::Write(path, bytes) => ("100644", path, bytes.as_slice()),
            Self::Script(path, bytes) => ("100755", path, bytes.as_slice()),
            Self::Link(path, target) => ("120000", path, target.as_bytes()),
            Self::Submodule(path, commit) => {
                writeln!(stream, "M 160000 {commit} {}", line(path)?)?;
                return Ok(());
            }
            Self::Remove(path) => {
                writeln!(stream, "D {}", line(path)?)?;
                return Ok(());
            }
        };
        writeln!(stream, "M {mode} inline {}", line(path)?)?;
        data(stream, bytes)
    }
}

/// A `git` that does as it is told here, whatever the user's own settings are: no config, no prompt, no proxy.
pub fn git<S: AsRef<OsStr>>(args: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("git");
    command
        .args(args)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C");
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        command.env_remove(name).env_remove(name.to_uppercase());
    }
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_SSL_CAINFO",
        "GIT_SSH",
        "GIT_SSH_COMMAND",
    ] {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end and returns what it prints.
fn run(mut command: Command, input: Option<&[u8]>) -> Result<String> {
    let told = format!("{command:?}");
    let stdin = if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("start git: is it installed?")?;
    if let (Some(mut stdin), Some(input)) = (child.stdin.take(), input) {
        // These commands read all before they print much, so no pipe can fill up against us. One that gives up
        // early closes its end; its own message says more than ours would.
        let _ = stdin.write_all(input);
    }
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!(
            "{told} failed: {}",
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(String::from_utf8(output.stdout)?
        .trim_end_matches('\n')
        .to_owned())
}

fn data(stream: &mut Vec<u8>, bytes: &[u8]) -> Result<()> {
    writeln!(stream, "data {}", bytes.len())?;
    stream.extend_from_slice(bytes);
    stream.push(b'\n');
    Ok(())
}

fn finished(mut stream: Vec<u8>) -> Vec<u8> {
    stream.extend_from_slice(b"done\n");
    stream
}

/// A path that keeps to its line.
fn line(path: &str) -> Result<&str> {
    ensure!(
        !path.contains('\n') && !path.starts_with('"'),
        "no path for a commit: {path:?}"
    );
    Ok(path)
}
