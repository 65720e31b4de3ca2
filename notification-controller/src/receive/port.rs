//! The story of a request: whom it is for, whether it may ask, what it is about, and what is done.

use super::{
    deliveries::{Deliveries, Delivery},
    effect::{Asked, Effect},
    filter::{self, Told},
    issuers::Issuers,
    oidc::Rules,
    path::{PREFIX, webhook_path},
    secret::{self, Credentials, SecretError},
    sender::{self, Accepted, By, Refused, Request},
    validate::{Validated, validate},
};
use axum::{
    body::{Body, Bytes, HttpBody as _},
    http::{HeaderMap, StatusCode, Uri, header},
};
use crds::{
    meta::READY,
    notification::{Receiver, ReceiverType},
};
use jiff::Timestamp;
use kube::{Client, ResourceExt as _};
use runtime::{
    Key, conditions,
    dependency::Graph,
    server,
    telemetry::chain,
    watch::{Change, Store},
};
use serde_json::Value;
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;
use tracing::{error, info, warn};

/// The largest body, in bytes (Flux).
const LARGEST: usize = 3 << 20;
/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(20);
/// So many bodies are held at once: together less than a hundred megabytes.
const BODIES: usize = 32;

/// What is behind the port.
pub struct Port {
    client: Client,
    store: Arc<Store<Receiver>>,
    paths: Mutex<Graph<String>>,
    issuers: Issuers,
    effect: Effect,
    deliveries: Deliveries,
    bodies: Semaphore,
}

/// How a request ends that is not acted on in full.
struct End(StatusCode, String);

impl Port {
    /// A port that knows no Receivers yet.
    pub fn new(client: Client, issuers: Issuers, effect: Effect) -> Self {
        Self {
            client,
            store: Arc::default(),
            paths: Mutex::default(),
            issuers,
            effect,
            deliveries: Deliveries::default(),
            bodies: Semaphore::new(BODIES),
        }
    }

    /// The Receivers, to be kept current.
    pub fn store(&self) -> Arc<Store<Receiver>> {
        self.store.clone()
    }

    /// Takes in the address of a Receiver.
    pub fn changed(&self, change: &Change<Receiver>) {
        let status = change.new.as_ref().and_then(|r| r.status.as_ref());
        let path = status
            .and_then(|s| s.webhook_path.clone())
            .filter(|p| !p.is_empty());
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        paths.set(&change.key, BTreeSet::from_iter(path));
    }

    /// Answers a request with a status and nothing else: strangers learn nothing from words.
    pub async fn answer(&self, request: axum::http::Request<Body>) -> StatusCode {
        let (head, body) = request.into_parts();
        // Before anything else, and for everybody.
        if body.size_hint().lower() > LARGEST as u64 {
            return StatusCode::PAYLOAD_TOO_LARGE;
        }
        let candidates = self.candidates(&head.uri);
        if candidates.is_empty() {
            return self.unknown();
        }
        match self.receive(&candidates, &head.uri, &head.headers, body).await {
            Ok(()) => StatusCode::OK,
            Err((key, End(status, problem))) => {
                if status == StatusCode::NOT_FOUND {
                    return self.unknown();
                }
                warn!(
                    namespace = key.namespace,
                    name = key.name,
                    status = status.as_u16(),
                    "webhook not acted on: {problem}"
                );
                status
            }
        }
    }

    /// Before the Receivers are known, nobody is unknown.
    fn unknown(&self) -> StatusCode {
        if self.store.is_synced() {
            StatusCode::NOT_FOUND
        } else {
            StatusCode::SERVICE_UNAVAILABLE
        }
    }

    /// The Receivers at this address, as it is on the wire: another spelling is another address, and so is one with a
    /// query (Flux). A digest of the address decides, so that time says nothing of how much of it was right.
    fn candidates(&self, uri: &Uri) -> Vec<Arc<Receiver>> {
        if uri.authority().is_some() || uri.query().is_some() || !uri.path().starts_with(PREFIX) {
            return Vec::new();
        }
        let paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        let keys: Vec<Key> = paths.referrers(&uri.path().to_owned()).cloned().collect();
        drop(paths);
        keys.iter().filter_map(|key| self.store.get(key)).collect()
    }

