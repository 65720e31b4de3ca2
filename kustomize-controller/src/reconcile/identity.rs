//! I/O: in whose name the objects are written, read and deleted, and in which cluster.

use super::step::{Failure, Step};
use crate::context::Context;
use crds::kustomize::{Kustomization, reason};
use runtime::{
    acting::{self, ActingError, Asked},
    client::Identity,
};

/// The identity that an object acts as.
///
/// # Errors
/// See [`ActingError`].
pub async fn of(context: &Context, object: &Kustomization) -> Result<Identity, ActingError> {
    acting::identity(&context.clients, &context.settings.acting, asked(object)).await
}

/// What an object says of that.
pub fn asked(object: &Kustomization) -> Asked<'_> {
    Asked {
        namespace: object.metadata.namespace.as_deref().unwrap_or_default(),
        account: object.spec.service_account_name.as_deref(),
        kube_config: object.spec.kube_config.as_ref(),
    }
}

impl From<ActingError> for Failure {
    fn from(error: ActingError) -> Self {
        match error {
            ActingError::Account(_) => Self::new(Step::Apply, error.to_string()),
            // Flux makes its client before it builds, and tells it as a failed reconciliation.
            ActingError::Secret { .. } | ActingError::ConfigMap { .. } | ActingError::Content { .. } => {
                Self::new(Step::Build, error.to_string()).because(reason::RECONCILIATION_FAILED)
            }
        }
    }
}
