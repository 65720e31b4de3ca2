//! PURE: an event in Markdown, for Zulip and for comments on change requests.

use super::text::{by_severity, cut};
use crate::event::Event;

/// The metadata that says where the comment goes.
const CHANGE_REQUEST: &str = "change_request";

/// Flux's form of it, with a message of at most so many characters.
pub fn post(event: &Event, most: usize) -> String {
    let sign = by_severity(event, "ℹ️", "⚠️");
    let object = format!("{}/{}/{}", event.kind(), event.namespace(), event.name());
    let shown = event.metadata.iter().filter(|(key, _)| *key != CHANGE_REQUEST);
    let line = |(key, value): (&String, &String)| format!("* `{key}`: {}\n", cut(value, 500));
    let metadata: String = shown.take(50).map(line).collect();
    let message = cut(
        &event.message,
        most.saturating_sub(metadata.chars().count() + 300).max(300),
    );
    format!("## Flux Status\n\n{sign} {object}\n\n{message}\n\nMetadata:\n{metadata}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Severity, message::example::event};

    #[test]
    fn the_form() {
        assert_eq!(
            post(&event(Severity::Error), 10_000),
            "## Flux Status\n\n⚠️ Kustomization/apps/web\n\nHealth check failed: Deployment/apps/web <not> ready & late\n\n\
             Metadata:\n* `revision`: main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35\n* `summary`: prod & more\n"
        );
    }
}
