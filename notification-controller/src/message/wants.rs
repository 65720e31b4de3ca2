//! PURE: which events a type of service is told of.

use crate::event::{Event, Severity};
use crds::notification::ProviderType;

/// Metadata by which a controller says that the event is for commit statuses (fluxcd/pkg, `apis/event/v1beta1`).
pub(super) const COMMIT_STATUS: &str = "commit_status";
/// Metadata with the commit that the status goes to.
const COMMIT: &str = "commit";
/// Metadata with the pull or merge request that is commented on.
const CHANGE_REQUEST: &str = "change_request";

/// Whether a type puts statuses to commits.
pub fn is_commit_status(kind: ProviderType) -> bool {
    matches!(
        kind,
        ProviderType::GitHub
            | ProviderType::GitLab
            | ProviderType::Gitea
            | ProviderType::BitbucketServer
            | ProviderType::Bitbucket
            | ProviderType::AzureDevOps
    )
}

/// Why a service of this type is not told of an event, or nothing if it is. `ends_failure`: the service was told of the failure
/// that this ends, and so it is told of its end, also where Flux keeps that to commit statuses.
pub fn wants(kind: ProviderType, event: &Event, ends_failure: bool) -> Option<&'static str> {
    let has = |key: &str| event.metadata.get(key).is_some_and(|value| !value.is_empty());
    let is_update = event
        .metadata
        .get(COMMIT_STATUS)
        .is_some_and(|value| value == "update");
    let reports_progress = event.reason == "Progressing";
    match kind {
        ProviderType::Generic | ProviderType::GenericHmac => None,
        kind if is_commit_status(kind) => {
            if !has(COMMIT) && !is_update && event.severity != Severity::Error {
                return Some("it is no event for a commit status");
            }
            // Gitea has a state for it.
            (reports_progress && kind != ProviderType::Gitea).then_some("a commit has no status for progress")
        }
        _ if is_update && !ends_failure => Some("it is an event for commit statuses only"),
        ProviderType::GitHubPullRequestComment
        | ProviderType::GitLabMergeRequestComment
        | ProviderType::GiteaPullRequestComment => {
            (!has(CHANGE_REQUEST)).then_some("it names no change request")
        }
        ProviderType::PagerDuty | ProviderType::IncidentIo => {
            reports_progress.then_some("progress is no incident")
        }
        ProviderType::Otel => (event.kind() == "HelmRepository").then_some("a HelmRepository has no trace"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::example::event;
    use ProviderType::{
        Generic, GenericHmac, GitHub, GitHubPullRequestComment, Gitea, IncidentIo, Otel, PagerDuty, Slack,
    };

    #[test]
    fn who_is_told_of_what() {
        let plain = event(Severity::Info);
        let with = |key: &str, value: &str| {
            let mut event = plain.clone();
            event.metadata.insert(key.into(), value.into());
            event
        };
        let mut progress = with("commit_status", "update");
        progress.reason = "Progressing".into();
        let mut helm = plain.clone();
        helm.involved_object.kind = Some("HelmRepository".into());
        for (what, event, told, not_told) in [
            (
                "info",
                &plain,
                &[Generic, Slack, PagerDuty, Otel][..],
                &[GitHub, Gitea, GitHubPullRequestComment][..],
            ),
            (
                "error",
                &event(Severity::Error),
                &[Generic, Slack, GitHub, PagerDuty],
                &[GitHubPullRequestComment],
            ),
            ("commit", &with("commit", "x"), &[GitHub, Slack, Generic], &[]),
            (
                "update",
                &with("commit_status", "update"),
                &[GitHub, Gitea, Generic, GenericHmac],
                &[Slack, PagerDuty, Otel],
            ),
            (
                "other",
                &with("commit_status", "other"),
                &[Slack, Generic],
                &[GitHub],
            ),
            (
                "change request",
                &with("change_request", "1"),
                &[GitHubPullRequestComment, Slack],
                &[GitHub],
            ),
            (
                "progress",
                &progress,
                &[Gitea, Generic],
                &[GitHub, PagerDuty, IncidentIo],
            ),
            ("helm", &helm, &[Slack], &[Otel]),
        ] {
            for kind in told {
                assert_eq!(wants(*kind, event, false), None, "{what} for {kind:?}");
            }
            for kind in not_told {
                assert!(wants(*kind, event, false).is_some(), "{what} for {kind:?}");
            }
        }
        for kind in [Slack, PagerDuty, Generic, GitHub] {
            assert_eq!(
                wants(kind, &with("commit_status", "update"), true),
                None,
                "the end of a failure"
            );
        }
    }
}
