//! PURE: who signed without a key: the issuer and the subject in a certificate of Sigstore's.

use crate::verify::certificate::Certificate;
use crds::source::OidcIdentity;
use regex::Regex;

/// The issuer in the form of Fulcio's first version: the text itself.
const ISSUER_V1: &str = "1.3.6.1.4.1.57264.1.1";
/// The issuer as DER's UTF8String.
const ISSUER_V2: &str = "1.3.6.1.4.1.57264.1.8";

/// An identity that may sign.
#[derive(Debug)]
pub struct Identity {
    issuer: Regex,
    subject: Regex,
}

impl Identity {
    /// Reads the patterns; they may match anywhere in a text, as Go's do.
    ///
    /// # Errors
    /// A pattern that is none.
    pub fn parse(identity: &OidcIdentity) -> Result<Self, String> {
        let pattern = |what: &str, text: &str| {
            re2::compile(text).map_err(|e| format!("malformed {what} in identity: {text} : {e}"))
        };
        Ok(Self {
            issuer: pattern("issuer", &identity.issuer)?,
            subject: pattern("subject", &identity.subject)?,
        })
    }
}

/// Whether a certificate names one of these identities; any will do where none is given.
///
/// # Errors
/// Whom it names instead.
pub fn check(certificate: &Certificate, wanted: &[Identity]) -> Result<(), String> {
    let (issuer, subjects) = (issuer(certificate), certificate.names());
    let fits = |identity: &Identity| {
        identity.issuer.is_match(&issuer) && subjects.iter().any(|subject| identity.subject.is_match(subject))
    };
    if wanted.is_empty() || wanted.iter().any(fits) {
        return Ok(());
    }
    Err(format!(
        "none of the expected identities matched what was in the certificate, got subjects [{}] with issuer {issuer}",
        subjects.join(", ")
    ))
}

fn issuer(certificate: &Certificate) -> String {
    let second = certificate
        .extension(ISSUER_V2)
        .and_then(|der| match der.as_slice() {
            // A short UTF8String: tag, length, text.
            [0x0c, length, text @ ..] if usize::from(*length) == text.len() => Some(text.to_vec()),
            [0x0c, 0x81, length, text @ ..] if usize::from(*length) == text.len() => Some(text.to_vec()),
            _ => None,
        });
    let text = second
        .or_else(|| certificate.extension(ISSUER_V1))
        .unwrap_or_default();
    String::from_utf8_lossy(&text).into_owned()
}
