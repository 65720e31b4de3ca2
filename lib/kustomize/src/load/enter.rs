//! Entering bases and components, without going in circles.

use super::{Loader, Root};
use crate::Error;
use crate::remote::Repository;

/// Deepest nesting of bases; the recursion over them is bounded by it.
const MAX_NESTING: usize = 100;

/// Most directories that a build enters; one that is used twice counts twice.
const MAX_ENTERED: usize = 20_000;

impl<'a> Loader<'a> {
    /// Enters a base or component.
    ///
    /// # Errors
    /// A URL that is not to be fetched or cannot be, no directory, a directory that contains one already being built,
    /// too many levels.
    pub(crate) fn enter(&self, path: &str) -> Result<Loader<'a>, Error> {
        if path.is_empty() {
            return Err(Error::EmptyBase);
        }
        if let Some(repository) = Repository::parse(path) {
            return self.enter_repository(repository);
        }
        if path.starts_with('/') {
            return Err(Error::AbsoluteBase {
                path: path.to_string(),
            });
        }
        let root = self.directory(self.join(path)?)?;
        let here = self.repository.as_ref().map(|r| &r.raw);
        for visited in self.roots.iter().rev().filter(|r| r.repository.as_ref() == here) {
            let within = root.is_empty()
                || visited
                    .path
                    .strip_prefix(&root)
                    .is_some_and(|r| r.is_empty() || r.starts_with('/'));
            if within {
                return Err(Error::Cycle {
                    candidate: self.show(&root),
                    visited: self.show(&visited.path),
                });
            }
        }
        self.count()?;
        let mut inner = self.clone();
        inner.roots.push(Root {
            repository: here.cloned(),
            path: root,
        });
        Ok(inner)
    }

    fn enter_repository(&self, repository: Repository) -> Result<Loader<'a>, Error> {
        let url = repository.raw.clone();
        let Some(fetcher) = self.session.fetcher else {
            return Err(Error::Remote { url });
        };
        let mut fetched = self.roots.iter().filter_map(|root| root.repository.as_ref());
        if let Some(visited) = fetched.find(|raw| raw.starts_with(&url)) {
            return Err(Error::RepositoryCycle {
                candidate: url,
                visited: visited.clone(),
            });
        }
        self.count()?;
        self.session.inputs.borrow_mut().fetched();
        let tree = match fetcher.repository(&repository) {
            Ok(tree) => tree,
            Err(problem) => return Err(Error::Fetch { url, problem }),
        };
        let mut inner = Loader {
            session: self.session,
            tree,
            repository: Some(repository.clone()),
            roots: self.roots.clone(),
        };
        let path = artifact::clean_path(&repository.directory).map_err(|_| Error::LeavesTree {
            path: repository.directory.clone(),
            root: url.clone(),
        })?;
        let path = inner.directory(path)?;
        inner.roots.push(Root {
            repository: Some(url),
            path,
        });
        Ok(inner)
    }

    /// Counts a directory more.
    fn count(&self) -> Result<(), Error> {
        if self.roots.len() >= MAX_NESTING {
            return Err(Error::TooDeep {
                what: "bases",
                limit: MAX_NESTING,
            });
        }
        let entered = &self.session.entered;
        entered.set(entered.get() + 1);
        if entered.get() > MAX_ENTERED {
            return Err(Error::TooMany {
                what: "bases",
                limit: MAX_ENTERED,
            });
        }
        Ok(())
    }
}
