//! Where a server, or a name that it or the spec says, would lead us.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use source_controller::git::{Reference, Request};

use super::super::origin::{Origin, chain, login, respond, serve};
use super::{ADVERTISEMENT, RESULT, capabilities, errors, files, is_listing, message, packet, request};

/// CVE-2026-41506 and its kin: credentials are for the host in the URL.
#[test]
fn sent_elsewhere() {
    let origin = Origin::new();
    let work = origin.repository("r");
    let commit = work.commit(&[("a", "1")]);
    let to = origin.address.clone();
    let elsewhere = serve(move |asked, stream| {
        let target = format!("{to}{}?{}", asked.path, asked.query);
        respond(stream, "302 Found", &[("Location", &target)], b"");
    });
    let anonymous = request(&elsewhere, &origin);
    assert_eq!(
        origin.mirrors.fetch(&anonymous).unwrap().commit(),
        commit,
        "there is nothing to lose"
    );
    origin.take_requests();
    let auth = login(&elsewhere, &[("username", "user"), ("password", "right")]);
    let error = origin
        .mirrors
        .fetch(&Request {
            auth,
            ..anonymous.clone()
        })
        .map(|_| ())
        .err()
        .unwrap();
    assert_eq!(
        message(&error, &elsewhere),
        "unable to clone 'URL/r.git': refused to follow a redirect to '127.0.0.1'"
    );
    assert!(
        origin.take_requests().is_empty(),
        "the other host was not even asked"
    );

    let round = Arc::new(Mutex::new(String::new()));
    let target = Arc::clone(&round);
    let circle = serve(move |asked, stream| {
        let target = format!("{}{}?{}", target.lock().unwrap(), asked.path, asked.query);
        respond(stream, "302 Found", &[("Location", &target)], b"");
    });
    circle.clone_into(&mut round.lock().unwrap());
    let error = origin
        .mirrors
        .fetch(&request(&circle, &origin))
        .map(|_| ())
        .err()
        .unwrap();
    assert!(
        message(&error, &circle).contains("refused to follow a redirect"),
        "{}",
        chain(&error)
    );
}

#[test]
fn nobody_there() {
    let origin = Origin::new();
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let address = format!("http://127.0.0.1:{port}");
    let (_, fetch) = errors(&origin, &request(&address, &origin), &address);
    let expected = "unable to clone 'URL/r.git': Get \"URL/r.git/info/refs?service=git-upload-pack\": ";
    assert!(
        fetch.starts_with(expected) && fetch.contains("onnection refused"),
        "{fetch}"
    );
}

/// CVE-2026-71556 and 71557: what a reference is called is no path here, whether the spec or the server says it.
#[test]
fn names_of_references_lead_nowhere() {
    let origin = Origin::new();
    origin.repository("r").commit(&[("a", "1")]);
    let before = files(origin.dir.path());
    for name in [
        "refs/heads/../../../escaped",
        "refs/../escaped",
        "../../escaped",
        "refs/heads/main.lock",
        "refs/heads/-x",
        "refs/heads/a\0b",
        "refs/heads/a b:c",
    ] {
        let named = name.to_owned();
        // A server that has a reference of this name, whatever it is asked for.
        let server = serve(move |asked, stream| {
            if asked.method == "POST" && is_listing(&asked) {
                let line = format!("{} {named}\n", "1".repeat(40));
                let body = [packet(line.as_bytes()), b"0000".to_vec()].concat();
                return respond(stream, "200 OK", &[RESULT], &body);
            }
            if asked.method == "POST" {
                return respond(stream, "200 OK", &[RESULT], b"0000");
            }
            respond(stream, "200 OK", &[ADVERTISEMENT], &capabilities());
        });
        for reference in [
            Reference::Name(name.to_owned()),
            Reference::Branch(name.trim_start_matches("refs/heads/").to_owned()),
            Reference::Tag(name.to_owned()),
        ] {
            let request = Request {
                reference,
                ..request(&server, &origin)
            };
            let error = origin.mirrors.fetch(&request).map(|_| ()).err().unwrap();
            assert_eq!(
                error.reason(),
                "GitOperationFailed",
                "{name:?}: {}",
                chain(&error)
            );
        }
    }
    let mirrors = origin.dir.path().join("mirrors");
    let strange: Vec<_> = files(origin.dir.path())
        .into_iter()
        .filter(|file| !before.contains(file) && !file.starts_with(&mirrors))
        .collect();
    assert_eq!(strange, [] as [std::path::PathBuf; 0]);
    let escaped = files(&mirrors)
        .into_iter()
        .find(|file| file.to_string_lossy().contains("escaped"));
    assert_eq!(escaped, None);
}
