//! The story of a request: whom it is for, whether it may ask, what it is about, and what is done.

use super::{
    compiled::{Compiled, Unusable},
    deliveries::{Deliveries, Delivery},
    effect::{Asked, Effect},
    filter::{self, Told},
    incoming::{Incoming, LARGEST, Places},
    issuers::Issuers,
    outcome::{End, Outcome, answer},
    path::{PREFIX, webhook_path},
    secret::{self, Credentials, SecretError},
    sender::{self, Accepted, By, Refused, Request},
    validate::{Validated, Version},
};
use crate::{fair::Place, message::cut};
use axum::{
    body::{Body, Bytes, HttpBody as _},
    http::{HeaderMap, StatusCode, Uri, header},
};
use crds::{
    meta::READY,
    notification::{Receiver, ReceiverType},
};
use futures::future::join_all;
use jiff::Timestamp;
use kube::Client;
use runtime::{
    Key, conditions,
    dependency::Graph,
    telemetry::chain,
    watch::{Change, Store},
};
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};
use tracing::{error, info, warn};

/// So much of a problem is logged, in characters: it may quote a body.
const TOLD: usize = 500;

/// What is behind the port.
pub struct Port {
    client: Client,
    store: Arc<Store<Receiver>>,
    paths: Mutex<Graph<String>>,
    issuers: Issuers,
    effect: Effect,
    deliveries: Deliveries,
    places: Places,
    compiled: Arc<Compiled>,
}

/// A request that a Receiver takes.
struct Admitted {
    delivery: Option<Delivery>,
    asked: Asked,
    /// Held until all is done, if filters judge.
    _place: Option<Place>,
}

