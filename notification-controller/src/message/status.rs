//! A commit's status: what Flux made of a commit is told where people look at it.

mod azure_devops;
mod bitbucket;
mod bitbucket_server;
mod gitea;
mod github;
mod gitlab;

use super::{DeliveryError, Letter, Request, Sent, git, text::name_and_words};
use crate::{
    event::{Event, SUMMARY, Severity},
    provider::{Secret, Service, VARIABLES, git_token, object, send, send_up_to},
};
use expr::Expression;
use reqwest::StatusCode;
use serde_json::Value;

pub use azure_devops::HOST as AZURE_DEVOPS;
pub use bitbucket::HOST as BITBUCKET;
pub use bitbucket_server::HOST as BITBUCKET_SERVER;
pub use gitea::HOST as GITEA;
pub use github::HOST as GITHUB;
pub use gitlab::HOST as GITLAB;

/// So much of a list of statuses is read, in bytes.
const LIST: usize = 4 << 20;
/// So large may be what an expression sees, in bytes.
const VALUES: usize = 256 << 10;

/// A status of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The commit.
    pub commit: String,
    /// What tells the statuses of a commit apart.
    pub id: String,
    /// What it says.
    pub state: State,
    /// `kind/name` of the object.
    pub name: String,
    /// The reason in words.
    pub words: String,
    /// The summary of the alert.
    pub summary: Option<String>,
}

/// What a status says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It is on its way.
    Pending,
    /// It is there.
    Success,
    /// It failed.
    Failure,
}

impl State {
    /// In the words of GitHub and Gitea.
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Success => "success",
            Self::Failure => "failure",
        }
    }
}

/// How a host is asked and told.
pub struct Host {
    /// What asks for the statuses that the commit has.
    list: fn(&Service, &Secret, &Status) -> Result<Request, DeliveryError>,
    /// Whether the latest of them is this one already.
    is_there: fn(&Value, &Status) -> bool,
    /// What sets the status.
    set: fn(&Service, &Secret, &Status) -> Result<Request, DeliveryError>,
    /// Whether it says 404 of a commit that it does not know, and not only of a repository or a token that is wrong.
    misses_commits: bool,
}

/// Sets the status of this name that an event means, unless the commit has it already.
///
/// # Errors
/// What failed, and whether to try again.
pub async fn tell(
    service: &Service,
    letter: Letter<'_>,
    id: String,
    host: &Host,
) -> Result<Sent, DeliveryError> {
    let status = status(letter.event, id)?;
    let token = git_token(service).await?.token;
    let list = (host.list)(service, &token, &status)?;
    let answer = send_up_to(service, &list, LIST).await?;
    if answer.is_documented() {
        let known = crate::json::answer(&answer.body).unwrap_or_default();
        if (host.is_there)(&known, &status) {
            return Ok(Sent::Skipped("the commit has this status already"));
        }
    } else if answer.status != StatusCode::NOT_FOUND {
        return Err(answer.refused(service, &list));
    }
    let set = (host.set)(service, &token, &status)?;
    let answer = send(service, &set).await?;
    match answer.is_documented() {
        true => Ok(Sent::Delivered),
        false if host.misses_commits => Err(answer.refused_for_good(service, &set)),
        false => Err(answer.refused(service, &set)),
    }
}

/// Whether the first status that is `ours` says the same; hosts list the latest first.
fn latest(list: &Value, ours: impl Fn(&Value) -> bool, says: impl Fn(&Value) -> bool) -> bool {
    list.as_array()
        .into_iter()
        .flatten()
        .find(|known| ours(known))
        .is_some_and(says)
}

/// PURE: the status of this name that an event means.
fn status(event: &Event, id: String) -> Result<Status, DeliveryError> {
    let state = match event.severity {
        _ if event.reason == "Progressing" => State::Pending,
        Severity::Info => State::Success,
        Severity::Error => State::Failure,
        Severity::Trace => return Err(DeliveryError::never("a commit has no status for a trace".into())),
    };
    let (name, words) = name_and_words(event);
    Ok(Status {
        commit: git::commit(event)?,
        id,
        state,
        name,
        words,
        summary: event.metadata.get(SUMMARY).cloned(),
    })
}

