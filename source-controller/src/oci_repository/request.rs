//! I/O: the Secrets that an OCIRepository names, and its registry's tags. Pure: what to ask for, and how to get in.

use super::told;
use crate::{
    context::Context,
    kube_secret::{self, Data},
    oci::{self, Access, Keychain, Reference, Registry, Repository},
    record::{Failure, patience},
    tag,
};
use cloud::{CloudError, Who};
use crds::{
    meta::{LocalReference, STALLED, reason},
    source::{OCIRepository, OciLayerOperation, OciProvider, reason as source},
};
use k8s_openapi::api::core::v1::ServiceAccount;
use kube::{Api, Client, ResourceExt as _};
use peer::{
    http::{Proxy, Tls},
    secret::Credentials,
};
use regex::Regex;
use runtime::telemetry::{chain, said};
use std::time::Duration;
use versions::{Range, Version};

/// Charts have `+` in their versions, which tags cannot have; Helm writes `_` instead.
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

/// What to ask a registry for.
#[derive(Debug)]
pub struct Request {
    /// Where.
    pub repository: Repository,
    /// How to get in.
    pub access: Access,
    /// Which layer; the first if it is not said.
    pub media_type: Option<String>,
    /// What to do with it.
    pub operation: OciLayerOperation,
    /// How long all may take.
    pub timeout: Duration,
    wanted: Wanted,
}

/// What `spec.ref` says, in its order of precedence.
#[derive(Debug)]
enum Wanted {
    Exactly(Reference),
    Newest { range: String, filter: Option<Regex> },
}

/// Reads what the spec names and says what to ask the registry for.
pub async fn run(context: &Context, object: &OCIRepository) -> Result<Request, Failure> {
    let spec = &object.spec;
    let repository = Repository::parse(&spec.url).map_err(|e| {
        let text = format!("URL validation failed for '{}': {e}", spec.url);
        Failure::fetch(reason::URL_INVALID, text).stalled()
    })?;
    let selector = spec.layer_selector.clone().unwrap_or_default();
    let timeout = spec.timeout.as_ref().and_then(|t| t.get().ok());
    Ok(Request {
        access: access(context, object, &repository).await?,
        wanted: wanted(object)?,
        repository,
        media_type: selector.media_type.filter(|m| !m.is_empty()),
        operation: selector.operation.unwrap_or_default(),
        timeout: patience(timeout),
    })
}

impl Request {
    /// What is wanted now: for a range of versions, the tag with the highest one. `now` is for who wants no list but its own.
    pub async fn reference(&self, registry: &Registry, now: bool) -> Result<Reference, Failure> {
        let (range, filter) = match &self.wanted {
            Wanted::Exactly(reference) => return Ok(reference.clone()),
            Wanted::Newest { range, filter } => (range, filter.as_ref()),
        };
        let doing = format!(
            "failed to determine the artifact tag for 'oci://{}'",
            self.repository
        );
        let failed =
            |problem: String| Failure::fetch(source::READ_OPERATION_FAILED, format!("{doing}: {problem}"));
        let parsed = Range::parse(range)
            .map_err(|e| failed(format!("semver '{range}' parse error: {}", chain(&e))))?;
        let tags = registry.list(&self.repository, now).await;
        let tags = tags.map_err(|e| told(source::READ_OPERATION_FAILED, &doing, &e))?;
        let is_chart = self.media_type.as_deref() == Some(CHART);
        let newest = newest(&tags, &parsed, filter, is_chart);
        newest
            .map(|tag| Reference::Tag(tag.to_owned()))
            .ok_or_else(|| failed(format!("no match found for semver: {range}")))
    }
}

/// The tag with the highest version in a range; charts' tags are read with their `_` as `+`.
fn newest<'t>(tags: &'t [String], range: &Range, filter: Option<&Regex>, is_chart: bool) -> Option<&'t str> {
    let version = |name: &str| {
        let text = if is_chart {
            name.replace('_', "+")
        } else {
            name.to_owned()
        };
        tag::version(&text).filter(|version| range.admits(version))
    };
    let fits = tags.iter().filter(|tag| filter.is_none_or(|f| f.is_match(tag)));
    let mut best: Option<(Version, &str)> = None;
    for (version, tag) in fits.filter_map(|tag| Some((version(tag)?, tag.as_str()))) {
        if best
            .as_ref()
            .is_none_or(|(found, _)| found.precedence(&version).is_lt())
        {
            best = Some((version, tag));
        }
    }
    best.map(|(_, tag)| tag)
}

fn wanted(object: &OCIRepository) -> Result<Wanted, Failure> {
    let reference = object.spec.reference.clone().unwrap_or_default();
    let given = |text: Option<String>| text.filter(|t| !t.is_empty());
    if let Some(digest) = given(reference.digest) {
        return Ok(Wanted::Exactly(Reference::Digest(digest)));
    }
    if let Some(range) = given(reference.semver) {
        let filter = given(reference.semver_filter)
            .map(|f| re2::compile(&f))
            .transpose();
        let filter = filter.map_err(|e| {
            let text = format!("spec.ref.semverFilter: {e}");
            Failure::fetch(source::READ_OPERATION_FAILED, text)
        })?;
        return Ok(Wanted::Newest { range, filter });
    }
    let tag = given(reference.tag).unwrap_or_else(|| "latest".to_owned());
    Ok(Wanted::Exactly(Reference::Tag(tag)))
}

