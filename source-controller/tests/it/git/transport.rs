//! TLS with an authority and a certificate of one's own, and proxies.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};
use source_controller::git::{Auth, AuthError, Credentials, Provider, Proxy, Reference, Request, parse_url};

use super::origin::{Origin, chain, respond, serve};

fn openssl(dir: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(dir)
        .output()
        .expect("openssl runs: install it");
    assert!(
        output.status.success(),
        "openssl {arguments}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// An authority, and certificates by it for the server and a client.
fn certificates(dir: &Path) {
    std::fs::write(
        dir.join("san"),
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    std::fs::write(dir.join("plain"), "basicConstraints=CA:FALSE\n").unwrap();
    openssl(
        dir,
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=authority",
    );
    for (name, extensions) in [("server", "san"), ("client", "plain")] {
        openssl(
            dir,
            &format!(
                "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.csr -subj /CN={name}"
            ),
        );
        openssl(
            dir,
            &format!(
                "x509 -req -in {name}.csr -CA ca.crt -CAkey ca.key -CAcreateserial -out {name}.crt -days 2 -extfile {extensions}"
            ),
        );
    }
}

/// Puts TLS before a plain server, one exchange a connection.
fn tls(dir: &Path, target: &str, client_certificates: bool) -> String {
    let certificate = |name: &str| CertificateDer::from_pem_file(dir.join(name)).unwrap();
    let key = PrivateKeyDer::from_pem_file(dir.join("server.key")).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .unwrap();
    let builder = if client_certificates {
        let mut roots = RootCertStore::empty();
        roots.add(certificate("ca.crt")).unwrap();
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .unwrap();
        builder.with_client_cert_verifier(verifier)
    } else {
        builder.with_no_client_auth()
    };
    let config = Arc::new(
        builder
            .with_single_cert(vec![certificate("server.crt")], key)
            .unwrap(),
    );
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("https://{}", listener.local_addr().unwrap());
    let target = target.trim_start_matches("http://").to_owned();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (config, target) = (Arc::clone(&config), target.clone());
            std::thread::spawn(move || {
                let mut near = StreamOwned::new(ServerConnection::new(config).unwrap(), stream);
                let _ = forward(&mut near, &target);
            });
        }
    });
    address
}

fn forward(near: &mut (impl Read + Write), target: &str) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let complete = |request: &[u8]| {
        let text = String::from_utf8_lossy(request).to_ascii_lowercase();
        let (head, body) = text.split_once("\r\n\r\n")?;
        let length = head
            .lines()
            .find_map(|line| line.strip_prefix("content-length: ")?.parse().ok())
            .unwrap_or(0);
        (body.len() >= length).then_some(())
    };
    while complete(&request).is_none() {
        match near.read(&mut buffer)? {
            0 => return Ok(()),
            count => request.extend_from_slice(&buffer[..count]),
        }
    }
    let mut far = TcpStream::connect(target)?;
    far.write_all(&request)?;
    let mut answer = Vec::new();
    far.read_to_end(&mut answer)?;
    near.write_all(&answer)?;
    near.flush()
}

#[test]
fn certificates_of_our_own() {
    let origin = Origin::new();
    let dir = origin.dir.path();
    certificates(dir);
    let commit = origin.repository("r").commit(&[("a", "1")]);
    let fetch = |address: &str, keys: &[(&str, &str)]| {
        let data = keys
            .iter()
            .map(|(key, file)| (key.to_string(), std::fs::read(dir.join(file)).unwrap()))
            .collect();
        let url = parse_url(&format!("{address}/r.git")).unwrap();
        let secret = Credentials {
            name: "ns/secret",
            data: &data,
        };
        let auth = Auth::from_secret(&url, Provider::Generic, Some(secret)).unwrap();
        let request = Request {
            url,
            auth,
            ..origin.request("r", Reference::Branch("main".to_owned()))
        };
        origin
            .mirrors
            .fetch(&request)
            .map(|checkout| checkout.commit().to_owned())
            .map_err(|error| chain(&error))
    };
    let open = tls(dir, &origin.address, false);
    let closed = tls(dir, &origin.address, true);
    let identity = [
        ("ca.crt", "ca.crt"),
        ("tls.crt", "client.crt"),
        ("tls.key", "client.key"),
    ];
    assert_eq!(fetch(&open, &[("ca.crt", "ca.crt")]), Ok(commit.clone()));
    assert_eq!(fetch(&open, &[("caFile", "ca.crt")]), Ok(commit.clone()));
    assert_eq!(
        fetch(&open, &[("caFile", "client.crt"), ("ca.crt", "ca.crt")]),
        Ok(commit.clone())
    );
    assert_eq!(fetch(&closed, &identity), Ok(commit));
    for (address, keys) in [
        (&open, &[][..]),
        (&open, &[("ca.crt", "client.crt")][..]),
        (&closed, &identity[..1]),
    ] {
        let error = fetch(address, keys).unwrap_err();
        assert!(error.contains(": Get \"https://127.0.0.1:"), "{error}");
    }
    let error = fetch(
        &open,
        &[
            ("ca.crt", "ca.crt"),
            ("tls.crt", "client.crt"),
            ("tls.key", "san"),
        ],
    )
    .unwrap_err();
    assert!(error.contains("unable to set up the HTTP client"), "{error}");
}

