//! Peers that hang, never end, lie, or send us elsewhere; and what their mischief leaves behind.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use source_controller::git::{Auth, GitError, Limits, Mirrors, Reference, Request, parse_url};

use super::origin::{Asked, Origin, chain, login, respond, serve};

const ADVERTISEMENT: (&str, &str) = ("Content-Type", "application/x-git-upload-pack-advertisement");
const RESULT: (&str, &str) = ("Content-Type", "application/x-git-upload-pack-result");

fn packet(text: &[u8]) -> Vec<u8> {
    [format!("{:04x}", text.len() + 4).as_bytes(), text].concat()
}

/// What a server of protocol 2 says of itself.
fn capabilities() -> Vec<u8> {
    let lines = [
        "version 2\n",
        "agent=hostile\n",
        "ls-refs\n",
        "fetch=shallow\n",
        "object-format=sha1\n",
    ];
    let lines: Vec<u8> = lines.iter().flat_map(|line| packet(line.as_bytes())).collect();
    [
        packet(b"# service=git-upload-pack\n"),
        b"0000".to_vec(),
        lines,
        b"0000".to_vec(),
    ]
    .concat()
}

fn one_branch() -> Vec<u8> {
    [
        packet(format!("{} refs/heads/main\n", "1".repeat(40)).as_bytes()),
        b"0000".to_vec(),
    ]
    .concat()
}

fn is_listing(asked: &Asked) -> bool {
    asked.body.windows(7).any(|seven| seven == b"ls-refs")
}

fn request(address: &str, origin: &Origin) -> Request {
    let url = parse_url(&format!("{address}/r.git")).unwrap();
    Request {
        url,
        timeout: Duration::from_secs(5),
        ..origin.request("r", Reference::Branch("main".to_owned()))
    }
}

fn message(error: &GitError, address: &str) -> String {
    let text = chain(error).replace(address, "URL");
    text.strip_prefix("failed to checkout and determine revision: ")
        .unwrap_or(&text)
        .to_owned()
}

