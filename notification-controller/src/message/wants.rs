//! PURE: which events a type of service is told of.

use crate::event::{Event, Marks, Severity};
use crds::notification::ProviderType::{self, *};

/// Whether a type puts statuses to commits.
pub fn is_commit_status(kind: ProviderType) -> bool {
    matches!(
        kind,
        GitHub | GitLab | Gitea | BitbucketServer | Bitbucket | AzureDevOps
    )
}

/// Whether a type comments on change requests.
pub fn is_comment(kind: ProviderType) -> bool {
    matches!(
        kind,
        GitHubPullRequestComment | GitLabMergeRequestComment | GiteaPullRequestComment
    )
}

/// Whether a type opens something for an object that only a message with the same key closes.
pub fn is_incident(kind: ProviderType) -> bool {
    matches!(kind, PagerDuty | IncidentIo)
}

/// Why a service of this type is not told of an event, or nothing if it is.
pub fn wants(kind: ProviderType, event: &Event, marks: Marks, ends_failure: bool) -> Option<&'static str> {
    let reports_progress = event.reason == "Progressing";
    // Who was told of a failure is told of its end, which Flux keeps to commit statuses.
    let is_status_only = marks.update && !ends_failure;
    match kind {
        Generic | GenericHmac => None,
        GitHub | GitLab | Gitea | Bitbucket | BitbucketServer | AzureDevOps => {
            if !marks.commit && !marks.update && event.severity != Severity::Error {
                return Some("it is no event for a commit status");
            }
            // Gitea has a state for it.
            (reports_progress && kind != Gitea).then_some("a commit has no status for progress")
        }
        _ if is_status_only => Some("it is an event for commit statuses only"),
        GitHubPullRequestComment | GitLabMergeRequestComment | GiteaPullRequestComment => {
            (!marks.change_request).then_some("it names no change request")
        }
        PagerDuty | IncidentIo => reports_progress.then_some("progress is no incident"),
        Otel => (event.kind() == "HelmRepository").then_some("a HelmRepository has no trace"),
        Alertmanager | AzureEventHub | Datadog | Discord | GitHubDispatch | GoogleChat | GooglePubSub
        | Grafana | Lark | Matrix | MsTeams | Nats | Opsgenie | Rocket | Sentry | Slack | Telegram
        | Webex | Zoom | Zulip => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::example::event;

    #[test]
    fn who_is_told_of_what() {
        let plain = event(Severity::Info);
        let mut progress = plain.clone();
        progress.reason = "Progressing".into();
        let mut helm = plain.clone();
        helm.involved_object.kind = Some("HelmRepository".into());
        // What an alert or an object's annotations have put in decides nothing.
        let mut dressed = plain.clone();
        for (key, value) in [
            ("commit", "x"),
            ("commit_status", "update"),
            ("change_request", "1"),
        ] {
            dressed.metadata.insert(key.into(), value.into());
        }
        let none = Marks::default();
        let update = Marks { update: true, ..none };
        let commit = Marks { commit: true, ..none };
        let request = Marks {
            change_request: true,
            ..none
        };
        for (what, event, marks, is_told, is_not) in [
            (
                "info",
                &plain,
                none,
                &[Generic, Slack, PagerDuty, Otel][..],
                &[GitHub, Gitea, GitHubPullRequestComment][..],
            ),
            (
                "dressed",
                &dressed,
                none,
                &[Generic, Slack, PagerDuty, Otel],
                &[GitHub, Gitea, GitHubPullRequestComment],
            ),
            (
                "error",
                &event(Severity::Error),
                none,
                &[Generic, Slack, GitHub, PagerDuty],
                &[GitHubPullRequestComment],
            ),
            ("commit", &plain, commit, &[GitHub, Slack, Generic], &[]),
            (
                "update",
                &plain,
                update,
                &[GitHub, Gitea, Generic, GenericHmac],
                &[Slack, PagerDuty, Otel],
            ),
            (
                "change request",
                &plain,
                request,
                &[GitHubPullRequestComment, Slack],
                &[GitHub],
            ),
            (
                "progress",
                &progress,
                update,
                &[Gitea, Generic],
                &[GitHub, PagerDuty, IncidentIo],
            ),
            ("helm", &helm, none, &[Slack], &[Otel]),
        ] {
            for kind in is_told {
                assert_eq!(wants(*kind, event, marks, false), None, "{what} for {kind:?}");
            }
            for kind in is_not {
                assert!(wants(*kind, event, marks, false).is_some(), "{what} for {kind:?}");
            }
        }
        for kind in [Slack, PagerDuty, Generic, GitHub] {
            assert_eq!(wants(kind, &plain, update, true), None, "the end of a failure");
        }
    }
}
