//! What comes from a registry is anybody's: whatever it is changed to, it is refused, and nothing breaks.

use super::{
    Verdict,
    certificate::{Certificate, Usage},
    cosign::{Identity, TrustedRoot},
    notation::{Envelope, TrustPolicy, judge},
    timestamp,
};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ciborium::Value as Cbor;
use crds::source::OidcIdentity;
use golden::{Random, seconds};
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, crypto::sign};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, date_time_ymd,
};
use std::time::{Duration, Instant};

/// How long each input is changed at random, where nobody asks for longer.
const A_MOMENT: Duration = Duration::from_millis(400);

/// Changes an input again and again, and hands each to `judge`.
fn changed(input: &[u8], mut judge: impl FnMut(&[u8])) {
    let mut dice = Random::begin();
    let end = Instant::now() + seconds().map_or(A_MOMENT, Duration::from_secs);
    while Instant::now() < end {
        let mut bytes = input.to_vec();
        for _ in 0..=dice.below(4) {
            let at = dice.below(bytes.len());
            match dice.below(5) {
                0 => bytes.truncate(at),
                1 => bytes.insert(at.min(bytes.len()), dice.number() as u8),
                2 if !bytes.is_empty() => drop(bytes.remove(at)),
                3 if !bytes.is_empty() => bytes[at] = [0, 0x7f, 0x80, 0xff, 0x30, 0x82][dice.below(6)],
                _ if !bytes.is_empty() => bytes[at] ^= 1 << dice.below(8),
                _ => {}
            }
        }
        if bytes != input {
            judge(&bytes);
        }
    }
}

fn signer() -> (KeyPair, Vec<u8>) {
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI("https://example.com/x".try_into().unwrap())];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    params.distinguished_name.push(DnType::OrganizationName, "Sluice");
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    (key, certificate.der().to_vec())
}

const PAYLOAD: &[u8] = br#"{"targetArtifact":{"digest":"sha256:00"}}"#;
/// When all here is signed.
const TIME: &str = "2026-11-24T00:00:00Z";
const KIND: &str = "application/vnd.cncf.notary.payload.v1+json";

fn signed(message: &[u8], key: &KeyPair) -> String {
    let key = EncodingKey::from_ec_pem(key.serialize_pem().as_bytes()).unwrap();
    sign(message, &key, Algorithm::ES256).unwrap()
}

fn jws(key: &KeyPair, certificate: &[u8]) -> Vec<u8> {
    jws_with(key, &[certificate], "")
}

/// A JWS with a chain of certificates, and with more in its signed headers.
fn jws_with(key: &KeyPair, chain: &[&[u8]], more: &str) -> Vec<u8> {
    let crit = if more.contains("io.cncf.notary.expiry") {
        r#","io.cncf.notary.expiry""#
    } else {
        ""
    };
    let chain: Vec<String> = chain
        .iter()
        .map(|der| format!("{:?}", STANDARD.encode(der)))
        .collect();
    let chain = chain.join(",");
    let protected = URL_SAFE_NO_PAD.encode(format!(
        r#"{{"alg":"ES256","cty":"{KIND}","crit":["io.cncf.notary.signingScheme"{crit}]{more},"io.cncf.notary.signingScheme":"notary.x509","io.cncf.notary.signingTime":"{TIME}"}}"#
    ));
    let payload = URL_SAFE_NO_PAD.encode(PAYLOAD);
    let signature = signed(format!("{protected}.{payload}").as_bytes(), key);
    format!(
        r#"{{"payload":"{payload}","protected":"{protected}","header":{{"x5c":[{chain}]}},"signature":"{signature}"}}"#
    )
    .into_bytes()
}

