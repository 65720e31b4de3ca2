//! Keys at Amazon: from the environment, a web identity, the container, or the machine (IMDSv2), as its SDKs look for them.

mod codecommit;
mod ecr;
mod machine;
mod sts;

use super::{Ask, Cloud, CloudError, Who, client_of, env, sigv4::Keys};
use peer::secret::Secret;
use regex::Regex;
use std::time::Duration;
pub use sts::ldap;

/// Keys without an end are looked up again after so long.
const STATIC: Duration = Duration::from_secs(15 * 60);
/// The annotation that names a ServiceAccount's role.
const ROLE: &str = "eks.amazonaws.com/role-arn";
const ROLE_PATTERN: &str = r"^arn:aws[\w-]*:iam::[0-9]{1,30}:role/.{1,200}$";
const REGION_PATTERN: &str = "^[a-z0-9-]{1,60}$";
const STS_PATTERN: &str = r"^https://(.+\.)?sts(-fips)?(\.[^.]+)?(\.vpce)?\.amazonaws\.com$";

impl Cloud {
    /// Keys for an object. `region` and `endpoint` are of the token service, where the object says.
    ///
    /// # Errors
    /// See [`CloudError`].
    pub async fn aws(
        &self,
        who: &Who<'_>,
        region: Option<&str>,
        endpoint: Option<&str>,
    ) -> Result<Keys, CloudError> {
        let keys = self.aws_lasting(Ask::of(who), region, endpoint).await?;
        Ok(keys.0)
    }

    /// As [`Self::aws`], with how long they last.
    pub(super) async fn aws_lasting(
        &self,
        ask: Ask<'_>,
        region: Option<&str>,
        endpoint: Option<&str>,
    ) -> Result<(Keys, Duration), CloudError> {
        let who = ask.who;
        if let Some(endpoint) = endpoint
            && !matches(STS_PATTERN, endpoint)
        {
            let text = format!("invalid STS endpoint: '{endpoint}'. must match {STS_PATTERN}");
            return Err(CloudError::Setup(text));
        }
        let account = self.account(who).await?;
        let region = region.filter(|region| !region.is_empty()).map(str::to_owned);
        if let Some(region) = region
            .as_deref()
            .filter(|region| !matches(REGION_PATTERN, region))
        {
            // It becomes a part of the token service's name: `evil.org/` would be another's.
            let text = format!("invalid AWS region: '{region}'. must match {REGION_PATTERN}");
            return Err(CloudError::Setup(text));
        }
        let via = who
            .proxy
            .map(|proxy| proxy.address.to_string())
            .unwrap_or_default();
        let Some(account) = account else {
            let region = region.or_else(|| env("AWS_REGION")).ok_or_else(|| {
                CloudError::Setup(
                    "AWS_REGION environment variable is not set in the Flux controller. if you have properly configured \
                     IAM Roles for Service Accounts (IRSA) or EKS Pod Identity, please delete/replace the controller pod \
                     so the EKS admission controllers can inject this environment variable, or set it manually if the \
                     cluster is not EKS"
                        .into(),
                )
            })?;
            let question = ["aws", region.as_str(), endpoint.unwrap_or_default(), via.as_str()];
            let http = client_of(who)?;
            return self
                .keys
                .lasting(
                    &question,
                    ask.anew,
                    own(self.settings.controller, &http, &region, endpoint),
                )
                .await;
        };
        let region = region.ok_or_else(|| {
            CloudError::Setup(
                "an AWS region is required for authenticating with a service account. please configure one in the object \
                 spec"
                    .into(),
            )
        })?;
        let role = account.note(ROLE).unwrap_or_default();
        if !matches(ROLE_PATTERN, role) {
            let text = format!("invalid {ROLE} annotation: '{role}'. must match {ROLE_PATTERN}");
            return Err(CloudError::Setup(text));
        }
        let (full, audiences) = (account.full(), ask.audiences.join("\n"));
        let question = [
            "aws",
            region.as_str(),
            endpoint.unwrap_or_default(),
            via.as_str(),
            full.as_str(),
            role,
            audiences.as_str(),
        ];
        let exchange = async {
            let token = self.token(&account, ask.audiences("sts.amazonaws.com")).await?;
            let http = client_of(who)?;
            let session = format!("{}.{}.{region}.fluxcd.io", account.name, account.namespace);
            sts::web_identity(&http, &region, endpoint, role, &session, &token).await
        };
        self.keys.lasting(&question, ask.anew, exchange).await
    }
}

