//! I/O: the Secrets that a GitRepository names. Pure: what to ask the remote for, and how to get in.

use crate::git::{
    Auth, AuthError, Credentials, GitError, Provider, Proxy, Reference, ReferenceSpec, Request, parse_url,
};
use crate::{
    kube_secret::{self, Data},
    record::Failure,
    shelf::blocking,
};
use crds::{
    meta::{LocalReference, reason},
    source::{GitProvider, GitRepository, GitVerificationMode, reason as source},
};
use kube::{Client, ResourceExt as _};
use std::time::Duration;

/// `spec.timeout` where it is not given, as the CRD has it.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Which signatures a commit needs, and whose.
#[derive(Debug, Clone)]
pub struct Verification {
    /// What must be signed.
    pub mode: GitVerificationMode,
    /// The public keys by their names in the Secret.
    pub keys: Data,
}

/// Reads what the spec names and says what to ask the remote for.
pub async fn run(client: &Client, object: &GitRepository) -> Result<Request, Failure> {
    let spec = &object.spec;
    let url = parse_url(&spec.url).map_err(|e| Failure::from(&e))?;
    let provider = match spec.provider.unwrap_or_default() {
        GitProvider::Generic => Provider::Generic,
        GitProvider::Github => Provider::GitHub,
        GitProvider::Aws | GitProvider::Azure => {
            let text = "spec.provider: identities of aws and azure are not supported by this version";
            return Err(Failure::fetch(reason::INVALID_PROVIDER_CONFIGURATION, text));
        }
    };
    let secret = read(client, object, spec.secret_ref.as_ref()).await?;
    // A key with a passphrase takes a moment to open.
    let at = url.clone();
    let auth = blocking(move || {
        let named = secret.as_ref().map(|(name, data)| Credentials { name, data });
        Auth::from_secret(&at, provider, named)
    });
    let auth = auth.await?.map_err(|e| Failure::from(&GitError::Auth(e)))?;
    let proxy = read(client, object, spec.proxy_secret_ref.as_ref()).await?;
    let proxy = proxy
        .as_ref()
        .map(|(name, data)| Proxy::from_secret(Credentials { name, data }))
        .transpose();
    let reference = spec.reference.clone().unwrap_or_default();
    Ok(Request {
        url,
        auth,
        proxy: proxy.map_err(|e| Failure::from(&GitError::Auth(AuthError::Proxy(e))))?,
        reference: Reference::from_spec(ReferenceSpec {
            branch: reference.branch.as_deref(),
            tag: reference.tag.as_deref(),
            semver: reference.semver.as_deref(),
            name: reference.name.as_deref(),
            commit: reference.commit.as_deref(),
        }),
        timeout: spec
            .timeout
            .as_ref()
            .and_then(|t| t.get().ok())
            .filter(|t| !t.is_zero())
            .unwrap_or(TIMEOUT),
        recurse_submodules: spec.recurse_submodules,
    })
}

/// Reads the public keys that `spec.verify` names, and checks that its mode fits the reference.
pub async fn verification(client: &Client, object: &GitRepository) -> Result<Option<Verification>, Failure> {
    let Some(verify) = &object.spec.verify else {
        return Ok(None);
    };
    let mode = verify.mode.unwrap_or_default();
    let reference = object.spec.reference.clone().unwrap_or_default();
    let given = |value: &Option<String>| value.as_ref().is_some_and(|v| !v.is_empty());
    let tagged = given(&reference.tag)
        || given(&reference.semver)
        || reference
            .name
            .as_ref()
            .is_some_and(|n| n.starts_with("refs/tags/"));
    let wants_tag = matches!(mode, GitVerificationMode::Tag | GitVerificationMode::TagAndHead);
    if wants_tag && !tagged {
        let text = format!(
            "cannot verify tag object's signature if a tag reference is not specified (verification mode '{}')",
            mode.as_str()
        );
        return Err(Failure::unverified(source::INVALID_VERIFICATION_MODE, text).stalled());
    }
    match read(client, object, Some(&verify.secret_ref)).await {
        Ok(secret) => Ok(secret.map(|(_, keys)| Verification { mode, keys })),
        Err(failure) => Err(Failure::unverified(
            source::VERIFICATION_ERROR,
            format!("PGP public keys secret error: {}", failure.message),
        )),
    }
}

async fn read(
    client: &Client,
    object: &GitRepository,
    reference: Option<&LocalReference>,
) -> Result<Option<(String, Data)>, Failure> {
    let Some(reference) = reference else {
        return Ok(None);
    };
    let namespace = object.namespace().unwrap_or_default();
    let found = kube_secret::read(client, &namespace, &reference.name).await;
    found
        .map(Some)
        .map_err(|problem| Failure::fetch(reason::AUTHENTICATION_FAILED, problem))
}
