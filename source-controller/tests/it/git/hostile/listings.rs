//! Servers whose lists of references never come, never end, or are none.

use std::io::Write;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use source_controller::git::Request;

use super::super::origin::{Origin, respond, serve};
use super::{ADVERTISEMENT, RESULT, capabilities, errors, message, packet, request};

#[test]
fn silence() {
    let origin = Origin::new();
    // Connects and says nothing: the kernel accepts on behalf of a listener that never does.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let short = |address: &str| Request {
        timeout: Duration::from_millis(300),
        ..request(address, &origin)
    };
    let started = Instant::now();
    let (listing, fetch) = errors(&origin, &short(&address), &address);
    assert_eq!(
        listing,
        "unable to list remote for 'URL/r.git': context deadline exceeded after 300ms"
    );
    assert_eq!(
        fetch,
        "unable to clone 'URL/r.git': context deadline exceeded after 300ms"
    );

    // A byte now and then is no better: the deadline is for the whole.
    let trickle = serve(|_, mut stream| {
        let head = format!(
            "HTTP/1.1 200 OK\r\n{}: {}\r\n\r\n",
            ADVERTISEMENT.0, ADVERTISEMENT.1
        );
        let _ = stream.write_all(head.as_bytes());
        while stream.write_all(b"0").is_ok() {
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    let (_, fetch) = errors(&origin, &short(&trickle), &trickle);
    assert!(fetch.starts_with("unable to clone 'URL/r.git': "), "{fetch}");
    assert!(started.elapsed() < Duration::from_secs(10));
}

#[test]
fn no_end() {
    let origin = Origin::new();
    let flood = |advertisement: bool| {
        serve(move |asked, mut stream| {
            let listing = asked.method == "GET";
            if listing && !advertisement {
                return respond(stream, "200 OK", &[ADVERTISEMENT], &capabilities());
            }
            let kind = if listing { ADVERTISEMENT.1 } else { RESULT.1 };
            let _ = stream.write_all(format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\n\r\n").as_bytes());
            if listing {
                // The old protocol lists at once.
                let service = [packet(b"# service=git-upload-pack\n"), b"0000".to_vec()].concat();
                let first = format!("{} HEAD\0side-band-64k ofs-delta\n", "1".repeat(40));
                let _ = stream.write_all(&[service, packet(first.as_bytes())].concat());
            }
            let line = packet(format!("{} refs/heads/{}\n", "1".repeat(40), "x".repeat(200)).as_bytes());
            while stream.write_all(&line.repeat(100)).is_ok() {}
        })
    };
    let mirrors = origin.bounded(1 << 20);
    for advertisement in [true, false] {
        let address = flood(advertisement);
        let error = mirrors
            .fetch(&request(&address, &origin))
            .map(|_| ())
            .err()
            .unwrap();
        let text = message(&error, &address);
        let limit = "unable to clone 'URL/r.git': the remote sent more than 1048576 bytes";
        assert_eq!(text, limit, "advertisement: {advertisement}");
    }
}

#[test]
fn nonsense() {
    let origin = Origin::new();
    let check = |status: &'static str,
                 headers: &'static [(&'static str, &'static str)],
                 body: &'static [u8],
                 expected: &str| {
        let address = serve(move |_, stream| respond(stream, status, headers, body));
        let (_, fetch) = errors(&origin, &request(&address, &origin), &address);
        assert!(
            fetch.starts_with(&format!("unable to clone 'URL/r.git': {expected}")),
            "{fetch}"
        );
    };
    check(
        "200 OK",
        &[("Content-Type", "text/html")],
        b"<html>",
        "invalid answer from the remote: ",
    );
    check(
        "200 OK",
        &[ADVERTISEMENT],
        b"",
        "invalid answer from the remote: ",
    );
    check(
        "200 OK",
        &[ADVERTISEMENT],
        b"ffff",
        "invalid answer from the remote: ",
    );
    check(
        "200 OK",
        &[ADVERTISEMENT],
        b"zzzz\xff\xfe",
        "invalid answer from the remote: ",
    );
    check(
        "403 Forbidden",
        &[],
        b"not\x07 you\n",
        "authorization failed: not you",
    );
    check(
        "500 Oops",
        &[],
        b"",
        "unexpected client error: unexpected requesting \"URL/r.git/info/refs?service=git-upload-pack\" status code: 500",
    );
}