/// The controller's own keys.
async fn own(
    controller: &str,
    http: &reqwest::Client,
    region: &str,
    endpoint: Option<&str>,
) -> Result<(Keys, Duration), CloudError> {
    if let (Some(id), Some(secret)) = (env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY")) {
        let keys = Keys {
            id,
            secret: Secret::new(secret),
            session: env("AWS_SESSION_TOKEN").map(Secret::new),
        };
        return Ok((keys, STATIC));
    }
    if let (Some(file), Some(role)) = (env("AWS_WEB_IDENTITY_TOKEN_FILE"), env("AWS_ROLE_ARN")) {
        let token = read(&file)?;
        let session = env("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| controller.into());
        return sts::web_identity(http, region, endpoint, &role, &session, &token).await;
    }
    machine::keys().await
}

/// A file that the environment names.
fn read(file: &str) -> Result<Secret, CloudError> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| CloudError::Setup(format!("cannot read '{file}', which the environment names: {e}")))?;
    Ok(Secret::new(text.trim()))
}

fn matches(pattern: &str, text: &str) -> bool {
    Regex::new(pattern).is_ok_and(|pattern| pattern.is_match(text))
}

/// The domain of a region's services (the partitions of AWS).
pub(super) fn domain(region: &str) -> &'static str {
    let prefixes = [
        ("cn-", "amazonaws.com.cn"),
        ("eusc-", "amazonaws.eu"),
        ("us-iso-", "c2s.ic.gov"),
        ("us-isob-", "sc2s.sgov.gov"),
        ("eu-isoe-", "cloud.adc-e.uk"),
        ("us-isof-", "csp.hci.ic.gov"),
    ];
    let found = prefixes.iter().find(|(prefix, _)| region.starts_with(prefix));
    found.map_or("amazonaws.com", |(_, domain)| domain)
}

/// How long until a time in RFC 3339; nothing if it has passed or is none.
fn until(time: &str) -> Duration {
    let end = time
        .parse::<jiff::Timestamp>()
        .map(jiff::Timestamp::as_second)
        .unwrap_or_default();
    let left = end.saturating_sub(jiff::Timestamp::now().as_second());
    Duration::from_secs(u64::try_from(left).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Settings;

    #[tokio::test]
    async fn a_region_leads_to_nobody_else() {
        let config = kube::Config::new("http://127.0.0.1:1".parse().unwrap());
        let settings = Settings {
            object_level: true,
            controller: "source-controller",
            default_account: String::new(),
            most: 1,
            life: Duration::from_secs(60),
        };
        let cloud = Cloud::new(kube::Client::try_from(config).unwrap(), settings);
        let who = Who {
            namespace: "n",
            account: None,
            proxy: None,
        };
        for region in [
            "evil.org/",
            "evil.org#",
            "evil.org?",
            "eu-west-1@evil.org",
            "a.b",
            "EU",
        ] {
            let error = cloud.aws(&who, Some(region), None).await.unwrap_err();
            assert!(error.to_string().starts_with("invalid AWS region"), "{error}");
        }
    }

    #[test]
    fn each_partition_has_its_domain() {
        for (region, expected) in [
            ("eu-west-1", "amazonaws.com"),
            ("us-gov-west-1", "amazonaws.com"),
            ("cn-north-1", "amazonaws.com.cn"),
            ("eusc-de-east-1", "amazonaws.eu"),
            ("us-isob-east-1", "sc2s.sgov.gov"),
            ("us-iso-east-1", "c2s.ic.gov"),
        ] {
            assert_eq!(domain(region), expected, "{region}");
        }
    }
}
