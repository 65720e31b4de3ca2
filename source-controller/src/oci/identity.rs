//! I/O: what an identity at a cloud provider is granted for its registries.

use super::{Access, Login, Repository};
use cloud::{Cloud, CloudError, Service, Way, Who};
use crds::source::OciProvider;

/// A login for a repository at a registry of the provider's, which one goes to with this access.
///
/// # Errors
/// See [`CloudError`]; [`CloudError::Setup`] if the registry is not the provider's, or others could hear the login.
pub async fn login(
    cloud: &Cloud,
    provider: OciProvider,
    who: &Who<'_>,
    repository: &Repository,
    access: &Access,
) -> Result<Login, CloudError> {
    let service = match provider {
        OciProvider::Generic => return Ok(Login::Anonymous),
        OciProvider::Aws => Service::Aws,
        OciProvider::Azure => Service::Azure,
        OciProvider::Gcp => Service::Gcp,
    };
    let way = Way {
        trusts: access.tls.as_ref().is_some_and(|tls| tls.ca.is_some()),
        plain: access.insecure || repository.is_local(),
        local: repository.is_local(),
    };
    let granted = cloud.registry(service, who, &repository.registry, way).await?;
    Ok(Login::Basic {
        username: granted.username,
        password: granted.password,
    })
}
