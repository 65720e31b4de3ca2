//! PURE: the repository that a Provider names, and the commit that an event is about.

use super::DeliveryError;
use crate::{
    event::{COMMIT, Event},
    provider::Service,
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Url;

/// Where the commit stands, the most telling first (fluxcd/pkg, `apis/event/v1beta1`).
const REVISIONS: [&str; 3] = [COMMIT, "originRevision", "revision"];
/// What a segment of a path may have unchanged (RFC 3986, unreserved).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A repository at a Git host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// Scheme, host and port.
    pub host: Url,
    /// The rest, such as `owner/name`.
    pub path: String,
}

impl Repository {
    /// That of a Provider's address: a URL, or `user@host:path`.
    ///
    /// # Errors
    /// When the address is neither.
    pub fn of(service: &Service) -> Result<Self, DeliveryError> {
        let wrong =
            || DeliveryError::later("the address of the Provider is not that of a Git repository".into());
        let text = service
            .address
            .text()
            .filter(|text| !text.is_empty())
            .ok_or_else(wrong)?;
        let url = match text.contains("://") {
            true => Url::parse(text),
            false => {
                let (host, path) = text.split_once(':').ok_or_else(wrong)?;
                Url::parse(&format!("ssh://{host}/{}", path.trim_start_matches('/')))
            }
        };
        let url = url.map_err(|_| wrong())?;
        let host = url.host_str().ok_or_else(wrong)?;
        let host = match (url.scheme(), url.port()) {
            // The port of ssh says nothing about that of https.
            ("ssh" | "git+ssh" | "ssh+git", _) => format!("https://{host}"),
            (scheme @ ("http" | "https"), Some(port)) => format!("{scheme}://{host}:{port}"),
            (scheme @ ("http" | "https"), None) => format!("{scheme}://{host}"),
            _ => return Err(wrong()),
        };
        let path = url.path().trim_matches('/');
        Ok(Self {
            host: Url::parse(&host).map_err(|_| wrong())?,
            path: path.strip_suffix(".git").unwrap_or(path).to_owned(),
        })
    }

    /// The parts of the path, which must be so many.
    ///
    /// # Errors
    /// When they are not.
    pub fn parts<const N: usize>(&self) -> Result<[&str; N], DeliveryError> {
        let parts: Vec<&str> = self.path.split('/').collect();
        let wrong = |_| {
            DeliveryError::later(format!(
                "the address of the Provider names no repository: its path is '{}'",
                self.path
            ))
        };
        let parts: [&str; N] = parts.try_into().map_err(wrong)?;
        match parts
            .iter()
            .all(|part| !part.is_empty() && *part != "." && *part != "..")
        {
            true => Ok(parts),
            false => Err(wrong(Vec::new())),
        }
    }

    /// Whether it is at this host.
    pub fn is_at(&self, host: &str) -> bool {
        self.host.host_str() == Some(host)
    }
}

/// A URL below another: its segments are escaped.
pub fn below(base: &Url, segments: &[&str]) -> Url {
    let escaped = segments
        .iter()
        .map(|segment| utf8_percent_encode(segment, SEGMENT).to_string());
    let path = escaped.collect::<Vec<String>>().join("/");
    let mut url = base.clone();
    url.set_path(&format!("{}/{path}", base.path().trim_end_matches('/')));
    url
}

/// The commit that an event is about.
///
/// # Errors
/// When it names none: it will not, however often one asks.
pub fn commit(event: &Event) -> Result<String, DeliveryError> {
    let named = REVISIONS.iter().find_map(|key| event.metadata.get(*key));
    let named = named.ok_or_else(|| DeliveryError::never("the event has no revision".into()))?;
    let wrong = || DeliveryError::never(format!("the revision '{named}' of the event names no Git commit"));
    hash(named).map(str::to_owned).ok_or_else(wrong)
}

/// `branch@sha1:hash`, `sha1:hash`, the old `branch/hash`, or the hash alone.
fn hash(revision: &str) -> Option<&str> {
    let last = revision.rsplit_once('@').map_or(revision, |(_, last)| last);
    let (algorithm, hash) = match last.split_once(':') {
        Some((algorithm, hash)) => (Some(algorithm), hash),
        None => (None, last.rsplit_once('/').map_or(last, |(_, last)| last)),
    };
    let length = match algorithm {
        Some("sha1") => hash.len() == 40,
        Some("sha256") => hash.len() == 64,
        Some(_) => false,
        None => matches!(hash.len(), 40 | 64),
    };
    (length && hash.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(hash)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Severity,
        message::example::{event, service},
    };
    use crds::notification::ProviderType;

    #[test]
    fn addresses() {
        for (address, expected) in [
            (
                "https://github.com/acme/web",
                Some(("https://github.com/", "acme/web")),
            ),
            (
                "https://github.com/acme/web.git/",
                Some(("https://github.com/", "acme/web.git")),
            ),
            (
                "https://me:pw@git.example:8443/acme/web.git",
                Some(("https://git.example:8443/", "acme/web")),
            ),
            (
                "ssh://git@git.example:22/acme/web.git",
                Some(("https://git.example/", "acme/web")),
            ),
            (
                "git@github.com:acme/web.git",
                Some(("https://github.com/", "acme/web")),
            ),
            ("http://127.0.0.1:80/a/b/c", Some(("http://127.0.0.1/", "a/b/c"))),
            ("file:///etc/passwd", None),
            ("github.com/acme/web", None),
            ("", None),
        ] {
            let service = service(ProviderType::GitHub, address, "", &[]);
            let found = Repository::of(&service).ok();
            let expected =
                expected.map(|(host, path)| (host.to_owned(), path.trim_end_matches(".git").to_owned()));
            let found = found.map(|found| {
                (
                    found.host.to_string(),
                    found.path.trim_end_matches(".git").to_owned(),
                )
            });
            assert_eq!(found, expected, "{address}");
        }
        let service = service(ProviderType::GitHub, "https://h/a/../b", "", &[]);
        assert!(Repository::of(&service).unwrap().parts::<2>().is_err());
    }

    #[test]
    fn revisions() {
        let sha = "221a93568e4c3e453a2bbde6b488ce3606e39b35";
        for (revision, expected) in [
            (format!("main@sha1:{sha}"), true),
            (format!("a/b@c@sha1:{sha}"), true),
            (format!("sha1:{sha}"), true),
            (format!("main/{sha}"), true),
            (sha.to_owned(), true),
            ("1.2.3".to_owned(), false),
            (format!("latest@sha256:{sha}"), false),
            (format!("main@sha1:{}", &sha[1..]), false),
            (format!("main@sha1:{}g", &sha[1..]), false),
            (String::new(), false),
        ] {
            assert_eq!(hash(&revision), expected.then_some(sha), "{revision}");
        }
        let mut event = event(Severity::Info);
        event.metadata.insert(
            "originRevision".into(),
            format!("b@sha1:{}", sha.replace('2', "3")),
        );
        assert_eq!(commit(&event).unwrap(), sha.replace('2', "3"));
        event.metadata.insert("commit".into(), sha.into());
        assert_eq!(commit(&event).unwrap(), sha);
    }

    #[test]
    fn paths_are_escaped() {
        let base = Url::parse("https://h/api/v4").unwrap();
        assert_eq!(
            below(&base, &["projects", "a/b c", "x"]).as_str(),
            "https://h/api/v4/projects/a%2Fb%20c/x"
        );
    }
}