fn cose(key: &KeyPair, certificate: &[u8]) -> Vec<u8> {
    let text = |text: &str| Cbor::Text(text.to_owned());
    let number = |number: i64| Cbor::Integer(number.into());
    let encoded = |value: &Cbor| {
        let mut bytes = Vec::new();
        ciborium::into_writer(value, &mut bytes).unwrap();
        bytes
    };
    let protected = encoded(&Cbor::Map(vec![
        (number(1), number(-7)),
        (number(2), Cbor::Array(vec![text("io.cncf.notary.signingScheme")])),
        (number(3), text(KIND)),
        (text("io.cncf.notary.signingScheme"), text("notary.x509")),
        (
            text("io.cncf.notary.signingTime"),
            Cbor::Tag(1, Box::new(number(1_795_500_000))),
        ),
    ]));
    let bytes = |bytes: &[u8]| Cbor::Bytes(bytes.to_vec());
    let message = encoded(&Cbor::Array(vec![
        text("Signature1"),
        bytes(&protected),
        bytes(b""),
        bytes(PAYLOAD),
    ]));
    let signature = URL_SAFE_NO_PAD.decode(signed(&message, key)).unwrap();
    let chain = Cbor::Map(vec![(number(33), Cbor::Array(vec![bytes(certificate)]))]);
    let parts = vec![bytes(&protected), chain, bytes(PAYLOAD), bytes(&signature)];
    encoded(&Cbor::Tag(18, Box::new(Cbor::Array(parts))))
}

#[test]
fn a_changed_envelope_is_never_the_same_signature() {
    let (key, certificate) = signer();
    for (kind, envelope) in [
        ("application/jose+json", jws(&key, &certificate)),
        ("application/cose", cose(&key, &certificate)),
    ] {
        let original = Envelope::parse(kind, &envelope).unwrap();
        assert!(original.is_signed() && original.payload == PAYLOAD, "{kind}");
        changed(&envelope, |bytes| {
            if let Ok(found) = Envelope::parse(kind, bytes)
                && found.leaf() == original.leaf()
                && found.is_signed()
            {
                // What is left is the same in other words: another order, a space.
                assert_eq!(found.payload, original.payload);
                assert_eq!(found.content_type, original.content_type);
                assert_eq!(found.signing_time, original.signing_time);
            }
        });
    }
}

#[test]
fn changed_certificates_break_nothing_and_lead_nowhere() {
    let (_, der) = signer();
    let original = Certificate::from_der(&der).unwrap();
    assert_eq!(original.names(), ["https://example.com/x"]);
    let now = Timestamp::now();
    changed(&der, |bytes| {
        let Some(found) = Certificate::from_der(bytes) else {
            return;
        };
        let _ = (
            found.names(),
            found.subject(),
            found.signs_code(),
            found.has_unknown_critical(),
        );
        let _ = found.without_extension("2.5.29.17");
        assert!(!found.leads_to(&[&original], &[], now, Usage::CodeSigning));
    });
}

#[test]
fn no_text_breaks_a_reader() {
    let policy = r#"{"version":"1.0","trustPolicies":[{"name":"a","registryScopes":["*"],"signatureVerification":{"level":"strict"},"trustStores":["ca:x"],"trustedIdentities":["x509.subject: C=US, ST=W\\,A, O=a"]}]}"#;
    assert!(TrustPolicy::parse(policy.as_bytes()).is_ok());
    changed(policy.as_bytes(), |bytes| drop(TrustPolicy::parse(bytes)));
    let root = r#"{"mediaType":"application/vnd.dev.sigstore.trustedroot+json;version=0.1","tlogs":[],"certificateAuthorities":[]}"#;
    assert!(TrustedRoot::parse(root.as_bytes()).is_ok());
    changed(root.as_bytes(), |bytes| drop(TrustedRoot::parse(bytes)));
    // Sequences in sequences, as deep as they like.
    let nested: Vec<u8> = (0..2000).flat_map(|_| [0x30, 0x80]).collect();
    changed(&nested, |bytes| {
        assert!(timestamp::check(bytes, b"x", &[], &[]).is_err())
    });
    let deep = vec![0x81; 1 << 20];
    assert!(Envelope::parse("application/cose", &deep).is_err());
    assert!(Envelope::parse("application/jose+json", &b"[".repeat(1 << 20)).is_err());
}

