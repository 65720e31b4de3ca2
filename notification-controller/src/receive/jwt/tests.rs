//! Tokens that are not what they say (RFC 8725; Argo CD CVE-2022-29165, CVE-2023-22482, CVE-2021-26921).

use super::*;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

/// The time of all tests, so that none passes with the years.
pub const NOW: i64 = 1_800_000_000;

fn key() -> (String, Value) {
    // Made anew for each run: what a test is signed with need not lie anywhere.
    static KEY: std::sync::OnceLock<(String, Value)> = std::sync::OnceLock::new();
    KEY.get_or_init(|| {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let public = pair.public_key_raw();
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let jwk = json!({"kty": "EC", "crv": "P-256", "kid": "k1", "use": "sig", "x": part(&public[1..33]), "y": part(&public[33..65])});
        (pair.serialize_pem(), jwk)
    })
    .clone()
}

fn foreign_key() -> EncodingKey {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap()
}

/// A token with these claims that somebody else has signed in the name of the known key.
pub fn signed_by_another(claims: &Value) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("k1".into());
    jsonwebtoken::encode(&header, claims, &foreign_key()).unwrap()
}

/// A token with these claims that nobody has signed.
pub fn unsigned(claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.", part(&json!({"alg": "none", "kid": "k1"})), part(claims))
}

/// The set of keys that [`signed`] signs with one of.
pub fn keys() -> Keys {
    let (_, jwk) = key();
    Keys::parse(json!({"keys": [{"kty": "junk"}, jwk]}).to_string().as_bytes()).unwrap()
}

/// The public key as its issuer publishes it.
pub fn published() -> Value {
    json!({"keys": [key().1]})
}

/// A token with these claims.
pub fn signed(claims: &Value) -> String {
    signed_as(claims, "k1")
}

pub fn signed_as(claims: &Value, kid: &str) -> String {
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some(kid.into());
    let key = EncodingKey::from_ec_pem(key().0.as_bytes()).unwrap();
    jsonwebtoken::encode(&header, claims, &key).unwrap()
}

fn claims() -> Value {
    json!({"iss": "https://a.example", "aud": "us", "exp": NOW + 60, "sub": "ci"})
}

fn verify(token: &str) -> Result<Map<String, Value>, Refused> {
    Unverified::parse(token)?.verify(&keys(), &["https://a.example"], "us", NOW)
}

fn says(token: &str, part: &str) {
    let refused = verify(token).expect_err(part);
    assert!(refused.0.contains(part), "{refused} does not say {part}");
}

fn with(change: impl FnOnce(&mut Value)) -> String {
    let mut claims = claims();
    change(&mut claims);
    signed(&claims)
}

#[test]
fn a_good_token_is_taken() {
    assert_eq!(verify(&signed(&claims())).unwrap()["sub"], "ci");
    assert!(verify(&with(|c| c["aud"] = json!(["other", "us"]))).is_ok());
    assert!(verify(&with(|c| c["exp"] = json!(NOW as f64 + 0.5))).is_ok());
    assert!(verify(&with(|c| c["nbf"] = json!(NOW))).is_ok());
}

#[test]
fn time_is_kept() {
    says(&with(|c| c["exp"] = json!(NOW - 31)), "expired");
    says(
        &with(|c| {
            c.as_object_mut().unwrap().remove("exp");
        }),
        "no end",
    );
    says(&with(|c| c["exp"] = json!("never")), "exp is no time");
    says(&with(|c| c["exp"] = json!({})), "exp is no time");
    says(&with(|c| c["nbf"] = json!(NOW + 31)), "not valid yet");
    says(&with(|c| c["nbf"] = json!("now")), "nbf is no time");
}

#[test]
fn issuer_and_audience_are_this_ones() {
    says(&with(|c| c["iss"] = json!("https://b.example")), "another issuer");
    says(&with(|c| c["iss"] = json!("")), "who issued it");
    says(&with(|c| c["aud"] = json!("them")), "another audience");
    says(&with(|c| c["aud"] = json!([])), "another audience");
    says(&with(|c| c["aud"] = json!("US")), "another audience");
    says(
        &with(|c| {
            c.as_object_mut().unwrap().remove("aud");
        }),
        "another audience",
    );
    let blank = with(|c| c["aud"] = json!(""));
    assert!(
        Unverified::parse(&blank)
            .unwrap()
            .verify(&keys(), &["https://a.example"], "", NOW)
            .is_err(),
        "no audience is none"
    );
}

