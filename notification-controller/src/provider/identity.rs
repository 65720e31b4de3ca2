//! I/O: what the identity is granted that a Provider acts as: the ServiceAccount that it names, or else the controller's own.

use super::{Secret, Service};
use crate::message::DeliveryError;
use cloud::{Cloud, CloudError, Way, Who, azure, is_loopback};
use peer::http::Proxy;
use runtime::telemetry::chain;
use url::Url;

/// A token of Entra ID's for a scope, which is sent to this URL.
///
/// # Errors
/// That there is none, or that others could hear it there.
pub(crate) async fn entra_token(service: &Service, scope: &str, to: &Url) -> Result<Secret, DeliveryError> {
    let nobody =
        || CloudError::Setup("no Azure identity: neither the environment nor the machine has one".into());
    let asked = Asked::of(service, "azure")?;
    let granted = async {
        let who = asked.who(service);
        way(service, to).check(&who)?;
        match (who.is_its_own(), scope) {
            (true, _) => azure::for_theirs(to.as_str()).map(drop)?,
            (false, azure::DEVOPS) => azure::for_git(to.as_str())?,
            (false, _) => azure::for_event_hubs(to.as_str())?,
        }
        asked.cloud.azure(&who, scope).await?.ok_or_else(nobody)
    };
    granted.await.map_err(|error| asked.refused(&error))
}

/// A token of Google's, which is sent to this URL: an address of Google's that no Provider names.
///
/// # Errors
/// That there is none, or that others could hear it there.
pub(super) async fn google_identity(service: &Service, to: &Url) -> Result<Secret, DeliveryError> {
    let asked = Asked::of(service, "gcp")?;
    let granted = async {
        let who = asked.who(service);
        way(service, to).check(&who)?;
        asked.cloud.gcp(&who).await
    };
    granted.await.map_err(|error| asked.refused(&error))
}

/// The way that a Provider's messages go.
fn way(service: &Service, to: &Url) -> Way {
    Way {
        trusts: service.transport.tls.ca.is_some(),
        plain: to.scheme() != "https",
        local: is_loopback(to),
    }
}

/// Whom one asks, and by which way.
struct Asked<'s> {
    cloud: &'s Cloud,
    proxy: Option<Proxy>,
    provider: &'static str,
}

impl<'s> Asked<'s> {
    fn of(service: &'s Service, provider: &'static str) -> Result<Self, DeliveryError> {
        let nothing = || DeliveryError::later("the Provider's Secret has no 'token'".into());
        let proxy = service.transport.proxy.as_ref();
        let usable = |problem| DeliveryError::later(format!("invalid proxy: {problem}"));
        Ok(Self {
            cloud: service.peers.cloud.as_ref().ok_or_else(nothing)?,
            proxy: proxy.map(super::Proxy::outside).transpose().map_err(usable)?,
            provider,
        })
    }

    fn who<'a>(&'a self, service: &'a Service) -> Who<'a> {
        Who {
            namespace: &service.provider.namespace,
            account: service.account.as_deref(),
            proxy: self.proxy.as_ref(),
        }
    }

    /// What is set up may be put right, and who cannot be reached may come back.
    fn refused(&self, error: &CloudError) -> DeliveryError {
        DeliveryError::later(format!(
            "failed to get credential from {}: {}",
            self.provider,
            chain(error)
        ))
    }
}