async fn access(
    context: &Context,
    object: &OCIRepository,
    repository: &Repository,
) -> Result<Access, Failure> {
    let (client, spec) = (&context.client, &object.spec);
    let namespace = object.namespace().unwrap_or_default();
    let named = async |reference: Option<&LocalReference>| match reference {
        Some(reference) => read(client, &namespace, &reference.name).await.map(Some),
        None => Ok(None),
    };
    let unusable = |e: &dyn std::error::Error| Failure::fetch(reason::AUTHENTICATION_FAILED, chain(e));
    let mut keychain = Keychain::default();
    let mut secrets = usize::from(spec.secret_ref.is_some());
    if let Some((name, data)) = named(spec.secret_ref.as_ref()).await? {
        let found = Keychain::from_secret(Credentials {
            name: &name,
            data: &data,
        });
        keychain = found.map_err(|e| unusable(&e))?;
    }
    let account = spec
        .service_account_name
        .as_deref()
        .filter(|name| !name.is_empty());
    if let Some(account) = account {
        for secret in pull_secrets(client, &namespace, account).await? {
            let (name, data) = read(client, &namespace, &secret).await?;
            let found = Keychain::from_secret(Credentials {
                name: &name,
                data: &data,
            });
            keychain = keychain.and(found.map_err(|e| unusable(&e))?);
            secrets += 1;
        }
    }
    let tls = named(spec.cert_secret_ref.as_ref()).await?;
    let tls = tls.map(|(name, data)| {
        Tls::checked(Credentials {
            name: &name,
            data: &data,
        })
    });
    let tls = tls.transpose().map_err(|e| unusable(&e))?;
    let proxy = named(spec.proxy_secret_ref.as_ref()).await?;
    let proxy = proxy.map(|(name, data)| {
        Proxy::from_secret(Credentials {
            name: &name,
            data: &data,
        })
    });
    let proxy = proxy.transpose().map_err(|e| unusable(&e))?;
    let provider = spec.provider.unwrap_or_default();
    let mut access = Access {
        keychain,
        tls,
        proxy,
        insecure: spec.insecure,
    };
    // A login in a Secret weighs more than the provider's.
    if provider != OciProvider::Generic && secrets == 0 {
        let who = Who {
            namespace: &namespace,
            account,
            proxy: access.proxy.as_ref(),
        };
        let login = oci::login(&context.cloud, provider, &who, repository, &access).await;
        let login = login.map_err(|e| no_identity(provider, &e))?;
        access.keychain = Keychain::only(&repository.registry, login);
    }
    Ok(access)
}

/// The provider gave no login.
fn no_identity(provider: OciProvider, error: &CloudError) -> Failure {
    if matches!(error, CloudError::Gate) {
        // As in Flux, which tells it on no other condition here.
        return Failure::new(STALLED, reason::FEATURE_GATE_DISABLED, error.to_string()).stalled();
    }
    let text = format!(
        "failed to get credential from {}: {}",
        provider.as_str(),
        chain(error)
    );
    Failure::fetch(reason::AUTHENTICATION_FAILED, text).not_before(error.retry_after())
}

/// The names of a ServiceAccount's image pull secrets.
async fn pull_secrets(client: &Client, namespace: &str, account: &str) -> Result<Vec<String>, Failure> {
    let api = Api::<ServiceAccount>::namespaced(client.clone(), namespace);
    let found = api.get(account).await.map_err(|error| {
        let text = format!(
            "failed to get service account '{namespace}/{account}': {}",
            said(&error)
        );
        Failure::fetch(reason::AUTHENTICATION_FAILED, text)
    })?;
    let secrets = found.image_pull_secrets.unwrap_or_default();
    Ok(secrets.into_iter().map(|secret| secret.name).collect())
}

async fn read(client: &Client, namespace: &str, name: &str) -> Result<(String, Data), Failure> {
    let found = kube_secret::read(client, namespace, name).await;
    found.map_err(|problem| Failure::fetch(reason::AUTHENTICATION_FAILED, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_version_in_the_range_is_taken() {
        let tags = [
            "latest",
            "1.0.0",
            "1.2.0-rc.1",
            "v1.1.0",
            "2.0.0",
            "1.1.0_build.5",
            "nightly-9.9.9",
            // No version with three numbers: a date, a major.
            "2026.11",
            "9",
        ]
        .map(str::to_owned);
        for (range, filter, is_chart, expected) in [
            (">=1.0.0 <2", None, false, Some("v1.1.0")),
            (">=1.0.0-0 <2", None, false, Some("1.2.0-rc.1")),
            ("*", None, false, Some("2.0.0")),
            ("*", Some("^1"), false, Some("1.0.0")),
            ("3.x", None, false, None),
            ("1.1.x", Some("_"), true, Some("1.1.0_build.5")),
        ] {
            let range = Range::parse(range).unwrap();
            let filter = filter.map(|f| Regex::new(f).unwrap());
            assert_eq!(newest(&tags, &range, filter.as_ref(), is_chart), expected);
        }
    }
}
