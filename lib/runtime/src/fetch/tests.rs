//! What servers give, and what becomes of it.

use super::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// A server whose answers have no end, but for those at `/short`.
async fn endless() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let read = peer.read(&mut head).await.unwrap_or(0);
            let short = head[..read].starts_with(b"GET /short");
            let _ = peer
                .write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nchart")
                .await;
            while !short && peer.write_all(&[0; 4096]).await.is_ok() {}
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn what_is_served_is_read_to_a_limit_and_believed_by_its_digest() {
    let server = endless().await;
    let artifacts = Artifacts {
        most: 1 << 20,
        ..Artifacts::new(0).unwrap()
    };
    let mut hasher = Hasher::new(artifact::Algorithm::Sha256);
    hasher.update(b"chart");
    let right = hasher.finish().to_string();
    let wrong = format!("sha256:{}", "0".repeat(64));
    for (path, digest, told) in [
        ("long", &right, Some("larger than 1048576 bytes")),
        ("short", &wrong, Some("computed digest doesn't match")),
        ("short", &"sha256:x".to_owned(), Some("is no digest")),
        ("short", &right, None),
    ] {
        let artifact = serde_json::json!({"digest": digest, "lastUpdateTime": "2026-01-01T00:00:00Z", "path": "p", "revision": "r", "url": format!("{server}/{path}")});
        let artifact: Artifact = serde_json::from_value(artifact).unwrap();
        let answer = artifacts.bytes(&artifact).await.map_err(|e| e.to_string());
        match told {
            None => assert_eq!(answer.as_deref(), Ok(&b"chart"[..])),
            Some(told) => assert!(
                answer.clone().is_err_and(|e| e.contains(told)),
                "{path} {answer:?}"
            ),
        }
    }
}

/// What another's status says of the same digest, at a place from which nothing comes, holds up nobody.
#[tokio::test]
async fn nobody_waits_at_the_place_of_another() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = format!("http://{}", listener.local_addr().unwrap());
    let server = endless().await;
    let artifacts = Artifacts::new(0).unwrap();
    let mut hasher = Hasher::new(artifact::Algorithm::Sha256);
    hasher.update(b"chart");
    let digest = hasher.finish().to_string();
    let at = |url: String| -> Artifact {
        let artifact = serde_json::json!({"digest": digest, "lastUpdateTime": "2026-01-01T00:00:00Z", "path": "p", "revision": "r", "url": url});
        serde_json::from_value(artifact).unwrap()
    };
    let (silent, there) = (at(silent), at(format!("{server}/short")));
    let answer = tokio::select! {
        biased;
        _ = artifacts.tree(&silent) => panic!("nothing comes from there"),
        answer = artifacts.tree(&there) => answer,
    };
    // It came, and is no archive.
    assert!(matches!(answer, Err(FetchError::Unpack { .. })), "{answer:?}");
}

/// A server that counts the requests for each path: one is not there, one is busy, one is cut off, one leads in circles, and of one
/// nothing comes.
async fn failing() -> (String, Arc<Mutex<HashMap<String, u32>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::<Mutex<HashMap<String, u32>>>::default();
    let (counts, own) = (seen.clone(), url.clone());
    tokio::spawn(async move {
        while let Ok((mut peer, _)) = listener.accept().await {
            let mut head = [0; 1024];
            let read = peer.read(&mut head).await.unwrap_or(0);
            let head = String::from_utf8_lossy(&head[..read]).into_owned();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            *counts.lock().unwrap().entry(path.clone()).or_default() += 1;
            let answer = match &*path {
                "/gone" => "404 Not Found\r\nContent-Length: 0".to_owned(),
                "/busy" => "503 Busy\r\nContent-Length: 0".to_owned(),
                "/cut" => "200 OK\r\nContent-Length: 100".to_owned(),
                "/circle" => format!("302 Found\r\nContent-Length: 0\r\nLocation: {own}/circle"),
                _ => {
                    // It is held open until the other side has had enough.
                    tokio::spawn(async move { peer.read(&mut [0; 16]).await });
                    continue;
                }
            };
            let answer = format!("HTTP/1.1 {answer}\r\nConnection: close\r\n\r\nchart");
            let _ = peer.write_all(answer.as_bytes()).await;
        }
    });
    (url, seen)
}

#[tokio::test]
async fn what_does_not_come_is_tried_again_and_ends() {
    let (server, seen) = failing().await;
    let within = |limit: Duration| Artifacts {
        http: reqwest::Client::builder()
            .timeout(limit)
            .redirect(reqwest::redirect::Policy::limited(3))
            .build()
            .unwrap(),
        ..Artifacts::new(1).unwrap()
    };
    for (path, told, asked) in [
        ("/gone", "artifact not found at", 1),
        ("/busy", "status: 503", 2),
        ("/cut", "failed to download the artifact", 2),
        ("/circle", "failed to download the artifact", 2 * 4),
        ("/silent", "failed to download the artifact", 2),
    ] {
        let artifact = serde_json::json!({
            "digest": format!("sha256:{}", "0".repeat(64)), "lastUpdateTime": "2026-01-01T00:00:00Z", "path": "p", "revision": "r",
            "url": format!("{server}{path}"),
        });
        let artifact: Artifact = serde_json::from_value(artifact).unwrap();
        // Only of who says nothing it is known that he has nothing to say.
        let artifacts = match path {
            "/silent" => within(Duration::from_millis(300)),
            _ => within(Duration::from_secs(60)),
        };
        let error = artifacts.bytes(&artifact).await.unwrap_err().to_string();
        assert!(
            error.starts_with(told) || error.ends_with(told),
            "{path}: {error}"
        );
        assert_eq!(seen.lock().unwrap().get(path), Some(&asked), "{path}");
    }
}
