//! `Provider`: where notifications are sent.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::{Duration, HOURS, LocalReference, MINUTES};
use crate::schema::rules;

/// Where to send notifications, and how.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "notification.toolkit.fluxcd.io",
    version = "v1beta3",
    kind = "Provider",
    namespaced,
    derive = "Default",
    derive = "PartialEq",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-notifications",
    annotation("kustomize.toolkit.fluxcd.io/substitute", "disabled"),
    doc = "Provider says where the notifications of Alerts are sent, and how."
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[(
    "!has(self.commitStatusExpr) \
     || self.type in ['github', 'gitlab', 'gitea', 'bitbucketserver', 'bitbucket', 'azuredevops']",
    "commitStatusExpr goes only with the types 'github', 'gitlab', 'gitea', 'bitbucketserver', 'bitbucket' \
     and 'azuredevops'",
)])))]
pub struct ProviderSpec {
    /// Address of the service, or of the Git repository whose commits get a status. The Secret may have it
    /// instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub address: Option<String>,
    /// Secret with `ca.crt` to trust the service, and `tls.crt` with `tls.key` to be trusted by it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalReference>,
    /// Channel, room or topic to post in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub channel: Option<String>,
    /// CEL expression for the name of the commit status, with the variables `event`, `alert` and `provider`;
    /// for Git hosts only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_status_expr: Option<String>,
    /// Deprecated and of no effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = HOURS))]
    pub interval: Option<Duration>,
    /// Address of the proxy to use. Deprecated: use `proxySecretRef`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048), regex(pattern = r"^(http|https)://.*$"))]
    pub proxy: Option<String>,
    /// Secret with the proxy to use: `address`, and optionally `username` and `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proxy_secret_ref: Option<LocalReference>,
    /// Secret with the credentials, in the keys that the type asks for; commonly `token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// ServiceAccount whose workload identity is used; with the types `azureeventhub`, `azuredevops` and
    /// `googlepubsub` only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_name: Option<String>,
    /// Send nothing.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// The longest that sending may take; 15 seconds by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = MINUTES))]
    pub timeout: Option<Duration>,
    /// The kind of service.
    #[serde(rename = "type")]
    pub type_: ProviderType,
    /// Name to post under.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub username: Option<String>,
}

/// The kind of a service that takes notifications.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are those of the services")]
pub enum ProviderType {
    Slack,
    Discord,
    MsTeams,
    Rocket,
    #[default]
    Generic,
    #[serde(rename = "generic-hmac")]
    GenericHmac,
    GitHub,
    GitLab,
    Gitea,
    GiteaPullRequestComment,
    BitbucketServer,
    Bitbucket,
    AzureDevOps,
    GoogleChat,
    GooglePubSub,
    Webex,
    Sentry,
    AzureEventHub,
    Telegram,
    Lark,
    Matrix,
    Opsgenie,
    Alertmanager,
    Grafana,
    GitHubDispatch,
    GitHubPullRequestComment,
    GitLabMergeRequestComment,
    PagerDuty,
    Datadog,
    Nats,
    Zulip,
    Otel,
    Zoom,
    #[serde(rename = "incident.io")]
    IncidentIo,
}
