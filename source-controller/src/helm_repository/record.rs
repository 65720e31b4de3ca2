//! PURE: what a pass over a HelmRepository came to → the status, what to tell, and when to look again.

use crate::{
    record::{self, Failure},
    storage::{Published, Urls},
};
use crds::{
    meta::reason,
    source::{HelmRepository, HelmRepositoryStatus, reason as source},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use peer::http;
use runtime::{events::Event, reconciler::Outcome, requeue::Requeue};
use std::time::Duration;

/// `spec.interval` where it is not given.
const INTERVAL: Duration = Duration::from_secs(60);

/// A pass that came through.
#[derive(Debug)]
pub enum End {
    /// The repository has the index that is on the shelf; where it is served now.
    UpToDate(Urls),
    /// An index was stored.
    Stored(Box<Published>),
}

/// The status, events and requeue after a pass that ended at `now`.
pub fn outcome(
    object: &HelmRepository,
    end: Result<End, Failure>,
    now: Time,
    requeue_dependency: Duration,
) -> Outcome<HelmRepositoryStatus> {
    let mut status = object.status.clone().unwrap_or_default();
    let recovered = record::had_failed(&status.conditions);
    let mut new = false;
    match end {
        Err(failure) => return record::failed(object, status, failure, &now, requeue_dependency),
        Ok(End::UpToDate(urls)) => {
            if let Some(artifact) = &mut status.artifact {
                artifact.url = urls.artifact;
            }
            status.url = status.url.map(|_| urls.latest);
        }
        Ok(End::Stored(stored)) => {
            let Published { artifact, latest } = *stored;
            new = status.artifact.as_ref().map(|a| &a.digest) != Some(&artifact.digest);
            status.artifact = Some(artifact);
            status.url = latest.or(status.url);
        }
    }
    let artifact = status.artifact.clone();
    let revision = artifact.as_ref().map(|a| a.revision.as_str());
    let message = format!("stored artifact: revision '{}'", revision.unwrap_or_default());
    record::succeed(object, &mut status, &message, &now);
    let size = artifact.as_ref().and_then(|a| a.size);
    let size = size.map_or("unknown size".to_owned(), |size| format!("size {}", human(size)));
    let news = format!(
        "stored fetched index of {size} from '{}'",
        http::shown(&object.spec.url)
    );
    let event = match (new, recovered) {
        (true, _) => Some(Event::normal(source::NEW_ARTIFACT, news)),
        (false, true) => Some(Event::normal(reason::SUCCEEDED, news)),
        (false, false) => None,
    };
    let mut outcome = record::good(object, status, artifact.as_ref(), event);
    if object.spec.interval.is_none() {
        outcome.requeue = Requeue::Interval(INTERVAL);
    }
    outcome
}

/// A size as Docker's units have it: four digits, a thousand to the next.
fn human(bytes: i64) -> String {
    let (mut size, mut units) = (bytes as f64, ["B", "kB", "MB", "GB", "TB", "PB"].iter());
    let mut unit = units.next();
    while size >= 1000.0 && units.len() > 0 {
        size /= 1000.0;
        unit = units.next();
    }
    let whole = size.abs().log10().floor().max(0.0) as usize;
    let text = format!("{size:.*}", 3_usize.saturating_sub(whole));
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("{text}{}", unit.unwrap_or(&""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_as_docker_tells_them() {
        for (bytes, expected) in [
            (0, "0B"),
            (763, "763B"),
            (1000, "1kB"),
            (1044, "1.044kB"),
            (12_345, "12.35kB"),
            (123_456_789, "123.5MB"),
            (52_428_800, "52.43MB"),
        ] {
            assert_eq!(human(bytes), expected);
        }
    }
}
