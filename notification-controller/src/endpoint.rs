//! The port that takes events of third parties, such as Flagger and Flux's image controllers, as Flux's does: any path and
//! method, 202 for what is taken, 429 for what was said already; 503 until the alerts are known.

mod posted;
mod reviews;
mod said;

use crate::{dispatch::Dispatch, event::Event, transition::Happened};
use axum::{
    body::{Body, HttpBody as _},
    http::{Request, StatusCode},
};
use crds::meta::cut;
use kube::Client;
use reviews::Reviews;
use runtime::{conditions, server, telemetry::chain};
use said::Said;
use sha2::{Digest as _, Sha256};
use std::{sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tracing::warn;

/// The largest body, in bytes (Flux).
const LARGEST: usize = 3 << 20;
/// The longest message, in bytes (Flux's definition of an event).
const LONGEST: usize = 39_000;
/// How long a body may take to arrive.
const ARRIVAL: Duration = Duration::from_secs(20);
/// So many bodies are held at once.
const BODIES: usize = 32;

/// What is behind the port.
pub struct Endpoint {
    dispatch: Arc<Dispatch>,
    /// If senders have to say who they are.
    reviews: Option<Reviews>,
    said: Said,
    bodies: Semaphore,
}

impl Endpoint {
    /// An endpoint that drops what is said again within `interval`, and asks for a token if `authenticated`.
    pub fn new(client: Client, dispatch: Arc<Dispatch>, interval: Duration, authenticated: bool) -> Self {
        Self {
            dispatch,
            reviews: authenticated.then(|| Reviews::new(client)),
            said: Said::new(interval),
            bodies: Semaphore::new(BODIES),
        }
    }

    /// Answers a request.
    pub async fn answer(&self, request: Request<Body>) -> StatusCode {
        // What is taken before the alerts are known would be told to nobody, and its repetition refused.
        if !self.dispatch.knows_alerts() {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        let (head, body) = request.into_parts();
        if body.size_hint().lower() > LARGEST as u64 {
            return StatusCode::PAYLOAD_TOO_LARGE;
        }
        if let Some(reviews) = &self.reviews {
            match reviews.is_known(&head.headers).await {
                Ok(true) => {}
                Ok(false) => return StatusCode::UNAUTHORIZED,
                Err(error) => {
                    warn!(error = chain(&error), "cannot have a token reviewed");
                    return StatusCode::SERVICE_UNAVAILABLE;
                }
            }
        }
        let Ok(_place) = self.bodies.acquire().await else {
            return StatusCode::SERVICE_UNAVAILABLE;
        };
        let body = match server::read(body, LARGEST, ARRIVAL).await {
            Ok(body) => body,
            Err(error) => return error.status(),
        };
        let Some(mut event) = posted::event(&body, conditions::now()) else {
            return StatusCode::BAD_REQUEST;
        };
        if !has_names(&event) {
            return StatusCode::BAD_REQUEST;
        }
        event.message = cut(event.message, LONGEST);
        let fingerprint = fingerprint(&event);
        let happened = Happened {
            key: key(&fingerprint, &event),
            event,
            ends_failure: false,
            causes: Vec::new(),
        };
        let telling = self.dispatch.tell_asking(&happened);
        match self.said.once(fingerprint, telling).await {
            true => StatusCode::ACCEPTED,
            false => StatusCode::TOO_MANY_REQUESTS,
        }
    }
}

/// Whether what an event names could be names: none is longer than this in Kubernetes.
fn has_names(event: &Event) -> bool {
    const NAME: usize = 1 << 10;
    let object = &event.involved_object;
    let of_object = [
        &object.api_version,
        &object.kind,
        &object.namespace,
        &object.name,
        &object.uid,
        &object.resource_version,
        &object.field_path,
    ];
    let of_object = of_object.into_iter().flatten();
    let others = [
        &event.reason,
        &event.reporting_controller,
        &event.reporting_instance,
    ];
    of_object.chain(others).all(|name| name.len() <= NAME)
}

/// The key of what happened at a time: the same words may be true again tomorrow.
fn key(fingerprint: &[u8; 16], event: &Event) -> String {
    format!(
        "{}@{}",
        hex::encode(fingerprint),
        event.timestamp.0.as_millisecond()
    )
}

/// What makes two events the same (Flux: neither severity nor reason counts).
fn fingerprint(event: &Event) -> [u8; 16] {
    let group = event.group();
    let mut text = format!(
        "event/name={}/namespace={}/kind={}/message={}",
        event.name(),
        event.namespace(),
        event.kind(),
        event.message
    );
    for key in ["originRevision", "revision", "token"] {
        if let Some(value) = event.metadata.get(&format!("{group}/{key}")) {
            text.push_str(&format!("/{key}={value}"));
        }
    }
    let mut fingerprint = [0; 16];
    fingerprint.copy_from_slice(&Sha256::digest(text.as_bytes())[..16]);
    fingerprint
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_at_another_time_are_another_event() {
        let at = |time: &str| {
            let body = format!(
                r#"{{"involvedObject": {{"kind": "Canary", "namespace": "apps", "name": "web"}}, "severity": "error",
                "timestamp": "{time}", "message": "failed", "reason": "Failed", "reportingController": "flagger"}}"#
            );
            let event = posted::event(body.as_bytes(), conditions::now()).unwrap();
            let fingerprint = fingerprint(&event);
            (fingerprint, key(&fingerprint, &event))
        };
        let (today, again, tomorrow) = (
            at("2026-01-01T10:00:00Z"),
            at("2026-01-01T10:00:00Z"),
            at("2026-01-02T10:00:00Z"),
        );
        assert_eq!(today, again);
        assert_eq!(today.0, tomorrow.0, "they are the same within the interval");
        assert_ne!(today.1, tomorrow.1);
    }
}