impl Port {
    /// A port that knows no Receivers yet.
    pub fn new(client: Client, issuers: Issuers, effect: Effect, compiled: Arc<Compiled>) -> Self {
        Self {
            client,
            store: Arc::default(),
            paths: Mutex::default(),
            issuers,
            effect,
            deliveries: Deliveries::default(),
            places: Places::default(),
            compiled,
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
        if change.new.is_none() {
            self.compiled.forget(&change.key);
        }
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
                    "webhook not acted on: {}",
                    cut(&problem, TOLD)
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

    /// All Receivers at an address that take the request act on it, those of each namespace by themselves: addresses without a token
    /// can be made alike by anybody, and who takes it, refuses or is slow does not act for the others.
    async fn receive(
        &self,
        candidates: &[Arc<Receiver>],
        uri: &Uri,
        headers: &HeaderMap,
        body: Body,
    ) -> Result<(), (Key, End)> {
        let incoming = &Incoming::new(&self.places, body);
        let mut namespaces: BTreeMap<String, Vec<(&Arc<Receiver>, Key)>> = BTreeMap::new();
        for receiver in candidates {
            let key = Key::of(&**receiver);
            namespaces
                .entry(key.namespace.clone())
                .or_default()
                .push((receiver, key));
        }
        let each = namespaces.into_values().map(async |receivers| {
            let mut outcomes = Vec::new();
            for (receiver, key) in receivers {
                outcomes.push(self.outcome(receiver, key, uri, headers, incoming).await);
            }
            outcomes
        });
        answer(join_all(each).await.into_iter().flatten())
    }

    async fn outcome(
        &self,
        receiver: &Arc<Receiver>,
        key: Key,
        uri: &Uri,
        headers: &HeaderMap,
        incoming: &Incoming<'_>,
    ) -> Outcome {
        match self.admit(receiver, &key, uri, headers, incoming).await {
            Ok(admitted) => {
                let acted = self.act(receiver, &key, admitted).await;
                Outcome::Taken(acted.map_err(|end| (key, end)))
            }
            // Not being there is the least that can be said.
            Err(End(StatusCode::NOT_FOUND, _)) => Outcome::NotThere,
            Err(end) => Outcome::Refused(key, end),
        }
    }

    /// Whether a Receiver takes a request, and what it makes of it.
    async fn admit(
        &self,
        receiver: &Arc<Receiver>,
        key: &Key,
        uri: &Uri,
        headers: &HeaderMap,
        incoming: &Incoming<'_>,
    ) -> Result<Admitted, End> {
        let credentials = self.credentials(receiver).await?;
        // The address that the token makes now: a token that was changed took the old one with it at once.
        if webhook_path(credentials.token(), key) != uri.path() {
            return Err(End(StatusCode::NOT_FOUND, String::new()));
        }
        ready(receiver)?;
        let (store, own) = (self.store.clone(), key.clone());
        let validated = self
            .compiled
            .of(receiver, key, move || store.get(&own).is_some())
            .await
            .map_err(unusable)?;
        let checked = async |body: &Bytes| {
            self.checked(receiver, headers, body, &credentials, validated.clone())
                .await
        };
        // The address of one without a token can be computed by everybody: who asks is checked before a body is taken.
        let early = match receiver.spec.type_ {
            ReceiverType::GenericOidc => Some(checked(&Bytes::new()).await?),
            _ => None,
        };
        let place = match validated.filters.any() {
            true => Some(incoming.filtered(key).await?),
            false => None,
        };
        let body = incoming.read(key).await?;
        let accepted = match early {
            Some(accepted) => accepted,
            None => checked(&body).await?,
        };
        let content_type = content_type(headers).map(str::to_owned);
        let (version, key) = (Version::of(receiver), key.clone());
        // A digest of megabytes, and what they say, take the processor.
        let told = tokio::task::spawn_blocking(move || {
            let number = accepted.delivery.as_deref();
            let delivery = number.map(|number| Delivery::new(&key, &version, number, &body));
            let req = match accepted.payload {
                Some(payload) => payload,
                None if validated.filters.any() => filter::body(content_type.as_deref(), &body)
                    .map_err(|problem| End(StatusCode::INTERNAL_SERVER_ERROR, problem.to_string()))?,
                None => Value::Null,
            };
            let claims = Value::Object(accepted.claims);
            let told = Told { req, claims };
            Ok((delivery, Asked { validated, told }))
        });
        let (delivery, asked) = told.await.map_err(|_| crashed())??;
        Ok(Admitted {
            delivery,
            asked,
            _place: place,
        })
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

    /// Has all reconciled that a request is about.
    async fn act(&self, receiver: &Receiver, key: &Key, admitted: Admitted) -> Result<(), End> {
        let Admitted {
            delivery,
            asked,
            _place,
        } = admitted;
        if delivery.is_some_and(|delivery| self.deliveries.knows(&key.namespace, &delivery, Instant::now())) {
            info!(
                namespace = key.namespace,
                name = key.name,
                "webhook was delivered before"
            );
            return Ok(());
        }
        let errors = self.effect.request(receiver, Arc::new(asked)).await;
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
            self.deliveries.add(&key.namespace, delivery, Instant::now());
        }
        Ok(())
    }

    async fn checked(
        &self,
        receiver: &Arc<Receiver>,
        headers: &HeaderMap,
        body: &Bytes,
        credentials: &Credentials,
        validated: Arc<Validated>,
    ) -> Result<Accepted, End> {
        let refused = |refused: Refused| End(StatusCode::BAD_REQUEST, refused.to_string());
        let now = Timestamp::now().as_second();
        let token = sender::token(receiver, Request { headers, body }, now).map_err(refused)?;
        let keys = match &token {
            None => None,
            Some(token) => {
                let namespace = &Key::of(&**receiver).namespace;
                let keys = self
                    .issuers
                    .keys(namespace, &token.signer, token.token.key())
                    .await;
                // The sender is not at fault, and may try again.
                Some(keys.map_err(|error| End(StatusCode::SERVICE_UNAVAILABLE, error.to_string()))?)
            }
        };
        let (namespace, has_rules) = (Key::of(&**receiver).namespace, !validated.rules.is_empty());
        let (receiver, credentials) = (receiver.clone(), credentials.clone());
        let (headers, body) = (headers.clone(), body.clone());
        // Signatures and expressions take the processor.
        let check = move || {
            let signed = token.as_ref().zip(keys.as_deref());
            let by = By {
                credentials: &credentials,
                rules: &validated.rules,
                signed: signed.map(|(token, keys)| (&token.token, keys)),
                now,
            };
            let request = Request {
                headers: &headers,
                body: &body,
            };
            sender::check(&receiver, request, by)
        };
        let checked = match has_rules {
            true => self.effect.judges().at_work(&namespace, check).await,
            false => tokio::task::spawn_blocking(check).await.ok(),
        };
        checked.ok_or_else(crashed)?.map_err(refused)
    }
}

fn unusable(why: Unusable) -> End {
    match why {
        Unusable::Invalid(invalid) => End(StatusCode::SERVICE_UNAVAILABLE, invalid.to_string()),
        Unusable::Crashed => crashed(),
    }
}

fn crashed() -> End {
    End(StatusCode::INTERNAL_SERVER_ERROR, "the check crashed".into())
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

#[cfg(test)]
mod tests;
