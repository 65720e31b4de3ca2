//! Google's registries, by Pub/Sub (Google, "Authenticate push subscriptions"): a token that Google signed, for this
//! audience, of the account that this subscription pushes as (CVE-2026-40109: the signature alone lets in anybody who has
//! an account at Google).

use super::{Accepted, By, Refused, Request, Signer};
use crate::receive::jwt::Unverified;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How Google calls itself.
const ISSUERS: [&str; 2] = ["https://accounts.google.com", "accounts.google.com"];

/// What Pub/Sub sends.
#[derive(Deserialize)]
struct Push {
    message: Message,
}

#[derive(Deserialize)]
struct Message {
    data: String,
    #[serde(default, rename = "messageId")]
    id: Option<String>,
}

/// What the registry says, in the message.
#[derive(Serialize, Deserialize)]
struct Event {
    #[serde(default)]
    action: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    tag: String,
}

pub fn signer(token: &Unverified) -> Result<Signer, Refused> {
    if ISSUERS.contains(&token.issuer()) {
        Ok(Signer::Google)
    } else {
        Err(Refused("the token's issuer is not Google".into()))
    }
}

pub fn check(request: Request<'_>, by: By<'_>) -> Result<Accepted, Refused> {
    let required = |key: &str| {
        let missing = || {
            Refused(format!(
                "the Secret has no '{key}', without which a token of anybody would do"
            ))
        };
        by.credentials.text(key).ok_or_else(missing)
    };
    let (email, audience) = (required("email")?, required("audience")?);
    let (token, keys) = by.signed.ok_or_else(|| Refused("there is no token".into()))?;
    let claims = token.verify(keys, &ISSUERS, audience, by.now)?;
    if claims.get("email").and_then(Value::as_str) != Some(email) {
        return Err(Refused(
            "the token is of another account than the Secret names".into(),
        ));
    }
    if claims.get("email_verified") != Some(&Value::Bool(true)) {
        return Err(Refused("the token's email is not verified".into()));
    }
    let push: Push = serde_json::from_slice(request.body)
        .map_err(|error| Refused(format!("the body is none of Pub/Sub: {error}")))?;
    let data = STANDARD
        .decode(push.message.data)
        .map_err(|_| Refused("the message's data is not base64".into()))?;
    let event: Event = serde_json::from_slice(&data)
        .map_err(|error| Refused(format!("the message is none of a registry: {error}")))?;
    let payload = serde_json::to_value(event).map_err(|error| Refused(error.to_string()))?;
    Ok(Accepted {
        payload: Some(payload),
        ..Accepted::delivery(push.message.id.as_deref())
    })
}