#[test]
fn patterns_of_identities_take_no_time() {
    let pattern = OidcIdentity {
        issuer: "(a*)*b".into(),
        subject: "(x+x+)+y".into(),
    };
    // The engine has no backtracking: what would take others for ever is an ordinary pattern.
    assert!(Identity::parse(&pattern).is_ok());
    let odd = OidcIdentity {
        issuer: "(".into(),
        subject: String::new(),
    };
    assert!(Identity::parse(&odd).is_err());
}

/// A certificate with its key: by another, if there is one; for a time in years.
fn certificate(
    name: &str,
    by: Option<&CertifiedIssuer<'static, KeyPair>>,
    years: (i32, i32),
) -> (KeyPair, Vec<u8>) {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
    (params.not_before, params.not_after) = (date_time_ymd(years.0, 1, 1), date_time_ymd(years.1, 1, 1));
    let key = KeyPair::generate().unwrap();
    let made = match by {
        Some(issuer) => params.signed_by(&key, issuer).unwrap(),
        None => params.self_signed(&key).unwrap(),
    };
    let der = made.der().to_vec();
    (key, der)
}

#[test]
fn who_signed_and_when_is_judged_by_the_policy() {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let root = authority.der().to_vec();
    let trusted = [Certificate::from_der(&root).unwrap()];
    let (good_key, good) = certificate("good", Some(&authority), (2020, 2040));
    let (old_key, old) = certificate("old", Some(&authority), (2020, 2027));
    let (evil_key, evil) = certificate("evil", None, (2020, 2040));
    let (now, later): (Timestamp, Timestamp) = (
        "2026-11-25T00:00:00Z".parse().unwrap(),
        "2028-01-01T00:00:00Z".parse().unwrap(),
    );
    let ends = r#","io.cncf.notary.expiry":"2026-11-26T00:00:00Z""#;
    let plugin = r#","io.cncf.notary.verificationPlugin":"x""#;
    let policy = |level: &str| {
        let text = format!(
            r#"{{"version":"1.0","trustPolicies":[{{"name":"a","registryScopes":["*"],"signatureVerification":{{"level":"{level}"}},"trustStores":["ca:x"],"trustedIdentities":["*"]}}]}}"#
        );
        TrustPolicy::parse(text.as_bytes()).unwrap()
    };
    let check = |key: &KeyPair, chain: &[&[u8]], more: &str, level: &str, at: Timestamp| {
        let envelope = Envelope::parse("application/jose+json", &jws_with(key, chain, more))?;
        let policy = policy(level);
        judge(
            &envelope,
            "sha256:00",
            policy.statement("r/app").unwrap(),
            &trusted,
            at,
        )
    };
    let verified = Ok(Verdict::Verified);
    let is_refused = |found: Result<Verdict, String>, part: &str| {
        let problem = found.unwrap_err();
        assert!(problem.contains(part), "{problem}");
    };
    assert_eq!(check(&good_key, &[&good, &root], "", "strict", now), verified);
    assert_eq!(check(&good_key, &[&good, &root], ends, "strict", now), verified);
    // A chain that only claims to lead to the trusted certificate, which everybody has.
    is_refused(
        check(&evil_key, &[&evil, &root], "", "strict", now),
        "leads to none that is trusted",
    );
    is_refused(
        check(&evil_key, &[&evil], "", "strict", now),
        "leads to none that is trusted",
    );
    assert_eq!(
        check(&evil_key, &[&evil, &root], "", "audit", now),
        Ok(Verdict::Ignored)
    );
    // Somebody else's certificate before one's own signature.
    is_refused(
        check(&evil_key, &[&good, &root], "", "audit", now),
        "the signature is wrong",
    );
    // What has expired: the certificate, the signature.
    is_refused(
        check(&old_key, &[&old, &root], "", "strict", later),
        "does not count at",
    );
    assert_eq!(check(&old_key, &[&old, &root], "", "permissive", later), verified);
    is_refused(
        check(&good_key, &[&good, &root], ends, "strict", later),
        "has expired",
    );
    assert_eq!(
        check(&good_key, &[&good, &root], ends, "permissive", later),
        verified
    );
    // What a header says that nobody understands is of no weight unless it must be understood.
    assert_eq!(check(&good_key, &[&good, &root], plugin, "strict", now), verified);
}
