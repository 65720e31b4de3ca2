//! Logins for the registries of providers, for whoever may have one, and by ways on which nobody else hears it.

use super::{Cloud, CloudError, Way, Who};
use peer::secret::Secret;

/// A provider with registries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// ECR, and Amazon's public registry.
    Aws,
    /// Azure's container registries.
    Azure,
    /// Google's artifact registry, and the older one.
    Gcp,
}

/// A name and a password for a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The name.
    pub username: String,
    /// The password.
    pub password: Secret,
}

impl Cloud {
    /// A login for a registry (host, and port if it is not the scheme's own) that one goes to by this way.
    ///
    /// # Errors
    /// See [`CloudError`]; [`CloudError::Setup`] if the registry is not the provider's, or others could hear the login.
    pub async fn registry(
        &self,
        service: Service,
        who: &Who<'_>,
        registry: &str,
        way: Way,
    ) -> Result<Login, CloudError> {
        way.check(who)?;
        match service {
            Service::Aws => self.ecr(who, registry).await,
            Service::Azure => self.acr(who, registry, way.local).await,
            Service::Gcp => self.gar(who, registry).await,
        }
    }
}
