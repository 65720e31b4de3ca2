//! Issuers that are played by a server on loopback, and by one that is hostile.

use super::*;
use crate::receive::jwt::tests as tokens;
use axum::{Router, extract::State, http::StatusCode, response::IntoResponse, routing::get};
use futures::FutureExt as _;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicUsize, Ordering};

/// What an issuer answers with, and how often it was asked for keys.
#[derive(Clone, Default)]
struct Played {
    description: Arc<Mutex<String>>,
    keys: Arc<Mutex<Vec<u8>>>,
    asked: Arc<AtomicUsize>,
    /// Held by who wants it to think on.
    thinking: Arc<tokio::sync::Mutex<()>>,
}

impl Played {
    /// The issuer's address, after it was told what to say of itself.
    async fn start(&self, description: impl Fn(&str) -> Value) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        *self.description.lock().unwrap() = description(&url).to_string();
        *self.keys.lock().unwrap() = tokens::published().to_string().into_bytes();
        let router = Router::new()
            .route(
                "/.well-known/openid-configuration",
                get(async |State(p): State<Self>| p.description.lock().unwrap().clone()),
            )
            .route(
                "/away",
                get(async || (StatusCode::FOUND, [("location", "/keys")]).into_response()),
            )
            .route(
                "/keys",
                get(async |State(p): State<Self>| {
                    p.asked.fetch_add(1, Ordering::Relaxed);
                    let _thought = p.thinking.lock().await;
                    p.keys.lock().unwrap().clone()
                }),
            )
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        url
    }
}

fn own(url: &str) -> Value {
    json!({"issuer": url, "jwks_uri": format!("{url}/keys")})
}

