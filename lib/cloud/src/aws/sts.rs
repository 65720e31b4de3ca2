//! I/O: temporary keys from Amazon's token service (API version 2011-06-15), or from MinIO's, which speaks alike.

use super::{CloudError, Keys, until};
use crate::{call, client, env};
use peer::{
    http::{Proxy, Tls},
    secret::Secret,
};
use reqwest::Client;
use serde::Deserialize;
use std::time::Duration;

const VERSION: &str = "2011-06-15";

#[derive(Default, Deserialize)]
#[serde(default)]
struct Answer {
    #[serde(
        rename = "AssumeRoleWithWebIdentityResult",
        alias = "AssumeRoleWithLDAPIdentityResult"
    )]
    result: Outcome,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Outcome {
    credentials: Credentials,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    expiration: String,
}

/// Keys for a role, for a token of a ServiceAccount.
pub(super) async fn web_identity(
    http: &Client,
    region: &str,
    endpoint: Option<&str>,
    role: &str,
    session: &str,
    token: &Secret,
) -> Result<(Keys, Duration), CloudError> {
    let domain = super::domain(region);
    let url = endpoint
        .map(str::to_owned)
        .or_else(|| env("AWS_ENDPOINT_URL_STS"))
        .unwrap_or_else(|| format!("https://sts.{region}.{domain}"));
    // A session's name has at most 64 characters of a few kinds.
    let session: String = session
        .chars()
        .map(|c| {
            if c.is_ascii_alphanumeric() || "_=,.@-".contains(c) {
                c
            } else {
                '-'
            }
        })
        .take(64)
        .collect();
    let token = String::from_utf8_lossy(token.expose());
    let request = call::form(
        http,
        &url,
        &[
            ("Action", "AssumeRoleWithWebIdentity"),
            ("Version", VERSION),
            ("RoleArn", role),
            ("RoleSessionName", &session),
            ("WebIdentityToken", &token),
        ],
    );
    let answer: Answer = call::xml(request).await?;
    keys(answer, &url)
}

/// Keys for a name and password in a directory (MinIO's `AssumeRoleWithLDAPIdentity`).
///
/// # Errors
/// See [`CloudError`].
pub async fn ldap(
    tls: &Tls,
    proxy: Option<&Proxy>,
    endpoint: &str,
    username: &str,
    password: &Secret,
) -> Result<Keys, CloudError> {
    let http = client(tls, proxy)?;
    let password = String::from_utf8_lossy(password.expose());
    let request = call::form(
        &http,
        endpoint,
        &[
            ("Action", "AssumeRoleWithLDAPIdentity"),
            ("Version", VERSION),
            ("LDAPUsername", username),
            ("LDAPPassword", &password),
        ],
    );
    let answer: Answer = call::xml(request).await?;
    keys(answer, endpoint).map(|(keys, _)| keys)
}

fn keys(answer: Answer, url: &str) -> Result<(Keys, Duration), CloudError> {
    let found = answer.result.credentials;
    if found.access_key_id.is_empty() || found.secret_access_key.is_empty() {
        return Err(CloudError::Answer(peer::http::without_queries(url)));
    }
    let keys = Keys {
        id: found.access_key_id,
        secret: Secret::new(found.secret_access_key),
        session: Some(found.session_token)
            .filter(|t| !t.is_empty())
            .map(Secret::new),
    };
    Ok((keys, until(&found.expiration)))
}