#[test]
fn through_a_proxy() {
    let origin = Origin::new();
    let commit = origin.repository("r").commit(&[("a", "1")]);
    let asked = Arc::new(Mutex::new(Vec::new()));
    let (seen, target) = (Arc::clone(&asked), origin.address.clone());
    let proxy = serve(move |asked, stream| {
        // A proxy is asked for whole URLs.
        seen.lock().unwrap().push((
            asked.path.clone(),
            asked.headers.get("proxy-authorization").cloned(),
        ));
        let Some(path) = asked.path.strip_prefix("http://git.invalid") else {
            return respond(stream, "400 Bad Request", &[], b"");
        };
        let url = format!("{target}{path}?{}", asked.query);
        let client = reqwest::blocking::Client::new();
        let mut builder = if asked.method == "GET" {
            client.get(url)
        } else {
            client.post(url)
        }
        .body(asked.body);
        for name in ["content-type", "git-protocol", "accept"] {
            builder = builder.header(name, asked.headers.get(name).cloned().unwrap_or_default());
        }
        let answer = builder.send().unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        respond(
            stream,
            "200 OK",
            &[("Content-Type", &kind)],
            &answer.bytes().unwrap(),
        );
    });
    let data = [("address", proxy.as_str()), ("username", "u"), ("password", "p")];
    let data = data
        .iter()
        .map(|(key, value)| (key.to_string(), value.as_bytes().to_vec()))
        .collect();
    let secret = Credentials {
        name: "ns/proxy",
        data: &data,
    };
    let request = Request {
        url: parse_url("http://git.invalid/r.git").unwrap(),
        proxy: Some(Proxy::from_secret(secret).unwrap()),
        ..origin.request("r", Reference::Branch("main".to_owned()))
    };
    let fetched = origin
        .mirrors
        .fetch(&request)
        .map_err(|error| chain(&error))
        .unwrap();
    assert_eq!(fetched.commit(), commit);
    let asked = asked.lock().unwrap();
    assert!(
        asked
            .iter()
            .all(|(_, login)| login.as_deref() == Some("Basic dTpw")),
        "{asked:?}"
    );
}

#[test]
fn proxy_secrets() {
    let check = |data: &[(&str, &str)], expected: &str| {
        let data = data
            .iter()
            .map(|(key, value)| (key.to_string(), value.as_bytes().to_vec()))
            .collect();
        let error = Proxy::from_secret(Credentials {
            name: "ns/proxy",
            data: &data,
        })
        .err()
        .unwrap();
        let prefix = "failed to configure proxy options: invalid proxy secret 'ns/proxy': ";
        assert_eq!(
            (AuthError::Proxy(error.clone()).reason(), error.to_string()),
            ("AuthenticationFailed", format!("{prefix}{expected}"))
        );
    };
    check(&[], "key 'address' not found");
    check(
        &[("address", "ftp://h")],
        "'address' must be http, https or socks5",
    );
    check(&[("address", "what")], "'address' is not a URL");
    check(
        &[("address", &format!("http://h/{}", "x".repeat(2048)))],
        "'address' is too long",
    );
}
