//! Reading files and entering bases, within the rules of where a build may look.

mod enter;
mod session;

use crate::error::Missing;
use crate::helm::HelmRenderer;
use crate::remote::{self, Repository};
use crate::{Error, Load};
use artifact::Tree;

pub(crate) use session::{Content, Session};

/// The three names a kustomization file may have.
pub(crate) const KUSTOMIZATION_FILES: [&str; 3] =
    ["kustomization.yaml", "kustomization.yml", "Kustomization"];

/// A directory being built, and those that led to it.
#[derive(Clone)]
pub(crate) struct Loader<'a> {
    session: &'a Session<'a>,
    tree: Tree,
    /// The repository that `tree` was fetched from; none for the build's own source.
    repository: Option<Repository>,
    /// Directories from the first to the current one.
    roots: Vec<Root>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Root {
    /// As written, of the repository it is in.
    repository: Option<String>,
    path: String,
}

impl<'a> Loader<'a> {
    /// Starts at a directory of the tree.
    ///
    /// # Errors
    /// No such directory.
    pub(crate) fn new(session: &'a Session<'a>, tree: &Tree, path: &str) -> Result<Loader<'a>, Error> {
        let mut loader = Loader {
            session,
            tree: tree.clone(),
            repository: None,
            roots: Vec::new(),
        };
        let path = artifact::clean_path(path).map_err(|_| Error::LeavesTree {
            path: path.to_string(),
            root: loader.show(""),
        })?;
        let path = loader.directory(path)?;
        loader.roots.push(Root {
            repository: None,
            path,
        });
        Ok(loader)
    }

    /// What the build shares.
    pub(crate) fn session(&self) -> &'a Session<'a> {
        self.session
    }

    /// Who renders charts, if anybody.
    pub(crate) fn helm(&self) -> Option<&'a dyn HelmRenderer> {
        self.session.helm
    }

    /// The files that the current directory is among.
    pub(crate) fn tree(&self) -> &Tree {
        &self.tree
    }

    /// The last part of the current directory's path.
    pub(crate) fn base_name(&self) -> String {
        let shown = self.shown_root();
        let name = shown.rsplit('/').find(|part| !part.is_empty());
        name.unwrap_or("/").to_string()
    }

    /// Whether there is such a directory; that there is none counts.
    pub(crate) fn has_directory(&self, path: &str) -> bool {
        let Ok(path) = self.join(path) else {
            return false;
        };
        let there = self.tree.is_dir(&path);
        if !there && self.repository.is_none() {
            self.session.inputs.borrow_mut().listed(path, &self.tree);
        }
        there
    }

    /// A path relative to the current directory as one of the tree.
    ///
    /// # Errors
    /// It leaves the tree.
    pub(crate) fn inside(&self, path: &str) -> Result<String, Error> {
        self.join(path)
    }

    /// Counts all in a directory of the tree as looked at.
    pub(crate) fn note_directory(&self, path: &str) {
        if self.repository.is_some() {
            return;
        }
        let mut inputs = self.session.inputs.borrow_mut();
        let mut waiting = vec![path.to_string()];
        while let Some(dir) = waiting.pop() {
            inputs.listed(dir.as_str(), &self.tree);
            for (name, is_dir) in self.tree.entries(&dir) {
                let path = if dir.is_empty() {
                    name.to_string()
                } else {
                    format!("{dir}/{name}")
                };
                if is_dir {
                    waiting.push(path);
                } else if let Some(file) = self.tree.file(&path) {
                    inputs.read(path, *file.digest());
                }
            }
        }
    }

    /// The directory as messages show it.
    pub(crate) fn shown_root(&self) -> String {
        self.show(self.root())
    }

    /// A file of the current directory as messages show it.
    pub(crate) fn show_in_root(&self, name: &str) -> String {
        format!("{}/{name}", self.shown_root().trim_end_matches('/'))
    }

    /// The content of a file named relative to the current directory, or by a URL.
    ///
    /// # Errors
    /// A URL that is not to be fetched or cannot be, a path outside, no file.
    pub(crate) fn read(&self, path: &str) -> Result<Content, Error> {
        if remote::is_file(path) {
            return self.fetch(path);
        }
        let restricted = self.session.load == Load::RootOnly || self.repository.is_some();
        let full = self.join(path)?;
        if restricted && self.tree.is_dir(&full) {
            return Err(Error::NotAFile {
                path: self.show(&full),
            });
        }
        let root = self.root();
        let below = root.is_empty() || full.strip_prefix(root).is_some_and(|r| r.starts_with('/'));
        if restricted && !below && full != root {
            return Err(Error::Outside {
                path: self.show(&full),
                root: self.shown_root(),
            });
        }
        let Some(file) = self.tree.file(&full) else {
            self.note_absence(&full);
            let path = self.show(&full);
            return Err(match restricted {
                _ if self.tree.is_dir(&full) => Error::IsDirectory { path },
                false => Error::NoFile { path },
                true => Error::NoFileBelow(self.missing(&full)),
            });
        };
        if self.repository.is_none() {
            self.session.inputs.borrow_mut().read(full, *file.digest());
        }
        Ok(Content::Own(file.clone()))
    }

    fn fetch(&self, url: &str) -> Result<Content, Error> {
        let Some(fetcher) = self.session.fetcher else {
            return Err(Error::Remote { url: url.to_string() });
        };
        self.session.inputs.borrow_mut().fetched();
        let fetched = fetcher.file(url).map_err(|problem| Error::Fetch {
            url: url.to_string(),
            problem,
        });
        fetched.map(Content::Fetched)
    }

    fn note_absence(&self, path: &str) {
        if self.repository.is_none() {
            self.session.inputs.borrow_mut().absent(path);
        }
    }

    /// The one kustomization file of the current directory, with its name.
    ///
    /// # Errors
    /// None, or several.
    pub(crate) fn kustomization(&self) -> Result<(Content, &'static str), Error> {
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

    fn root(&self) -> &str {
        self.roots.last().map_or("", |root| &root.path)
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
        self.note_absence(&path);
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
        let root = match &self.repository {
            Some(repository) => &repository.url,
            None => self.session.display_root,
        };
        match (root, path) {
            ("", "") => "/".to_string(),
            (root, "") => root.to_string(),
            (root, path) => format!("{root}/{path}"),
        }
    }
}