/// What tells a status from others: `kind/name/` and the first part of the Provider's uid, or what the Provider's expression yields.
///
/// # Errors
/// When the expression has no value, and whether to try again.
pub async fn id(service: &Service, letter: Letter<'_>) -> Result<String, DeliveryError> {
    let Some(expression) = service.commit_status.clone() else {
        let uid = service.uid.split('-').next().unwrap_or_default();
        let event = letter.event;
        return Ok(format!("{}/{}/{uid}", event.kind(), event.name()).to_lowercase());
    };
    let values = values(service, letter)?;
    let (judges, namespace) = (&service.peers.judges, &service.provider.namespace);
    let named = judges
        .at_work(namespace, move || named(&expression, &values))
        .await;
    named.unwrap_or_else(|| {
        let problem = "the evaluation of spec.commitStatusExpr was ended";
        Err(DeliveryError::later(problem.into()))
    })
}

/// PURE: the values of an expression's variables, which are bounded: an Alert's metadata may be a megabyte.
fn values(service: &Service, letter: Letter<'_>) -> Result<[Value; 3], DeliveryError> {
    let failed = |error| DeliveryError::never(format!("failed to write the event: {error}"));
    let event = serde_json::to_value(letter.event).map_err(failed)?;
    let values = [event, object(letter.alert)?, service.object.clone()];
    let size: usize = values.iter().map(|value| value.to_string().len()).sum();
    if size > VALUES {
        return Err(DeliveryError::never(format!(
            "the event, the Alert and the Provider have more than {VALUES} bytes together, which is too much for spec.commitStatusExpr"
        )));
    }
    Ok(values)
}

/// PURE: what an expression makes of them. What is wrong for this event must not keep the others waiting.
fn named(expression: &Expression, values: &[Value; 3]) -> Result<String, DeliveryError> {
    let variables: Vec<(&str, &Value)> = VARIABLES.into_iter().zip(values).collect();
    match expression.evaluate_text(&variables) {
        Ok(id) if id.is_empty() => Err(DeliveryError::never(
            "spec.commitStatusExpr yields an empty text for the event".into(),
        )),
        Ok(id) => Ok(id),
        Err(error) => Err(DeliveryError::never(format!(
            "failed to evaluate spec.commitStatusExpr for the event: {error}"
        ))),
    }
}

/// What every host is asked and told of an event.
#[cfg(test)]
pub(super) fn everything(
    service: &Service,
    token: &Secret,
    letter: Letter<'_>,
) -> Vec<Result<Vec<Request>, DeliveryError>> {
    let status = match status(letter.event, "id".into()) {
        Ok(status) => status,
        Err(error) => return vec![Err(error)],
    };
    let hosts = [AZURE_DEVOPS, BITBUCKET, BITBUCKET_SERVER, GITEA, GITHUB, GITLAB];
    let requests = hosts.iter().flat_map(|host| [host.list, host.set]);
    requests
        .map(|request| request(service, token, &status).map(|request| vec![request]))
        .collect()
}

