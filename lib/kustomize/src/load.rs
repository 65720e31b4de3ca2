//! Reading files and entering bases, within the rules of where a build may look.

use crate::error::Missing;
use crate::{Error, Inputs, Load};
use artifact::Tree;
use std::cell::{Cell, RefCell};

/// Deepest nesting of bases; the recursion over them is bounded by it.
const MAX_NESTING: usize = 100;

/// Most directories that a build enters; one that is used twice counts twice.
const MAX_ENTERED: usize = 20_000;

/// The three names a kustomization file may have.
pub(crate) const KUSTOMIZATION_FILES: [&str; 3] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A directory being built, and those that led to it.
#[derive(Clone)]
pub(crate) struct Loader<'a> {
    tree: &'a Tree,
    inputs: &'a RefCell<Inputs>,
    load: Load,
    /// What stands before paths in messages.
    display_root: &'a str,
    /// How many directories were entered, over the whole build.
    entered: &'a Cell<usize>,
    /// Directories from the first to the current one.
    roots: Vec<String>,
}

impl<'a> Loader<'a> {
    /// Starts at a directory of the tree.
    pub(crate) fn new(
        tree: &'a Tree,
        path: &str,
        load: Load,
        display_root: &'a str,
        inputs: &'a RefCell<Inputs>,
        entered: &'a Cell<usize>,
    ) -> Result<Loader<'a>, Error> {
        let loader = Loader {
            tree,
            inputs,
            load,
            display_root,
            entered,
            roots: Vec::new(),
        };
        let root = artifact::clean_path(path).map_err(|_| Error::LeavesTree {
            path: path.to_string(),
            root: loader.show(""),
        })?;
        let root = loader.directory(root)?;
        Ok(Loader {
            roots: vec![root],
            ..loader
        })
    }

    /// The directory as messages show it.
    pub(crate) fn shown_root(&self) -> String {
        self.show(self.root())
    }

    /// A file of the current directory as messages show it.
    pub(crate) fn show_in_root(&self, name: &str) -> String {
        format!("{}/{name}", self.shown_root().trim_end_matches('/'))
    }

    /// The content of a file named relative to the current directory.
    ///
    /// # Errors
    /// A URL, a path outside, no file.
    pub(crate) fn read(&self, path: &str) -> Result<&'a [u8], Error> {
        if path.starts_with("http://") || path.starts_with("https://") {
            return Err(Error::Remote {
                url: path.to_string(),
            });
        }
        let full = self.join(path)?;
        if self.load == Load::RootOnly && self.tree.is_dir(&full) {
            return Err(Error::NotAFile {
                path: self.show(&full),
            });
        }
        let below =
            self.root().is_empty() || full.strip_prefix(self.root()).is_some_and(|r| r.starts_with('/'));
        if self.load == Load::RootOnly && !below && full != self.root() {
            return Err(Error::Outside {
                path: self.show(&full),
                root: self.shown_root(),
            });
        }
        let mut inputs = self.inputs.borrow_mut();
        let Some(file) = self.tree.file(&full) else {
            inputs.absent(full.as_str());
            let path = self.show(&full);
            return Err(match self.load {
                _ if self.tree.is_dir(&full) => Error::IsDirectory { path },
                Load::Anywhere => Error::NoFile { path },
                Load::RootOnly => Error::NoFileBelow(self.missing(&full)),
            });
        };
        inputs.read(full, *file.digest());
        Ok(file.bytes())
    }

    /// The one kustomization file of the current directory, with its name.
    ///
    /// # Errors
    /// None, or several.
    pub(crate) fn kustomization(&self) -> Result<(&'a [u8], &'static str), Error> {
        let mut found = None;
        for name in KUSTOMIZATION_FILES {
            let Ok(bytes) = self.read(name) else {
                continue;
            };
            if found.replace((bytes, name)).is_some() {
                return Err(Error::SeveralKustomizations {
                    dir: self.shown_root(),
                });
            }
        }
        found.ok_or_else(|| Error::NoKustomization {
            dir: self.shown_root(),
        })
    }

    /// Enters a base or component.
    ///
    /// # Errors
    /// A URL, no directory, a directory that contains one already being built, too many levels.
    pub(crate) fn enter(&self, path: &str) -> Result<Loader<'a>, Error> {
        if path.is_empty() {
            return Err(Error::EmptyBase);
        }
        if is_remote(path) {
            return Err(Error::Remote {
                url: path.to_string(),
            });
        }
        if path.starts_with('/') {
            return Err(Error::AbsoluteBase {
                path: path.to_string(),
            });
        }
        let root = self.directory(self.join(path)?)?;
        for visited in self.roots.iter().rev() {
            let within = root.is_empty()
                || visited
                    .strip_prefix(&root)
                    .is_some_and(|r| r.is_empty() || r.starts_with('/'));
            if within {
                return Err(Error::Cycle {
                    candidate: self.show(&root),
                    visited: self.show(visited),
                });
            }
        }
        if self.roots.len() >= MAX_NESTING {
            return Err(Error::TooDeep { limit: MAX_NESTING });
        }
        self.entered.set(self.entered.get() + 1);
        if self.entered.get() > MAX_ENTERED {
            return Err(Error::TooMany {
                what: "bases",
                limit: MAX_ENTERED,
            });
        }
        let mut inner = self.clone();
        inner.roots.push(root);
        Ok(inner)
    }

    fn root(&self) -> &str {
        self.roots.last().map_or("", String::as_str)
    }

    fn join(&self, path: &str) -> Result<String, Error> {
        let joined = if path.starts_with('/') {
            path.to_string()
        } else {
            format!("{}/{path}", self.root())
        };
        artifact::clean_path(
            joined
                .strip_prefix('/')
                .filter(|_| !path.starts_with('/'))
                .unwrap_or(&joined),
        )
        .map_err(|_| Error::LeavesTree {
            path: path.to_string(),
            root: self.shown_root(),
        })
    }

    fn directory(&self, path: String) -> Result<String, Error> {
        if self.tree.is_dir(&path) {
            return Ok(path);
        }
        if self.tree.file(&path).is_some() {
            return Err(Error::NotADirectory {
                path: self.show(&path),
            });
        }
        let missing = self.missing(&path);
        self.inputs.borrow_mut().absent(path);
        Err(Error::NoDirectory { missing })
    }

    /// Where a path breaks off that leads nowhere.
    fn missing(&self, path: &str) -> Missing {
        let ends = path.match_indices('/').map(|(at, _)| at).chain([path.len()]);
        let mut through_file = false;
        for end in ends {
            if !self.tree.is_dir(&path[..end]) {
                if self.tree.file(&path[..end]).is_some() {
                    through_file = true;
                    continue;
                }
                return Missing {
                    path: self.show(path),
                    part: self.show(&path[..end]),
                    through_file,
                };
            }
        }
        Missing {
            path: self.show(path),
            part: self.show(path),
            through_file,
        }
    }

    fn show(&self, path: &str) -> String {
        match (self.display_root, path) {
            ("", "") => "/".to_string(),
            (root, "") => root.to_string(),
            (root, path) => format!("{root}/{path}"),
        }
    }
}

/// What kustomize would fetch with Git: a scheme, `user@host:`, or a host it knows.
fn is_remote(path: &str) -> bool {
    let scp = path
        .split_once(':')
        .is_some_and(|(host, _)| host.contains('@') && !host.contains('/'));
    path.contains("://")
        || scp
        || path.starts_with("git::")
        || path.starts_with("github.com/")
        || path.starts_with("github.com:")
        || (path.contains(".git/") || path.ends_with(".git") || path.contains("_git/"))
            && path.contains('.')
            && !path.starts_with('.')
}
