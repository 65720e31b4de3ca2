//! From an event to what a service is sent, and how: one room a service.

mod alertmanager;
#[cfg(test)]
mod any;
mod chat;
mod comment;
mod datadog;
mod event_hub;
#[cfg(test)]
pub(crate) mod example;
mod generic;
mod git;
mod github_api;
mod google_chat;
mod grafana;
mod incident_io;
mod lark;
mod markdown;
mod matrix;
pub(crate) mod nats;
mod opsgenie;
mod otel;
mod pagerduty;
mod pubsub;
mod request;
mod sentry;
mod slack;
mod status;
mod teams;
mod telegram;
mod text;
mod wants;
mod webex;
mod zoom;
mod zulip;

use crate::{
    event::{COMMIT_STATUS, Event, Marks},
    provider::{Answer, Service, entra_token, git_token, google_token, send, send_nats},
};
use cloud::azure::EVENT_HUBS;
use crds::notification::{Alert, ProviderType};
use sha2::{Digest as _, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

pub(crate) use git::{Repository, below, commit};
pub(crate) use github_api::authorized;
pub use request::Request;
pub(crate) use text::{cut, cut_bytes, masked};
pub use wants::{is_comment, is_commit_status, is_incident, wants};

/// What is to be told, in whose name.
#[derive(Debug, Clone, Copy)]
pub struct Letter<'a> {
    /// What happened, with the metadata that the alert has put together (Flux `Alert`, precedence of metadata).
    pub event: &'a Event,
    /// The alert that wants it told.
    pub alert: &'a Alert,
    /// The same for the same event and alert, however often it is sent; for services that take such a key.
    pub idempotency_key: &'a str,
    /// It ends a failure that was told before.
    pub ends_failure: bool,
    /// What decides whether the service is told of it.
    pub marks: Marks,
}

impl Letter<'_> {
    /// What tells the message from all others, also from those of other alerts about the same event: 32 hexadecimal digits, the same
    /// whenever it is sent.
    pub(crate) fn id(&self) -> String {
        let alert = self.alert.metadata.uid.as_deref().unwrap_or_default();
        let digest = Sha256::digest(format!("{alert}/{}", self.idempotency_key));
        hex::encode(&digest[..16])
    }
}

/// What came of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// The service has it.
    Delivered,
    /// It is none that this service is told of, for the reason given.
    Skipped(&'static str),
}

/// Why a message was not delivered. The text holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct DeliveryError {
    /// What failed, and what to do about it.
    pub message: String,
    /// Whether to try again.
    pub again: Again,
}

/// Whether to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Again {
    /// This event cannot be told to this service, ever; others can.
    Never,
    /// After a while of our own choice: nothing gets through at the moment.
    Later,
    /// Not before this time has passed, as the service says (RFC 9110, `Retry-After`).
    After(Duration),
}

impl DeliveryError {
    /// Trying again is of no use.
    pub fn never(message: String) -> Self {
        Self {
            message,
            again: Again::Never,
        }
    }

    /// Trying again may help.
    pub fn later(message: String) -> Self {
        Self {
            message,
            again: Again::Later,
        }
    }
}

/// Tells a service of an event, within the service's timeout.
///
/// # Errors
/// What failed, and whether to try again.
pub async fn deliver(service: &Service, letter: Letter<'_>) -> Result<Sent, DeliveryError> {
    if let Some(why) = wants(service.kind, letter.event, letter.marks, letter.ends_failure) {
        return Ok(Sent::Skipped(why));
    }
    let event = plain(service.kind, letter);
    let letter = Letter {
        event: event.as_ref().unwrap_or(letter.event),
        ..letter
    };
    let masked = |error: DeliveryError| DeliveryError {
        message: service.mask.apply(&error.message),
        again: error.again,
    };
    // Whoever names a status may have to wait for others who do: the service is not to blame.
    let id = match is_commit_status(service.kind) {
        true => status::id(service, letter).await.map_err(masked)?,
        false => String::new(),
    };
    match tokio::time::timeout(service.timeout, told(service, letter, id)).await {
        Ok(outcome) => outcome.map_err(masked),
        Err(_) => Err(DeliveryError::later(format!(
            "the service did not answer within {}s",
            service.timeout.as_secs_f64()
        ))),
    }
}

/// The end of a failure without the mark that keeps it to commit statuses, for services that this means nothing to.
fn plain(kind: ProviderType, letter: Letter<'_>) -> Option<Event> {
    let means_nothing =
        !matches!(kind, ProviderType::Generic | ProviderType::GenericHmac) && !is_commit_status(kind);
    (letter.ends_failure && means_nothing).then(|| {
        let mut event = letter.event.clone();
        event.metadata.remove(COMMIT_STATUS);
        event
    })
}

