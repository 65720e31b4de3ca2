//! PURE: the URLs of repositories, and of what is in them.

use url::{ParseError, Url};

/// Whether a URL is that of a container registry.
pub fn is_oci(url: &str) -> bool {
    url.starts_with("oci://")
}

/// A repository's URL as all who compare URLs write it: over HTTP with a slash at the end, in a registry without.
///
/// # Errors
/// A text that is no URL.
pub fn normalized(url: &str) -> Result<Url, ParseError> {
    let mut parsed = Url::parse(url)?;
    let path = parsed.path().trim_end_matches('/').to_owned();
    let end = if is_oci(url) { "" } else { "/" };
    parsed.set_path(&format!("{path}{end}"));
    Ok(parsed)
}

/// Where the index of a repository is. What the URL asks for beside a path, it asks for there.
pub(super) fn index(repository: &Url) -> Url {
    let mut url = repository.clone();
    url.set_path(&format!("{}/index.yaml", repository.path().trim_end_matches('/')));
    url
}

/// Where a chart is that the index of a repository refers to.
///
/// # Errors
/// A text that is no URL.
pub fn resolve(repository: &Url, reference: &str) -> Result<Url, ParseError> {
    match Url::parse(reference) {
        Ok(absolute) => Ok(absolute),
        Err(ParseError::RelativeUrlWithoutBase) => {
            let mut resolved = repository.join(reference)?;
            // What it asks for may be a login: that is for its own host alone.
            if resolved.origin() == repository.origin() {
                resolved.set_query(repository.query());
            }
            Ok(resolved)
        }
        Err(error) => Err(error),
    }
}

/// Where the provenance file of a chart is. What the URL asks for beside a path stays as it is: it may be a login.
pub(super) fn provenance(chart: &Url) -> Url {
    let mut url = chart.clone();
    url.set_path(&format!("{}.prov", chart.path()));
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_what_is_in_a_repository() {
        for (repository, whole, its_index) in [
            ("http://h/a", "http://h/a/", "http://h/a/index.yaml"),
            (
                "http://h/a//?token=1",
                "http://h/a/?token=1",
                "http://h/a/index.yaml?token=1",
            ),
            ("https://h", "https://h/", "https://h/index.yaml"),
            ("https://h:8443/", "https://h:8443/", "https://h:8443/index.yaml"),
        ] {
            let found = normalized(repository).unwrap();
            assert_eq!((found.as_str(), index(&found).as_str()), (whole, its_index));
        }
        assert_eq!(normalized("oci://h/a/").unwrap().as_str(), "oci://h/a");
        assert!(normalized("http://:0:1/").is_err());
    }

    #[test]
    fn provenance_is_beside_a_chart() {
        for (chart, expected) in [
            ("http://h/a/web-1.tgz", "http://h/a/web-1.tgz.prov"),
            (
                "http://h/web-1%2B2.tgz?token=1",
                "http://h/web-1%2B2.tgz.prov?token=1",
            ),
        ] {
            assert_eq!(provenance(&Url::parse(chart).unwrap()).as_str(), expected);
        }
    }

    #[test]
    fn charts_are_where_the_index_says() {
        let base = normalized("http://h/a?token=1").unwrap();
        for (reference, expected) in [
            ("web-1.tgz", "http://h/a/web-1.tgz?token=1"),
            ("charts/web-1.tgz", "http://h/a/charts/web-1.tgz?token=1"),
            ("/web-1.tgz", "http://h/web-1.tgz?token=1"),
            ("../web-1.tgz", "http://h/web-1.tgz?token=1"),
            ("https://other/web-1.tgz", "https://other/web-1.tgz"),
            ("//other/web-1.tgz", "http://other/web-1.tgz"),
            ("//h:81/web-1.tgz", "http://h:81/web-1.tgz"),
            ("//h/web-1.tgz", "http://h/web-1.tgz?token=1"),
        ] {
            assert_eq!(resolve(&base, reference).unwrap().as_str(), expected);
        }
    }
}
