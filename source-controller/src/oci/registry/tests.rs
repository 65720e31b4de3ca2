//! Registries that are hostile, broken or busy: played by a server that answers as the test says.

use super::{super::Keychain, *};
use crate::oci::Registries;
use axum::{Router, body::Body, extract::Request, response::Response as Answer};
use peer::secret::Secret;
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// A request as the server saw it: method, path with query, and login.
type Asked = (String, String, String);

/// A server on loopback.
struct Peer {
    address: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Peer {
    async fn start(script: impl Fn(&str, &str) -> Answer + Clone + Send + Sync + 'static) -> Peer {
        Peer::start_heard(move |method, uri, _| script(method, uri)).await
    }

    /// One that minds the login, too.
    async fn start_heard(
        script: impl Fn(&str, &str, &str) -> Answer + Clone + Send + Sync + 'static,
    ) -> Peer {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let heard = asked.clone();
        let router = Router::new().fallback(move |request: Request| {
            let login = request.headers().get("authorization");
            let login = login.and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
            let (method, uri) = (request.method().to_string(), request.uri().to_string());
            let answer = script(&method, &uri, &login);
            heard.lock().unwrap().push((method, uri, login));
            async { answer }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        Peer { address, asked }
    }

    fn repository(&self) -> Repository {
        Repository::parse(&format!("oci://{}/a", self.address)).unwrap()
    }

    fn registry(&self, registries: &Registries, login: Login) -> Arc<Registry> {
        let access = Access {
            keychain: Keychain::only(&self.address, login),
            insecure: true,
            ..Access::default()
        };
        registries.get(&self.repository(), &access).unwrap()
    }

    fn asked(&self) -> Vec<Asked> {
        let asked = self.asked.lock().unwrap().clone();
        asked.into_iter().filter(|(_, uri, _)| uri != "/v2/").collect()
    }
}

fn answer(status: u16, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
    let mut answer = Answer::builder().status(status);
    for (name, value) in headers {
        answer = answer.header(*name, *value);
    }
    answer.body(body.into()).unwrap()
}

fn login() -> Login {
    Login::Basic {
        username: "me".into(),
        password: Secret::new(b"secret".to_vec()),
    }
}

fn told(error: &OciError) -> String {
    runtime::telemetry::chain(error)
}

/// A blob of these bytes, and how much its manifest says it has.
fn blob(content: &[u8], size: u64) -> Descriptor {
    let mut blob = Descriptor::default();
    (blob.digest, blob.size) = (digest(content), size);
    blob
}

/// A body that never ends.
fn endless(text: &str) -> Body {
    let piece = axum::body::Bytes::from(text.repeat((64 << 10) / text.len()));
    Body::from_stream(futures::stream::repeat_with(move || {
        Ok::<_, std::io::Error>(piece.clone())
    }))
}

/// Only the registry itself says where its tokens come from: the host that it sends us to learns nothing of our login.
#[tokio::test]
async fn a_login_goes_nowhere_that_a_redirect_says() {
    let realm = Peer::start(|_, _| answer(200, &[], r#"{"token": "t"}"#)).await;
    let challenge = format!(r#"Bearer realm="http://{}/token""#, realm.address);
    for asks in [challenge, "Basic realm=\"x\"".to_owned()] {
        let elsewhere = Peer::start(move |_, _| answer(401, &[("www-authenticate", &asks)], "")).await;
        let to = format!("http://{}/v2/a/manifests/x", elsewhere.address);
        let registry = Peer::start(move |_, _| answer(307, &[("location", &to)], "")).await;
        for login in [login(), Login::Identity(Secret::new(b"refresh".to_vec()))] {
            let registries = Registries::default();
            let client = registry.registry(&registries, login);
            let error = client.tags(&registry.repository()).await.unwrap_err();
            assert!(told(&error).contains("401 Unauthorized"), "{}", told(&error));
        }
        assert!(
            elsewhere.asked().iter().all(|(_, _, login)| login.is_empty()),
            "{:?}",
            elsewhere.asked()
        );
    }
    assert_eq!(realm.asked(), []);
}

/// However long the way is that another host sends us on, and wherever it ends: a login that was shown is not shown there.
#[tokio::test]
async fn a_login_that_was_shown_stays_behind_for_good() {
    let elsewhere = Peer::start(|_, uri| match uri {
        "/1" | "/2" => answer(
            307,
            &[("location", &format!("/{}", if uri == "/1" { 2 } else { 3 }))],
            "",
        ),
        _ => answer(200, &[], r#"{"tags": ["v1"]}"#),
    })
    .await;
    let realm = Peer::start(|_, _| answer(200, &[], r#"{"token": "t"}"#)).await;
    let bearer = format!(r#"Bearer realm="http://{}/token""#, realm.address);
    for asks in ["Basic realm=\"x\"".to_owned(), bearer] {
        let to = format!("http://{}/1", elsewhere.address);
        // It sends on at its own place first, where a login is wanted, too.
        let registry = Peer::start_heard(move |_, uri, login| match (login.is_empty(), uri) {
            (true, _) => answer(401, &[("www-authenticate", &asks)], ""),
            (false, "/own") => answer(302, &[("location", &to)], ""),
            (false, _) => answer(302, &[("location", "/own")], ""),
        })
        .await;
        let registries = Registries::default();
        let client = registry.registry(&registries, login());
        assert_eq!(client.tags(&registry.repository()).await.unwrap(), ["v1"]);
        assert!(
            registry
                .asked()
                .iter()
                .any(|(_, uri, login)| uri == "/own" && !login.is_empty())
        );
    }
    let asked = elsewhere.asked();
    assert_eq!(asked.len(), 6, "{asked:?}");
    assert!(asked.iter().all(|(_, _, login)| login.is_empty()), "{asked:?}");
}

/// Nor does the issuer of tokens send a login on.
#[tokio::test]
async fn an_issuer_sends_no_login_on() {
    let elsewhere = Peer::start(|_, _| answer(200, &[], r#"{"token": "t"}"#)).await;
    let to = format!("http://{}/token", elsewhere.address);
    let issuer = Peer::start(move |_, _| answer(307, &[("location", &to)], "")).await;
    let challenge = format!(r#"Bearer realm="http://{}/token""#, issuer.address);
    let registry = Peer::start(move |_, _| answer(401, &[("www-authenticate", &challenge)], "")).await;
    for login in [login(), Login::Identity(Secret::new(b"refresh".to_vec()))] {
        let registries = Registries::default();
        let client = registry.registry(&registries, login);
        let error = client.tags(&registry.repository()).await.unwrap_err();
        assert!(
            told(&error).contains("refused to follow a redirect"),
            "{}",
            told(&error)
        );
    }
    assert_eq!((issuer.asked().len(), elsewhere.asked().len()), (2, 0));
}

/// Who is told to come later does so, whoever says it.
#[tokio::test]
async fn busy_peers_are_left_alone() {
    let busy = |_: &str, _: &str| answer(429, &[("retry-after", "120")], "");
    let registry = Peer::start(busy).await;
    let registries = Registries::default();
    let client = registry.registry(&registries, login());
    let tag = Reference::Tag("v1".into());
    let error = client.resolve(&registry.repository(), &tag).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
    assert_eq!(
        registry.asked().len(),
        1,
        "a HEAD that was refused is no reason for a GET"
    );

    let issuer = Peer::start(busy).await;
    let challenge = format!(r#"Bearer realm="http://{}/token""#, issuer.address);
    let registry = Peer::start(move |_, _| answer(401, &[("www-authenticate", &challenge)], "")).await;
    let client = registry.registry(&registries, login());
    let error = client.resolve(&registry.repository(), &tag).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(120)));
    assert_eq!((registry.asked().len(), issuer.asked().len()), (1, 1));
}

#[tokio::test]
async fn what_has_no_end_is_not_read_to_it() {
    let pages = |uri: &str, body: String| {
        let next = format!("<{}x>; rel=\"next\"", uri);
        answer(200, &[("link", &next)], body)
    };
    let registry = Peer::start(move |method, uri| match uri {
        _ if method == "HEAD" => answer(200, &[], ""),
        // One page without end, and pages without end: of tags that are many, of long ones, and of referrers with long notes.
        uri if uri.contains("/b/tags") => answer(200, &[], endless(r#"{"tags":[""#)),
        uri if uri.contains("/c/tags") => pages(uri, format!(r#"{{"tags":["{}"]}}"#, "x".repeat(1 << 20))),
        uri if uri.contains("/d/tags") => {
            pages(uri, format!(r#"{{"tags":[{}"x"]}}"#, r#""","#.repeat(100_001)))
        }
        uri if uri.contains("/referrers/") => {
            let notes = "x".repeat(1 << 20);
            let item = format!(r#"{{"digest": "sha256:a", "annotations": {{"n": "{notes}"}}}}"#);
            pages(uri, format!(r#"{{"manifests": [{item}]}}"#))
        }
        uri if uri.contains("/manifests/") => answer(200, &[], endless(" ")),
        _ => answer(200, &[], endless("0123456789")),
    })
    .await;
    let registries = Registries::default();
    let client = registry.registry(&registries, Login::Anonymous);
    let place = |path: &str| Repository::parse(&format!("oci://{}/{path}", registry.address)).unwrap();
    for (path, expected) in [
        ("b", "larger than 16777216 bytes"),
        ("c", "larger than"),
        ("d", "a list of more than 100000"),
    ] {
        let error = client.tags(&place(path)).await.unwrap_err();
        assert!(told(&error).contains(expected), "{path}: {}", told(&error));
    }
    assert_eq!(
        registry
            .asked()
            .iter()
            .filter(|(_, uri, _)| uri.contains("/c/tags"))
            .count(),
        16
    );
    let zero = digest(b"");
    let error = client.referrers(&place("a"), &zero).await.unwrap_err();
    assert!(told(&error).contains("larger than"), "{}", told(&error));
    let error = client.manifest(&place("a"), &zero).await.unwrap_err();
    assert!(
        told(&error).contains("larger than 4194304 bytes"),
        "{}",
        told(&error)
    );
    let error = client
        .resolve(&place("a"), &Reference::Tag("t".into()))
        .await
        .unwrap_err();
    assert!(
        told(&error).contains("larger than 4194304 bytes"),
        "{}",
        told(&error)
    );
    let mut kept = Vec::new();
    let download = client
        .download(&place("a"), &blob(b"0123", 0), 1 << 20, &mut kept)
        .await;
    assert!(told(&download.unwrap_err()).contains("larger than 1048576 bytes"));
    assert!(kept.len() <= 1 << 20);
}

#[tokio::test]
async fn lies_about_length_are_found_out() {
    let registry = Peer::start(|_, uri| {
        let broken = || Err(std::io::Error::other("broken off"));
        let cut = futures::stream::iter([Ok(&b"01"[..]), broken()]);
        match uri {
            uri if uri.contains("/short/") => answer(200, &[], Body::from_stream(cut)),
            uri if uri.contains("/other/") => answer(200, &[], "abcd"),
            _ => answer(200, &[], "0123"),
        }
    })
    .await;
    let registries = Registries::default();
    let client = registry.registry(&registries, Login::Anonymous);
    let get = async |path: &str, size: u64| {
        let place = Repository::parse(&format!("oci://{}/{path}", registry.address)).unwrap();
        let mut kept = Vec::new();
        let got = client
            .download(&place, &blob(b"0123", size), 100, &mut kept)
            .await;
        got.map(|()| kept).map_err(|error| told(&error))
    };
    // Less than is said, more than is said, and what is said is not let in: the bytes decide, but no limit is passed.
    assert_eq!(get("good", 4).await.unwrap(), b"0123");
    assert!(
        get("good", 1)
            .await
            .unwrap_err()
            .ends_with("larger than the 1 bytes that its manifest says")
    );
    assert!(
        get("good", 1000)
            .await
            .unwrap_err()
            .contains("larger than 100 bytes")
    );
    assert!(get("short", 4).await.unwrap_err().starts_with("GET "));
    assert!(
        get("other", 4)
            .await
            .unwrap_err()
            .contains("not what its digest says")
    );
}

/// However many want the list of tags, or a layer, it is asked for once.
#[tokio::test]
async fn many_who_want_the_same_ask_once() {
    let registry = Peer::start(|_, uri| match uri {
        uri if uri.contains("tags") => answer(200, &[], r#"{"tags": ["v1", "v2"]}"#),
        _ => answer(200, &[], "0123"),
    })
    .await;
    let registries = Registries::default();
    let (client, place) = (registry.registry(&registries, login()), registry.repository());
    let lists = (0..20).map(|_| client.list(&place, false));
    for list in futures::future::join_all(lists).await {
        assert_eq!(*list.unwrap(), ["v1", "v2"]);
    }
    let layer = blob(b"0123", 4);
    let layers = (0..20).map(|_| client.layer(&place, &layer, 100, tempfile::tempfile));
    for layer in futures::future::join_all(layers).await {
        assert_eq!(layer.unwrap().bytes().unwrap(), b"0123");
    }
    assert_eq!(registry.asked().len(), 2);
    client.list(&place, true).await.unwrap();
    assert_eq!(registry.asked().len(), 3);
}
