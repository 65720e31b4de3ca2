//! PURE: tokens (RFC 7519) and the keys that they are signed with (RFC 7517). Nothing in a token is believed before its
//! signature is checked, with a key of the issuer's and an algorithm that goes with that key (RFC 8725).

use super::sender::Refused;
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, Validation,
    jwk::{Jwk, PublicKeyUse},
};
use serde_json::{Map, Value};

/// The longest token that is looked at, in bytes; headers are bounded as well.
const LENGTH: usize = 16 << 10;
/// So many keys of an issuer are looked at.
const KEYS: usize = 64;
/// How far clocks may be apart, in seconds.
const LEEWAY: f64 = 30.0;

/// A token of which nothing is known to be true.
pub struct Unverified {
    text: String,
    algorithm: Algorithm,
    key: Option<String>,
    issuer: String,
    claims: Map<String, Value>,
}

impl std::fmt::Debug for Unverified {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "a token of {:?}", self.issuer)
    }
}

/// The keys that an issuer signs with.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<Key>);

#[derive(Clone)]
struct Key {
    id: Option<String>,
    algorithm: Option<Algorithm>,
    key: DecodingKey,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.id)
    }
}

impl Unverified {
    /// Takes a token apart.
    ///
    /// # Errors
    /// What is no token, or none whose signature others could check: `none`, and keys that are shared (RFC 8725, 3.1).
    pub fn parse(text: &str) -> Result<Self, Refused> {
        let refused = |problem: &str| Refused(format!("the bearer token is refused: {problem}"));
        if text.len() > LENGTH {
            return Err(refused("it is too long"));
        }
        let header =
            jsonwebtoken::decode_header(text).map_err(|_| refused("it is no signed JSON web token"))?;
        if header.crit.is_some() {
            return Err(refused("it wants something to be understood that is not (crit)"));
        }
        if header.alg.family() == AlgorithmFamily::Hmac {
            return Err(refused("its algorithm is no public one"));
        }
        let claims: Map<String, Value> = jsonwebtoken::dangerous::insecure_decode_claims(text)
            .map_err(|_| refused("its claims are no JSON object"))?;
        let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
        if issuer.is_empty() {
            return Err(refused("it does not say who issued it"));
        }
        Ok(Self {
            text: text.to_owned(),
            algorithm: header.alg,
            key: header.kid,
            issuer: issuer.to_owned(),
            claims,
        })
    }

    /// Who it says has issued it.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The key it says it is signed with.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Holds that now is within its time. One that never ends is none (RFC 8725, and CVE-2021-26921 of Argo CD).
    ///
    /// # Errors
    /// When it is over, has not begun, or does not say.
    pub fn in_time(&self, now: i64) -> Result<(), Refused> {
        let refused = |problem: &str| Refused(format!("the bearer token is refused: {problem}"));
        // Seconds since 1970 are far below the 2^53 up to which this is exact.
        let now = now as f64;
        let time = |claim: &str| match self.claims.get(claim) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_f64()
                .map(Some)
                .ok_or_else(|| refused(&format!("its claim {claim} is no time"))),
        };
        let end = time("exp")?.ok_or_else(|| refused("it has no end (exp)"))?;
        if end + LEEWAY < now {
            return Err(refused("it has expired"));
        }
        if time("nbf")?.is_some_and(|begin| begin - LEEWAY > now) {
            return Err(refused("it is not valid yet"));
        }
        Ok(())
    }

    /// Checks signature, time, issuer and audience, and gives what the token says.
    ///
    /// # Errors
    /// What is wrong first.
    pub fn verify(
        &self,
        keys: &Keys,
        issuers: &[&str],
        audience: &str,
        now: i64,
    ) -> Result<Map<String, Value>, Refused> {
        let refused = |problem: &str| Refused(format!("the bearer token is refused: {problem}"));
        let mut validation = Validation::new(self.algorithm);
        // What is true of the claims is checked below, with the time that is handed in.
        validation.required_spec_claims.clear();
        (
            validation.validate_exp,
            validation.validate_nbf,
            validation.validate_aud,
        ) = (false, false, false);
        let signed = keys.fit(self).any(|key| {
            jsonwebtoken::decode::<Map<String, Value>>(&self.text, key, &validation)
                .is_ok_and(|decoded| decoded.claims == self.claims)
        });
        if !signed {
            return Err(refused("none of its issuer's keys has signed it"));
        }
        self.in_time(now)?;
        if !issuers.contains(&self.issuer.as_str()) {
            return Err(refused("it is of another issuer"));
        }
        let meant = match self.claims.get("aud") {
            Some(Value::String(one)) => one == audience,
            Some(Value::Array(several)) => several.iter().any(|one| one.as_str() == Some(audience)),
            _ => false,
        };
        if audience.is_empty() || !meant {
            return Err(refused("it is for another audience"));
        }
        Ok(self.claims.clone())
    }
}

impl Keys {
    /// Reads a set of keys. Those that cannot be used are left out.
    ///
    /// # Errors
    /// What is no set of keys.
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let set = crate::json::answer(text).ok_or("it is no JSON that is read")?;
        let keys = set
            .get("keys")
            .and_then(Value::as_array)
            .ok_or("it has no keys")?;
        Ok(Self(keys.iter().take(KEYS).filter_map(Key::read).collect()))
    }

    /// Whether there is a key with this id.
    pub fn has(&self, id: &str) -> bool {
        self.0.iter().any(|key| key.id.as_deref() == Some(id))
    }

    /// Keys that a token may be signed with: those of the id that it names, or any if it names none, if they go with its
    /// algorithm.
    fn fit(&self, token: &Unverified) -> impl Iterator<Item = &DecodingKey> {
        let fits = |key: &&Key| {
            key.key.family() == token.algorithm.family()
                && key.algorithm.is_none_or(|algorithm| algorithm == token.algorithm)
                && token.key.as_ref().is_none_or(|id| key.id.as_ref() == Some(id))
        };
        self.0.iter().filter(fits).map(|key| &key.key)
    }
}

impl Key {
    fn read(value: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
        let signs = matches!(jwk.common.public_key_use, None | Some(PublicKeyUse::Signature));
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        // A shared key in a public place is none.
        if !signs || key.family() == AlgorithmFamily::Hmac {
            return None;
        }
        let algorithm = match jwk.common.key_algorithm {
            None => None,
            Some(named) => Some(Algorithm::try_from(named).ok()?),
        };
        Some(Self {
            id: jwk.common.key_id,
            algorithm,
            key,
        })
    }
}

#[cfg(test)]
pub mod tests;
