//! I/O: a token of Google's for a service account's key (Google, OAuth 2.0 for service accounts; RFC 7523), or an identity.

use super::{Access, Secret, Service, identity::google_identity, send};
use crate::message::{Again, DeliveryError, Request};
use cloud::is_loopback;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Deserialize;
use serde_json::json;
use sha2::{Digest as _, Sha256};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use url::Url;

const SCOPE: &str = "https://www.googleapis.com/auth/pubsub";
const GRANT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

#[derive(Deserialize)]
struct Account {
    client_email: String,
    private_key: String,
    #[serde(default)]
    private_key_id: String,
    token_uri: String,
}

/// A token for Pub/Sub, which is at this URL: by the key of a service account that is the Secret's `token`, else that of the
/// identity that the Provider acts as.
///
/// # Errors
/// A key that cannot be used; no token from Google.
pub(crate) async fn google_token(service: &Service, to: &Url) -> Result<Access, DeliveryError> {
    let Some(key) = &service.auth.token else {
        let token = google_identity(service, to).await?;
        return Ok(Access { token, user: None });
    };
    let mut hash = Sha256::new();
    key.fingerprint(&mut hash);
    let fingerprint: [u8; 32] = hash.finalize().into();
    if let Some(access) = service.peers.tokens.get(&fingerprint) {
        return Ok(access);
    }
    let request = asked(key, SystemTime::now())?;
    let answer = send(service, &request).await?;
    let body = crate::json::answer(&answer.body).unwrap_or_default();
    let token = body["access_token"].as_str().filter(|_| answer.is_taken());
    let Some(token) = token else {
        let mut refused = answer.refused(service, &request);
        refused.message = format!(
            "Google gives no token for the service account: {}",
            refused.message
        );
        // The key, or the machine's clock, can be put right.
        if refused.again == Again::Never {
            refused.again = Again::Later;
        }
        return Err(refused);
    };
    let access = Access {
        token: Secret::new(token),
        user: None,
    };
    let life = Duration::from_secs(body["expires_in"].as_u64().unwrap_or(600).min(3600));
    service.peers.tokens.keep(fingerprint, &access, life);
    Ok(access)
}

/// PURE: what asks for the token.
pub(crate) fn asked(key: &Secret, now: SystemTime) -> Result<Request, DeliveryError> {
    // What the parser says may quote what it read.
    let unusable = |what: &str| {
        DeliveryError::later(format!(
            "the 'token' of the Provider's Secret is no key of a service account: {what}"
        ))
    };
    let account: Account =
        serde_json::from_slice(key.expose()).map_err(|_| unusable("a field is missing"))?;
    let url = Url::parse(&account.token_uri).ok().filter(is_safe);
    let url = url.ok_or_else(|| unusable("'token_uri' must be an https URL"))?;
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = json!({
        "iss": account.client_email,
        "scope": SCOPE,
        "aud": account.token_uri,
        "iat": now,
        "exp": now + 3600,
    });
    let mut header = Header::new(Algorithm::RS256);
    header.kid = Some(account.private_key_id).filter(|id| !id.is_empty());
    let private = EncodingKey::from_rsa_pem(account.private_key.as_bytes())
        .map_err(|_| unusable("'private_key' is no RSA key"))?;
    let statement = encode(&header, &claims, &private).map_err(|_| unusable("'private_key' cannot sign"))?;
    let mut request = Request::form(url, &[("grant_type", GRANT), ("assertion", &statement)]);
    request.secret_body = true;
    Ok(request)
}

/// Whether a statement that is as good as a password may go to a URL: over TLS, or to this machine.
fn is_safe(url: &Url) -> bool {
    url.scheme() == "https" || (url.scheme() == "http" && is_loopback(url))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{message::example::service, provider::ProviderType};

    #[tokio::test]
    async fn a_statement_goes_nowhere_unencrypted() {
        for (uri, safe) in [
            ("https://oauth2.googleapis.com/token", true),
            ("http://127.0.0.1:8080/token", true),
            ("http://[::1]/token", true),
            ("http://localhost/token", true),
            ("http://oauth2.googleapis.com/token", false),
            ("http://localhost.evil.example/token", false),
            ("ftp://localhost/token", false),
        ] {
            assert_eq!(is_safe(&Url::parse(uri).unwrap()), safe, "{uri}");
        }
        let account =
            json!({"client_email": "sa", "private_key": "x", "token_uri": "http://evil.example/token"});
        let account = account.to_string();
        let service = service(ProviderType::GooglePubSub, "acme", "t", &[("token", &account)]);
        let error = google_token(&service, &Url::parse("https://pubsub.googleapis.com").unwrap())
            .await
            .unwrap_err();
        assert!(error.message.contains("must be an https URL"), "{error}");
    }
}
