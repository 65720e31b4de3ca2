//! Whose signature an artifact in a registry, or a chart, has to bear.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::meta::LocalReference;

/// Whose signature an OCI artifact has to bear.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OciVerification {
    /// Identities that may have signed without a key; any of them will do.
    #[serde(rename = "matchOIDCIdentity", default, skip_serializing_if = "Vec::is_empty")]
    pub match_oidc_identity: Vec<OidcIdentity>,
    /// The tool that made the signature.
    #[schemars(extend("default" = "cosign"))]
    pub provider: VerificationProvider,
    /// Secret with the public keys (`*.pub`), or the trust policy and certificates of Notation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// Secret with the key `trusted_root.json`: what a private Sigstore instance is trusted by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted_root_secret_ref: Option<LocalReference>,
}

/// An identity that may sign without a key.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct OidcIdentity {
    /// Regular expression that the issuer of the identity has to match.
    pub issuer: String,
    /// Regular expression that the subject of the identity has to match.
    pub subject: String,
}

/// The tool that made a signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerificationProvider {
    /// Sigstore's cosign.
    #[default]
    Cosign,
    /// The Notary Project's notation.
    Notation,
}

/// How a chart was signed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChartVerificationProvider {
    /// In a registry, with Sigstore's cosign.
    #[default]
    Cosign,
    /// In a registry, with the Notary Project's notation.
    Notation,
    /// With OpenPGP, by a provenance file beside the chart, as `helm package --sign` writes it.
    Pgp,
}

/// What a chart's `verify` has to have: `pgp` is nothing without keys.
pub(crate) const CHART_RULES: &[(&str, &str)] = &[(
    "!has(self.provider) || self.provider != 'pgp' || has(self.secretRef)",
    "the provider 'pgp' needs a secretRef",
)];
