//! `Receiver`: an address at which others may ask for a reconciliation.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{GROUP, ObjectSelector};
use crate::meta::{Condition, Duration, HOURS, LocalReference, Message, flux_object, is_zero};
use crate::schema::rules;

/// Whom to listen to, and what to reconcile then.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "notification.toolkit.fluxcd.io",
    version = "v1",
    kind = "Receiver",
    namespaced,
    status = "ReceiverStatus",
    derive = "Default",
    derive = "PartialEq",
    category = "all",
    category = "fluxcd",
    category = "fluxcd-notifications",
    annotation("kustomize.toolkit.fluxcd.io/substitute", "disabled"),
    doc = "Receiver takes webhooks and has objects reconciled at once."
)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = rules(&[
    (
        "self.type != 'generic-oidc' || (has(self.oidcProviders) && size(self.oidcProviders) > 0)",
        "the type 'generic-oidc' needs at least one of oidcProviders",
    ),
    (
        "self.type == 'generic-oidc' || !has(self.oidcProviders) || size(self.oidcProviders) == 0",
        "oidcProviders goes only with the type 'generic-oidc'",
    ),
    (
        "self.type != 'generic-oidc' || !has(self.secretRef)",
        "secretRef does not go with the type 'generic-oidc'",
    ),
    (
        "self.type == 'generic-oidc' || has(self.secretRef)",
        "secretRef is required with any type but 'generic-oidc'",
    ),
])))]
pub struct ReceiverSpec {
    /// Events to listen to, as the sender names them; all by default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<String>,
    /// How often to look at the Secret again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = HOURS), extend("default" = "10m"))]
    pub interval: Option<Duration>,
    /// Issuers of tokens that are trusted; with the type `generic-oidc` only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend(
        "x-kubernetes-list-type" = "map",
        "x-kubernetes-list-map-keys" = ["issuerURL"]
    ))]
    pub oidc_providers: Vec<OidcProvider>,
    /// CEL expression that says for each object whether it is meant, with the variables `res` (the object's
    /// metadata) and `req` (the request's body).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_filter: Option<String>,
    /// The objects to reconcile.
    pub resources: Vec<ReceiverResource>,
    /// Secret with the `token` that the sender proves to know.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// Take no requests.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub suspend: bool,
    /// The kind of sender. Gitea and Forgejo sign as GitHub does: `github`. Azure DevOps signs nothing: `generic`, or `gitlab` without
    /// `events` if its service hook is told to send the token as the header `X-Gitlab-Token`.
    #[serde(rename = "type")]
    pub type_: ReceiverType,
}

/// Objects to reconcile.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct ReceiverResource {
    /// CEL expression in addition to `spec.resourceFilter`, with the same variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<String>,
    /// The objects.
    #[serde(flatten)]
    pub objects: ObjectSelector,
}

/// The kind of a sender of webhooks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[expect(missing_docs, reason = "the names are those of the senders")]
pub enum ReceiverType {
    #[default]
    Generic,
    #[serde(rename = "generic-hmac")]
    GenericHmac,
    #[serde(rename = "generic-oidc")]
    GenericOidc,
    GitHub,
    GitLab,
    Bitbucket,
    Harbor,
    DockerHub,
    Quay,
    Gcr,
    Nexus,
    Acr,
    CdEvents,
}

/// An issuer of tokens that is trusted, and what its tokens have to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct OidcProvider {
    /// Audience that a token has to be for; `notification-controller` by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<String>,
    /// Address of the issuer, equal to the claim `iss` of its tokens.
    #[serde(rename = "issuerURL")]
    #[schemars(regex(pattern = r"^https?://"))]
    pub issuer_url: String,
    /// CEL expressions over the token's claims; all of them have to be true.
    #[schemars(length(min = 1))]
    pub validations: Vec<OidcValidation>,
    /// CEL expressions over the token's claims whose values the validations may use by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub variables: Vec<OidcVariable>,
}

/// A named value computed from a token.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct OidcVariable {
    /// CEL expression with the variables `claims` and `vars` (those before this one).
    pub expression: String,
    /// Name of the value, used as `vars.<name>`.
    pub name: String,
}

/// What a token has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct OidcValidation {
    /// CEL expression with the variables `claims` and `vars`, true if the token is accepted.
    pub expression: String,
    /// What the sender is told if it is not.
    pub message: String,
}

/// What became of a Receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReceiverStatus {
    /// The state of the object.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conditions: Vec<Condition>,
    /// The last handled value of the annotation that asks for a reconciliation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_handled_reconcile_at: Option<String>,
    /// What was told about the object lately, oldest first, for those who pass it on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub messages: Vec<Message>,
    /// The last generation that was reconciled.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub observed_generation: i64,
    /// Path of the address at which requests are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook_path: Option<String>,
}

flux_object!(Receiver, ReceiverStatus, GROUP, "v1", interval: |object| object.spec.interval.as_ref());
