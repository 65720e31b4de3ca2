//! PURE: the private key of an application's certificate, in PEM. It may be encrypted (PKCS #8, RFC 5958, by PBES2 of RFC 8018).

use super::CloudError;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use peer::{pem, secret::Secret};
use pkcs8::{
    EncryptedPrivateKeyInfoRef, Error,
    pkcs5::{Error as Problem, pbes2::Kdf},
};

/// Whoever encrypts a key says how much work each try of a password is. OpenSSL makes 2,048 rounds, and six hundred thousand
/// are recommended.
const MAX_ROUNDS: u32 = 1_000_000;
/// How much memory the other way (scrypt, RFC 7914) may take, in bytes, and how often in turn; OpenSSL takes 16 MiB, once.
const MAX_MEMORY: u64 = 64 << 20;
const MAX_TURNS: u16 = 4;

/// The private key among what a Secret has as `clientCertificate`, not encrypted any more. It takes a while.
///
/// # Errors
/// That there is none, that the password is missing or wrong, or that it is encrypted in another way.
pub(super) fn private(text: &Secret, password: Option<&Secret>) -> Result<Secret, CloudError> {
    if let Some(key) = pem::private_key(text.expose()) {
        // As OpenSSL did it before there was PKCS #8.
        if key.contains("ENCRYPTED") {
            return Err(unsupported());
        }
        return Ok(Secret::new(key));
    }
    let encrypted = pem::blocks(text.expose(), "ENCRYPTED PRIVATE KEY");
    let Some(encrypted) = encrypted.first() else {
        return Err(told("'clientCertificate' holds no private key in PEM"));
    };
    let Some(password) = password else {
        return Err(told(
            "the private key in 'clientCertificate' is encrypted, and there is no 'clientCertificatePassword'",
        ));
    };
    let key = EncryptedPrivateKeyInfoRef::try_from(encrypted.as_slice()).map_err(|_| unsupported())?;
    let scheme = key.encryption_algorithm.pbes2().ok_or_else(unsupported)?;
    if !is_quick(&scheme.kdf) {
        return Err(told(&format!(
            "the private key in 'clientCertificate' takes too long to decrypt; encrypt it with {MAX_ROUNDS} rounds at the most"
        )));
    }
    let plain = key.decrypt(password.expose()).map_err(|error| match error {
        // By chance a wrong password may come to something, which is then no key.
        Error::EncryptedPrivateKey(Problem::DecryptFailed) | Error::Asn1(_) => {
            told("'clientCertificatePassword' does not decrypt the private key in 'clientCertificate'")
        }
        _ => unsupported(),
    })?;
    let plain = STANDARD.encode(plain.as_bytes());
    Ok(Secret::new(format!(
        "-----BEGIN PRIVATE KEY-----\n{plain}\n-----END PRIVATE KEY-----\n"
    )))
}

/// Whether a key is made of a password in little time and memory.
fn is_quick(kdf: &Kdf) -> bool {
    match kdf {
        Kdf::Pbkdf2(params) => params.iteration_count <= MAX_ROUNDS,
        Kdf::Scrypt(params) => {
            let memory = params
                .cost_parameter
                .saturating_mul(128 * u64::from(params.block_size));
            memory <= MAX_MEMORY && params.parallelization <= MAX_TURNS
        }
        // There is no other yet.
        _ => false,
    }
}

fn unsupported() -> CloudError {
    told(
        "the private key in 'clientCertificate' is encrypted in a way that is not supported; encrypt it with AES \
         (openssl pkcs8 -topk8 -v2 aes-256-cbc)",
    )
}

