//! A GitHub App: its statement is verified by a stand-in for the API, and its token opens a repository.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use serde_json::Value;
use source_controller::git::{
    Auth, AuthError, Credentials, GitError, Provider, Reference, Request, parse_url,
};

use super::origin::{Origin, chain, respond, serve};

struct Api {
    address: String,
    calls: Arc<Mutex<Vec<String>>>,
    tokens: Arc<AtomicUsize>,
}

/// Knows app 7, installed as 42 for the user `dev`; every statement must be signed by its key and be fresh.
fn api(public: Vec<u8>) -> Api {
    let (calls, tokens) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicUsize::new(0)));
    let (seen, count) = (Arc::clone(&calls), Arc::clone(&tokens));
    let address = serve(move |asked, stream| {
        seen.lock()
            .unwrap()
            .push(format!("{} {}", asked.method, asked.path));
        let statement = asked
            .headers
            .get("authorization")
            .and_then(|value| value.strip_prefix("Bearer "))
            .unwrap_or_default();
        let mut rules = Validation::new(Algorithm::RS256);
        rules.set_required_spec_claims(&["exp", "iss"]);
        rules.set_issuer(&["7"]);
        let key = DecodingKey::from_rsa_pem(&public).unwrap();
        let Ok(claims) = decode::<Value>(statement, &key, &rules) else {
            return respond(stream, "401 Unauthorized", &[], b"{}");
        };
        let life = claims.claims["exp"].as_u64().unwrap() - claims.claims["iat"].as_u64().unwrap();
        assert_eq!(life, 120);
        match (asked.method.as_str(), asked.path.as_str()) {
            ("GET", "/api/v3/users/dev/installation") => {
                respond(stream, "200 OK", &[], br#"{"id": 42, "more": {}}"#)
            }
            ("POST", "/api/v3/app/installations/42/access_tokens") => {
                count.fetch_add(1, Ordering::Relaxed);
                respond(
                    stream,
                    "201 Created",
                    &[],
                    br#"{"token": "right", "expires_at": "2999-01-01T00:00:00Z"}"#,
                );
            }
            ("POST", "/api/v3/app/installations/43/access_tokens") => {
                respond(stream, "201 Created", &[], b"[]")
            }
            _ => respond(stream, "404 Not Found", &[], b"{}"),
        }
    });
    Api {
        address,
        calls,
        tokens,
    }
}

fn openssl(dir: &std::path::Path) -> (Vec<u8>, Vec<u8>) {
    let key = dir.join("app");
    // ssh-keygen writes RSA keys in the PEM form that GitHub hands out.
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f"])
        .arg(&key)
        .status();
    assert!(made.unwrap().success());
    let public = Command::new("ssh-keygen")
        .args(["-e", "-m", "PKCS8", "-f"])
        .arg(&key)
        .output()
        .unwrap()
        .stdout;
    (std::fs::read(&key).unwrap(), public)
}

fn secret(data: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
    data.iter()
        .map(|(key, value)| (key.to_string(), value.as_bytes().to_vec()))
        .collect()
}

#[test]
fn opens_a_repository() {
    let origin = Origin::new();
    let work = origin.repository("r");
    let commit = work.commit(&[("a", "1")]);
    let (key, public) = openssl(origin.dir.path());
    let key = String::from_utf8(key).unwrap();
    let api = api(public);
    let url = format!("{}/app/r.git", origin.address);
    let fetch = |extra: &[(&str, &str)]| {
        let base = [
            ("githubAppID", "7"),
            ("githubAppPrivateKey", key.as_str()),
            ("githubAppBaseURL", api.address.as_str()),
        ];
        let data = secret(&[&base[..], extra].concat());
        let given = Credentials {
            name: "ns/secret",
            data: &data,
        };
        let auth = Auth::from_secret(&parse_url(&url).unwrap(), Provider::GitHub, Some(given)).unwrap();
        let request = Request {
            auth,
            ..origin.request("app/r", Reference::Branch("main".to_owned()))
        };
        origin
            .mirrors
            .fetch(&request)
            .map(|checkout| checkout.commit().to_owned())
    };
    assert_eq!(fetch(&[("githubAppInstallationID", "42")]).unwrap(), commit);
    assert_eq!(fetch(&[("githubAppInstallationID", "42")]).unwrap(), commit);
    assert_eq!(api.tokens.load(Ordering::Relaxed), 1, "a token is used again");
    assert_eq!(fetch(&[("githubAppInstallationOwner", "dev")]).unwrap(), commit);
    let looked_up = [
        "GET /api/v3/orgs/dev/installation",
        "GET /api/v3/users/dev/installation",
    ];
    assert!(
        looked_up
            .iter()
            .all(|call| api.calls.lock().unwrap().contains(&call.to_string()))
    );

    let refused = |extra: &[(&str, &str)], expected: &str| {
        let error = fetch(extra).err().unwrap();
        assert!(
            matches!(error, GitError::Token(_))
                && error.reason() == "AuthenticationFailed"
                && !error.stalls()
        );
        let text = chain(&error).replace(&api.address, "API");
        assert_eq!(
            text,
            format!("failed to configure authentication options: {expected}")
        );
    };
    refused(
        &[("githubAppInstallationID", "1")],
        "API/api/v3/app/installations/1/access_tokens answered with status 404",
    );
    refused(
        &[("githubAppInstallationID", "43")],
        "API/api/v3/app/installations/43/access_tokens gave an unusable answer",
    );
    refused(
        &[("githubAppInstallationID", "42"), ("githubAppID", "8")],
        "API/api/v3/app/installations/42/access_tokens answered with status 401",
    );
    refused(
        &[("githubAppInstallationOwner", "../x")],
        "API/api/v3/users/%2E%2E%2Fx/installation answered with status 404",
    );
}

