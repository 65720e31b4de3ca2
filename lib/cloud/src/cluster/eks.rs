//! Amazon's EKS: a token is a signed question to the token service, which the cluster asks in our place (as
//! `aws eks get-token` makes it).

use super::{Server, odd};
use crate::{Ask, Cloud, CloudError, aws::domain, call, client_of, env, sigv4};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use jiff::Timestamp;
use peer::secret::Secret;
use regex::Regex;
use serde::Deserialize;
use std::time::Duration;

/// Flux's pattern, with regions and names as they are: both become parts of addresses.
const PATTERN: &str =
    r"^arn:aws[\w-]*:eks:([a-z0-9-]{1,60}):[0-9]{1,30}:cluster/([0-9A-Za-z][0-9A-Za-z_-]{0,199})$";
/// How long a cluster takes a token, in seconds, whatever it says itself.
const LIFE: u64 = 900;

#[derive(Deserialize)]
struct Answer {
    cluster: Described,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Described {
    arn: String,
    endpoint: String,
    certificate_authority: Authority,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Authority {
    data: String,
}

impl Cloud {
    /// A token for a cluster.
    pub(super) async fn eks_token(&self, ask: Ask<'_>, arn: &str) -> Result<(Secret, Duration), CloudError> {
        let (region, name) = parse(arn)?;
        let (keys, left) = self.aws_lasting(ask, Some(&region), None).await?;
        let token = token(&region, &name, &keys, Timestamp::now());
        Ok((token, left.min(Duration::from_secs(LIFE))))
    }

    /// The server of a cluster (`DescribeCluster`).
    pub(super) async fn eks(&self, ask: Ask<'_>, arn: &str) -> Result<Vec<Server>, CloudError> {
        let (region, name) = parse(arn)?;
        let (keys, _) = self.aws_lasting(ask, Some(&region), None).await?;
        let base = env("AWS_ENDPOINT_URL_EKS")
            .unwrap_or_else(|| format!("https://eks.{region}.{}", domain(&region)));
        let url = format!("{}/clusters/{name}", base.trim_end_matches('/'));
        let url = url::Url::parse(&url)
            .map_err(|_| CloudError::Setup("AWS_ENDPOINT_URL_EKS is no address".into()))?;
        let what = sigv4::Request {
            method: "GET",
            url: &url,
            path: None,
            headers: &[],
            hash: &sigv4::hash(b""),
        };
        let scope = sigv4::Scope {
            region: &region,
            service: "eks",
        };
        let mut request = client_of(ask.who)?.get(url.clone());
        for (name, value) in sigv4::sign(what, scope, &keys, Timestamp::now()) {
            request = request.header(name, value);
        }
        let Answer { cluster } = call::json(request).await?;
        // Names are looked up among the identity's own clusters, whatever account the ARN says.
        if cluster.arn != arn {
            let text = format!(
                "cluster: the identity's account has '{}' instead of '{arn}'",
                cluster.arn
            );
            return Err(CloudError::Setup(text));
        }
        let authority = STANDARD.decode(cluster.certificate_authority.data).ok();
        let authority = authority.and_then(|pem| String::from_utf8(pem).ok());
        let authority = authority.filter(|pem| !pem.is_empty() && !cluster.endpoint.is_empty());
        let authority = authority.ok_or_else(|| CloudError::Answer(url.to_string()))?;
        Ok(vec![Server {
            address: cluster.endpoint,
            authority,
        }])
    }
}

/// PURE: region and name.
fn parse(arn: &str) -> Result<(String, String), CloudError> {
    let pattern = Regex::new(PATTERN).ok();
    let found = pattern.and_then(|pattern| {
        let found = pattern.captures(arn)?;
        Some((found[1].to_owned(), found[2].to_owned()))
    });
    found.ok_or_else(|| odd("EKS cluster ARN", arn, PATTERN))
}

/// PURE: a token for a cluster.
fn token(region: &str, cluster: &str, keys: &sigv4::Keys, now: Timestamp) -> Secret {
    let host = format!("sts.{region}.{}", domain(region));
    let scope = sigv4::Scope {
        region,
        service: "sts",
    };
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let credential = format!("{}/{}/{region}/sts/aws4_request", keys.id, &time[..8]);
    let life = LIFE.to_string();
    let mut pairs = vec![
        ("Action", "GetCallerIdentity"),
        ("Version", "2011-06-15"),
        ("X-Amz-Algorithm", "AWS4-HMAC-SHA256"),
        ("X-Amz-Credential", credential.as_str()),
        ("X-Amz-Date", time.as_str()),
        ("X-Amz-Expires", life.as_str()),
        ("X-Amz-SignedHeaders", "host;x-k8s-aws-id"),
    ];
    let session = keys.session.as_ref().map(|s| String::from_utf8_lossy(s.expose()));
    pairs.extend(
        session
            .as_deref()
            .map(|session| ("X-Amz-Security-Token", session)),
    );
    let query = sigv4::query(&pairs);
    let nothing = sigv4::hash(b"");
    let canonical =
        format!("GET\n/\n{query}\nhost:{host}\nx-k8s-aws-id:{cluster}\n\nhost;x-k8s-aws-id\n{nothing}");
    let signature = sigv4::signature(&canonical, &time, scope, keys);
    let url = format!("https://{host}/?{query}&X-Amz-Signature={signature}");
    Secret::new(format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The signature is botocore's (`SigV4QueryAuth`) of the same request.
    #[test]
    fn a_token_is_a_signed_question() {
        let keys = sigv4::Keys {
            id: "AKIDEXAMPLE".into(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session: Some(Secret::new("session/+=token")),
        };
        let token = token(
            "eu-west-1",
            "prod",
            &keys,
            "2026-03-01T12:34:56Z".parse().unwrap(),
        );
        let encoded = token.text().unwrap().strip_prefix("k8s-aws-v1.").unwrap();
        let url = String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).unwrap()).unwrap();
        assert_eq!(
            url,
            "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20260301%2Feu-west-1%2Fsts%2Faws4_request&X-Amz-Date=20260301T123456Z\
             &X-Amz-Expires=900&X-Amz-Security-Token=session%2F%2B%3Dtoken&X-Amz-SignedHeaders=host%3Bx-k8s-aws-id\
             &X-Amz-Signature=ddb34ae9389451ab9d528ab6ff4828a2f94598ac5ad152f6127d2670950c1973"
        );
    }

    #[test]
    fn a_cluster_is_named_by_its_arn() {
        for (arn, expected) in [
            (
                "arn:aws:eks:eu-west-1:123456789012:cluster/prod",
                Some(("eu-west-1", "prod")),
            ),
            (
                "arn:aws-cn:eks:cn-north-1:1:cluster/a_B-1",
                Some(("cn-north-1", "a_B-1")),
            ),
            ("arn:aws:eks:evil.org/:1:cluster/prod", None),
            ("arn:aws:eks:eu-west-1:1:cluster/../x", None),
            ("arn:aws:eks:eu-west-1:1:cluster/a?b", None),
            ("arn:aws:eks:eu-west-1:1:cluster/", None),
            ("arn:aws:ec2:eu-west-1:1:cluster/prod", None),
            ("prod", None),
        ] {
            let found = parse(arn).ok();
            let found = found
                .as_ref()
                .map(|(region, name)| (region.as_str(), name.as_str()));
            assert_eq!(found, expected, "{arn}");
        }
    }
}
