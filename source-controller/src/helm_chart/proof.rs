//! I/O: whose signature a chart has to bear, as its spec says; and what became of it.

use super::build::{BuildError, Step};
use crate::{
    context::Context,
    helm_remote::is_static,
    kube_secret,
    openpgp::{Keys, Signer},
    shelf::blocking,
    verify::{Asked, Policy, Verdict},
};
use crds::source::{
    ChartVerificationProvider, HelmChart, HelmChartVerification, HelmRepository, VerificationProvider,
};
use kube::ResourceExt as _;
use runtime::telemetry::chain;
use std::sync::Arc;

/// What a chart has to bear.
#[derive(Debug)]
pub enum Wanted {
    /// Nothing.
    Nothing,
    /// A signature in the registry that it is in.
    Signature(Policy),
    /// A provenance file, signed with one of these keys.
    Provenance(Arc<Keys>),
}

/// What a chart was found to bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proof {
    /// Nothing that is right, and its policy says that this does no harm.
    Ignored,
    /// A signature in the registry.
    Signature,
    /// A provenance file.
    Provenance {
        /// By whom.
        signer: Signer,
        /// Which keys it was compared with.
        keys: [u8; 32],
    },
}

impl From<Verdict> for Proof {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Verified => Self::Signature,
            Verdict::Ignored => Self::Ignored,
        }
    }
}

impl Wanted {
    /// What the spec of a chart in a repository wants, with the Secret that it names.
    ///
    /// # Errors
    /// What cannot be read, and why; and that charts over HTTP have no other signature than a provenance file, as in Flux.
    pub async fn read(
        context: &Context,
        object: &HelmChart,
        repository: &HelmRepository,
    ) -> Result<Self, BuildError> {
        let Some(verify) = &object.spec.verify else {
            return Ok(Self::Nothing);
        };
        let namespace = object.namespace().unwrap_or_default();
        let provider = match verify.provider {
            ChartVerificationProvider::Pgp => return keys(context, &namespace, verify).await,
            ChartVerificationProvider::Cosign => VerificationProvider::Cosign,
            ChartVerificationProvider::Notation => VerificationProvider::Notation,
        };
        if !is_static(repository) {
            return Err(failed("not implemented"));
        }
        let asked = Asked {
            provider,
            secret: verify.secret_ref.as_ref(),
            identities: &verify.match_oidc_identity,
            trusted_root: None,
        };
        let policy = Policy::read(&context.client, &context.public_root, &namespace, asked).await;
        policy.map(Self::Signature).map_err(|error| failed(chain(&error)))
    }
}

/// The OpenPGP keys of a Secret, under the same names as those of a GitRepository: what is for SSH is for Git alone.
async fn keys(
    context: &Context,
    namespace: &str,
    verify: &HelmChartVerification,
) -> Result<Wanted, BuildError> {
    let empty = || failed("verification secret cannot be empty");
    let secret = verify.secret_ref.as_ref().ok_or_else(empty)?;
    let (name, data) = kube_secret::read(&context.client, namespace, &secret.name)
        .await
        .map_err(failed)?;
    let read = blocking(move || {
        let rings = data.iter().filter(|(name, _)| !name.ends_with(".sshpub"));
        Keys::read(rings.map(|(_, ring)| ring.as_slice()))
    });
    let keys = read.await.map_err(|failure| failed(failure.message))?;
    if keys.is_empty() {
        return Err(failed(format!("no OpenPGP public keys found in secret '{name}'")));
    }
    Ok(Wanted::Provenance(Arc::new(keys)))
}

fn failed(problem: impl Into<String>) -> BuildError {
    BuildError::new(Step::Verification, problem)
}