    async fn receive(
        &self,
        candidates: &[Arc<Receiver>],
        uri: &Uri,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(), (Key, End)> {
        let mut gone = (Key::new("", ""), End(StatusCode::NOT_FOUND, String::new()));
        for receiver in candidates {
            let key = Key::of(&**receiver);
            let at = |end| (key.clone(), end);
            ready(receiver).map_err(at)?;
            let credentials = match self.credentials(receiver).await {
                Ok(credentials) => credentials,
                Err(end @ End(StatusCode::NOT_FOUND, _)) => {
                    gone = at(end);
                    continue;
                }
                Err(end) => return Err(at(end)),
            };
            // The address that the token makes now: a token that was changed took the old one with it at once.
            if webhook_path(credentials.token(), &key) != uri.path() {
                continue;
            }
            return self.act(receiver, &credentials, headers, body).await.map_err(at);
        }
        Err(gone)
    }

    async fn credentials(&self, receiver: &Receiver) -> Result<Credentials, End> {
        secret::read(&self.client, receiver).await.map_err(|error| {
            let status = match error {
                SecretError::Missing(_) => StatusCode::NOT_FOUND,
                SecretError::Unread { .. } => StatusCode::SERVICE_UNAVAILABLE,
            };
            End(status, error.to_string())
        })
    }

    async fn act(
        &self,
        receiver: &Arc<Receiver>,
        credentials: &Credentials,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(), End> {
        let Validated { filters, rules } = validate(receiver)
            .map_err(|invalid| End(StatusCode::SERVICE_UNAVAILABLE, invalid.to_string()))?;
        let rules: Arc<[Rules]> = rules.into();
        let checked = async |body: &Bytes| {
            self.checked(receiver, headers, body, credentials, rules.clone())
                .await
        };
        // The address of one without a token can be computed by everybody: who asks is checked before a body is taken.
        let early = match receiver.spec.type_ {
            ReceiverType::GenericOidc => Some(checked(&Bytes::new()).await?),
            _ => None,
        };
        let waited = tokio::time::timeout(ARRIVAL, self.bodies.acquire()).await;
        let _held = waited.map_err(|_| {
            End(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests at once".into(),
            )
        })?;
        let body = server::read(body, LARGEST, ARRIVAL).await;
        let body = body.map_err(|error| End(error.status(), error.to_string()))?;
        let accepted = match early {
            Some(accepted) => accepted,
            None => checked(&body).await?,
        };
        let key = Key::of(&**receiver);
        let uid = receiver.uid().unwrap_or_default();
        let delivery = accepted
            .delivery
            .as_deref()
            .map(|number| Delivery::new(&key, &uid, number, &body));
        if delivery.is_some_and(|delivery| self.deliveries.knows(&delivery, Instant::now())) {
            info!(
                namespace = key.namespace,
                name = key.name,
                "webhook was delivered before"
            );
            return Ok(());
        }
        let told = Told {
            req: match accepted.payload {
                Some(payload) => payload,
                None if filters.any() => filter::body(content_type(headers), &body)
                    .map_err(|problem| End(StatusCode::INTERNAL_SERVER_ERROR, problem.to_string()))?,
                None => Value::Null,
            },
            claims: Value::Object(accepted.claims),
        };
        drop(body);
        let errors = self
            .effect
            .request(receiver, Arc::new(Asked { filters, told }))
            .await;
        for problem in &errors {
            error!(
                namespace = key.namespace,
                name = key.name,
                error = chain(problem),
                "unable to request reconciliation"
            );
        }
        if !errors.is_empty() {
            let problem = format!("{} of the resources could not be asked for", errors.len());
            return Err(End(StatusCode::INTERNAL_SERVER_ERROR, problem));
        }
        if let Some(delivery) = delivery {
            self.deliveries.add(delivery, Instant::now());
        }
        Ok(())
    }

    async fn checked(
        &self,
        receiver: &Arc<Receiver>,
        headers: &HeaderMap,
        body: &Bytes,
        credentials: &Credentials,
        rules: Arc<[Rules]>,
    ) -> Result<Accepted, End> {
        let refused = |refused: Refused| End(StatusCode::BAD_REQUEST, refused.to_string());
        let now = Timestamp::now().as_second();
        let token = sender::token(receiver, Request { headers, body }, now).map_err(refused)?;
        let keys = match &token {
            None => None,
            Some(token) => {
                let keys = self.issuers.keys(&token.signer, token.token.key()).await;
                // The sender is not at fault, and may try again.
                Some(keys.map_err(|error| End(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?)
            }
        };
        let (receiver, credentials) = (receiver.clone(), credentials.clone());
        let (headers, body) = (headers.clone(), body.clone());
        // Signatures and expressions take the processor.
        let checked = tokio::task::spawn_blocking(move || {
            let signed = token.as_ref().zip(keys.as_deref());
            let by = By {
                credentials: &credentials,
                rules: &rules,
                signed: signed.map(|(token, keys)| (&token.token, keys)),
                now,
            };
            let request = Request {
                headers: &headers,
                body: &body,
            };
            sender::check(&receiver, request, by)
        });
        let crashed = |_| End(StatusCode::INTERNAL_SERVER_ERROR, "the check crashed".into());
        checked.await.map_err(crashed)?.map_err(refused)
    }
}

/// Holds that a Receiver takes requests.
fn ready(receiver: &Receiver) -> Result<(), End> {
    if receiver.spec.suspend {
        return Err(End(
            StatusCode::SERVICE_UNAVAILABLE,
            "the Receiver is suspended".into(),
        ));
    }
    let status = receiver.status.as_ref();
    if !status.is_some_and(|status| conditions::is_true(&status.conditions, READY)) {
        return Err(End(
            StatusCode::SERVICE_UNAVAILABLE,
            "the Receiver is not ready".into(),
        ));
    }
    Ok(())
}

fn content_type(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_TYPE)?.to_str().ok()
}
