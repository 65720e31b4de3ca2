//! I/O: the Secrets that a Bucket names, and a login for its store. Pure: where to ask, and how.

use super::failed;
use crate::{
    cloud::{
        CloudError, Who, aws,
        azure::{Application, BLOBS, Proof},
        sigv4::Keys,
    },
    context::Context,
    http::{self, Proxy, Tls},
    kube_secret,
    objects::{Azure, AzureLogin, Gcs, ObjectsError, S3, Store},
    record::Failure,
    secret::{Credentials, Secret},
};
use crds::{
    meta::{LocalReference, reason},
    source::{Bucket, BucketProvider, StsProvider, reason as source},
};
use kube::{Client, ResourceExt as _};
use runtime::telemetry::chain;
use std::{collections::BTreeMap, time::Duration};

/// `spec.timeout` where it is not given, as the CRD has it.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What to ask a store for.
#[derive(Debug)]
pub struct Request {
    /// The store.
    pub store: Store,
    /// The bucket's name, for messages.
    pub bucket: String,
    /// Which bucket it is: provider, endpoint and name.
    pub place: String,
    /// How the keys begin that are meant.
    pub prefix: String,
    /// `spec.ignore`.
    pub ignore: Option<String>,
}

/// A Secret that the spec names: its name in messages, and its data.
type Named = (String, BTreeMap<String, Vec<u8>>);

/// How long each step of a pass may take.
pub fn timeout(object: &Bucket) -> Duration {
    let given = object
        .spec
        .timeout
        .as_ref()
        .and_then(|timeout| timeout.get().ok());
    given.filter(|timeout| !timeout.is_zero()).unwrap_or(TIMEOUT)
}

/// Reads what the spec names and says what to ask the store for.
pub async fn run(context: &Context, object: &Bucket) -> Result<Request, Failure> {
    let spec = &object.spec;
    let provider = spec.provider.unwrap_or_default();
    let accounted = spec
        .service_account_name
        .as_deref()
        .is_some_and(|name| !name.is_empty());
    if accounted && provider != BucketProvider::Generic && !context.cloud.object_level() {
        let text = CloudError::Gate.to_string();
        return Err(Failure::fetch(reason::FEATURE_GATE_DISABLED, text).stalled());
    }
    let given = Given::read(&context.client, object).await?;
    let store = match provider {
        BucketProvider::Generic | BucketProvider::Aws => s3(context, object, provider, &given).await,
        BucketProvider::Gcp => gcs(context, object, &given).await,
        BucketProvider::Azure => azure(context, object, &given).await,
    };
    let endpoint = http::without_queries(&spec.endpoint);
    Ok(Request {
        store: store?,
        bucket: spec.bucket_name.clone(),
        place: format!("{provider:?} {endpoint} {}", spec.bucket_name),
        prefix: spec.prefix.clone().unwrap_or_default(),
        ignore: spec.ignore.clone(),
    })
}

/// What the Secrets say.
struct Given {
    namespace: String,
    secret: Option<Named>,
    tls: Tls,
    proxy: Option<Proxy>,
    sts_secret: Option<Named>,
    sts_tls: Tls,
}

impl Given {
    async fn read(client: &Client, object: &Bucket) -> Result<Self, Failure> {
        let (spec, namespace) = (&object.spec, object.namespace().unwrap_or_default());
        let read = async |reference: Option<&LocalReference>, doing: &str| match reference {
            None => Ok(None),
            Some(LocalReference { name }) => {
                let found = kube_secret::read(client, &namespace, name).await;
                found.map(Some).map_err(|problem| {
                    let text = match doing {
                        "" => problem,
                        doing => format!("failed to get {doing}: {problem}"),
                    };
                    Failure::fetch(reason::AUTHENTICATION_FAILED, text)
                })
            }
        };
        let tls = |found: Option<Named>| found.map(|named| Tls::from_secret(credentials(&named)));
        let secret = read(spec.secret_ref.as_ref(), "").await?;
        let sts = spec.sts.as_ref();
        let sts_secret = read(sts.and_then(|sts| sts.secret_ref.as_ref()), "STS secret").await?;
        let proxy = read(spec.proxy_secret_ref.as_ref(), "proxy URL").await?;
        let proxy = proxy
            .map(|named| Proxy::from_secret(credentials(&named)))
            .transpose();
        let proxy = proxy.map_err(|e| Failure::fetch(reason::AUTHENTICATION_FAILED, e.to_string()))?;
        let own = tls(read(spec.cert_secret_ref.as_ref(), "TLS config").await?);
        let sts_tls = sts.and_then(|sts| sts.cert_secret_ref.as_ref());
        let sts_tls = tls(read(sts_tls, "STS TLS config").await?);
        Ok(Self {
            secret,
            tls: own.unwrap_or_default(),
            proxy,
            sts_secret,
            sts_tls: sts_tls.unwrap_or_default(),
            namespace,
        })
    }

