//! I/O: tokens of others, exchanged for one of Google's (workload identity federation).

use super::{CloudError, Issued, SCOPES, call};
use peer::secret::Secret;
use reqwest::Client;
use serde::Deserialize;
use std::time::Duration;

/// A token that is exchanged for one of Google's (RFC 8693).
pub struct Exchange<'a> {
    /// Where.
    pub url: &'a str,
    /// Whom the token is from, as Google sees it.
    pub audience: &'a str,
    /// What kind of token it is.
    pub kind: &'a str,
    /// The token.
    pub token: &'a Secret,
    /// Where a service account is then impersonated.
    pub impersonation: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Impersonated {
    access_token: String,
    expire_time: String,
}

impl Exchange<'_> {
    /// What it is exchanged for, and for how long that counts.
    pub async fn grant(&self, http: &Client) -> Result<(Secret, Duration), CloudError> {
        let token = String::from_utf8_lossy(self.token.expose());
        let pairs = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("audience", self.audience),
            ("scope", SCOPES),
            (
                "requested_token_type",
                "urn:ietf:params:oauth:token-type:access_token",
            ),
            ("subject_token", &token),
            ("subject_token_type", self.kind),
        ];
        let issued: Issued = call::json(call::form(http, self.url, &pairs)).await?;
        let Some(url) = &self.impersonation else {
            return issued.grant();
        };
        let body = serde_json::json!({"scope": SCOPES.split(' ').collect::<Vec<_>>(), "lifetime": "3600s"});
        let request = http.post(url).bearer_auth(&issued.access_token).json(&body);
        let found: Impersonated = call::json(request).await?;
        let end: Result<jiff::Timestamp, _> = found.expire_time.parse();
        let left = end.map_or(0, |end| end.as_second() - jiff::Timestamp::now().as_second());
        let life = Duration::from_secs(u64::try_from(left).unwrap_or_default());
        Ok((Secret::new(found.access_token), life))
    }
}
