//! PURE: certificates of those who sign, and whether they lead to somebody trusted. Paths are the library's.

use super::{
    der,
    key::{PublicKey, Scheme},
};
use jiff::Timestamp;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use std::time::Duration;
use webpki::{EndEntityCert, KeyUsage, anchor_from_trusted_cert};
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer as _,
};

/// The extended key usage of code signing (RFC 5280), in DER without tag and length.
const CODE_SIGNING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 3];
/// The same of timestamps.
const TIME_STAMPING: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 8];

/// What a key must be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Signing code, and saying so.
    CodeSigning,
    /// Signing code, or nothing in particular.
    CodeSigningOrAny,
    /// Timestamps.
    TimeStamping,
}

/// A certificate in DER that was read once, so that it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    key: PublicKey,
    not_before: i64,
    not_after: i64,
    is_ca: bool,
}

impl Certificate {
    /// Reads DER; the key must be of a kind that we know.
    pub fn from_der(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        Some(Self {
            key: PublicKey::from_spki(parsed.public_key().raw)?,
            not_before: parsed.validity().not_before.timestamp(),
            not_after: parsed.validity().not_after.timestamp(),
            is_ca: parsed.is_ca(),
            der: der.to_vec(),
        })
    }

    /// Reads all certificates of PEM, or one in DER.
    pub fn all(text: &[u8]) -> Option<Vec<Self>> {
        let blocks = crate::pem::blocks(text, "CERTIFICATE");
        if blocks.is_empty() {
            return Some(vec![Self::from_der(text)?]);
        }
        blocks.iter().map(|der| Self::from_der(der)).collect()
    }

    /// Its DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Its key.
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether it counts at a time.
    pub fn is_valid_at(&self, time: Timestamp) -> bool {
        (self.not_before..=self.not_after).contains(&time.as_second())
    }

    /// Whether it may sign others.
    pub fn is_ca(&self) -> bool {
        self.is_ca
    }

    /// Whether another signed it: its name is that of the issuer, and its key made the signature.
    #[must_use]
    pub fn is_issued_by(&self, issuer: &Certificate) -> bool {
        let (Some(own), Some(its)) = (self.parsed(), issuer.parsed()) else {
            return false;
        };
        let scheme = match own.signature_algorithm.algorithm.to_id_string().as_str() {
            "1.2.840.10045.4.3.2" | "1.2.840.113549.1.1.11" | "1.3.101.112" => Scheme::Sha256,
            "1.2.840.10045.4.3.3" | "1.2.840.113549.1.1.12" => Scheme::Sha384,
            "1.2.840.10045.4.3.4" | "1.2.840.113549.1.1.13" => Scheme::Sha512,
            _ => return false,
        };
        own.issuer().as_raw() == its.subject().as_raw()
            && issuer
                .key
                .signed(scheme, own.tbs_certificate.as_ref(), &own.signature_value.data)
    }

