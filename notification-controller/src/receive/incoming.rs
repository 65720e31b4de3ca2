//! A request's body: read once, when somebody is to act on it, and within what all bodies together may take.

use super::outcome::End;
use crate::fair::{Fair, Place};
use axum::{
    body::{Body, Bytes},
    http::StatusCode,
};
use runtime::{Key, server};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::{OnceCell, watch};

/// The largest body, in bytes (Flux).
pub const LARGEST: usize = 3 << 20;
/// How long a body may take to arrive, and how long it may have to wait for its place.
const ARRIVAL: Duration = Duration::from_secs(20);
/// So many bodies are held at once: together less than a hundred megabytes.
const BODIES: usize = 32;
/// So many of them are for Receivers of one namespace: none can keep the others out.
const OF_ONE: usize = 8;
/// So many requests are acted on at once by Receivers with filters: these may take their time, and hold a body meanwhile.
const FILTERED: usize = 8;
/// So many of them are for Receivers of one namespace.
const FILTERED_OF_ONE: usize = 2;
/// So long a Receiver with filters waits for its place when another at the address has the body already.
const BODY_WAITS: Duration = Duration::from_secs(1);

/// The places that bodies have.
#[derive(Debug)]
pub struct Places {
    bodies: Fair,
    filtered: Fair,
}

impl Default for Places {
    fn default() -> Self {
        Self {
            bodies: Fair::new(BODIES, OF_ONE),
            filtered: Fair::new(FILTERED, FILTERED_OF_ONE),
        }
    }
}

/// A place, if it is to be had in time.
async fn within(time: Duration, place: impl Future<Output = Option<Place>>) -> Result<Place, End> {
    let place = tokio::time::timeout(time, place).await;
    place.ok().flatten().ok_or_else(too_many)
}

fn too_many() -> End {
    let problem = "too many requests at once";
    End(StatusCode::SERVICE_UNAVAILABLE, problem.into())
}

/// The body of a request, and the place that each namespace has for it.
#[derive(Debug)]
pub struct Incoming<'a> {
    places: &'a Places,
    body: Mutex<Option<Body>>,
    read: OnceCell<Result<Bytes, End>>,
    held: Mutex<HashMap<String, Place>>,
    /// Whether a place is held for the body.
    has_place: watch::Sender<bool>,
}

impl<'a> Incoming<'a> {
    /// A body that nobody has asked for.
    pub fn new(places: &'a Places, body: Body) -> Self {
        Self {
            places,
            body: Mutex::new(Some(body)),
            read: OnceCell::new(),
            held: Mutex::default(),
            has_place: watch::Sender::new(false),
        }
    }

    /// A place for a Receiver whose filters are to judge; taken before the body, so that no body waits for filters of others.
    ///
    /// # Errors
    /// When there is none in time.
    pub async fn filtered(&self, receiver: &Key) -> Result<Place, End> {
        let mut has_place = self.has_place.subscribe();
        let body_waits = async {
            // The sender of it is there as long as we are.
            let _ = has_place.wait_for(|has_place| *has_place).await;
            tokio::time::sleep(BODY_WAITS).await;
        };
        tokio::select! {
            biased;
            place = within(ARRIVAL, self.places.filtered.take(&receiver.namespace)) => place,
            () = body_waits => Err(too_many()),
        }
    }

    /// The body for a Receiver, read by the first that has a place for it: who has none keeps no other waiting.
    ///
    /// # Errors
    /// When it is too large, too slow, or has no place.
    pub async fn read(&self, receiver: &Key) -> Result<Bytes, End> {
        if !lock(&self.held).contains_key(&receiver.namespace) {
            let place = within(ARRIVAL, self.places.bodies.take(&receiver.namespace)).await?;
            lock(&self.held).insert(receiver.namespace.clone(), place);
            self.has_place.send_replace(true);
        }
        let read = || async {
            let body = lock(&self.body).take().unwrap_or_default();
            let bytes = server::read(body, LARGEST, ARRIVAL).await;
            bytes.map_err(|error| End(error.status(), error.to_string()))
        };
        self.read.get_or_init(read).await.clone()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_namespace_does_not_keep_the_others_out() {
        let (places, busy, other) = (Places::default(), Key::new("a", "busy"), Key::new("b", "other"));
        let mut held = Vec::new();
        for _ in 0..OF_ONE {
            held.push(places.bodies.take("a").await.unwrap());
        }
        let read = async |receiver: &Key| Incoming::new(&places, Body::empty()).read(receiver).await;
        let refused = read(&busy).await;
        assert!(refused.is_err_and(|End(status, _)| status == StatusCode::SERVICE_UNAVAILABLE));
        assert!(read(&other).await.is_ok());
        held.pop();
        assert!(read(&busy).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_does_not_wait_for_filters() {
        let (places, filtered, plain) = (
            Places::default(),
            Key::new("a", "filtered"),
            Key::new("b", "plain"),
        );
        let mut held = Vec::new();
        for _ in 0..FILTERED_OF_ONE {
            held.push(places.filtered.take("a").await.unwrap());
        }
        let begin = tokio::time::Instant::now();
        // By itself it may wait as long as a body may.
        let incoming = Incoming::new(&places, Body::from("text"));
        assert!(incoming.filtered(&filtered).await.is_err());
        assert_eq!(begin.elapsed(), ARRIVAL);
        // When another Receiver comes to have the body, it has to be soon.
        let begin = tokio::time::Instant::now();
        let later = Duration::from_secs(5);
        let (refused, body) = tokio::join!(incoming.filtered(&filtered), async {
            tokio::time::sleep(later).await;
            incoming.read(&plain).await
        });
        assert_eq!((refused.is_err(), body.unwrap()), (true, Bytes::from("text")));
        assert_eq!(begin.elapsed(), later + BODY_WAITS);
        // A place that is free is had, whoever has the body.
        held.pop();
        assert!(incoming.filtered(&filtered).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_is_read_once_by_the_first_that_has_a_place() {
        let (places, busy, other) = (Places::default(), Key::new("a", "busy"), Key::new("b", "other"));
        let mut held = Vec::new();
        for _ in 0..OF_ONE {
            held.push(places.bodies.take("a").await.unwrap());
        }
        let incoming = Incoming::new(&places, Body::from("text"));
        // One has no place for as long as that may take; the other has the body at once.
        let begin = tokio::time::Instant::now();
        let (none, some) = tokio::join!(incoming.read(&busy), async {
            let body = incoming.read(&other).await;
            (body, begin.elapsed())
        });
        assert_eq!(none.unwrap_err().0, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!((some.0.unwrap(), some.1), (Bytes::from("text"), Duration::ZERO));
        drop(held);
        assert_eq!(incoming.read(&busy).await.unwrap(), "text");
    }

    #[tokio::test]
    async fn a_body_that_cannot_be_had_is_the_same_for_all() {
        let (places, large) = (Places::default(), vec![b' '; LARGEST + 1]);
        let incoming = Incoming::new(&places, Body::from(large));
        for namespace in ["a", "b"] {
            let refused = incoming.read(&Key::new(namespace, "hook")).await;
            assert_eq!(refused.unwrap_err().0, StatusCode::PAYLOAD_TOO_LARGE);
        }
    }
}