fn told(problem: &str) -> CloudError {
    CloudError::Setup(problem.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use pkcs8::{
        der::Encode as _,
        pkcs5::{EncryptionScheme, pbes2::Parameters},
    };

    /// What all of these hold, made by OpenSSL 3.0 for this test; the password is `right`.
    const PLAIN: &str = "MC4CAQAwBQYDK2VwBCIEICcYN+c9XmxO6OVBLD6yd35DIcl2s7l2EsOfhjfnC8Ie";
    /// `openssl pkcs8 -topk8`
    const USUAL: &str = "MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhLcLDMT1MkegICCAAwDAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEDIbaMHQTZi6fJOD4SMkktsEQPGgGS7nDrfs/cOlk/Y+bOjCP+AqlPVtBDxCTAtPYn6h6IomKTjhTv22iyvaxYVz/K3cTMMUs5nhdQ2u9Luvb1g=";
    /// `openssl pkcs8 -topk8 -scrypt`
    const SCRYPT: &str = "MIGTME8GCSqGSIb3DQEFDTBCMCEGCSsGAQQB2kcECzAUBAhq/EUKPDg6tgICQAACAQgCAQEwHQYJYIZIAWUDBAEqBBASpO5tX0P12XdSOjPp9O2TBEBDs/T230jMqeC5yiRVmYBDnq5WoqbunMMB1+0nl5BzvaXR0TWZUT+gZYyit9p1ltgiNvu8B3wHlBU/2sjNCqNL";
    /// `openssl pkcs8 -topk8 -v2 des3`
    const DES: &str = "MIGKME4GCSqGSIb3DQEFDTBBMCkGCSqGSIb3DQEFDDAcBAg+7PmI0zsqoQICCAAwDAYIKoZIhvcNAgkFADAUBggqhkiG9w0DBwQIWeUbL8fwGAUEOHErVfufdPnczikgPF0/5dPFTbwaioJ1J5sC+SJJchxm6XkUZQ7ad/tdYugqm8gofAXePjBjp6H4";
    /// `openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES`
    const OLD: &str = "MFgwHAYKKoZIhvcNAQwBAzAOBAioudfKzHa4dAICCAAEOH2RzvdZ5mjlWaO12RKzo9y4iFPZ3H0KT44mHzSIyuBx7zzKcDDd9D+Fp8aJxrflWnZ9QP6COUNH";
    /// `openssl pkcs8 -topk8 -iter 3000000`
    const SLOW: &str = "MIGcMFgGCSqGSIb3DQEFDTBLMCoGCSqGSIb3DQEFDDAdBAiuaKPz+9W2uQIDLcbAMAwGCCqGSIb3DQIJBQAwHQYJYIZIAWUDBAEqBBDErc84KpWM8DrK/bof0XCfBEBCCVjS7VP8mubnVClB2Ti6AhjbvHrhRX7hK0q+UbHzR8YlO808QDD4itLuHFAzdVJa20tpEb549LRxpQA2g40z";

    fn block(label: &str, content: &str) -> String {
        format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
    }

    /// One that takes so much memory and so many turns.
    fn large(cost: u64, turns: u16) -> String {
        let der = STANDARD.decode(SCRYPT).unwrap();
        let mut key = EncryptedPrivateKeyInfoRef::try_from(der.as_slice()).unwrap();
        let mut scheme: Parameters = key.encryption_algorithm.pbes2().unwrap().clone();
        if let Kdf::Scrypt(params) = &mut scheme.kdf {
            params.cost_parameter = cost;
            params.parallelization = turns;
        }
        key.encryption_algorithm = EncryptionScheme::Pbes2(scheme);
        STANDARD.encode(key.to_der().unwrap())
    }

    #[test]
    fn a_key_is_decrypted_by_its_password_or_it_is_said_why_not() {
        let (encrypted, usual) = ("ENCRYPTED PRIVATE KEY", USUAL.to_owned());
        let wrong = "'clientCertificatePassword' does not decrypt";
        let slow = "takes too long to decrypt";
        let other = "encrypted in a way that is not supported";
        let plain = block("PRIVATE KEY", PLAIN);
        for (label, content, password, expected) in [
            (encrypted, usual.clone(), Some("right"), Ok(())),
            (encrypted, SCRYPT.to_owned(), Some("right"), Ok(())),
            // A password that is not needed does no harm.
            ("PRIVATE KEY", PLAIN.to_owned(), Some("other"), Ok(())),
            ("PRIVATE KEY", PLAIN.to_owned(), None, Ok(())),
            (encrypted, usual.clone(), Some("wrong"), Err(wrong)),
            (encrypted, usual.clone(), Some(""), Err(wrong)),
            (encrypted, SCRYPT.to_owned(), Some("wrong"), Err(wrong)),
            (
                encrypted,
                usual,
                None,
                Err("there is no 'clientCertificatePassword'"),
            ),
            (encrypted, DES.to_owned(), Some("right"), Err(other)),
            (encrypted, OLD.to_owned(), Some("right"), Err(other)),
            (encrypted, PLAIN.to_owned(), Some("right"), Err(other)),
            (encrypted, SLOW.to_owned(), Some("right"), Err(slow)),
            (encrypted, large(1 << 30, 1), Some("right"), Err(slow)),
            (encrypted, large(1 << 14, 1000), Some("right"), Err(slow)),
            (encrypted, large(u64::MAX, 1), Some("right"), Err(slow)),
            (
                "RSA PRIVATE KEY",
                "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA".to_owned(),
                Some("right"),
                Err(other),
            ),
            (
                "CERTIFICATE",
                PLAIN.to_owned(),
                Some("right"),
                Err("no private key"),
            ),
        ] {
            let text = Secret::new(block(label, &content));
            let password = password.map(Secret::new);
            let case = format!("{label} {content}");
            match (private(&text, password.as_ref()), expected) {
                (Ok(key), Ok(())) => assert_eq!(key.text().unwrap().trim(), plain.trim(), "{case}"),
                (Err(error), Err(part)) => assert!(error.to_string().contains(part), "{case}: {error}"),
                (found, _) => panic!("{case}: {:?}", found.map(drop)),
            }
        }
    }
}
