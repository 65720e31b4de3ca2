//! I/O: what a spec's `verify` asks for, with the Secrets that it names.

use super::{
    VerifyError,
    cosign::{Identity, Trust, TrustedRoot},
    key::PublicKey,
    notation::{self, TrustPolicy},
    public_root::PublicRoot,
};
use crate::kube_secret::{self, Data};
use crds::{
    meta::LocalReference,
    source::{OidcIdentity, VerificationProvider},
};
use jiff::Timestamp;
use kube::Client;
use std::sync::Arc;

/// The key of a Secret with a trusted root of Sigstore.
const TRUSTED_ROOT: &str = "trusted_root.json";
/// The key of a Secret with a trust policy of Notation.
const TRUST_POLICY: &str = "trustpolicy.json";

/// `spec.verify`, of an OCIRepository or a HelmChart.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The tool.
    pub provider: VerificationProvider,
    /// Keys, or policy and certificates.
    pub secret: Option<&'a LocalReference>,
    /// Identities that may sign without a key.
    pub identities: &'a [OidcIdentity],
    /// What a Sigstore instance is trusted by.
    pub trusted_root: Option<&'a LocalReference>,
}

/// Whose signature is wanted.
#[derive(Debug)]
pub enum Policy {
    /// One of cosign's.
    Cosign(Box<Trust>),
    /// One of Notation's.
    Notation(Box<notation::Policy>),
}

impl Policy {
    /// Reads what is named in a namespace. Only who names no trusted root asks for the public one.
    ///
    /// # Errors
    /// [`VerifyError::Policy`], with what cannot be read and why.
    pub async fn read(
        client: &Client,
        public: &PublicRoot,
        namespace: &str,
        asked: Asked<'_>,
    ) -> Result<Self, VerifyError> {
        let read = async |reference: &LocalReference| {
            let found = kube_secret::read(client, namespace, &reference.name).await;
            found.map_err(VerifyError::Policy)
        };
        match (asked.provider, asked.secret) {
            (VerificationProvider::Cosign, Some(secret)) => {
                let (name, data) = read(secret).await?;
                keys(&name, &data)
            }
            (VerificationProvider::Cosign, None) => {
                let root = match asked.trusted_root {
                    Some(reference) => {
                        let (name, data) = read(reference).await?;
                        let missing = || {
                            let text = format!(
                                "failed to read trusted root from secret '{name}': key '{TRUSTED_ROOT}' not found"
                            );
                            VerifyError::Policy(text)
                        };
                        let text = data.get(TRUSTED_ROOT).ok_or_else(missing)?;
                        let root = TrustedRoot::parse(text).map_err(|problem| {
                            VerifyError::Policy(format!("unable to parse trusted root: {problem}"))
                        })?;
                        Arc::new(root)
                    }
                    None => public.get(Timestamp::now()).await.map_err(|problem| {
                        VerifyError::Policy(format!("unable to initialize trusted root: {problem}"))
                    })?,
                };
                let identities = asked
                    .identities
                    .iter()
                    .map(Identity::parse)
                    .collect::<Result<_, _>>();
                let identities = identities.map_err(VerifyError::Policy)?;
                Ok(Self::Cosign(Box::new(Trust::Root { root, identities })))
            }
            (VerificationProvider::Notation, Some(secret)) => {
                let (name, data) = read(secret).await?;
                notation_policy(&name, &data)
            }
            (VerificationProvider::Notation, None) => {
                Err(VerifyError::Policy("verification secret cannot be empty".into()))
            }
        }
    }
}

/// Every `*.pub` in a Secret; one that is no key is an error, as in Flux.
fn keys(secret: &str, data: &Data) -> Result<Policy, VerifyError> {
    let mut keys = Vec::new();
    for (name, text) in data.iter().filter(|(name, _)| name.ends_with(".pub")) {
        let key = PublicKey::from_pem(text).ok_or_else(|| {
            let kinds = "ECDSA on P-256, P-384 or P-521, RSA or Ed25519, in PEM";
            VerifyError::Policy(format!(
                "'{name}' in secret '{secret}' is no public key ({kinds})"
            ))
        })?;
        keys.push(key);
    }
    if keys.is_empty() {
        let text = format!("no public keys ('*.pub') found in secret '{secret}'");
        return Err(VerifyError::Policy(text));
    }
    Ok(Policy::Cosign(Box::new(Trust::Keys(keys))))
}

fn notation_policy(secret: &str, data: &Data) -> Result<Policy, VerifyError> {
    let policy = data
        .get(TRUST_POLICY)
        .ok_or_else(|| VerifyError::Policy(format!("'{TRUST_POLICY}' not found in secret '{secret}'")))?;
    let policy = TrustPolicy::parse(policy).map_err(|problem| {
        VerifyError::Policy(format!("error occurred while parsing {TRUST_POLICY}: {problem}"))
    })?;
    let is_certificate = |name: &str| name.ends_with(".crt") || name.ends_with(".pem");
    let mut certificates = Vec::new();
    for (name, text) in data.iter().filter(|(name, _)| is_certificate(name)) {
        let found = super::certificate::Certificate::all(text).ok_or_else(|| {
            VerifyError::Policy(format!(
                "failed to parse certificate '{name}' in secret '{secret}'"
            ))
        })?;
        certificates.extend(found);
    }
    if certificates.is_empty() {
        let text = format!("no certificates found in secret '{secret}'");
        return Err(VerifyError::Policy(text));
    }
    Ok(Policy::Notation(Box::new(notation::Policy {
        policy,
        certificates,
    })))
}