    fn who<'a>(&'a self, object: &'a Bucket) -> Who<'a> {
        Who {
            namespace: &self.namespace,
            account: object.spec.service_account_name.as_deref(),
            proxy: self.proxy.as_ref(),
        }
    }

    fn client(&self, tls: &Tls, has_login: bool) -> Result<reqwest::Client, Failure> {
        let client = http::client(tls, self.proxy.as_ref(), http::policy(has_login));
        client.map_err(|e| unusable(&ObjectsError::Client(e)))
    }
}

async fn s3(
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
                Failure::fetch(reason::AUTHENTICATION_FAILED, text)
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
        Failure::fetch(source::BUCKET_OPERATION_FAILED, text)
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

async fn gcs(context: &Context, object: &Bucket, given: &Given) -> Result<Store, Failure> {
    // Google's libraries read this; Flux's field `endpoint` means nothing here.
    let emulator = std::env::var("STORAGE_EMULATOR_HOST")
        .ok()
        .filter(|host| !host.is_empty());
    let place = match &emulator {
        Some(host) if host.contains("://") => host.clone(),
        Some(host) => format!("http://{host}"),
        None => "https://storage.googleapis.com".to_owned(),
    };
    let who = given.who(object);
    let token = match &given.secret {
        Some(secret) => {
            let key = secret.1.get("serviceaccount");
            let key = key.ok_or_else(|| invalid(secret, "required fields 'serviceaccount'"))?;
            let token = context
                .cloud
                .service_account(&who, &Secret::new(key.clone()))
                .await;
            Some(token.map_err(|e| unusable(&e))?)
        }
        None if emulator.is_some() => None,
        None => Some(context.cloud.gcp(&who).await.map_err(|e| unusable(&e))?),
    };
    // Flux takes a certificate for S3 alone.
    let client = given.client(&Tls::default(), token.is_some())?;
    let store = Gcs::new(client, &place, &object.spec.bucket_name, token);
    store.map(Store::Gcs).map_err(|e| unusable(&e))
}

async fn azure(context: &Context, object: &Bucket, given: &Given) -> Result<Store, Failure> {
    let spec = &object.spec;
    let who = given.who(object);
    let login = match &given.secret {
        Some(secret) => azure_login(context, &who, secret, &spec.endpoint).await?,
        None => None,
    };
    let login = match login {
        Some(login) => login,
        None => match context.cloud.azure(&who, BLOBS).await.map_err(|e| unusable(&e))? {
            Some(token) => AzureLogin::Token(token),
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
async fn azure_login(
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
            value("clientCertificate").map(|pem| Proof::Certificate { pem, send_chain })
        };
        if let Some(proof) = value("clientSecret").map(Proof::Secret).or_else(certificate) {
            let token = context.cloud.application(who, &application, &proof, BLOBS).await;
            return Ok(Some(AzureLogin::Token(token.map_err(unusable_token)?)));
        }
    }
    if let Some(client) = text("clientId")? {
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

fn credentials(named: &Named) -> Credentials<'_> {
    Credentials {
        name: &named.0,
        data: &named.1,
    }
}

/// A Secret's name without its namespace, as Flux tells of its data.
fn short(named: &Named) -> &str {
    named
        .0
        .rsplit_once('/')
        .map_or(named.0.as_str(), |(_, name)| name)
}

fn invalid(named: &Named, problem: &str) -> Failure {
    let text = format!("invalid '{}' secret data: {problem}", short(named));
    Failure::fetch(reason::AUTHENTICATION_FAILED, text)
}

fn unusable(error: &(dyn std::error::Error + 'static)) -> Failure {
    Failure::fetch(reason::AUTHENTICATION_FAILED, chain(error))
}