    /// Its names: addresses, URIs, DNS names and names that Sigstore gives to users.
    pub fn names(&self) -> Vec<String> {
        let Some(parsed) = self.parsed() else {
            return Vec::new();
        };
        let Ok(Some(names)) = parsed.subject_alternative_name() else {
            return Vec::new();
        };
        let text = |name: &GeneralName<'_>| match name {
            GeneralName::RFC822Name(text) | GeneralName::URI(text) | GeneralName::DNSName(text) => {
                Some((*text).to_owned())
            }
            _ => None,
        };
        names.value.general_names.iter().filter_map(text).collect()
    }

    /// The value of an extension, by its identifier in dots.
    pub fn extension(&self, id: &str) -> Option<Vec<u8>> {
        let parsed = self.parsed()?;
        let found = parsed.extensions().iter().find(|e| e.oid.to_id_string() == id)?;
        Some(found.value.to_vec())
    }

    /// Whether it says that its key is for signing code.
    pub fn signs_code(&self) -> bool {
        let Some(parsed) = self.parsed() else {
            return false;
        };
        let usage = parsed.extended_key_usage();
        usage.is_ok_and(|usage| usage.is_some_and(|usage| usage.value.code_signing))
    }

    /// Who gave it, in DER, and its number: by these, signed messages name it.
    pub fn issuer_and_serial(&self) -> Option<(Vec<u8>, Vec<u8>)> {
        let parsed = self.parsed()?;
        Some((parsed.issuer().as_raw().to_vec(), parsed.raw_serial().to_vec()))
    }

    /// Its subject as pairs of attribute type (`CN`, `O`…) and value.
    pub fn subject(&self) -> Vec<(String, String)> {
        let Some(parsed) = self.parsed() else {
            return Vec::new();
        };
        let attributes = parsed.subject().iter_attributes().filter_map(|attribute| {
            let id = attribute.attr_type().to_id_string();
            let name = match id.as_str() {
                "2.5.4.3" => "CN",
                "2.5.4.5" => "SERIALNUMBER",
                "2.5.4.6" => "C",
                "2.5.4.7" => "L",
                "2.5.4.8" => "ST",
                "2.5.4.9" => "STREET",
                "2.5.4.10" => "O",
                "2.5.4.11" => "OU",
                "2.5.4.17" => "POSTALCODE",
                "0.9.2342.19200300.100.1.25" => "DC",
                "0.9.2342.19200300.100.1.1" => "UID",
                other => other,
            };
            Some((name.to_owned(), attribute.as_str().ok()?.to_owned()))
        });
        attributes.collect()
    }

    /// Whether a path leads from it to one of the anchors, over the certificates between, all good at a time.
    #[must_use]
    pub fn leads_to(
        &self,
        anchors: &[&Certificate],
        between: &[&Certificate],
        time: Timestamp,
        usage: Usage,
    ) -> bool {
        let ders: Vec<CertificateDer<'_>> = anchors
            .iter()
            .filter(|anchor| anchor.is_valid_at(time))
            .map(|anchor| CertificateDer::from(anchor.der()))
            .collect();
        let anchors: Vec<TrustAnchor<'_>> = ders
            .iter()
            .filter_map(|der| anchor_from_trusted_cert(der).ok())
            .collect();
        let between: Vec<CertificateDer<'_>> = between
            .iter()
            .map(|certificate| CertificateDer::from(certificate.der()))
            .collect();
        let own = CertificateDer::from(self.der());
        let Ok(end) = EndEntityCert::try_from(&own) else {
            return false;
        };
        let Ok(seconds) = u64::try_from(time.as_second()) else {
            return false;
        };
        let usage = match usage {
            Usage::CodeSigning => KeyUsage::required(CODE_SIGNING),
            Usage::CodeSigningOrAny => KeyUsage::required_if_present(CODE_SIGNING),
            Usage::TimeStamping => KeyUsage::required(TIME_STAMPING),
        };
        let path = end.verify_for_usage(
            webpki::ALL_VERIFICATION_ALGS,
            &anchors,
            &between,
            UnixTime::since_unix_epoch(Duration::from_secs(seconds)),
            usage,
            None,
            None,
        );
        path.is_ok()
    }

    fn parsed(&self) -> Option<X509Certificate<'_>> {
        X509Certificate::from_der(&self.der)
            .ok()
            .map(|(_, parsed)| parsed)
    }

    /// What is signed of it, with one extension taken out: the certificate before a log was asked (RFC 6962, section 3.2).
    pub fn without_extension(&self, id: &str) -> Option<Vec<u8>> {
        let parsed = self.parsed()?;
        let kept: Vec<&[u8]> = der::extensions(parsed.tbs_certificate.as_ref())?
            .into_iter()
            .filter(|(found, _)| found != id)
            .map(|(_, raw)| raw)
            .collect();
        der::with_extensions(parsed.tbs_certificate.as_ref(), &kept.concat())
    }

    /// Whether an extension is there that the issuer wants to be understood, and is none of those that are.
    pub fn has_unknown_critical(&self) -> bool {
        let Some(parsed) = self.parsed() else {
            return true;
        };
        parsed.extensions().iter().any(|extension| {
            extension.critical
                && matches!(
                    extension.parsed_extension(),
                    ParsedExtension::UnsupportedExtension { .. } | ParsedExtension::ParseError { .. }
                )
        })
    }
}
