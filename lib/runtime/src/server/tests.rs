//! The bounds of ports, on real connections.

use super::*;
use crate::metrics::Metrics;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

async fn port(limits: Limits) -> (std::net::SocketAddr, Metrics) {
    let metrics = Metrics::default();
    let requests = Requests::register(&metrics, "gotk_test", "/t/");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serve(
        listener,
        limits,
        requests,
        std::future::pending(),
        async |request: Request<Body>| {
            assert!(request.uri().path() != "/panic", "as asked");
            if request.uri().path() == "/slow" {
                std::future::pending::<()>().await;
            }
            status(StatusCode::OK)
        },
    );
    (address, metrics)
}

/// What comes back until the peer closes the connection.
async fn talk(address: std::net::SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // What is refused early is not read to its end.
    let _ = stream.write_all(text.as_bytes()).await;
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn request(path: &str, more: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{more}\r\n")
}

#[tokio::test]
async fn a_panic_is_one_requests_and_what_is_slow_ends() {
    let limits = Limits {
        request: Duration::from_millis(50),
        head: Duration::from_millis(200),
        ..Limits::default()
    };
    let (address, metrics) = port(limits).await;
    assert!(
        talk(address, &request("/panic", ""))
            .await
            .starts_with("HTTP/1.1 500")
    );
    assert!(
        talk(address, &request("/slow", ""))
            .await
            .starts_with("HTTP/1.1 408")
    );
    assert!(talk(address, &request("/", "")).await.starts_with("HTTP/1.1 200"));
    let begin = Instant::now();
    talk(address, "POST / HTTP/1.1\r\nhost:").await;
    assert!(
        begin.elapsed() < Duration::from_secs(5),
        "a head that never ends is not waited for"
    );
    let text = metrics.render();
    let count = r#"gotk_test_http_request_duration_seconds_count{service="",handler="/t/",method="POST",code="200"} 1"#;
    assert!(text.contains(count), "{text}");
    assert!(
        text.contains(r#"gotk_test_http_requests_inflight{service="",handler="/t/"} 0"#),
        "{text}"
    );
}

#[tokio::test]
async fn a_large_head_is_refused() {
    let (address, _) = port(Limits::default()).await;
    let large = format!("x-a: {}\r\n", "a".repeat(512 << 10));
    let answer = talk(address, &request("/", &large)).await;
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 431"),
        "{answer}"
    );
    let many = "x-a: b\r\n".repeat(1000);
    let answer = talk(address, &request("/", &many)).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn connections_are_bounded_and_none_is_lost() {
    let limits = Limits {
        connections: 2,
        head: Duration::from_millis(300),
        ..Limits::default()
    };
    let (address, _) = port(limits).await;
    // Two that say nothing hold both places, until they are not waited for any more.
    let mut idle = Vec::new();
    for _ in 0..2 {
        idle.push(TcpStream::connect(address).await.unwrap());
    }
    let begin = Instant::now();
    let answer = tokio::time::timeout(Duration::from_secs(5), talk(address, &request("/", ""))).await;
    assert!(answer.unwrap().starts_with("HTTP/1.1 200"));
    let waited = begin.elapsed();
    assert!(
        waited >= Duration::from_millis(200),
        "there was no place: {waited:?}"
    );
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let metrics = Metrics::default();
    let requests = Requests::register(&metrics, "gotk_test", "/t/");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let stopped = async { drop(stopped.await) };
    let server = serve(listener, Limits::default(), requests, stopped, async |_| {
        status(StatusCode::OK)
    });
    let mut idle = TcpStream::connect(address).await.unwrap();
    idle.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 15];
    idle.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    drop(stop);
    let begin = Instant::now();
    server.await.unwrap();
    assert!(
        begin.elapsed() < Limits::default().grace,
        "it took {:?}",
        begin.elapsed()
    );
}

/// Serves bodies of so many bytes, in one place; and counts those that are being sent.
async fn bodies(size: usize, reader: Pace) -> (std::net::SocketAddr, Arc<()>) {
    let requests = Requests::register(&Metrics::default(), "gotk_test", "/t/");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let sending = Arc::new(());
    let counted = sending.clone();
    let limits = Limits {
        connections: 1,
        reader,
        ..Limits::default()
    };
    serve(listener, limits, requests, std::future::pending(), move |_| {
        let held = counted.clone();
        let pieces = (0..size / 4096).map(move |_| {
            let _held = &held;
            Ok::<_, std::io::Error>(vec![b'x'; 4096])
        });
        let body = Body::from_stream(futures::stream::iter(pieces));
        async move { Response::new(body) }
    });
    (address, sending)
}

const QUICK: Pace = Pace {
    bytes: 64 << 10,
    within: Duration::from_secs(1),
};

/// Asks, and gives the connection; one for who `drips` holds little itself.
async fn asked(address: std::net::SocketAddr, drips: bool) -> TcpStream {
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    if drips {
        socket.set_recv_buffer_size(4096).unwrap();
    }
    let mut stream = socket.connect(address).await.unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
        .await
        .unwrap();
    stream
}

#[tokio::test]
async fn who_stops_reading_or_drips_holds_nothing() {
    let (address, sending) = bodies(usize::MAX, QUICK).await;
    for drips in [false, true] {
        let mut slow = asked(address, true).await;
        let slow = tokio::spawn(async move {
            let mut byte = [0; 1];
            let pause = Duration::from_millis(20);
            while drips && slow.read_exact(&mut byte).await.is_ok() {
                tokio::time::sleep(pause).await;
            }
            // Who only waits keeps the connection open, too.
            if !drips {
                std::future::pending::<()>().await;
            }
        });
        // There is no other place than the one that it has.
        let next = async {
            let mut next = asked(address, true).await;
            let mut answer = [0; 15];
            next.read_exact(&mut answer).await.map(|_| answer)
        };
        let next = tokio::time::timeout(Duration::from_secs(20), next).await;
        assert_eq!(&next.expect("the place is free").unwrap(), b"HTTP/1.1 200 OK");
        let gone = async {
            while Arc::strong_count(&sending) > 2 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), gone)
            .await
            .expect("no body is held");
        slow.abort();
    }
}

