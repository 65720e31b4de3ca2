//! I/O: the store of a Bucket of the provider `azure`, and the login to it.

use super::{Given, Named, credentials, invalid, short, unusable};
use crate::{
    bucket::failed,
    context::Context,
    objects::{Azure, AzureLogin, Store},
    record::Failure,
};
use cloud::{
    CloudError, Who,
    azure::{Application, BLOBS, Proof, for_ours, for_theirs},
};
use crds::{meta::reason, source::Bucket};
use peer::{http::Tls, secret::Secret};
use runtime::telemetry::chain;

/// The store.
pub(super) async fn store(context: &Context, object: &Bucket, given: &Given) -> Result<Store, Failure> {
    let spec = &object.spec;
    let who = given.who(object);
    let login = match &given.secret {
        Some(secret) => login(context, &who, secret, &spec.endpoint).await?,
        None => None,
    };
    let login = match login {
        Some(login) => login,
        None => match context.cloud.azure(&who, BLOBS).await.map_err(|e| unusable(&e))? {
            Some(token) => {
                let may_go = if who.is_its_own() {
                    for_theirs(&spec.endpoint).map(drop)
                } else {
                    for_ours(&who, &spec.endpoint)
                };
                may_go.map_err(|e| unusable(&e))?;
                AzureLogin::Token(token)
            }
            None => AzureLogin::Anonymous,
        },
    };
    let client = given.client(&Tls::default(), !matches!(login, AzureLogin::Anonymous))?;
    let store = Azure::new(client, &spec.endpoint, &spec.bucket_name, login);
    store
        .map(Store::Azure)
        .map_err(|e| failed("failed to use the endpoint", &e))
}

/// The login that a Secret describes: the first of an application, a managed identity, the account's key and a signature.
async fn login(
    context: &Context,
    who: &Who<'_>,
    secret: &Named,
    endpoint: &str,
) -> Result<Option<AzureLogin>, Failure> {
    let known = ["clientId", "accountKey", "sasKey", "authorityHost"];
    if !known.iter().any(|key| secret.1.contains_key(*key)) {
        let problem = "requires a 'clientId' or 'accountKey' field, a combination of 'tenantId', 'clientId' and \
                       'clientSecret', or 'tenantId', 'clientId' and 'clientCertificate'";
        return Err(invalid(secret, problem));
    }
    let named = credentials(secret);
    let text = |key: &str| named.text(key).map_err(|e| unusable(&e));
    let value = |key: &str| {
        secret
            .1
            .get(key)
            .filter(|v| !v.is_empty())
            .cloned()
            .map(Secret::new)
    };
    let unusable_token = |e: CloudError| {
        let text = format!(
            "failed to create token credential from '{}' Secret: {}",
            short(secret),
            chain(&e)
        );
        Failure::fetch(reason::AUTHENTICATION_FAILED, text)
    };
    if let (Some(client), Some(tenant)) = (text("clientId")?, text("tenantId")?) {
        let application = Application {
            tenant: tenant.to_owned(),
            client: client.to_owned(),
            authority: text("authorityHost")?.map(str::to_owned),
        };
        let chained = text("clientCertificateSendChain")?;
        let certificate = || {
            let send_chain = chained.is_some_and(|v| v == "1" || v.eq_ignore_ascii_case("true"));
            value("clientCertificate").map(|pem| Proof::Certificate {
                pem,
                password: value("clientCertificatePassword"),
                send_chain,
            })
        };
        if let Some(proof) = value("clientSecret").map(Proof::Secret).or_else(certificate) {
            for_theirs(endpoint).map_err(unusable_token)?;
            let token = context.cloud.application(who, &application, &proof, BLOBS).await;
            return Ok(Some(AzureLogin::Token(token.map_err(unusable_token)?)));
        }
    }
    if let Some(client) = text("clientId")? {
        // Whoever names it: a machine's identity is nobody's own.
        let machine = Who {
            account: None,
            ..*who
        };
        for_ours(&machine, endpoint).map_err(unusable_token)?;
        let token = context
            .cloud
            .managed(who, client, BLOBS)
            .await
            .map_err(unusable_token)?;
        return Ok(Some(AzureLogin::Token(token)));
    }
    if let Some(key) = secret.1.get("accountKey") {
        let host = url::Url::parse(endpoint)
            .ok()
            .and_then(|url| url.host_str().map(str::to_owned));
        let host = host.unwrap_or_default();
        let labels: Vec<&str> = host.split('.').collect();
        if labels.len() <= 2 {
            let text = format!(
                "failed to create shared credential from '{}' Secret data: failed to extract account name from endpoint: \
                 expected '{host}' to be a subdomain",
                short(secret)
            );
            return Err(Failure::fetch(reason::AUTHENTICATION_FAILED, text));
        }
        return Ok(Some(AzureLogin::Key {
            account: labels[0].to_owned(),
            key: Secret::new(key.clone()),
        }));
    }
    Ok(value("sasKey").map(AzureLogin::Sas))
}