#[tokio::test]
async fn keys_are_asked_for_once_and_never_in_a_hurry() {
    let played = Played::default();
    let url = played.start(own).await;
    let issuers = Arc::new(Issuers::new(&format!("{url}/keys")).unwrap());
    let signer = Signer::Issuer(url.clone());
    // Many at once: one asks.
    let all = (0..20).map(|_| {
        let (issuers, signer) = (issuers.clone(), signer.clone());
        tokio::spawn(async move { issuers.keys("team", &signer, Some("k1")).await.unwrap().has("k1") })
    });
    for one in all.collect::<Vec<_>>() {
        assert!(one.await.unwrap());
    }
    assert_eq!(played.asked.load(Ordering::Relaxed), 1);
    // Whatever ids tokens come up with.
    for n in 0..50 {
        let keys = issuers
            .keys("team", &signer, Some(&format!("made-up-{n}")))
            .await
            .unwrap();
        assert!(keys.has("k1"));
    }
    assert_eq!(
        played.asked.load(Ordering::Relaxed),
        1,
        "not again within the pause"
    );
    // Google's are at their own address.
    assert!(
        issuers
            .keys("team", &Signer::Google, Some("k1"))
            .await
            .unwrap()
            .has("k1")
    );
    assert_eq!(played.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_new_key_is_asked_for_after_the_pause() {
    let played = Played::default();
    let url = played.start(own).await;
    let issuers = Issuers::new("http://127.0.0.1:1/").unwrap();
    let signer = Signer::Issuer(url);
    *played.keys.lock().unwrap() = b"{\"keys\":[]}".to_vec();
    assert!(!issuers.keys("team", &signer, Some("k1")).await.unwrap().has("k1"));
    *played.keys.lock().unwrap() = tokens::published().to_string().into_bytes();
    // The pause is over, as the clock of this issuer has it.
    let issuer = issuers.issuer("team", &signer).unwrap();
    issuer.state().asked = None;
    assert!(issuers.keys("team", &signer, Some("k1")).await.unwrap().has("k1"));
    // When it is away, what was known is good for a while.
    issuer.state().asked = None;
    *played.keys.lock().unwrap() = b"away".to_vec();
    assert!(issuers.keys("team", &signer, None).await.unwrap().has("k1"));
    // It says nothing of a key that may be new.
    for _ in 0..2 {
        assert!(issuers.keys("team", &signer, Some("k2")).await.is_err());
    }
}

#[tokio::test]
async fn who_names_a_known_key_waits_for_nobody() {
    let played = Played::default();
    let url = played.start(own).await;
    let (issuers, signer) = (
        Arc::new(Issuers::new("http://127.0.0.1:1/").unwrap()),
        Signer::Issuer(url),
    );
    assert!(issuers.keys("team", &signer, Some("k1")).await.unwrap().has("k1"));
    let issuer = issuers.issuer("team", &signer).unwrap();
    issuer.state().asked = None;
    let thinking = played.thinking.lock().await;
    let (asking, unknown) = (issuers.clone(), signer.clone());
    let stranger = tokio::spawn(async move { asking.keys("team", &unknown, Some("made-up")).await });
    while played.asked.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    let now = |id| issuers.keys("team", &signer, Some(id)).now_or_never();
    assert!(now("k1").unwrap().unwrap().has("k1"));
    // Neither does it when the keys are not so new any more.
    let hours_ago = Instant::now().checked_sub(FRESH).unwrap();
    issuer.state().keys.as_mut().unwrap().1 = hours_ago;
    assert!(now("k1").unwrap().unwrap().has("k1"));
    assert!(now("another").is_none(), "it waits for what is being asked");
    drop(thinking);
    assert!(stranger.await.unwrap().unwrap().has("k1"));
    assert_eq!(played.asked.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn hostile_issuers_get_nothing_done() {
    async fn problem(description: impl Fn(&str) -> Value, keys: Option<Vec<u8>>) -> String {
        let played = Played::default();
        let url = played.start(description).await;
        if let Some(keys) = keys {
            *played.keys.lock().unwrap() = keys;
        }
        let issuers = Issuers::new("http://127.0.0.1:1/").unwrap();
        issuers
            .keys("team", &Signer::Issuer(url), None)
            .await
            .map(|_| String::new())
            .unwrap_or_else(|e| e.to_string())
    }
    assert_eq!(problem(own, None).await, "");
    let other =
        |url: &str| json!({"issuer": "https://accounts.google.com", "jwks_uri": format!("{url}/keys")});
    assert!(problem(other, None).await.contains("describes the issuer"));
    for address in ["file:///etc/passwd", "ftp://a/b", "keys", ""] {
        let odd = move |url: &str| json!({"issuer": url, "jwks_uri": address});
        assert!(
            problem(odd, None).await.contains("no address to trust"),
            "{address}"
        );
    }
    let away = |url: &str| json!({"issuer": url, "jwks_uri": format!("{url}/away")});
    assert!(
        problem(away, None).await.contains("302"),
        "nobody is sent elsewhere"
    );
    assert!(problem(|_| json!("text"), None).await.contains("GET"));
    assert!(
        problem(own, Some(vec![b' '; LARGEST + 1]))
            .await
            .contains("more than")
    );
    assert!(problem(own, Some(b"junk".to_vec())).await.contains("no JSON"));
    let gone = Issuers::new("http://127.0.0.1:1/").unwrap();
    assert!(gone.keys("team", &Signer::Google, None).await.is_err());
}

fn named(issuers: &Issuers, namespace: &str, n: usize) -> Result<Arc<Issuer>, IssuerError> {
    issuers.issuer(
        namespace,
        &Signer::Issuer(format!("https://{namespace}-{n}.example")),
    )
}

fn knows(issuers: &Issuers, namespace: &str, n: usize) -> bool {
    let name = Some(format!("https://{namespace}-{n}.example"));
    issuers.known.lock().unwrap().contains_key(&name)
}

#[test]
fn who_names_many_issuers_has_his_own_forgotten() {
    let issuers = Issuers::new("http://127.0.0.1:1/").unwrap();
    named(&issuers, "team", 0).unwrap();
    for n in 0..REMEMBERED + 50 {
        named(&issuers, "greedy", n).unwrap();
    }
    assert_eq!(issuers.known.lock().unwrap().len(), REMEMBERED);
    assert!(
        knows(&issuers, "team", 0),
        "though it was not used for the longest time"
    );
    assert!(knows(&issuers, "greedy", REMEMBERED + 49) && !knows(&issuers, "greedy", 50));
    named(&issuers, "other", 0).unwrap();
    assert!(knows(&issuers, "team", 0) && !knows(&issuers, "greedy", 51));
}

#[test]
fn an_issuer_that_was_asked_a_moment_ago_is_not_forgotten() {
    let issuers = Issuers::new("http://127.0.0.1:1/").unwrap();
    for n in 0..REMEMBERED {
        let issuer = named(&issuers, "greedy", n).unwrap();
        let _ = issuer.answered(None, Ok(Keys::default()));
    }
    // It could be asked again at once, as often as somebody names others.
    assert_eq!(
        named(&issuers, "greedy", REMEMBERED).err(),
        Some(IssuerError::TooMany)
    );
    assert!((0..REMEMBERED).all(|n| knows(&issuers, "greedy", n)));
    // Who has few has room all the same.
    for n in 0..FEW {
        named(&issuers, "team", n)
            .unwrap()
            .answered(None, Ok(Keys::default()))
            .unwrap();
    }
    assert_eq!(named(&issuers, "team", FEW).err(), Some(IssuerError::TooMany));
    // When the pauses are over, what is too much goes.
    for issuer in issuers.known.lock().unwrap().values() {
        issuer.state().asked = None;
    }
    named(&issuers, "team", FEW).unwrap();
    assert_eq!(issuers.known.lock().unwrap().len(), REMEMBERED);
    assert!((0..=FEW).all(|n| knows(&issuers, "team", n)));
}

#[tokio::test]
async fn no_metadata_service_is_asked() {
    // A description leads there, or the issuer itself is there, be it written as an address of any kind.
    let played = Played::default();
    let led = |url: &str| json!({"issuer": url, "jwks_uri": "http://169.254.169.254/latest/meta-data/iam"});
    let leads = played.start(led).await;
    let issuers = Issuers::new("http://127.0.0.1:1/keys").unwrap();
    for issuer in [
        &*leads,
        "http://169.254.169.254",
        "http://[fd00:ec2::254]",
        "http://2852039166",
    ] {
        let signer = Signer::Issuer(issuer.to_owned());
        let error = issuers.keys("team", &signer, None).await.unwrap_err().to_string();
        assert!(error.contains("are not asked"), "{issuer}: {error}");
    }
}