#[cfg(test)]
mod hosts;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Marks;
    use crate::message::{
        Again, deliver,
        example::{alert, event, provider, service_of, with_letter},
    };
    use crds::notification::ProviderType;
    use futures::FutureExt as _;

    #[test]
    fn what_an_event_means() {
        let of = |change: &dyn Fn(&mut Event)| {
            let mut event = event(Severity::Error);
            change(&mut event);
            status(&event, "id".into())
        };
        let expected = Status {
            commit: "221a93568e4c3e453a2bbde6b488ce3606e39b35".into(),
            id: "id".into(),
            state: State::Failure,
            name: "kustomization/web".into(),
            words: "health check failed".into(),
            summary: Some("prod & more".into()),
        };
        assert_eq!(of(&|_| ()), Ok(expected));
        let state = |change: &dyn Fn(&mut Event)| of(change).unwrap().state;
        assert_eq!(state(&|event| event.severity = Severity::Info), State::Success);
        assert_eq!(
            state(&|event| event.reason = "Progressing".into()),
            State::Pending
        );
        // A HelmRelease has the version of its chart.
        let chart = of(&|event| drop(event.metadata.insert("revision".into(), "6.5.0".into())));
        assert_eq!(chart.unwrap_err().again, Again::Never);
    }

    #[test]
    fn ids_by_expression() {
        for (expression, expected) in [
            (
                "event.involvedObject.name + '-' + provider.metadata.name + '-' + alert.metadata.name",
                Ok("web-chat-alert"),
            ),
            (
                "provider.metadata.uid.split('-').first().value() + event.severity",
                Ok("0c9c2e41error"),
            ),
            ("string(provider.spec.type)", Ok("github")),
            // All three are whole, as Flux has them.
            (
                "[event.involvedObject.apiVersion, event.involvedObject.uid, event.involvedObject.resourceVersion, event.reason, \
                 event.reportingController, event.reportingInstance, event.timestamp, event.metadata.revision].join('|')",
                Ok(
                    "kustomize.toolkit.fluxcd.io/v1|5a7b2e41-0000-4f9b-9c41-bebc1984d67a|42|HealthCheckFailed|\
                    kustomize-controller|kustomize-controller-0|2026-08-01T10:20:30Z|\
                    main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35",
                ),
            ),
            (
                "[alert.apiVersion, alert.kind, alert.metadata.uid, alert.metadata.labels.team, \
                 alert.metadata.annotations.why, alert.spec.providerRef.name, alert.spec.eventSeverity, \
                 alert.spec.eventSources[0].kind, alert.spec.eventMetadata.env].join('|')",
                Ok(
                    "notification.toolkit.fluxcd.io/v1beta3|Alert|7d1e0000-d2f9-4f9b-9c41-bebc1984d67a|a|because|chat|\
                    info|Kustomization|prod",
                ),
            ),
            (
                "has(alert.status) || has(alert.metadata.managedFields) ? 'seen' : 'hidden'",
                Ok("hidden"),
            ),
            (
                "[provider.apiVersion, provider.kind, provider.spec.address, provider.spec.secretRef.name].join('|')",
                Ok("notification.toolkit.fluxcd.io/v1beta3|Provider|https://github.com/acme/web|chat"),
            ),
            ("event.metadata.nope + ''", Err("no such key: nope")),
            ("event.metadata.summary == '' ? 'a' : ''", Err("empty")),
        ] {
            let mut provider = provider(ProviderType::GitHub, "https://github.com/acme/web");
            provider.spec.commit_status_expr = Some(expression.into());
            let service = service_of(&provider, &[("token", "t")]).unwrap();
            let values = with_letter(&event(Severity::Error), |letter| values(&service, letter)).unwrap();
            match (named(service.commit_status.as_ref().unwrap(), &values), expected) {
                (Ok(found), Ok(expected)) => assert_eq!(found, expected),
                (Err(found), Err(expected)) => {
                    assert!(
                        found.message.contains(expected) && found.again == Again::Never,
                        "{found}"
                    );
                }
                (found, _) => panic!("{expression}: {found:?}"),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_to_name_a_status_uses_up_no_time_of_the_service() {
        let mut provider = provider(ProviderType::GitHub, "http://127.0.0.1:1/acme/web");
        provider.spec.commit_status_expr = Some("'name'".into());
        let service = service_of(&provider, &[("token", "t")]).unwrap();
        let end = service.peers.judges.engage("apps").await;
        let (event, alert) = (event(Severity::Error), alert());
        let letter = Letter {
            event: &event,
            alert: &alert,
            idempotency_key: "key",
            ends_failure: false,
            marks: Marks::default(),
        };
        let mut delivery = Box::pin(deliver(&service, letter));
        assert!(delivery.as_mut().now_or_never().is_none());
        tokio::time::advance(service.timeout * 10).await;
        assert!(
            delivery.as_mut().now_or_never().is_none(),
            "the time of the service has not begun"
        );
        tokio::time::resume();
        drop(end);
        let refused = delivery.await.unwrap_err();
        assert!(refused.message.contains("failed to send"), "{refused}");
    }
}
