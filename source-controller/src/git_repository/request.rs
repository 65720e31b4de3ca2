//! I/O: the Secrets that a GitRepository names. Pure: what to ask the remote for, and how to get in.

use crate::git::{
    Auth, AuthError, Credentials, GitError, HttpAuth, Login, Provider, Proxy, Reference, ReferenceSpec,
    Request, parse_url,
};
use crate::{
    context::Context,
    kube_secret::{self, Data},
    record::{Failure, patience},
    shelf::blocking,
};
use cloud::{
    CloudError, Way, Who,
    azure::{DEVOPS, for_git, for_theirs},
    is_loopback,
};
use crds::{
    meta::{LocalReference, reason},
    source::{GitProvider, GitRepository, GitVerificationMode, reason as source},
};
use kube::{Client, ResourceExt as _};
use runtime::telemetry::chain;
use url::Url;

/// Which signatures a commit needs, and whose.
#[derive(Debug, Clone)]
pub struct Verification {
    /// What must be signed.
    pub mode: GitVerificationMode,
    /// The public keys by their names in the Secret.
    pub keys: Data,
}

/// Reads what the spec names and says what to ask the remote for.
pub async fn run(context: &Context, object: &GitRepository) -> Result<Request, Failure> {
    let (spec, client) = (&object.spec, &context.client);
    let url = parse_url(&spec.url).map_err(|e| Failure::from(&e))?;
    let provider = match spec.provider.unwrap_or_default() {
        GitProvider::Generic => Provider::Generic,
        GitProvider::Github => Provider::GitHub,
        GitProvider::Aws => Provider::Aws,
        GitProvider::Azure => Provider::Azure,
    };
    let account = spec
        .service_account_name
        .as_deref()
        .filter(|name| !name.is_empty());
    if account.is_some() && !context.cloud.object_level() {
        let text = CloudError::Gate.to_string();
        return Err(Failure::fetch(reason::FEATURE_GATE_DISABLED, text).stalled());
    }
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
    let proxy = proxy.map_err(|e| Failure::from(&GitError::Auth(AuthError::Proxy(e))))?;
    let namespace = object.namespace().unwrap_or_default();
    let who = Who {
        namespace: &namespace,
        account,
        proxy: proxy.as_ref(),
    };
    let auth = granted(context, provider, &who, &url, auth).await?;
    let reference = spec.reference.clone().unwrap_or_default();
    Ok(Request {
        url,
        auth,
        proxy,
        reference: Reference::from_spec(ReferenceSpec {
            branch: reference.branch.as_deref(),
            tag: reference.tag.as_deref(),
            semver: reference.semver.as_deref(),
            name: reference.name.as_deref(),
            commit: reference.commit.as_deref(),
        }),
        timeout: patience(spec.timeout.as_ref().and_then(|t| t.get().ok())),
        recurse_submodules: spec.recurse_submodules,
    })
}

/// With what an identity at a cloud provider is granted for the repository, where the spec says so.
async fn granted(
    context: &Context,
    provider: Provider,
    who: &Who<'_>,
    url: &Url,
    auth: Auth,
) -> Result<Auth, Failure> {
    let (Auth::Http(http), Provider::Aws | Provider::Azure) = (&auth, provider) else {
        return Ok(auth);
    };
    let failed = |error: CloudError| {
        let text = format!("failed to configure authentication options: {}", chain(&error));
        Failure::fetch(reason::AUTHENTICATION_FAILED, text).not_before(error.retry_after())
    };
    let way = Way {
        trusts: http.tls.ca.is_some(),
        plain: url.scheme() == "http",
        local: is_loopback(url),
    };
    way.check(who).map_err(failed)?;
    let login = if provider == Provider::Aws {
        let (username, password) = context.cloud.codecommit(who, url).await.map_err(failed)?;
        Login::Basic { username, password }
    } else {
        let may_go = if who.is_its_own() {
            for_theirs(url.as_str()).map(drop)
        } else {
            for_git(url.as_str())
        };
        may_go.map_err(failed)?;
        let token = context.cloud.azure(who, DEVOPS).await.map_err(failed)?;
        let nobody = || CloudError::Setup("neither environment nor machine has an identity".into());
        Login::Bearer(token.ok_or_else(nobody).map_err(failed)?)
    };
    let account = who.account.unwrap_or_default();
    Ok(Auth::Http(HttpAuth {
        login: Login::Granted {
            login: Box::new(login),
            identity: format!("{provider:?} {} {account}", who.namespace),
        },
        tls: http.tls.clone(),
    }))
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
