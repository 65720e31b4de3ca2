//! I/O: the Secrets that a Bucket names, and a login for its store. Pure: where to ask, and how.

mod azure;
mod gcs;
mod s3;

use crate::{
    context::Context,
    kube_secret,
    objects::{ObjectsError, Store},
    record::{Failure, patience},
};
use cloud::{CloudError, Who};
use crds::{
    meta::{LocalReference, reason},
    source::{Bucket, BucketProvider},
};
use kube::{Client, ResourceExt as _};
use peer::{
    http::{self, Proxy, Tls},
    secret::Credentials,
};
use runtime::telemetry::chain;
use std::{collections::BTreeMap, time::Duration};

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
    patience(given)
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
        BucketProvider::Generic | BucketProvider::Aws => s3::store(context, object, provider, &given).await,
        BucketProvider::Gcp => gcs::store(context, object, &given).await,
        BucketProvider::Azure => azure::store(context, object, &given).await,
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
        let tls = |found: Option<Named>| {
            let tls = found.map(|named| Tls::some(credentials(&named))).transpose();
            let tls = tls.map_err(|e| Failure::fetch(reason::AUTHENTICATION_FAILED, e.to_string()))?;
            Ok::<_, Failure>(tls.flatten().unwrap_or_default())
        };
        let secret = read(spec.secret_ref.as_ref(), "").await?;
        let sts = spec.sts.as_ref();
        let sts_secret = read(sts.and_then(|sts| sts.secret_ref.as_ref()), "STS secret").await?;
        let proxy = read(spec.proxy_secret_ref.as_ref(), "proxy URL").await?;
        let proxy = proxy
            .map(|named| Proxy::from_secret(credentials(&named)))
            .transpose();
        let proxy = proxy.map_err(|e| Failure::fetch(reason::AUTHENTICATION_FAILED, e.to_string()))?;
        let own = tls(read(spec.cert_secret_ref.as_ref(), "TLS config").await?)?;
        let sts_tls = sts.and_then(|sts| sts.cert_secret_ref.as_ref());
        let sts_tls = tls(read(sts_tls, "STS TLS config").await?)?;
        Ok(Self {
            secret,
            tls: own,
            proxy,
            sts_secret,
            sts_tls,
            namespace,
        })
    }

    fn who<'a>(&'a self, object: &'a Bucket) -> Who<'a> {
        Who {
            namespace: &self.namespace,
            account: object
                .spec
                .service_account_name
                .as_deref()
                .filter(|name| !name.is_empty()),
            proxy: self.proxy.as_ref(),
        }
    }

    fn client(&self, tls: &Tls, has_login: bool) -> Result<reqwest::Client, Failure> {
        let client = http::client(tls, self.proxy.as_ref(), http::policy(has_login));
        client.map_err(|e| unusable(&ObjectsError::Client(e)))
    }
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
    let cloud = error.downcast_ref::<CloudError>();
    Failure::fetch(reason::AUTHENTICATION_FAILED, chain(error))
        .not_before(cloud.and_then(CloudError::retry_after))
}