/// `id` is what a commit's status is named.
async fn told(service: &Service, letter: Letter<'_>, id: String) -> Result<Sent, DeliveryError> {
    let request = match service.kind {
        ProviderType::Alertmanager => alertmanager::request(service, letter)?,
        ProviderType::AzureEventHub => {
            let granted = match event_hub::asks_identity(service, event_hubs())? {
                Some(namespace) => Some(entra_token(service, EVENT_HUBS, &namespace).await?),
                None => None,
            };
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            event_hub::request(service, granted.as_ref(), letter, now.as_secs(), event_hubs())?
        }
        ProviderType::Datadog => datadog::request(service, letter)?,
        ProviderType::Discord => chat::discord(service, letter)?,
        ProviderType::Generic => generic::request(service, letter)?,
        ProviderType::GenericHmac => generic::signed_request(service, letter)?,
        ProviderType::GitHubDispatch => {
            let token = git_token(service).await?.token;
            github_api::dispatch(service, &token, letter)?
        }
        ProviderType::GitHub => return status::tell(service, letter, id, &status::GITHUB).await,
        ProviderType::GitLab => return status::tell(service, letter, id, &status::GITLAB).await,
        ProviderType::Gitea => return status::tell(service, letter, id, &status::GITEA).await,
        ProviderType::Bitbucket => return status::tell(service, letter, id, &status::BITBUCKET).await,
        ProviderType::BitbucketServer => {
            return status::tell(service, letter, id, &status::BITBUCKET_SERVER).await;
        }
        ProviderType::AzureDevOps => return status::tell(service, letter, id, &status::AZURE_DEVOPS).await,
        ProviderType::GitHubPullRequestComment => {
            return comment::tell(service, letter, comment::Host::GitHub).await;
        }
        ProviderType::GitLabMergeRequestComment => {
            return comment::tell(service, letter, comment::Host::GitLab).await;
        }
        ProviderType::GiteaPullRequestComment => {
            return comment::tell(service, letter, comment::Host::Gitea).await;
        }
        ProviderType::GoogleChat => google_chat::request(service, letter)?,
        ProviderType::GooglePubSub => {
            let token = google_token(service, &pubsub::api(service)?).await?.token;
            pubsub::request(service, &token, letter)?
        }
        ProviderType::Grafana => grafana::request(service, letter)?,
        ProviderType::IncidentIo => incident_io::request(service, letter)?,
        ProviderType::Lark => lark::request(service, letter)?,
        ProviderType::Matrix => matrix::request(service, letter)?,
        ProviderType::MsTeams => teams::request(service, letter)?,
        ProviderType::Nats => {
            send_nats(service, letter).await?;
            return Ok(Sent::Delivered);
        }
        ProviderType::Opsgenie => opsgenie::request(service, letter)?,
        ProviderType::Otel => otel::request(service, letter)?,
        ProviderType::PagerDuty => {
            for request in pagerduty::requests(service, letter)? {
                taken(service, &request).await?;
            }
            return Ok(Sent::Delivered);
        }
        ProviderType::Rocket => chat::rocket(service, letter)?,
        ProviderType::Sentry => sentry::request(service, letter)?,
        ProviderType::Slack => slack::request(service, letter)?,
        ProviderType::Telegram => telegram::request(service, letter)?,
        ProviderType::Webex => webex::request(service, letter)?,
        ProviderType::Zoom => zoom::request(service, letter)?,
        ProviderType::Zulip => zulip::request(service, letter)?,
    };
    let answer = taken(service, &request).await?;
    // Some say inside a good answer that it is none.
    match service.kind {
        ProviderType::Lark => lark::check(&answer, service),
        ProviderType::MsTeams => teams::check(&answer, service),
        ProviderType::Otel => otel::check(&answer, service),
        ProviderType::Slack => slack::check(&answer, service),
        _ => Ok(Sent::Delivered),
    }
}

/// Where namespaces of Event Hubs are in the Azure cloud that the environment names, as with Azure's own libraries.
fn event_hubs() -> &'static str {
    let authority = std::env::var("AZURE_AUTHORITY_HOST").unwrap_or_default();
    if authority.contains("chinacloudapi.cn") || authority.contains("login.partner.microsoftonline.cn") {
        ".servicebus.chinacloudapi.cn"
    } else if authority.contains("microsoftonline.us") {
        ".servicebus.usgovcloudapi.net"
    } else {
        ".servicebus.windows.net"
    }
}

/// Sends a request; any 2xx means that the service has it.
async fn taken(service: &Service, request: &Request) -> Result<Answer, DeliveryError> {
    let answer = send(service, request).await?;
    if answer.is_taken() {
        return Ok(answer);
    }
    let mut refused = answer.refused(service, request);
    if service.kind == ProviderType::Telegram
        && let Some(again) = telegram::again(&answer)
    {
        refused.again = again;
    }
    Err(refused)
}
