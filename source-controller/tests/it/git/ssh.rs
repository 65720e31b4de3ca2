//! Fetching over ssh from a real sshd: who the host is, who we are, and nothing without both.

mod hostile;
mod sshd;

use source_controller::git::{Auth, AuthError, Reference, Request, parse_url};

use super::origin::{Origin, chain};
use sshd::Sshd;

#[test]
fn fetches() {
    let origin = Origin::new();
    let sshd = Sshd::start(origin.dir.path());
    let work = origin.repository("it's here");
    let commit = work.commit(&[("a", "1")]);
    let path = work.bare.display().to_string();
    let fetch = |path: &str, auth: Auth| {
        let request = Request {
            url: parse_url(&sshd.url(path)).unwrap(),
            auth,
            ..origin.request("x", Reference::Branch("main".to_owned()))
        };
        origin
            .mirrors
            .fetch(&request)
            .map(|checkout| checkout.commit().to_owned())
            .map_err(|error| chain(&error))
    };
    let known = sshd.line("", "host.pub");
    let certified = sshd.line("@cert-authority ", "authority.pub");
    for identity in ["user", "rsa", "ecdsa"] {
        assert_eq!(
            fetch(&path, sshd.auth(identity, &known, "").unwrap()),
            Ok(commit.clone()),
            "{identity}"
        );
    }
    assert_eq!(
        fetch(&path, sshd.auth("locked", &known, "open sesame").unwrap()),
        Ok(commit.clone())
    );
    assert_eq!(
        fetch(&path, sshd.auth("user", &certified, "").unwrap()),
        Ok(commit.clone())
    );
    let wild = certified.replace("[127.0.0.1]", "[*.0.0.1]");
    assert_eq!(
        fetch(&path, sshd.auth("user", &wild, "").unwrap()),
        Ok(commit.clone())
    );

    let refused = |auth: Auth, expected: &str| {
        let error = fetch(&path, auth).unwrap_err();
        assert_eq!(error.rsplit_once("': ").unwrap().1, expected, "{error}");
    };
    let handshake = |problem: &str| format!("ssh: handshake failed: knownhosts: {problem}");
    let auth = |known: &str| sshd.auth("user", known, "").unwrap();
    refused(auth("example.com ssh-ed25519 AAAA"), &handshake("key is unknown"));
    refused(auth(&sshd.line("", "other.pub")), &handshake("key mismatch"));
    refused(
        auth(&format!("{known}{}", sshd.line("@revoked ", "host.pub"))),
        &handshake("key is revoked"),
    );
    refused(
        auth(&sshd.line("@cert-authority ", "other.pub")),
        &handshake("key is unknown"),
    );
    refused(
        auth(&known.replace(&sshd.port.to_string(), "1")),
        &handshake("key is unknown"),
    );
    refused(
        sshd.auth("other", &known, "").unwrap(),
        "ssh: handshake failed: ssh: unable to authenticate, no supported methods remain",
    );
    let error = fetch("/nope.git", auth(&known)).unwrap_err();
    assert!(
        error.contains("does not appear to be a git repository"),
        "{error}"
    );

    assert_eq!(
        sshd.auth("locked", &known, "").err(),
        Some(AuthError::NoPassphrase("ns/secret".into()))
    );
    assert_eq!(
        sshd.auth("locked", &known, "wrong").err(),
        Some(AuthError::Identity("ns/secret".into()))
    );
}
