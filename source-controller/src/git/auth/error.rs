//! PURE: why a Secret does not fit its source, in Flux's words.

use peer::{http::ProxyError, secret::NotText};

/// Why the Secret does not fit. Display has Flux's words for conditions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// A key is missing or does not go with another.
    #[error("failed to configure authentication options: invalid '{scheme}' auth option: {problem}")]
    Option {
        /// The URL's scheme.
        scheme: String,
        /// What is wrong, key names in quotes.
        problem: &'static str,
    },
    /// A value that should be text is not UTF-8.
    #[error("failed to configure authentication options: {0}")]
    NotText(NotText),
    /// An encrypted key and no passphrase.
    #[error("SSH identity key is encrypted but no 'password' field was provided in the secret '{0}'")]
    NoPassphrase(String),
    /// The private key is not one.
    #[error(
        "failed to configure authentication options: unable to parse the SSH identity in the secret '{0}'"
    )]
    Identity(String),
    /// provider is github and there is no Secret at all.
    #[error("secretRef with github app data must be specified when provider is set to github")]
    GitHubNoSecret,
    /// provider is github and the Secret is about something else.
    #[error("secretRef with github app data must be specified when provider is set to github")]
    GitHubNoData,
    /// The app's data is incomplete or contradictory.
    #[error(
        "failed to configure authentication options: invalid github app data in secret '{secret}': {problem}"
    )]
    GitHubData {
        /// `namespace/name`.
        secret: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// The Secret has an app's data and provider is something else.
    #[error("secretRef '{0}' has github app data but provider is not set to github")]
    GitHubUnexpected(String),
    /// `proxySecretRef` is unusable.
    #[error("{0}")]
    Proxy(ProxyError),
}

impl AuthError {
    /// The reason of the FetchFailed condition.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            AuthError::GitHubNoSecret | AuthError::GitHubNoData | AuthError::GitHubUnexpected(_) => {
                "InvalidProviderConfiguration"
            }
            AuthError::Option { .. }
            | AuthError::NotText(_)
            | AuthError::NoPassphrase(_)
            | AuthError::Identity(_)
            | AuthError::GitHubData { .. }
            | AuthError::Proxy(_) => "AuthenticationFailed",
        }
    }

    /// Whether nothing but a change of the spec can help. A Secret may change any time, so it is rarely so.
    #[must_use]
    pub fn stalls(&self) -> bool {
        *self == AuthError::GitHubNoSecret
    }
}

impl From<NotText> for AuthError {
    fn from(error: NotText) -> Self {
        Self::NotText(error)
    }
}
