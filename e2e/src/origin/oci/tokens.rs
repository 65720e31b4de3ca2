//! A token service as large registries have one: who shows the login gets a signed token for one repository and an hour.

use anyhow::{Context as _, Result};
use axum::{
    Router,
    extract::{RawQuery, State},
    http::{HeaderMap, StatusCode},
    routing::get,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::{net::TcpListener, task::JoinHandle};

use super::{Identity, USER};
use crate::origin::{Tls, git::tls::TlsListener};

/// Whom tokens are for, and who makes them, as the registry is told.
pub(super) const SERVICE: &str = "e2e-registry";
pub(super) const ISSUER: &str = "e2e-tokens";

/// A token service on a free loopback port. It ends when it is dropped.
#[derive(Debug)]
pub(super) struct Tokens {
    pub(super) realm: String,
    /// What the registry trusts: a certificate as PEM.
    pub(super) certificate: String,
    given: Arc<AtomicUsize>,
    server: JoinHandle<()>,
}

struct Service {
    key: EncodingKey,
    x5c: String,
    given: Arc<AtomicUsize>,
}

impl Tokens {
    /// Starts a service, over TLS if it is given who it is.
    pub(super) async fn start(tls: Option<&Identity>) -> Result<Self> {
        let pair = KeyPair::generate()?;
        let certificate = CertificateParams::new(vec!["tokens".into()])?.self_signed(&pair)?;
        let given = Arc::new(AtomicUsize::new(0));
        let service = Service {
            key: EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes())?,
            x5c: STANDARD.encode(certificate.der()),
            given: given.clone(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let realm = format!("{scheme}://{}/token", listener.local_addr()?);
        let router = Router::new()
            .route("/token", get(answer))
            .with_state(Arc::new(service));
        // It serves until it is aborted.
        let server = match tls {
            None => tokio::spawn(async move {
                let _ = axum::serve(listener, router).await;
            }),
            Some(identity) => {
                let tls = Tls {
                    identity: identity.clone(),
                    client_authority: None,
                };
                let listener = TlsListener::new(listener, &tls)?;
                tokio::spawn(async move {
                    let _ = axum::serve(listener, router).await;
                })
            }
        };
        Ok(Self {
            realm,
            certificate: certificate.pem(),
            given,
            server,
        })
    }

    /// How many tokens were given.
    pub(super) fn given(&self) -> usize {
        self.given.load(Ordering::Relaxed)
    }
}

impl Drop for Tokens {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn answer(
    State(service): State<Arc<Service>>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<String, (StatusCode, String)> {
    let login = STANDARD.encode(format!("{}:{}", USER.0, USER.1));
    let shown = headers.get("authorization").and_then(|v| v.to_str().ok());
    if shown != Some(&format!("Basic {login}")) {
        let errors =
            json!({"errors": [{"code": "UNAUTHORIZED", "message": "incorrect username or password"}]});
        return Err((StatusCode::UNAUTHORIZED, errors.to_string()));
    }
    let token = service.token(&query.unwrap_or_default());
    let token = token.map_err(|e| (StatusCode::BAD_REQUEST, format!("{e:#}")))?;
    service.given.fetch_add(1, Ordering::Relaxed);
    Ok(json!({"token": token, "expires_in": 3600}).to_string())
}

impl Service {
    /// A token for the scope that was asked for (`repository:<name>:<actions>`).
    fn token(&self, query: &str) -> Result<String> {
        let url = reqwest::Url::parse(&format!("http://x/?{query}"))?;
        let scope = url.query_pairs().find(|(key, _)| key == "scope");
        let access = match scope.map(|(_, scope)| scope.into_owned()) {
            None => json!([]),
            Some(scope) => {
                let mut parts = scope.splitn(3, ':');
                let mut part = || parts.next().context("a scope has three parts");
                let (kind, name, actions) = (part()?, part()?, part()?);
                json!([{"type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>()}])
            }
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        let claims = json!({
            "iss": ISSUER, "aud": SERVICE, "sub": USER.0, "iat": now - 5, "nbf": now - 5, "exp": now + 3600,
            "jti": now.to_string(), "access": access,
        });
        let mut header = Header::new(Algorithm::ES256);
        header.x5c = Some(vec![self.x5c.clone()]);
        Ok(encode(&header, &claims, &self.key)?)
    }
}
