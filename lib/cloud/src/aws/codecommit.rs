//! Passwords for Git at AWS CodeCommit, made of keys: a signature of the repository's path (as `git-remote-codecommit` makes it).

use crate::{Cloud, CloudError, Who, sigv4};
use peer::secret::Secret;
use regex::Regex;
use url::Url;

const PATTERN: &str = r"^git-codecommit(-fips)?\.([a-z0-9-]+)\.(amazonaws\.com|amazonaws\.com\.cn|api\.aws|sc2s\.sgov\.gov|c2s\.ic\.gov)$";

impl Cloud {
    /// Name and password for a repository of CodeCommit's. A password is good for a quarter of an hour.
    ///
    /// # Errors
    /// See [`CloudError`]; [`CloudError::Setup`] if the URL is not one of CodeCommit's.
    pub async fn codecommit(&self, who: &Who<'_>, url: &Url) -> Result<(String, Secret), CloudError> {
        let host = url.host_str().unwrap_or_default();
        let region = region(url).ok_or_else(|| {
            let text = format!("invalid AWS CodeCommit URL: '{host}' must be https and match {PATTERN}");
            CloudError::Setup(text)
        })?;
        let keys = self.aws(who, Some(&region), None).await?;
        let password = password(url.path(), host, &region, &keys, jiff::Timestamp::now());
        let mut name = keys.id.clone();
        if let Some(session) = &keys.session {
            name = format!("{name}%{}", String::from_utf8_lossy(session.expose()));
        }
        Ok((name, password))
    }
}

/// The region that the host of a repository names.
fn region(url: &Url) -> Option<String> {
    let pattern = Regex::new(PATTERN).ok()?;
    let found = pattern.captures(url.host_str()?)?;
    let plain = url.scheme() == "https" && url.port().is_none();
    plain.then(|| found[2].to_owned())
}

fn password(path: &str, host: &str, region: &str, keys: &sigv4::Keys, now: jiff::Timestamp) -> Secret {
    let time = now.strftime("%Y%m%dT%H%M%S").to_string();
    let canonical = format!("GIT\n{path}\n\nhost:{host}\n\nhost\n");
    let scope = sigv4::Scope {
        region,
        service: "codecommit",
    };
    let signature = sigv4::signature(&canonical, &time, scope, keys);
    Secret::new(format!("{time}Z{signature}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with Python's hmac by the same rules.
    #[test]
    fn a_password_is_a_signature() {
        let keys = sigv4::Keys {
            id: "AKIDEXAMPLE".into(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"),
            session: None,
        };
        let now = "2026-03-01T12:34:56Z".parse().unwrap();
        let host = "git-codecommit.eu-west-1.amazonaws.com";
        let password = password("/v1/repos/app", host, "eu-west-1", &keys, now);
        assert_eq!(
            String::from_utf8_lossy(password.expose()),
            "20260301T123456Z532a09c38d7f954897183dce2c45c74a00ffafb2ecf603d98d9142e683a222cc"
        );
    }

    #[test]
    fn keys_sign_for_codecommit_and_nobody_else() {
        for (url, expected) in [
            (
                "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app",
                Some("eu-west-1"),
            ),
            (
                "https://git-codecommit-fips.us-east-1.amazonaws.com/v1/repos/app",
                Some("us-east-1"),
            ),
            (
                "https://git-codecommit.cn-north-1.amazonaws.com.cn/v1/repos/app",
                Some("cn-north-1"),
            ),
            (
                "https://git-codecommit.eu-west-1.amazonaws.com.evil.org/v1/repos/app",
                None,
            ),
            ("https://evil.org/git-codecommit.eu-west-1.amazonaws.com", None),
            ("http://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app", None),
            (
                "https://git-codecommit.eu-west-1.amazonaws.com:8443/v1/repos/app",
                None,
            ),
        ] {
            let found = region(&Url::parse(url).unwrap());
            assert_eq!(found.as_deref(), expected, "{url}");
        }
    }
}
