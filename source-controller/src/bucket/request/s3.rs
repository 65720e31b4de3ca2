//! I/O: the store of a Bucket of the providers `generic` and `aws`, and the keys to it.

use super::{Given, Named, credentials, invalid, short, unusable};
use crate::{
    context::Context,
    objects::{S3, Store},
    record::Failure,
};
use cloud::{aws, sigv4::Keys};
use crds::{
    meta::reason,
    source::{Bucket, BucketProvider, StsProvider, reason as source},
};
use peer::{http, secret::Secret};
use runtime::telemetry::chain;

/// The store; what of the spec does not go together is said before anything is asked.
pub(super) async fn store(
    context: &Context,
    object: &Bucket,
    provider: BucketProvider,
    given: &Given,
) -> Result<Store, Failure> {
    let spec = &object.spec;
    check_sts(object, provider)?;
    let keys = match &given.secret {
        Some(secret) => static_keys(secret)?,
        None if provider == BucketProvider::Aws => {
            let endpoint = spec.sts.as_ref().map(|sts| sts.endpoint.as_str());
            let keys = context
                .cloud
                .aws(&given.who(object), spec.region.as_deref(), endpoint)
                .await;
            Some(keys.map_err(|e| {
                let text = format!("AWS authentication failed: {}", chain(&e));
                Failure::fetch(reason::AUTHENTICATION_FAILED, text).not_before(e.retry_after())
            })?)
        }
        None => ldap_keys(object, given).await?,
    };
    let client = given.client(&given.tls, keys.is_some())?;
    let region = spec.region.as_deref();
    let store = S3::new(
        client,
        &spec.endpoint,
        spec.insecure,
        region,
        &spec.bucket_name,
        keys,
    );
    store.map(Store::S3).map_err(|e| unusable(&e))
}

fn static_keys(secret: &Named) -> Result<Option<Keys>, Failure> {
    let (id, key) = (secret.1.get("accesskey"), secret.1.get("secretkey"));
    let (Some(id), Some(key)) = (id, key) else {
        return Err(invalid(secret, "required fields 'accesskey' and 'secretkey'"));
    };
    // As in Flux, empty ones mean that nothing is signed.
    if id.is_empty() || key.is_empty() {
        return Ok(None);
    }
    let id = credentials(secret).text("accesskey").map_err(|e| unusable(&e))?;
    Ok(Some(Keys {
        id: id.unwrap_or_default().to_owned(),
        secret: Secret::new(key.clone()),
        session: None,
    }))
}

/// Keys for a name and password in a directory, if the spec asks for such.
async fn ldap_keys(object: &Bucket, given: &Given) -> Result<Option<Keys>, Failure> {
    let Some(sts) = object.spec.sts.as_ref() else {
        return Ok(None);
    };
    let (mut username, mut password) = (String::new(), Secret::new(""));
    if let Some(secret) = &given.sts_secret {
        let named = credentials(secret);
        if !named.has("username") || !named.has("password") {
            let text = format!(
                "invalid '{}' secret data for 'ldap' STS provider: required fields username, password",
                short(secret)
            );
            return Err(Failure::fetch(reason::AUTHENTICATION_FAILED, text));
        }
        let text = named.text("username").map_err(|e| unusable(&e))?;
        username = text.unwrap_or_default().to_owned();
        password = Secret::new(secret.1.get("password").cloned().unwrap_or_default());
    }
    let keys = aws::ldap(
        &given.sts_tls,
        given.proxy.as_ref(),
        &sts.endpoint,
        &username,
        &password,
    )
    .await;
    keys.map(Some).map_err(|e| {
        let text = format!(
            "failed to get credentials from '{}': {}",
            http::without_queries(&sts.endpoint),
            chain(&e)
        );
        Failure::fetch(source::BUCKET_OPERATION_FAILED, text).not_before(e.retry_after())
    })
}