/// The errors of listing and of fetching from the same server.
fn errors(origin: &Origin, request: &Request, address: &str) -> (String, String) {
    let listing = origin.mirrors.resolve(request).map(|_| ()).err().unwrap();
    let fetch = origin.mirrors.fetch(request).map(|_| ()).err().unwrap();
    assert!(fetch.reason() == "GitOperationFailed" && !fetch.stalls());
    (message(&listing, address), message(&fetch, address))
}

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
fn whoever_waits_keeps_the_deadline_too() {
    let origin = Origin::new();
    // Lists a reference, and then takes its time.
    let asked = Arc::new(Mutex::new(0));
    let packs = Arc::clone(&asked);
    let address = serve(move |asked, mut stream| match asked.method.as_str() {
        "GET" => respond(stream, "200 OK", &[ADVERTISEMENT], &capabilities()),
        _ if is_listing(&asked) => respond(stream, "200 OK", &[RESULT], &one_branch()),
        _ => {
            *packs.lock().unwrap() += 1;
            let _ = stream.read(&mut [0]);
        }
    });
    let slow = Request {
        timeout: Duration::from_secs(20),
        ..request(&address, &origin)
    };
    let quick = Request {
        timeout: Duration::from_secs(1),
        ..slow.clone()
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| origin.mirrors.fetch(&slow).map(|_| ()));
        while *asked.lock().unwrap() == 0 {
            assert!(!first.is_finished(), "{:?}", first.join().unwrap());
            std::thread::sleep(Duration::from_millis(1));
        }
        // On a busy machine its time may be over before it gets to wait; it is over in any case before the first one's.
        let error = origin.mirrors.fetch(&quick).map(|_| ()).err().unwrap();
        assert!(!first.is_finished(), "{}", chain(&error));
        assert!(first.join().unwrap().is_err());
    });
    assert_eq!(*asked.lock().unwrap(), 1);
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
            let line = packet(format!("{} refs/heads/{}\n", "1".repeat(40), "x".repeat(200)).as_bytes());
            while stream.write_all(&line.repeat(100)).is_ok() {}
        })
    };
    let mirrors = Mirrors::new(
        origin.dir.path().join("small"),
        Limits {
            answer_bytes: 1 << 20,
            ..Limits::default()
        },
    )
    .unwrap();
    for advertisement in [true, false] {
        let address = flood(advertisement);
        let error = mirrors
            .fetch(&request(&address, &origin))
            .map(|_| ())
            .err()
            .unwrap();
        let text = message(&error, &address);
        let limit = "unable to clone 'URL/r.git': the remote sent more than 1048576 bytes";
        assert!(
            text == limit || text.starts_with("unable to clone 'URL/r.git': invalid answer"),
            "{text}"
        );
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

#[test]
fn packs_that_are_none() {
    let origin = Origin::new();
    let work = origin.repository("r");
    let commit = work.commit(&[("a", "1")]);
    let packs: [&[u8]; 5] = [
        b"",
        b"PACK",
        b"PACK\0\0\0\x02\xff\xff\xff\xff",
        b"PACK\0\0\0\x02\0\0\0\x01\x95\x0a\x78\x9c",
        &[0; 64],
    ];
    for pack in packs {
        let pack = pack.to_vec();
        let address = serve(move |asked, stream| match asked.method.as_str() {
            "GET" => respond(stream, "200 OK", &[ADVERTISEMENT], &capabilities()),
            _ if is_listing(&asked) => respond(stream, "200 OK", &[RESULT], &one_branch()),
            _ => {
                let data = packet(&[b"\x01", &pack[..]].concat());
                let body = [packet(b"packfile\n"), data, b"0000".to_vec()].concat();
                respond(stream, "200 OK", &[RESULT], &body);
            }
        });
        let error = origin
            .mirrors
            .fetch(&request(&address, &origin))
            .map(|_| ())
            .err()
            .unwrap();
        assert!(
            message(&error, &address).starts_with("unable to clone 'URL/r.git': "),
            "{}",
            chain(&error)
        );
    }

    // A real pack, cut off by a proxy that then behaves: the mirror is none the worse for it.
    let cut = Arc::new(Mutex::new(true));
    let (broken, real) = (Arc::clone(&cut), origin.address.clone());
    let proxy = serve(move |asked, stream| {
        let url = format!("{real}{}?{}", asked.path, asked.query);
        let client = reqwest::blocking::Client::new();
        let builder = if asked.method == "GET" {
            client.get(url)
        } else {
            client.post(url)
        };
        let listing = asked.method == "GET" || is_listing(&asked);
        let mut builder = builder.body(asked.body);
        for (name, value) in asked
            .headers
            .iter()
            .filter(|(name, _)| !matches!(name.as_str(), "host" | "content-length"))
        {
            builder = builder.header(name, value);
        }
        let answer = builder.send().unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        let mut body = answer.bytes().unwrap().to_vec();
        if !listing && *broken.lock().unwrap() {
            body.truncate(body.len() / 2);
        }
        respond(stream, "200 OK", &[("Content-Type", &kind)], &body);
    });
    let request = request(&proxy, &origin);
    assert!(origin.mirrors.fetch(&request).is_err());
    *cut.lock().unwrap() = false;
    assert_eq!(origin.mirrors.fetch(&request).unwrap().commit(), commit);
}

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

/// Trees that only a hostile hand makes: names that lead out, and a few objects that stand for billions of files.
#[test]
fn trees() {
    let origin = Origin::new();
    let work = origin.repository("r");
    work.commit(&[("a", "1")]);
    let blob = work.git(&["rev-parse", "HEAD:a"]);
    let tree = |entries: &[(&str, &str, &str)]| {
        let mut bytes = Vec::new();
        for (mode, name, id) in entries {
            bytes.extend(format!("{mode} {name}\0").as_bytes());
            bytes.extend(hex::decode(id).unwrap());
        }
        let file = work.dir.join(".git/raw");
        std::fs::write(&file, bytes).unwrap();
        work.git(&[
            "hash-object",
            "-t",
            "tree",
            "-w",
            "--literally",
            file.to_str().unwrap(),
        ])
    };
    let refused = |tree: String, expected: &str| {
        let commit = work.git(&["commit-tree", "-m", "x", &tree]);
        work.git(&["push", "-q", "-f", "origin", &format!("{commit}:refs/heads/main")]);
        let error = origin
            .branch("r")
            .unwrap()
            .listing(&[])
            .map(|_| ())
            .err()
            .unwrap();
        assert_eq!(
            chain(&error),
            format!("failed to use the local mirror of the repository: {expected}")
        );
    };
    let path = |path: &str| format!("refused the path {path:?} in the repository");
    refused(tree(&[("100644", "..", &blob)]), &path(".."));
    refused(tree(&[("100644", ".git", &blob)]), &path(".git"));
    let inner = tree(&[("100644", "..", &blob)]);
    refused(tree(&[("40000", "d", &inner)]), &path("d/.."));
    let mut deep = tree(&[("100644", "f", &blob)]);
    for _ in 0..300 {
        deep = tree(&[("40000", "d", &deep)]);
    }
    let text = "d/".repeat(255) + "d";
    refused(deep, &path(&text));
    // A few objects that name each other into billions: of short names, and of long ones, which are too much much sooner.
    let bomb = |rest: usize| {
        let mut bomb = tree(&[("100644", "f", &blob)]);
        let names: Vec<String> = (0..10)
            .map(|name| format!("d{name}{}", "x".repeat(rest)))
            .collect();
        for _ in 0..9 {
            let entries: Vec<(&str, &str, &str)> = names
                .iter()
                .map(|name| ("40000", name.as_str(), bomb.as_str()))
                .collect();
            bomb = tree(&entries);
        }
        bomb
    };
    refused(bomb(0), "refused a repository of more than 1000000 files");
    let long = "refused a repository whose paths are longer than 134217728 bytes together";
    refused(bomb(250), long);
    // One tree alone is not read to its end either.
    let wide: Vec<String> = (0..1_000_001).map(|name| format!("{name:07}")).collect();
    let wide: Vec<(&str, &str, &str)> = wide
        .iter()
        .map(|name| ("100644", name.as_str(), blob.as_str()))
        .collect();
    refused(tree(&wide), "refused a repository of more than 1000000 files");
}

#[test]
fn ignore_rules_are_bounded() {
    let origin = Origin::new();
    let work = origin.repository("r");
    let check = |files: &[(&str, &str)], expected: &str| {
        work.commit(files);
        let checkout = origin.branch("r").unwrap();
        let mut listing = checkout.listing(&[]).unwrap();
        let error = listing.ignore(None).unwrap_err();
        assert_eq!(error.reason(), "SourceIgnoreError");
        assert_eq!(
            chain(&error),
            format!("failed to load source ignore patterns: {expected}")
        );
    };
    check(
        &[("a/.sourceignore", &"x".repeat((1 << 20) + 1))],
        "'a/.sourceignore': all ignore rules together are larger than 1048576 bytes",
    );
    check(
        &[
            ("a/.sourceignore", &"x\n".repeat(10_000)),
            ("b/.sourceignore", "x"),
        ],
        "'b/.sourceignore': there are more than 10000 ignore rules",
    );
}

#[test]
fn a_mirror_that_was_damaged_is_made_anew() {
    let origin = Origin::new();
    let work = origin.repository("r");
    work.commit(&[("a", "1")]);
    origin.branch("r").unwrap();
    let packs = |dir: &std::path::Path| -> Vec<std::path::PathBuf> {
        let mut found = Vec::new();
        let mut pending = vec![dir.to_owned()];
        while let Some(dir) = pending.pop() {
            for entry in std::fs::read_dir(dir).unwrap().flatten() {
                if entry.path().is_dir() {
                    pending.push(entry.path());
                } else if entry
                    .path()
                    .extension()
                    .is_some_and(|extension| extension == "pack")
                {
                    found.push(entry.path());
                }
            }
        }
        found
    };
    let mirrors = origin.dir.path().join("mirrors");
    for pack in packs(&mirrors) {
        let length = std::fs::metadata(&pack).unwrap().len();
        let mut permissions = std::fs::metadata(&pack).unwrap().permissions();
        #[expect(clippy::permissions_set_readonly_false, reason = "a file of this test alone")]
        permissions.set_readonly(false);
        std::fs::set_permissions(&pack, permissions).unwrap();
        std::fs::write(&pack, vec![0; length as usize]).unwrap();
    }
    let again = Mirrors::new(&mirrors, Limits::default()).unwrap();
    let request = origin.request("r", Reference::Branch("main".to_owned()));
    let _reader = origin.branch("r");
    let checkout = again.fetch(&request).map_err(|error| chain(&error)).unwrap();
    assert_eq!(checkout.listing(&[]).unwrap().paths().count(), 1);
    assert_eq!(packs(&mirrors).len(), 1, "the damaged one is gone");
}

#[test]
fn what_a_killed_process_leaves_is_swept() {
    let origin = Origin::new();
    let work = origin.repository("r");
    work.commit(&[("a", "1")]);
    origin.branch("r").unwrap();
    let mirrors = origin.dir.path().join("mirrors");
    let mirror = std::fs::read_dir(&mirrors)
        .unwrap()
        .next()
        .unwrap()
        .unwrap()
        .path()
        .join("0");
    for name in [
        "shallow.lock",
        "packed-refs.lock",
        "HEAD.lock",
        "objects/pack/tmp_pack_x",
        "objects/pack/.tmpAbCd",
    ] {
        std::fs::write(mirror.join(name), "x").unwrap();
    }
    let commit = work.commit(&[("a", "2")]);
    let again = Mirrors::new(&mirrors, Limits::default()).unwrap();
    let request = Request {
        auth: Auth::anonymous(),
        ..origin.request("r", Reference::Branch("main".to_owned()))
    };
    assert_eq!(again.fetch(&request).unwrap().commit(), commit);
    assert!(!mirror.join("shallow.lock").exists() && !mirror.join("objects/pack/.tmpAbCd").exists());
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

fn files(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let (mut found, mut pending) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = pending.pop() {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => pending.push(entry.path()),
                false => found.push(entry.path()),
            }
        }
    }
    found
}

/// CVE-2026-47680: directories of a sparse checkout are looked for in the tree and nowhere else.
#[test]
fn sparse_paths_lead_nowhere() {
    let origin = Origin::new();
    origin.repository("r").commit(&[("a/b", "1"), ("c", "2")]);
    let checkout = origin.branch("r").unwrap();
    for path in ["../a", "a/../../etc", "/etc", "a/..", "..", "a\0b", "./../c"] {
        let listed = checkout.listing(&[path.to_owned()]);
        match listed.map(|listing| listing.paths().map(|(path, _)| path.to_vec()).collect::<Vec<_>>()) {
            // What stays inside is inside the repository.
            Ok(paths) => assert!(
                paths
                    .iter()
                    .all(|path| [&b"a"[..], b"a/b", b"c"].contains(&&path[..])),
                "{path}: {paths:?}"
            ),
            Err(error) => assert!(matches!(error, GitError::Sparse(_)), "{path}: {}", chain(&error)),
        }
    }
}
