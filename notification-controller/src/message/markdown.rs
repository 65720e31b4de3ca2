//! PURE: an event in Markdown, for Zulip and for comments on change requests.

use super::text::{by_severity, cut};
use crate::event::{CHANGE_REQUEST, Event};

/// What stands round a message, so that none of it is markup; services differ in what a backslash does.
const FENCE: &str = "```";

/// Flux's form of it, with a message of at most so many characters, which stands in a fence. Values of metadata are Markdown:
/// people put links there.
pub fn post(event: &Event, most: usize) -> String {
    let sign = by_severity(event, "ℹ️", "⚠️");
    let object = format!("{}/{}/{}", event.kind(), event.namespace(), event.name());
    let shown = event.metadata.iter().filter(|(key, _)| *key != CHANGE_REQUEST);
    let line = |(key, value): (&String, &String)| {
        format!("* `{key}`: {}\n", cut(&value.replace(['\r', '\n'], " "), 500))
    };
    let metadata: String = shown.take(50).map(line).collect();
    let message = cut(
        &event.message,
        most.saturating_sub(metadata.chars().count() + 300).max(300),
    );
    let message = message.replace(FENCE, "'''");
    format!("## Flux Status\n\n{sign} {object}\n\n{FENCE}text\n{message}\n{FENCE}\n\nMetadata:\n{metadata}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{event::Severity, message::example::event};

    #[test]
    fn the_form() {
        assert_eq!(
            post(&event(Severity::Error), 10_000),
            "## Flux Status\n\n⚠️ Kustomization/apps/web\n\n```text\nHealth check failed: Deployment/apps/web <not> ready & late\n```\n\n\
             Metadata:\n* `revision`: main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35\n* `summary`: prod & more\n"
        );
    }

    #[test]
    fn a_message_cannot_leave_its_fence() {
        let mut event = event(Severity::Info);
        event.message = "a\n````\n<!-- x -->\n## [log in](https://evil)".into();
        event.metadata = [("key".into(), "a\n## b".into())].into();
        let post = post(&event, 10_000);
        let fences = post.lines().filter(|line| line.trim_start().starts_with(FENCE));
        assert_eq!(fences.count(), 2, "{post}");
        assert!(post.ends_with("* `key`: a ## b\n"), "{post}");
    }
}