/// The token service must go with the provider.
fn check_sts(object: &Bucket, provider: BucketProvider) -> Result<(), Failure> {
    let Some(sts) = &object.spec.sts else {
        return Ok(());
    };
    let stalled = |reason, text: String| Err(Failure::fetch(reason, text).stalled());
    let named = match (provider, sts.provider) {
        (BucketProvider::Aws, StsProvider::Aws) | (BucketProvider::Generic, StsProvider::Ldap) => None,
        (_, StsProvider::Aws) => Some("aws"),
        (_, StsProvider::Ldap) => Some("ldap"),
    };
    if let Some(named) = named {
        let own = if provider == BucketProvider::Aws {
            "aws"
        } else {
            "generic"
        };
        let text = format!("STS provider '{named}' is not supported for '{own}' bucket provider");
        return stalled(source::INVALID_STS_CONFIGURATION, text);
    }
    if sts.provider == StsProvider::Aws {
        for (is_set, field) in [
            (sts.secret_ref.is_some(), "secretRef"),
            (sts.cert_secret_ref.is_some(), "certSecretRef"),
        ] {
            if is_set {
                let text = format!("spec.sts.{field} is not required for the 'aws' STS provider");
                return stalled(source::INVALID_STS_CONFIGURATION, text);
            }
        }
    }
    if let Err(problem) = url::Url::parse(&sts.endpoint) {
        let text = format!("failed to parse STS endpoint '{}': {problem}", sts.endpoint);
        return stalled(reason::URL_INVALID, text);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::failed;
    use crds::{meta::STALLED, source::condition::FETCH_FAILED};
    use runtime::conditions::find;
    use serde_json::json;
    use std::time::Duration;

    /// The API server refuses most of it already; objects may be older than its rules.
    #[test]
    fn a_token_service_goes_with_its_provider() {
        let told = |provider: &str, sts: serde_json::Value| {
            let object: Bucket = serde_json::from_value(json!({
                "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "Bucket", "metadata": {"name": "a", "generation": 1},
                "spec": {"interval": "1m", "bucketName": "b", "endpoint": "e", "provider": provider, "sts": sts},
                "status": {},
            }))
            .unwrap();
            let failure = check_sts(&object, object.spec.provider.unwrap()).err()?;
            let (status, now) = (object.status.clone().unwrap(), runtime::conditions::now());
            let status = failed(&object, status, failure, &now, Duration::ZERO).status;
            let [on_fetch, stalled] =
                [FETCH_FAILED, STALLED].map(|kind| find(&status.conditions, kind).unwrap());
            assert_eq!(
                (&on_fetch.reason, &on_fetch.message),
                (&stalled.reason, &stalled.message)
            );
            Some((stalled.reason.clone(), stalled.message.clone()))
        };
        let at = |provider: &str, more: serde_json::Value| {
            let mut sts = json!({"provider": provider, "endpoint": "https://h"});
            sts.as_object_mut()
                .unwrap()
                .extend(more.as_object().unwrap().clone());
            sts
        };
        let named = json!({"name": "s"});
        for (provider, sts, expected) in [
            ("aws", at("aws", json!({})), None),
            (
                "generic",
                at("ldap", json!({"secretRef": named, "certSecretRef": named})),
                None,
            ),
            (
                "generic",
                at("aws", json!({})),
                Some(
                    "InvalidSTSConfiguration: STS provider 'aws' is not supported for 'generic' bucket provider",
                ),
            ),
            (
                "aws",
                at("ldap", json!({})),
                Some(
                    "InvalidSTSConfiguration: STS provider 'ldap' is not supported for 'aws' bucket provider",
                ),
            ),
            (
                "aws",
                at("aws", json!({"secretRef": named})),
                Some(
                    "InvalidSTSConfiguration: spec.sts.secretRef is not required for the 'aws' STS provider",
                ),
            ),
            (
                "aws",
                at("aws", json!({"certSecretRef": named})),
                Some(
                    "InvalidSTSConfiguration: spec.sts.certSecretRef is not required for the 'aws' STS provider",
                ),
            ),
            (
                "generic",
                at("ldap", json!({"endpoint": "https://["})),
                Some("URLInvalid: failed to parse STS endpoint 'https://[': invalid IPv6 address"),
            ),
        ] {
            let found = told(provider, sts.clone()).map(|(reason, message)| format!("{reason}: {message}"));
            assert_eq!(found.as_deref(), expected, "{provider} {sts}");
        }
    }
}
