//! What a failure is put down to, by the words of those who tell of it: pure.
//!
//! kustomize- and helm-controller name what an object waits for in its condition Ready, and the objects that are not healthy in
//! the text of a failed health check. Both are read here; nothing else of a failure's words is.

use crate::{event::Event, watched::Kind};

/// So many objects one failure may name.
const NAMED: usize = 8;
/// So much of a text is looked at, in bytes: names are at its beginning.
const READ: usize = 8 << 10;

/// An object in one word.
pub fn object(kind: &str, namespace: &str, name: &str) -> String {
    format!("{kind}/{namespace}/{name}")
}

/// The object that an event is about, in one word.
pub fn subject(event: &Event) -> String {
    object(event.kind(), event.namespace(), event.name())
}

/// The objects that an object of this kind and namespace names as what it waits for or fails over.
pub fn named(kind: &str, namespace: &str, text: &str) -> Vec<String> {
    let text = beginning(text);
    let mut found: Vec<String> = Vec::new();
    let mut add = |object: String| {
        if found.len() < NAMED && !found.contains(&object) {
            found.push(object);
        }
    };
    quoted(kind, text).for_each(&mut add);
    missing(namespace, text).for_each(&mut add);
    unhealthy(text).for_each(&mut add);
    found
}

/// `dependency '<namespace>/<name>' …`, `… '<namespace>/<name>' dependency`, and `<kind of source> '<namespace>/<name>' …`.
fn quoted<'a>(kind: &'a str, text: &'a str) -> impl Iterator<Item = String> + 'a {
    let parts: Vec<&str> = text.split('\'').collect();
    // Every other part stands between quotes.
    let inside = (1..parts.len().saturating_sub(1)).step_by(2);
    let found = inside.filter_map(move |at| {
        let (namespace, name) = place(parts[at])?;
        let before = parts[at - 1].trim_end();
        let after = parts[at + 1].trim_start();
        let word = before.rsplit(' ').next().unwrap_or_default();
        if word == "dependency" || after.starts_with("dependency") {
            return Some(object(kind, namespace, name));
        }
        Kind::named(word).map(|known| object(known.kind.as_str(), namespace, name))
    });
    found.collect::<Vec<_>>().into_iter()
}

/// `<kind>.<group> "<name>" not found`, of a source beside the object.
fn missing<'a>(namespace: &'a str, text: &'a str) -> impl Iterator<Item = String> + 'a {
    let parts: Vec<&str> = text.split('"').collect();
    let inside = (1..parts.len().saturating_sub(1)).step_by(2);
    let found = inside.filter_map(move |at| {
        let word = parts[at - 1].trim_end().rsplit(' ').next()?;
        let (word, group) = word.split_once('.')?;
        let known = Kind::named(word).filter(|known| known.group == group)?;
        let is_missing = parts[at + 1].trim_start().starts_with("not found") && is_name(parts[at]);
        is_missing.then(|| object(known.kind.as_str(), namespace, parts[at]))
    });
    found.collect::<Vec<_>>().into_iter()
}

/// `<kind>/<namespace>/<name> status: …`, of kinds that people are told about.
fn unhealthy(text: &str) -> impl Iterator<Item = String> {
    text.match_indices(" status: ").filter_map(|(at, _)| {
        let word = text[..at].rsplit([' ', '[', ',', '\n']).next()?;
        let (kind, rest) = word.split_once('/')?;
        let (namespace, name) = place(rest)?;
        Kind::named(kind).map(|known| object(known.kind.as_str(), namespace, name))
    })
}

fn place(text: &str) -> Option<(&str, &str)> {
    text.split_once('/')
        .filter(|(namespace, name)| is_name(namespace) && is_name(name))
}

/// Whether a text can be a name (RFC 1123, as Kubernetes has it).
fn is_name(text: &str) -> bool {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    !text.is_empty() && text.len() <= 253 && text.bytes().all(fits)
}

fn beginning(text: &str) -> &str {
    let mut end = text.len().min(READ);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_controllers_name_what_they_wait_for() {
        for (text, expected) in [
            (
                "dependency 'team/base' is not ready",
                &["Kustomization/team/base"][..],
            ),
            (
                "dependency 'team/base' revision is not up to date",
                &["Kustomization/team/base"],
            ),
            (
                "dependency 'team/base' not found: kustomizations.kustomize.toolkit.fluxcd.io \"base\" not found",
                &["Kustomization/team/base"],
            ),
            (
                "unable to get 'team/base' dependency: not found",
                &["Kustomization/team/base"],
            ),
            (
                "HelmChart 'flux/team-app' is not ready: no artifact",
                &["HelmChart/flux/team-app"],
            ),
            (
                "could not get Source object: OCIRepository.source.toolkit.fluxcd.io \"web\" not found",
                &["OCIRepository/here/web"],
            ),
            (
                "health check failed after 3s: failed early due to stalled resources: \
                 [Kustomization/team/a status: 'Failed', Deployment/team/web status: 'Failed', HelmRelease/team/b status: 'Failed']",
                &["Kustomization/team/a", "HelmRelease/team/b"],
            ),
            // Words of others, and what only looks alike.
            ("Deployment/team/web status: 'Failed'", &[]),
            ("kustomize build failed: 'team/base' is no directory", &[]),
            ("Deployment.apps \"web\" not found", &[]),
            ("GitRepository.example.org \"web\" not found", &[]),
            ("dependency 'team/base", &[]),
            ("dependency 'Team/Base' is not ready", &[]),
            ("dependency '' is not ready, ''''", &[]),
            ("\"\"\"''' status: '", &[]),
        ] {
            assert_eq!(named("Kustomization", "here", text), expected, "{text}");
        }
    }

    #[test]
    fn one_failure_names_a_few_at_the_most() {
        let many: String = (0..100).map(|n| format!("dependency 'a/b{n}' ")).collect();
        assert_eq!(named("HelmRelease", "here", &many).len(), NAMED);
        assert!(named("HelmRelease", "here", &"é' status: ".repeat(READ)).is_empty());
    }
}
