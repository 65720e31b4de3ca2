//! What a look at a remote that we know costs, and that it is greeted anew once it is no longer what it was.

use std::net::TcpStream;
use std::sync::{Arc, Mutex};

use source_controller::git::{Auth, Reference, Request, parse_url};

use super::origin::{Asked, Origin, chain, login, respond, serve};

fn main_branch() -> Reference {
    Reference::Branch("main".to_owned())
}

/// What stands before the repository at the moment.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Front {
    /// As it is.
    Open,
    /// A server that knows nothing of protocol 2.
    Old,
    /// The answer to every request.
    Answers(&'static str),
    /// The answer to every `POST`; `GET` is answered as it is.
    PostAnswers(&'static str),
    /// A server that asks for a pause of seven seconds.
    Busy,
    /// To the same path below `/there` of this server, with this status.
    Moved(&'static str),
}

/// A server before the origin's, what it is at the moment, and what it was asked since somebody looked.
struct Facade {
    address: String,
    front: Arc<Mutex<Front>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Facade {
    fn new(origin: &Origin) -> Facade {
        let front = Arc::new(Mutex::new(Front::Open));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (now, seen, target) = (Arc::clone(&front), Arc::clone(&asked), origin.address.clone());
        let address = serve(move |asked, stream| {
            let line = format!("{} {}", asked.method, asked.path);
            seen.lock().unwrap().push(line);
            let front = *now.lock().unwrap();
            let moved = asked.path.strip_prefix("/there").map(str::to_owned);
            match (front, moved) {
                (Front::Moved(status), None) => {
                    let place = format!("/there{}?{}", asked.path, asked.query);
                    respond(stream, status, &[("Location", &place)], b"");
                }
                (Front::Busy, _) => {
                    respond(stream, "503 Service Unavailable", &[("Retry-After", "7")], b"");
                }
                (Front::Answers(status), _) => respond(stream, status, &[], b""),
                (Front::PostAnswers(status), _) if asked.method == "POST" => {
                    respond(stream, status, &[], b"")
                }
                (Front::Old, _) => forward(&format!("{target}/old{}", asked.path), asked, stream),
                (_, Some(path)) => forward(&format!("{target}{path}"), asked, stream),
                (_, None) => forward(&format!("{target}{}", asked.path), asked, stream),
            }
        });
        Facade {
            address,
            front,
            asked,
        }
    }

    fn becomes(&self, front: Front) {
        *self.front.lock().unwrap() = front;
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }

    fn request(&self, origin: &Origin) -> Request {
        Request {
            url: parse_url(&format!("{}/r.git", self.address)).unwrap(),
            ..origin.request("r", main_branch())
        }
    }
}

fn forward(url: &str, asked: Asked, stream: TcpStream) {
    let client = reqwest::blocking::Client::new();
    let url = format!("{url}?{}", asked.query);
    let mut request = match asked.method.as_str() {
        "GET" => client.get(url),
        _ => client.post(url).body(asked.body),
    };
    for name in ["content-type", "git-protocol", "accept", "authorization"] {
        if let Some(value) = asked.headers.get(name) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().unwrap();
    let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
    let body = answer.bytes().unwrap();
    respond(stream, "200 OK", &[("Content-Type", &kind)], &body);
}

const GREET: &str = "GET /r.git/info/refs";
const LIST: &str = "POST /r.git/git-upload-pack";

#[test]
fn an_unmoved_branch_costs_one_small_request() {
    let origin = Origin::new();
    let work = origin.repository("r");
    let first = work.commit(&[("a", "1")]);
    // As many branches as a large repository has: only one of them is asked for.
    for number in 0..50 {
        work.git(&["branch", &format!("other-{number}")]);
    }
    work.git(&["push", "-q", "--all", "origin"]);
    let address = format!("{}/private/r.git", origin.address);
    let request = |password: &str| Request {
        url: parse_url(&address).unwrap(),
        auth: login(&address, &[("username", "user"), ("password", password)]),
        ..origin.request("r", main_branch())
    };
    let resolve = |password: &str| {
        let resolved = origin.mirrors.resolve(&request(password));
        let requests = origin.take_requests();
        (
            resolved.map(|found| found.unwrap().commit).map_err(|e| chain(&e)),
            requests,
        )
    };
    let (greet, list) = (
        "GET /private/r.git/info/refs",
        "POST /private/r.git/git-upload-pack",
    );
    assert_eq!(
        resolve("right"),
        (Ok(first.clone()), vec![greet.to_owned(), list.to_owned()])
    );
    origin.seen.sent.store(0, std::sync::atomic::Ordering::Relaxed);
    assert_eq!(resolve("right"), (Ok(first), vec![list.to_owned()]));
    let sent = origin.seen.sent.load(std::sync::atomic::Ordering::Relaxed);
    assert!(sent < 100, "a look brought {sent} bytes");

    let second = work.commit(&[("a", "2")]);
    assert_eq!(
        resolve("right"),
        (Ok(second), vec![list.to_owned()]),
        "what has moved is seen"
    );
    // Whoever has another password has met nobody.
    let (refused, requests) = resolve("wrong");
    assert!(refused.unwrap_err().contains("authentication required"));
    assert_eq!(requests, [greet]);
}

#[test]
fn a_remote_that_changes_is_greeted_anew() {
    let origin = Origin::new();
    let work = origin.repository("r");
    let commit = work.commit(&[("a", "1")]);
    let facade = Facade::new(&origin);
    let request = facade.request(&origin);
    let look = || {
        let found = origin.mirrors.resolve(&request);
        let requests = facade.take();
        (
            found.map(|found| found.unwrap().commit).map_err(|e| chain(&e)),
            requests,
        )
    };
    let good = |requests: &[&str]| {
        (
            Ok(commit.clone()),
            requests.iter().map(|r| (*r).to_owned()).collect(),
        )
    };
    assert_eq!(look(), good(&[GREET, LIST]));
    assert_eq!(look(), good(&[LIST]));

    facade.becomes(Front::Old);
    assert_eq!(look(), good(&[LIST, GREET]), "protocol 0 lists with the greeting");
    assert_eq!(look(), good(&[GREET]), "and has none that could be remembered");

    facade.becomes(Front::Open);
    assert_eq!(look(), good(&[GREET, LIST]));
    for (status, says) in [
        ("401 Unauthorized", "authentication required"),
        ("403 Forbidden", "authorization failed"),
        ("404 Not Found", "repository not found"),
        ("502 Bad Gateway", "status code: 502"),
    ] {
        facade.becomes(Front::Answers(status));
        let (error, requests) = look();
        let error = error.unwrap_err();
        assert!(error.contains(says), "{status}: {error}");
        assert_eq!(requests, [LIST, GREET], "{status}");
        facade.becomes(Front::Open);
        assert_eq!(look(), good(&[GREET, LIST]), "{status}");
        assert_eq!(look(), good(&[LIST]), "{status}");
    }
    // A server that has no more room for us is not asked again at once.
    facade.becomes(Front::Answers("429 Too Many Requests"));
    let (error, requests) = look();
    assert!(error.unwrap_err().contains("status code: 429"));
    assert_eq!(requests, [LIST]);
    facade.becomes(Front::Open);
    assert_eq!(look(), good(&[LIST]));

    facade.becomes(Front::Busy);
    let error = origin.mirrors.resolve(&request).unwrap_err();
    assert_eq!(error.retry_after(), Some(std::time::Duration::from_secs(7)));
    assert_eq!(facade.take(), [LIST], "the pause is kept");
    facade.becomes(Front::Open);
    assert_eq!(look(), good(&[LIST]));

    // One that can be greeted and not be asked fails once for each look, and not for ever.
    facade.becomes(Front::PostAnswers("500 Internal Server Error"));
    let (error, requests) = look();
    assert!(error.unwrap_err().contains("status code: 500"));
    assert_eq!(requests, [LIST, GREET, LIST]);
}

#[test]
fn fetching_survives_a_change_too() {
    let origin = Origin::new();
    let work = origin.repository("r");
    work.commit(&[("a", "1")]);
    let facade = Facade::new(&origin);
    let request = facade.request(&origin);
    origin.mirrors.fetch(&request).unwrap();
    assert_eq!(
        facade.take(),
        [GREET, LIST, LIST, LIST],
        "listed, listed again, fetched"
    );
    let commit = work.commit(&[("a", "2")]);
    facade.becomes(Front::Old);
    assert_eq!(origin.mirrors.fetch(&request).unwrap().commit(), commit);
}

/// Where a redirect leads is remembered only as long as the server itself says it is so.
#[test]
fn redirects() {
    let origin = Origin::new();
    let work = origin.repository("r");
    let commit = work.commit(&[("a", "1")]);
    let look = |facade: &Facade| {
        let found = origin.mirrors.resolve(&facade.request(&origin));
        assert_eq!(
            found.map_err(|e| chain(&e)).unwrap().unwrap().commit,
            commit,
            "{:?}",
            facade.front.lock().unwrap()
        );
        facade.take()
    };
    let there = ["GET /there/r.git/info/refs", "POST /there/r.git/git-upload-pack"];
    for status in ["301 Moved Permanently", "308 Permanent Redirect"] {
        let facade = Facade::new(&origin);
        facade.becomes(Front::Moved(status));
        assert_eq!(look(&facade), [GREET, there[0], there[1]]);
        assert_eq!(look(&facade), [there[1]], "{status}");
    }
    for status in ["302 Found", "307 Temporary Redirect"] {
        let facade = Facade::new(&origin);
        facade.becomes(Front::Moved(status));
        assert_eq!(look(&facade), [GREET, there[0], there[1]]);
        assert_eq!(look(&facade), [GREET, there[0], there[1]], "{status}");
    }
    // For good, but to another host: that is asked for anew each time.
    let to = origin.address.clone();
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    let elsewhere = serve(move |asked, stream| {
        *count.lock().unwrap() += 1;
        let place = format!("{to}{}?{}", asked.path, asked.query);
        respond(stream, "301 Moved Permanently", &[("Location", &place)], b"");
    });
    let request = Request {
        url: parse_url(&format!("{elsewhere}/r.git")).unwrap(),
        auth: Auth::anonymous(),
        ..origin.request("r", main_branch())
    };
    for _ in 0..2 {
        assert_eq!(origin.mirrors.resolve(&request).unwrap().unwrap().commit, commit);
    }
    assert_eq!(*asked.lock().unwrap(), 2);
}
