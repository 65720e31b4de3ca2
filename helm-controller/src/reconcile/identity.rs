//! I/O: in whose name a release is made, and in which cluster.

use super::step::Stop;
use crate::context::Context;
use crds::helm::{HelmRelease, reason as hr};
use runtime::{
    acting::{self, ActingError, Asked},
    client::Identity,
};

/// The identity that an object acts as.
///
/// # Errors
/// See [`ActingError`].
pub async fn of(context: &Context, object: &HelmRelease) -> Result<Identity, ActingError> {
    acting::identity(&context.clients, &context.settings.acting, asked(object)).await
}

/// What an object says of that.
pub fn asked(object: &HelmRelease) -> Asked<'_> {
    Asked {
        namespace: object.metadata.namespace.as_deref().unwrap_or_default(),
        account: object.spec.service_account_name.as_deref(),
        kube_config: object.spec.kube_config.as_ref(),
    }
}

impl From<ActingError> for Stop {
    fn from(error: ActingError) -> Self {
        Self::Failed {
            reason: hr::REST_CLIENT_ERROR,
            message: error.to_string(),
            tells: false,
        }
    }
}