#[test]
fn secrets_that_do_not_fit() {
    let check =
        |provider: Provider, data: Option<&[(&str, &str)]>, reason: &str, stalls: bool, expected: &str| {
            let data = data.map(secret);
            let given = data.as_ref().map(|data| Credentials {
                name: "ns/secret",
                data,
            });
            let error: AuthError = Auth::from_secret(&parse_url("https://h/x").unwrap(), provider, given)
                .err()
                .unwrap();
            assert_eq!(
                (error.reason(), error.stalls(), error.to_string().as_str()),
                (reason, stalls, expected)
            );
        };
    let configuration = "InvalidProviderConfiguration";
    let needed = "secretRef with github app data must be specified when provider is set to github";
    check(Provider::GitHub, None, configuration, true, needed);
    check(
        Provider::GitHub,
        Some(&[("username", "u"), ("password", "p")]),
        configuration,
        false,
        needed,
    );
    let unexpected = "secretRef 'ns/secret' has github app data but provider is not set to github";
    check(
        Provider::Generic,
        Some(&[("githubAppID", "7")]),
        configuration,
        false,
        unexpected,
    );
    let invalid =
        "failed to configure authentication options: invalid github app data in secret 'ns/secret': ";
    let app = [("githubAppID", "7"), ("githubAppPrivateKey", "k")];
    let failed = "AuthenticationFailed";
    check(
        Provider::GitHub,
        Some(&app[..1]),
        failed,
        false,
        &format!("{invalid}'githubAppPrivateKey' is required"),
    );
    let one = "'githubAppInstallationID' or 'githubAppInstallationOwner' is required";
    check(
        Provider::GitHub,
        Some(&app),
        failed,
        false,
        &format!("{invalid}{one}"),
    );
    let both = [
        &app[..],
        &[
            ("githubAppInstallationID", "1"),
            ("githubAppInstallationOwner", "o"),
        ],
    ]
    .concat();
    let only = "only one of 'githubAppInstallationID' and 'githubAppInstallationOwner' may be set";
    check(
        Provider::GitHub,
        Some(&both),
        failed,
        false,
        &format!("{invalid}{only}"),
    );

    let option = "failed to configure authentication options: invalid 'https' auth option: 'password' requires 'username' to be set";
    check(
        Provider::Generic,
        Some(&[("password", "p")]),
        failed,
        false,
        option,
    );
    let ssh = |data: Option<&[(&str, &str)]>, expected: &str| {
        let data = data.map(secret);
        let given = data.as_ref().map(|data| Credentials {
            name: "ns/secret",
            data,
        });
        let error = Auth::from_secret(&parse_url("ssh://git@h/x").unwrap(), Provider::Generic, given)
            .err()
            .unwrap();
        let prefix = "failed to configure authentication options: invalid 'ssh' auth option: ";
        assert_eq!(
            (error.reason(), error.to_string()),
            (failed, format!("{prefix}{expected}"))
        );
    };
    ssh(None, "'identity' is required");
    ssh(Some(&[("identity", "x")]), "'known_hosts' is required");
}

#[test]
fn secrets_are_not_shown() {
    let data = secret(&[
        ("username", "u"),
        ("password", "hunter2"),
        ("tls.crt", "c"),
        ("tls.key", "hunter2"),
    ]);
    let given = Credentials {
        name: "ns/secret",
        data: &data,
    };
    let auth = Auth::from_secret(&parse_url("https://h/x").unwrap(), Provider::Generic, Some(given)).unwrap();
    assert!(!format!("{auth:?}").contains("hunter2") && !format!("{auth:?}").contains("104, 117, 110"));
}
