//! PURE: a request goes to the object that was meant, whatever stands in a name.
//!
//! Names come from users and are put into paths as they are. One that holds a slash or dots would lead to another object,
//! if not at the API server then at a proxy before it that cleans paths (go-git CVE-2026-71556 and its kin, and
//! `client-go`'s rule for path segments).

use thiserror::Error;

/// A name that would lead to another object, or to none. The request is not sent.
#[derive(Debug, Error)]
#[error("'{0}' is not the path of an object: a name may not hold '/' or '%', nor be '.' or '..'")]
pub struct ElsewhereError(String);

/// Holds that a request's path is plain.
///
/// # Errors
/// That it is not.
pub fn check(path: &str) -> Result<(), ElsewhereError> {
    match is_plain(path) {
        true => Ok(()),
        false => Err(ElsewhereError(path.to_owned())),
    }
}

/// The parts below an object that we ask for.
const BELOW: [&str; 4] = ["status", "token", "log", "scale"];

/// Whether a path has the shape of those that the API server knows: a version, perhaps a namespace, a resource, perhaps a
/// name and a part of the object; each a plain word.
fn is_plain(path: &str) -> bool {
    let Some(path) = path.strip_prefix('/') else {
        return false;
    };
    let parts: Vec<&str> = path.split('/').collect();
    if !parts.iter().all(|part| is_word(part)) {
        return false;
    }
    let rest = match parts.as_slice() {
        // What lists versions and resources.
        ["api" | "apis"] | ["api", _] | ["apis", _] | ["apis", _, _] => return true,
        ["api", _, rest @ ..] | ["apis", _, _, rest @ ..] => rest,
        // What else there is is asked for by its fixed name: `version`, `openapi/v3`.
        _ => return true,
    };
    match rest {
        ["namespaces", _, resource, rest @ ..] if !BELOW.contains(resource) => is_object(rest),
        [_, rest @ ..] => is_object(rest),
        [] => true,
    }
}

/// A name, and a part of it.
fn is_object(parts: &[&str]) -> bool {
    match parts {
        [] | [_] => true,
        [_, below] => BELOW.contains(below),
        _ => false,
    }
}

fn is_word(part: &str) -> bool {
    !matches!(part, "" | "." | "..") && !part.contains(['%', '\\'])
}

#[cfg(test)]
mod tests {
    use super::is_plain;

    #[test]
    fn only_what_is_meant_is_asked_for() {
        for path in [
            "/api",
            "/apis/apps/v1",
            "/version",
            "/openapi/v3/apis/apps/v1",
            "/api/v1/namespaces",
            "/api/v1/namespaces/a",
            "/api/v1/namespaces/a/status",
            "/api/v1/namespaces/a/secrets",
            "/api/v1/namespaces/a/secrets/b.c",
            "/api/v1/namespaces/a/serviceaccounts/b/token",
            "/api/v1/namespaces/a/pods/b/log",
            "/apis/rbac.authorization.k8s.io/v1/clusterroles/system:node",
            "/apis/helm.toolkit.fluxcd.io/v2/namespaces/a/helmreleases/b/status",
        ] {
            assert!(is_plain(path), "{path}");
        }
        for path in [
            "",
            "api/v1",
            "/api/v1/namespaces/a/secrets/..",
            "/api/v1/namespaces/a/secrets/../../b/secrets/c",
            "/api/v1/namespaces/a/secrets/b/c",
            "/api/v1/namespaces/a/secrets/sh.helm.release.v1.x/../y.v1",
            "/api/v1/namespaces/../secrets",
            "/api/v1/namespaces/a/b/secrets/c",
            "/api/v1/namespaces//secrets/c",
            "/api/v1/namespaces/a/secrets/%2e%2e",
            "/api/v1/namespaces/a/secrets/b\\c",
            "/apis/../api/v1/namespaces/a/secrets",
            "/apis/a/b/c/d/e/f",
        ] {
            assert!(!is_plain(path), "{path}");
        }
    }
}
