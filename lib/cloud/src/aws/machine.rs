//! I/O: keys from the container that we run in (EKS Pod Identity, ECS), or from the machine (IMDSv2).

use super::{CloudError, Keys, read, until};
use crate::{call, direct, env, is_safe};
use peer::secret::Secret;
use reqwest::Client;
use serde::Deserialize;
use std::{net::IpAddr, time::Duration};

const IMDS: &str = "http://169.254.169.254";
/// Addresses at which containers are told their keys over plain HTTP: ECS and EKS, of both families.
const CONTAINERS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "fd00:ec2::23"];

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Found {
    access_key_id: String,
    secret_access_key: String,
    token: String,
    expiration: String,
}

/// Keys from whichever is there.
pub(super) async fn keys() -> Result<(Keys, Duration), CloudError> {
    let http = &direct()?;
    let relative =
        env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|uri| format!("http://169.254.170.2{uri}"));
    if let Some(url) = relative.or_else(|| env("AWS_CONTAINER_CREDENTIALS_FULL_URI")) {
        return container(http, &url).await;
    }
    let base = env("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(|| IMDS.to_owned());
    let base = base.trim_end_matches('/');
    let session = http
        .put(format!("{base}/latest/api/token"))
        .header("x-aws-ec2-metadata-token-ttl-seconds", "300");
    let nobody = |error: CloudError| {
        let text = "no AWS credentials: neither the environment nor a web identity, the container or the machine (IMDS) has any";
        CloudError::Setup(format!("{text}: {}", runtime::telemetry::chain(&error)))
    };
    let session = call::call(session).await.map_err(nobody)?;
    let session = String::from_utf8_lossy(&session).trim().to_owned();
    let get = |path: &str| {
        let url = format!("{base}/latest/meta-data/iam/security-credentials/{path}");
        http.get(url).header("x-aws-ec2-metadata-token", &session)
    };
    let role = call::call(get("")).await?;
    let role = String::from_utf8_lossy(&role);
    let role = role.lines().next().unwrap_or_default().trim();
    grant(call::json(get(role)).await?, base)
}

async fn container(http: &Client, url: &str) -> Result<(Keys, Duration), CloudError> {
    let parsed = url::Url::parse(url).ok();
    let ip = parsed
        .as_ref()
        .and_then(|url| url.host_str()?.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    let known = ip.is_some_and(|ip| CONTAINERS.iter().any(|known| known.parse() == Ok(ip)));
    if !known && !parsed.as_ref().is_some_and(is_safe) {
        return Err(CloudError::Setup(format!(
            "'{url}' is no safe place to get AWS credentials from"
        )));
    }
    let login = match env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => Some(read(&file)?),
        None => env("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(Secret::new),
    };
    let mut request = http.get(url);
    if let Some(login) = login {
        request = request.header("authorization", login.expose());
    }
    grant(call::json(request).await?, url)
}

fn grant(found: Found, url: &str) -> Result<(Keys, Duration), CloudError> {
    if found.access_key_id.is_empty() || found.secret_access_key.is_empty() {
        return Err(CloudError::Answer(url.to_owned()));
    }
    let keys = Keys {
        id: found.access_key_id,
        secret: Secret::new(found.secret_access_key),
        session: Some(found.token).filter(|t| !t.is_empty()).map(Secret::new),
    };
    Ok((keys, until(&found.expiration)))
}
