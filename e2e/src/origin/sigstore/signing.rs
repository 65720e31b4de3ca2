//! The parts of a signature: a certificate for a moment, what it signed, and what a log says of that.

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rcgen::{
    CertificateParams, CustomExtension, ExtendedKeyUsagePurpose, KeyPair, KeyUsagePurpose,
    PKCS_ECDSA_P256_SHA256, PublicKeyData as _, SanType, SerialNumber,
};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{Flaw, HOUR, ISSUER, SUBJECT, Signed, Signer, Sigstore, now, period, sorted};

impl Sigstore {
    pub(super) fn signed(
        &self,
        message: &[u8],
        entry: impl Fn(&str, &[u8]) -> Value,
        flaw: Flaw,
    ) -> Result<Signed> {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let signer = Signer::of(&pair)?;
        let der = self.certificate(&pair, flaw)?;
        let certificate = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            wrapped(&STANDARD.encode(&der))
        );
        let signature = match flaw {
            Flaw::Signature => signer.sign(b"something else")?,
            _ => signer.sign(message)?,
        };
        let about = match flaw {
            Flaw::OtherEntry => signer.sign(b"another signature")?,
            _ => signature.clone(),
        };
        // Keys in order and without spaces: that is how logs write their entries.
        let entry = sorted(&entry(&certificate, &about)).to_string().into_bytes();
        let time = if flaw == Flaw::Late {
            now() - HOUR
        } else {
            now() - 10
        };
        let promised = format!(
            r#"{{"body":"{}","integratedTime":{time},"logID":"{}","logIndex":7}}"#,
            STANDARD.encode(&entry),
            hex::encode(self.signatures.id()),
        );
        let promise = match flaw {
            Flaw::Promise => self.signatures.sign(b"another promise")?,
            _ => self.signatures.sign(promised.as_bytes())?,
        };
        Ok(Signed {
            certificate,
            der,
            signature,
            entry,
            time,
            promise,
        })
    }

    /// A certificate for the identity, for ten minutes, with a timestamp of the log of certificates.
    fn certificate(&self, pair: &KeyPair, flaw: Flaw) -> Result<Vec<u8>> {
        let make = |timestamp: Option<Vec<u8>>| -> Result<Vec<u8>> {
            let mut params = CertificateParams::default();
            params.subject_alt_names = vec![SanType::URI(SUBJECT.try_into()?)];
            params.serial_number = Some(SerialNumber::from_slice(&[7; 8]));
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![match flaw {
                Flaw::Usage => ExtendedKeyUsagePurpose::ServerAuth,
                _ => ExtendedKeyUsagePurpose::CodeSigning,
            }];
            (params.not_before, params.not_after) = period(now() - 60, now() + 540);
            let text = ISSUER.as_bytes();
            let mut extensions = vec![
                CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 57264, 1, 1], text.to_vec()),
                CustomExtension::from_oid_content(
                    &[1, 3, 6, 1, 4, 1, 57264, 1, 8],
                    [&[0x0c, u8::try_from(text.len())?][..], text].concat(),
                ),
            ];
            extensions.extend(timestamp.map(|timestamp| {
                CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 11129, 2, 4, 2], timestamp)
            }));
            params.custom_extensions = extensions;
            Ok(params.signed_by(pair, &self.authority)?.der().to_vec())
        };
        let before = make(None)?;
        if flaw == Flaw::NoTimestamp {
            return Ok(before);
        }
        let tbs = match flaw {
            Flaw::Timestamp => b"another certificate",
            _ => first_element(&before).context("no TBSCertificate")?,
        };
        let issuer = Sha256::digest(self.authority.key().subject_public_key_info());
        let milliseconds = u64::try_from(now() - 30)? * 1000;
        let message = [
            &[0, 0][..],
            &milliseconds.to_be_bytes(),
            &[0, 1],
            &issuer,
            &u32::try_from(tbs.len())?.to_be_bytes()[1..],
            tbs,
            &[0, 0],
        ]
        .concat();
        let vector = |bytes: &[u8]| -> Result<Vec<u8>> {
            Ok([&u16::try_from(bytes.len())?.to_be_bytes()[..], bytes].concat())
        };
        let one = [
            &[0][..],
            &self.certificates.id(),
            &milliseconds.to_be_bytes(),
            &[0, 0, 4, 3],
            &vector(&self.certificates.sign(&message)?)?,
        ]
        .concat();
        let list = vector(&vector(&one)?)?;
        let octets = match u8::try_from(list.len())? {
            short @ ..0x80 => [&[0x04, short][..], &list].concat(),
            long => [&[0x04, 0x81, long][..], &list].concat(),
        };
        make(Some(octets))
    }
}

/// The first element inside a DER sequence.
fn first_element(der: &[u8]) -> Option<&[u8]> {
    let header = |der: &[u8]| match *der.get(1)? {
        short @ ..0x80 => Some((2, usize::from(short))),
        long => {
            let count = usize::from(long & 0x7f);
            let bytes = der.get(2..2 + count)?;
            Some((
                2 + count,
                bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
            ))
        }
    };
    let inside = &der[header(der)?.0..];
    let (start, length) = header(inside)?;
    inside.get(..start + length)
}

fn wrapped(base64: &str) -> String {
    let lines: Vec<String> = base64
        .as_bytes()
        .chunks(64)
        .map(|line| String::from_utf8_lossy(line).into_owned())
        .collect();
    lines.join("\n")
}
