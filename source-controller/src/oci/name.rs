//! PURE: the names of repositories and of what is in them (OCI Distribution Spec, "Pulling manifests").

use std::fmt;
use thiserror::Error;

/// Docker Hub, which is meant when no registry is named.
const DOCKER_HUB: &str = "index.docker.io";

/// A repository in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Repository {
    /// Host, and port if it is not the scheme's own.
    pub registry: String,
    /// The path in the registry.
    pub path: String,
}

/// What is meant in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// Whatever a tag points to now.
    Tag(String),
    /// The manifest with this digest (`sha256:…`).
    Digest(String),
}

/// Why a URL names no repository.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// It is of another form.
    #[error("URL must be in format 'oci://<domain>/<org>/<repo>'")]
    Scheme,
    /// It has a tag, which belongs into `spec.ref`.
    #[error("URL must not contain a tag; remove ':{0}'")]
    Tag(String),
    /// The registry is no host.
    #[error("'{0}' is no host of a registry")]
    Registry(String),
    /// The path has characters that repositories cannot have.
    #[error(
        "'{0}' is no name of a repository: it may have lower-case letters, digits, '.', '_', '-' and '/' only"
    )]
    Path(String),
}

impl Repository {
    /// Reads `oci://<registry>/<path>`.
    ///
    /// # Errors
    /// See [`NameError`].
    pub fn parse(url: &str) -> Result<Self, NameError> {
        let name = url.strip_prefix("oci://").ok_or(NameError::Scheme)?;
        let name = name.trim_end_matches('/');
        let (first, rest) = name.split_once('/').unwrap_or(("", name));
        let is_host = first.contains(['.', ':']) || first == "localhost";
        let (registry, path) = if is_host {
            (first, rest)
        } else {
            (DOCKER_HUB, name)
        };
        let registry = if registry == "docker.io" {
            DOCKER_HUB
        } else {
            registry
        };
        if registry.is_empty() || registry.contains(['@', '?', '#', '\\', ' ']) {
            return Err(NameError::Registry(registry.to_owned()));
        }
        if let Some((_, tag)) = path.split_once([':', '@']) {
            return Err(NameError::Tag(tag.to_owned()));
        }
        let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c);
        let good = |part: &str| {
            !part.is_empty()
                && part.chars().all(valid)
                && part.starts_with(|c: char| c.is_ascii_alphanumeric())
        };
        if path.len() > 255 || !path.split('/').all(good) {
            return Err(NameError::Path(path.to_owned()));
        }
        let official = registry == DOCKER_HUB && !path.contains('/');
        Ok(Self {
            registry: registry.to_owned(),
            path: if official {
                format!("library/{path}")
            } else {
                path.to_owned()
            },
        })
    }

    /// Whether plain HTTP is what one expects there: the machine itself, and names that never leave it.
    pub fn is_local(&self) -> bool {
        let host = match self.registry.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => self.registry.as_str(),
        };
        let ip: Option<std::net::IpAddr> = host.trim_matches(['[', ']']).parse().ok();
        host == "localhost" || host.ends_with(".localhost") || ip.is_some_and(|ip| ip.is_loopback())
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl Reference {
    /// As it stands in the path of a request.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Tag(text) | Self::Digest(text) => text,
        }
    }

    /// With its repository, as people write it.
    pub fn with(&self, repository: &Repository) -> String {
        match self {
            Self::Tag(tag) => format!("{repository}:{tag}"),
            Self::Digest(digest) => format!("{repository}@{digest}"),
        }
    }

    /// Whether it may stand in a path: what a user or a registry says is data, not a way to another endpoint.
    pub(super) fn is_safe(&self) -> bool {
        let text = self.as_str();
        !text.is_empty()
            && text.len() <= 160
            && !text.starts_with(['.', '-'])
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-:+=".contains(&b))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_registry_and_path() {
        for (url, registry, path) in [
            ("oci://ghcr.io/org/app", "ghcr.io", "org/app"),
            ("oci://localhost:5000/a/b-c_d.e", "localhost:5000", "a/b-c_d.e"),
            ("oci://docker.io/nginx", "index.docker.io", "library/nginx"),
            ("oci://org/app", "index.docker.io", "org/app"),
            ("oci://[::1]:5000/a", "[::1]:5000", "a"),
        ] {
            let found = Repository::parse(url).unwrap();
            assert_eq!(
                (found.registry.as_str(), found.path.as_str()),
                (registry, path),
                "{url}"
            );
        }
    }

    #[test]
    fn what_is_no_repository_is_refused() {
        for (url, error) in [
            ("https://ghcr.io/a", NameError::Scheme),
            ("oci://ghcr.io/a:v1", NameError::Tag("v1".into())),
            ("oci://localhost:5000/a:v1", NameError::Tag("v1".into())),
            ("oci://ghcr.io/a@sha256:1", NameError::Tag("sha256:1".into())),
            ("oci://ghcr.io/../v2/x", NameError::Path("../v2/x".into())),
            ("oci://ghcr.io/a//b", NameError::Path("a//b".into())),
            ("oci://ghcr.io/A", NameError::Path("A".into())),
            ("oci://ghcr.io/a?x", NameError::Path("a?x".into())),
            ("oci://user@ghcr.io/a", NameError::Registry("user@ghcr.io".into())),
            ("oci://ghcr.io", NameError::Path("ghcr.io".into())),
        ] {
            match (Repository::parse(url), error) {
                // A lone word is an official image of Docker Hub, whatever it looks like.
                (Ok(found), NameError::Path(path)) => {
                    assert_eq!(found.path, format!("library/{path}"), "{url}")
                }
                (found, error) => assert_eq!(found, Err(error), "{url}"),
            }
        }
    }

    #[test]
    fn references_stay_in_their_place() {
        for (text, safe) in [
            ("v1.2.3", true),
            ("../x", false),
            ("a/b", false),
            ("", false),
            ("a?b", false),
        ] {
            assert_eq!(Reference::Tag(text.into()).is_safe(), safe, "{text}");
        }
        assert!(Reference::Digest(format!("sha256:{}", "a".repeat(64))).is_safe());
    }

    #[test]
    fn only_this_machine_is_local() {
        for (url, local) in [
            ("oci://localhost:5000/a", true),
            ("oci://127.0.0.1:1/a", true),
            ("oci://[::1]:1/a", true),
            ("oci://registry.localhost/a", true),
            ("oci://10.0.0.1/a", false),
            ("oci://localhost.evil.com/a", false),
        ] {
            assert_eq!(Repository::parse(url).unwrap().is_local(), local, "{url}");
        }
    }
}
