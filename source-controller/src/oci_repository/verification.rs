//! I/O: the signature that an OCIRepository wants, looked at when there is something new to look at.

use super::request::Request;
use crate::{
    context::Context,
    oci::Registry,
    record::Failure,
    verify::{self, Asked, Policy, Verdict, VerifyError},
};
use crds::source::{
    OCIRepository, OciVerification, Source as _, VerificationProvider, condition::SOURCE_VERIFIED, reason,
};
use kube::ResourceExt as _;
use runtime::{conditions::is_true, telemetry::chain};

/// Checks the artifact with a digest; `None` if there is nothing to check, or it was found right and nothing has changed.
pub async fn run(
    context: &Context,
    object: &OCIRepository,
    request: &Request,
    registry: &Registry,
    digest: &str,
    revision: &str,
) -> Result<Option<Verdict>, Failure> {
    let Some(wanted) = object.spec.verify.as_ref().filter(|_| is_due(object, revision)) else {
        return Ok(None);
    };
    let check = async {
        let asked = Asked {
            provider: wanted.provider,
            secret: wanted.secret_ref.as_ref(),
            identities: &wanted.match_oidc_identity,
            trusted_root: wanted.trusted_root_secret_ref.as_ref(),
        };
        let namespace = object.namespace().unwrap_or_default();
        let policy = Policy::read(&context.client, &context.public_root, &namespace, asked).await?;
        verify::verify(
            registry,
            &request.repository,
            digest,
            &policy,
            jiff::Timestamp::now(),
        )
        .await
    };
    check.await.map(Some).map_err(|error| unverified(wanted, &error))
}

/// Whether there is something new: another revision, another spec, or a check that failed.
fn is_due(object: &OCIRepository, revision: &str) -> bool {
    let moved = object
        .artifact()
        .is_none_or(|artifact| artifact.revision != revision);
    let conditions = object
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let found = conditions
        .iter()
        .find(|condition| condition.type_ == SOURCE_VERIFIED);
    let seen = found.and_then(|condition| condition.observed_generation);
    moved || seen != object.metadata.generation || !is_true(conditions, SOURCE_VERIFIED)
}

fn unverified(wanted: &OciVerification, error: &VerifyError) -> Failure {
    let provider = match (wanted.provider, &wanted.secret_ref) {
        (VerificationProvider::Cosign, None) => "cosign keyless",
        (VerificationProvider::Cosign, Some(_)) => "cosign",
        (VerificationProvider::Notation, _) => "notation",
    };
    let text = format!(
        "failed to verify the signature using provider '{provider}': {}",
        chain(error)
    );
    Failure::unverified(reason::VERIFICATION_ERROR, text).not_before(error.retry_after())
}