#[tokio::test]
async fn who_is_only_slow_or_idle_gets_all() {
    let size = 4 << 20;
    let (address, _) = bodies(size, QUICK).await;
    let mut stream = asked(address, false).await;
    for _ in 0..2 {
        let (mut read, mut piece) = (Vec::new(), vec![0; 64 << 10]);
        while !read.ends_with(b"0\r\n\r\n") {
            let count = stream.read(&mut piece).await.unwrap();
            assert!(count > 0, "it ended after {} bytes", read.len());
            read.extend_from_slice(&piece[..count]);
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        assert!(read.len() > size);
        // Nothing is wanted for longer than a reader would be waited for.
        tokio::time::sleep(QUICK.within * 2).await;
        stream
            .write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n")
            .await
            .unwrap();
    }
}

/// What comes of a body of these pieces, and nothing after the last if it `hangs`.
async fn body(pieces: Vec<Vec<u8>>, hangs: bool) -> Result<usize, BodyError> {
    let pieces = futures::stream::iter(pieces.into_iter().map(Ok::<_, std::io::Error>));
    let body = if hangs {
        Body::from_stream(pieces.chain(futures::stream::pending()))
    } else {
        Body::from_stream(pieces)
    };
    read(body, 1000, Duration::from_millis(50))
        .await
        .map(|text| text.len())
}

#[tokio::test]
async fn bodies_are_bounded_in_size_and_time() {
    let a = |n| vec![b'a'; n];
    assert_eq!(body(vec![], false).await, Ok(0));
    assert_eq!(body(vec![a(999), a(1)], false).await, Ok(1000));
    assert_eq!(body(vec![a(1000), a(1)], false).await, Err(BodyError::TooLarge));
    assert_eq!(
        body(vec![a(1000), a(1)], true).await,
        Err(BodyError::TooLarge),
        "at once"
    );
    assert_eq!(body(vec![a(1)], true).await, Err(BodyError::TooSlow));
    assert_eq!(body(vec![], true).await, Err(BodyError::TooSlow));
}
