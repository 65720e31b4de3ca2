//! Where tokens of Entra ID may go: a token is good for every storage account that its identity may read, so whoever gets one
//! may read them all.

use super::{CloudError, Way, Who, acr::environment, is_loopback, is_safe};
use url::Url;

/// Where Azure's storage accounts are, in its clouds.
const STORAGE: [&str; 6] = [
    ".blob.core.windows.net",
    ".dfs.core.windows.net",
    ".blob.storage.azure.net",
    ".blob.core.chinacloudapi.cn",
    ".blob.core.usgovcloudapi.net",
    ".blob.core.cloudapi.de",
];

/// Where namespaces of Event Hubs are, in Azure's clouds.
const EVENT_HUBS: [&str; 4] = [
    ".servicebus.windows.net",
    ".servicebus.chinacloudapi.cn",
    ".servicebus.usgovcloudapi.net",
    ".servicebus.cloudapi.de",
];

/// Whether a token of our own identities may go to an endpoint: to Azure's storage, that of a cloud of one's own
/// (`storageEndpointSuffix` in the file that `AZURE_ENVIRONMENT_FILEPATH` names), or this machine, if no proxy is asked for it.
///
/// # Errors
/// That it may not.
pub fn for_ours(who: &Who<'_>, endpoint: &str) -> Result<(), CloudError> {
    let url = for_theirs(endpoint)?;
    let way = Way {
        trusts: false,
        plain: url.scheme() == "http",
        local: is_loopback(&url),
    };
    way.check(who)?;
    let host = url.host_str().unwrap_or_default();
    let own = environment()?
        .map(|own| own.storage_suffix().to_owned())
        .unwrap_or_default();
    let is_own = !own.is_empty() && host.ends_with(&format!(".{own}"));
    if url.scheme() == "http" || is_own || STORAGE.iter().any(|suffix| host.ends_with(suffix)) {
        return Ok(());
    }
    Err(CloudError::Setup(format!(
        "'{host}' is not of Azure's storage: the token of an identity is not sent there; use a Secret, or name the host's \
         domain as storageEndpointSuffix in the file of AZURE_ENVIRONMENT_FILEPATH"
    )))
}

/// Whether a token of our own identities may go to a Git repository: to Azure DevOps, or this machine.
///
/// # Errors
/// That it may not.
pub fn for_git(url: &str) -> Result<(), CloudError> {
    let url = for_theirs(url)?;
    let host = url.host_str().unwrap_or_default();
    // Before it was there, each organisation had a name below this one.
    let organisation = host.strip_suffix(".visualstudio.com");
    let is_organisation = organisation.is_some_and(|name| !name.is_empty() && !name.contains('.'));
    if url.scheme() == "http" || host == "dev.azure.com" || is_organisation {
        return Ok(());
    }
    Err(CloudError::Setup(format!(
        "'{host}' is not Azure DevOps: the token of an identity that is not the object's own is not sent there"
    )))
}

/// Whether a token of our own identities may go to a namespace of Event Hubs: to Azure's.
///
/// # Errors
/// That it may not.
pub fn for_event_hubs(url: &str) -> Result<(), CloudError> {
    let url = for_theirs(url)?;
    let host = url.host_str().unwrap_or_default();
    let is_namespace = |suffix: &&str| {
        let name = host.strip_suffix(*suffix);
        name.is_some_and(|name| !name.is_empty() && !name.contains('.'))
    };
    if url.scheme() == "https" && url.port().is_none() && EVENT_HUBS.iter().any(is_namespace) {
        return Ok(());
    }
    Err(CloudError::Setup(format!(
        "'{host}' is not of Azure's Event Hubs: the token of an identity that is not the object's own is not sent there"
    )))
}

/// Whether a token that a tenant has got for its own secret may go to an endpoint: over TLS, or to this machine.
///
/// # Errors
/// That it may not.
pub fn for_theirs(endpoint: &str) -> Result<Url, CloudError> {
    let url = Url::parse(endpoint).ok().filter(is_safe);
    url.ok_or_else(|| {
        let text = "authenticated requests are not permitted for non TLS protected (https) endpoints";
        CloudError::Setup(text.into())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_go_to_azure_and_nowhere_else() {
        let who = Who {
            namespace: "n",
            account: None,
            proxy: None,
        };
        for (endpoint, ours, theirs) in [
            ("https://app.blob.core.windows.net", true, true),
            ("https://app.z1.blob.storage.azure.net/", true, true),
            ("https://app.blob.core.windows.net.evil.org", false, true),
            ("https://evil.org", false, true),
            ("http://app.blob.core.windows.net", false, false),
            ("http://127.0.0.1:10000/app", true, true),
            ("app.blob.core.windows.net", false, false),
        ] {
            assert_eq!(for_ours(&who, endpoint).is_ok(), ours, "{endpoint}");
            assert_eq!(for_theirs(endpoint).is_ok(), theirs, "{endpoint}");
        }
        for (url, expected) in [
            ("https://dev.azure.com/org/project/_git/app", true),
            ("https://org.visualstudio.com/project/_git/app", true),
            ("https://app.org.visualstudio.com/project/_git/app", false),
            ("https://.visualstudio.com/project/_git/app", false),
            ("https://dev.azure.com.evil.org/org/project/_git/app", false),
            ("https://evildev.azure.com/app", false),
            ("http://dev.azure.com/org/project/_git/app", false),
            ("http://127.0.0.1:1/app.git", true),
        ] {
            assert_eq!(for_git(url).is_ok(), expected, "{url}");
        }
        for (url, expected) in [
            ("https://acme.servicebus.windows.net/", true),
            ("https://acme.servicebus.chinacloudapi.cn/flux", true),
            ("https://acme.servicebus.windows.net.evil.org", false),
            ("https://evil.org/.servicebus.windows.net", false),
            ("https://acme.servicebus.windows.net@evil.org", false),
            ("https://evil.org#.servicebus.windows.net", false),
            ("https://.servicebus.windows.net", false),
            ("https://acme.servicebus.windows.net:8443", false),
            ("http://acme.servicebus.windows.net", false),
            ("http://127.0.0.1:1", false),
        ] {
            assert_eq!(for_event_hubs(url).is_ok(), expected, "{url}");
        }
    }
}