#[test]
fn algorithms_are_the_keys() {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    for header in [
        json!({"alg": "none", "kid": "k1"}),
        json!({"alg": "None"}),
        json!({"alg": ""}),
        json!({}),
    ] {
        for signature in ["", "AA"] {
            says(
                &format!("{}.{}.{signature}", part(&header), part(&claims())),
                "no signed JSON web token",
            );
        }
    }
    // The public key taken for a shared one.
    let (pem, jwk) = key();
    let public = json!({"keys": [jwk]}).to_string();
    for secret in [
        public.as_bytes(),
        pem.as_bytes(),
        jwk["x"].as_str().unwrap().as_bytes(),
        b"",
    ] {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some("k1".into());
        let token = jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap();
        says(&token, "no public one");
    }
    // A key that a token brings along is nobody's.
    let mut header = Header::new(Algorithm::ES256);
    header.kid = Some("k2".into());
    header.jwk = Some(serde_json::from_value(jwk.clone()).unwrap());
    let own = jsonwebtoken::encode(
        &header,
        &claims(),
        &EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(),
    )
    .unwrap();
    says(&own, "none of its issuer's keys");
    header.crit = Some(vec!["b64".into()]);
    let critical = jsonwebtoken::encode(
        &header,
        &claims(),
        &EncodingKey::from_ec_pem(pem.as_bytes()).unwrap(),
    )
    .unwrap();
    says(&critical, "crit");
}

#[test]
fn what_is_signed_is_what_was_signed() {
    let token = signed(&claims());
    let parts: Vec<&str> = token.split('.').collect();
    let other = URL_SAFE_NO_PAD.encode(
        json!({"iss": "https://a.example", "aud": "us", "exp": NOW + 60, "sub": "admin"}).to_string(),
    );
    says(
        &format!("{}.{other}.{}", parts[0], parts[2]),
        "none of its issuer's keys",
    );
    says(
        &format!("{}.{}.", parts[0], parts[1]),
        "none of its issuer's keys",
    );
    says(&format!("{}.{}", parts[0], parts[1]), "no signed JSON web token");
    says(&format!("{token}.{}", parts[2]), "no signed JSON web token");
    // Signed with somebody's key, of the same name.
    says(&signed_by_another(&claims()), "none of its issuer's keys");
    says(&"a".repeat(LENGTH + 1), "too long");
}

#[test]
fn sets_hold_what_can_be_used() {
    let (_, jwk) = key();
    let with = |field: &str, value: Value| {
        let mut jwk = jwk.clone();
        jwk[field] = value;
        Keys::parse(json!({"keys": [jwk]}).to_string().as_bytes()).unwrap()
    };
    let token = Unverified::parse(&signed(&claims())).unwrap();
    let taken = |keys: &Keys| token.verify(keys, &["https://a.example"], "us", NOW).is_ok();
    assert!(taken(&with("alg", json!("ES256"))));
    assert!(!taken(&with("alg", json!("ES384"))), "of another algorithm");
    assert!(!taken(&with("use", json!("enc"))), "for another use");
    assert!(!taken(&with("kid", json!("k2"))), "of another name");
    assert!(!taken(&with("x", json!("AA"))), "no point");
    let shared = json!({"keys": [{"kty": "oct", "kid": "k1", "k": "AAAA"}]}).to_string();
    assert!(
        !Keys::parse(shared.as_bytes()).unwrap().has("k1"),
        "a shared key in a public place"
    );
    let many: Vec<Value> = (0..1000)
        .map(|n| {
            let mut jwk = jwk.clone();
            jwk["kid"] = json!(n.to_string());
            jwk
        })
        .collect();
    let many = Keys::parse(json!({"keys": many}).to_string().as_bytes()).unwrap();
    assert_eq!(many.0.len(), KEYS);
    for junk in ["", "[]", "{\"keys\":{}}", "{\"keys\":"] {
        assert!(Keys::parse(junk.as_bytes()).is_err(), "{junk}");
    }
}
