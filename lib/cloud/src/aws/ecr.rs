//! I/O: logins for Amazon's container registries (ECR, and the public one).

use super::{Cloud, CloudError, Who, client_of};
use crate::{
    call, env,
    registry::Login,
    sigv4::{self, Request, Scope},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use peer::secret::Secret;
use regex::Regex;
use serde_json::Value;
use std::time::Duration;

const PUBLIC: &str = "public.ecr.aws";
/// Flux's pattern, but for the whole name: `….amazonaws.com.example.org` is somebody else.
const PRIVATE: &str = r"^[0-9]+\.dkr[.-]ecr(?:-fips)?\.([^/.]+)\.(amazonaws\.com(?:\.cn)?|amazonaws\.eu|sc2s\.sgov\.gov|c2s\.ic\.gov|cloud\.adc-e\.uk|csp\.hci\.ic\.gov|on\.aws)$";

impl Cloud {
    /// A login for a registry of Amazon's.
    pub(in super::super) async fn ecr(&self, who: &Who<'_>, registry: &str) -> Result<Login, CloudError> {
        let (region, domain) = place(registry)?;
        let keys = self.aws(who, Some(&region), None).await?;
        let (service, target, variable) = if registry == PUBLIC {
            (
                "ecr-public",
                "SpencerFrontendService.GetAuthorizationToken",
                "AWS_ENDPOINT_URL_ECR_PUBLIC",
            )
        } else {
            (
                "ecr",
                "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
                "AWS_ENDPOINT_URL_ECR",
            )
        };
        let question = ["ecr", keys.id.as_str(), registry];
        let ask = async {
            let url = env(variable).unwrap_or_else(|| format!("https://api.{service}.{region}.{domain}/"));
            let unusable = || CloudError::Answer(url.clone());
            let url = url::Url::parse(&url).map_err(|_| unusable())?;
            let headers = [
                ("content-type", "application/x-amz-json-1.1"),
                ("x-amz-target", target),
            ];
            let what = Request {
                method: "POST",
                url: &url,
                path: None,
                headers: &headers,
                hash: &sigv4::hash(b"{}"),
            };
            let scope = Scope {
                region: &region,
                service,
            };
            let http = client_of(who)?;
            let mut request = http.post(url.clone()).body("{}");
            let signed = sigv4::sign(what, scope, &keys, jiff::Timestamp::now());
            for (name, value) in headers.iter().map(|(n, v)| (*n, (*v).to_owned())).chain(signed) {
                request = request.header(name, value);
            }
            let answer: Value = call::json(request).await?;
            let data = &answer["authorizationData"];
            login(data.get(0).unwrap_or(data)).ok_or_else(unusable)
        };
        self.logins.get(&question, ask).await
    }
}

/// The region of a registry, and the domain that its API is in.
fn place(registry: &str) -> Result<(String, &'static str), CloudError> {
    if registry == PUBLIC {
        return Ok(("us-east-1".into(), "amazonaws.com"));
    }
    let odd = || {
        CloudError::Setup(format!(
            "invalid AWS registry: '{registry}'. must match {PRIVATE}"
        ))
    };
    let pattern = Regex::new(PRIVATE).map_err(|_| odd())?;
    let found = pattern.captures(registry).ok_or_else(odd)?;
    let domain = match &found[2] {
        "amazonaws.com.cn" => "amazonaws.com.cn",
        "amazonaws.eu" => "amazonaws.eu",
        "sc2s.sgov.gov" => "sc2s.sgov.gov",
        "c2s.ic.gov" => "c2s.ic.gov",
        "cloud.adc-e.uk" => "cloud.adc-e.uk",
        "csp.hci.ic.gov" => "csp.hci.ic.gov",
        _ => "amazonaws.com",
    };
    Ok((found[1].to_owned(), domain))
}

fn login(data: &Value) -> Option<(Login, Duration)> {
    let token = STANDARD.decode(data["authorizationToken"].as_str()?).ok()?;
    let token = String::from_utf8(token).ok()?;
    let (username, password) = token.split_once(':')?;
    let end = data["expiresAt"].as_f64()?;
    let now = jiff::Timestamp::now().as_second() as f64;
    let login = Login {
        username: username.to_owned(),
        password: Secret::new(password),
    };
    Some((login, Duration::try_from_secs_f64(end - now).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_amazons_registries_get_its_logins() {
        for (registry, region) in [
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", Some("eu-west-1")),
            (
                "123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com",
                Some("us-gov-west-1"),
            ),
            ("123456789012.dkr-ecr.us-east-1.on.aws", Some("us-east-1")),
            (
                "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn",
                Some("cn-north-1"),
            ),
            ("public.ecr.aws", Some("us-east-1")),
            ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.org", None),
            ("evil.org", None),
            ("evil-123456789012.dkr.ecr.eu-west-1.amazonaws.com", None),
        ] {
            assert_eq!(
                place(registry).ok().map(|(region, _)| region).as_deref(),
                region,
                "{registry}"
            );
        }
    }
}
