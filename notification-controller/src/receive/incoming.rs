//! A request's body: read once, when somebody is to act on it, and within what all bodies together may take.

use super::{
    fair::{Fair, Place},
    port::End,
};
use axum::{
    body::{Body, Bytes},
    http::StatusCode,
};
use runtime::{Key, server};
use std::time::Duration;

/// The largest body, in bytes (Flux).
pub const LARGEST: usize = 3 << 20;
/// How long a body may take to arrive, and how long it may have to wait for its place.
const ARRIVAL: Duration = Duration::from_secs(20);
/// So many bodies are held at once: together less than a hundred megabytes.
const BODIES: usize = 32;
/// So many of them are for Receivers of one namespace: none can keep the others out.
const OF_ONE: usize = 8;

/// The places that bodies have.
#[derive(Debug)]
pub struct Places(Fair);

impl Default for Places {
    fn default() -> Self {
        Self(Fair::new(BODIES, OF_ONE))
    }
}

impl Places {
    async fn take(&self, receiver: &Key) -> Result<Place, End> {
        let place = tokio::time::timeout(ARRIVAL, self.0.take(&receiver.namespace)).await;
        let none = || {
            End(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests at once".into(),
            )
        };
        place.ok().flatten().ok_or_else(none)
    }
}

/// The body of a request, and its place once it is read.
#[derive(Debug)]
pub struct Incoming<'a> {
    places: &'a Places,
    body: Option<Body>,
    read: Option<(Bytes, Place)>,
}

impl<'a> Incoming<'a> {
    /// A body that nobody has asked for.
    pub fn new(places: &'a Places, body: Body) -> Self {
        Self {
            places,
            body: Some(body),
            read: None,
        }
    }

    /// The body, read for a Receiver the first time.
    ///
    /// # Errors
    /// When it is too large, too slow, or has no place.
    pub async fn read(&mut self, receiver: &Key) -> Result<Bytes, End> {
        if let Some((bytes, _)) = &self.read {
            return Ok(bytes.clone());
        }
        let place = self.places.take(receiver).await?;
        let body = self.body.take().unwrap_or_default();
        let bytes = server::read(body, LARGEST, ARRIVAL).await;
        let bytes = bytes.map_err(|error| End(error.status(), error.to_string()))?;
        self.read = Some((bytes.clone(), place));
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_namespace_does_not_keep_the_others_out() {
        let (places, busy, other) = (Places::default(), Key::new("a", "busy"), Key::new("b", "other"));
        let mut held = Vec::new();
        for n in 0..OF_ONE {
            held.push(
                places
                    .take(&Key::new("a", format!("busy-{n}")))
                    .await
                    .unwrap_or_else(|End(_, text)| panic!("{text}")),
            );
        }
        let refused = places.take(&busy).await;
        assert!(refused.is_err_and(|End(status, _)| status == StatusCode::SERVICE_UNAVAILABLE));
        assert!(places.take(&other).await.is_ok());
        held.pop();
        assert!(places.take(&busy).await.is_ok());
    }

    #[tokio::test]
    async fn a_body_is_read_once() {
        let (places, key) = (Places::default(), Key::new("a", "hook"));
        let mut incoming = Incoming::new(&places, Body::from("text"));
        for _ in 0..2 {
            let body = incoming
                .read(&key)
                .await
                .unwrap_or_else(|End(_, text)| panic!("{text}"));
            assert_eq!(body, "text");
        }
    }
}
