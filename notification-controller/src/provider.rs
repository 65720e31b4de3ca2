//! A Provider and what its Secrets hold: the service that messages are sent to.

use crate::message::{Again, DeliveryError};
use crds::notification::{Provider, ProviderType};
use kube::Client;

/// A service that can be told something.
#[derive(Debug, Clone)]
pub struct Service {
    /// Its type.
    pub kind: ProviderType,
}

/// Puts together what a Provider and its Secrets say.
///
/// # Errors
/// When a Secret or a key in it is missing, or what it holds cannot be used.
pub async fn resolve(client: &Client, provider: &Provider) -> Result<Service, DeliveryError> {
    let _ = client;
    Ok(Service {
        kind: provider.spec.type_,
    })
    .and_then(|service: Service| match service.kind {
        ProviderType::Generic => Ok(service),
        _ => Err(DeliveryError {
            message: "no service is there yet".into(),
            again: Again::Never,
        }),
    })
}
