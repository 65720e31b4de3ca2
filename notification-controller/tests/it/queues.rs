//! Events go to Pub/Sub, Event Hubs and NATS. The first two are played; NATS is too, and is itself if `NATS_ORACLE` names its
//! program.

use crate::{
    deliver::{event, spec, tell, with_secret},
    sink::{Reply, Sink},
};
use crds::notification::{Provider, ProviderType};
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode};
use notification_controller::{
    message::{Again, Sent},
    provider::{Held, Peers, assemble},
};
use rcgen::{KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use serde_json::{Value, json};
use std::{
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    process::Command,
};
use tokio_rustls::TlsAcceptor;

const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const PUBLIC: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

#[tokio::test]
async fn pubsub_by_the_key_of_a_service_account() {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
    let public = key.public_key_pem();
    let google = Sink::start(move |seen| {
        if seen.head.starts_with("POST /token ") {
            let form: Vec<(String, String)> = url::form_urlencoded::parse(seen.body.as_bytes())
                .into_owned()
                .collect();
            let mut rules = Validation::new(Algorithm::RS256);
            rules.set_issuer(&["sa@acme.iam"]);
            rules.validate_aud = false;
            let key = DecodingKey::from_rsa_pem(public.as_bytes()).unwrap();
            let claims = decode::<Value>(&form[1].1, &key, &rules).unwrap().claims;
            assert_eq!(claims["scope"], "https://www.googleapis.com/auth/pubsub");
            return Reply::Text(
                "200 OK".into(),
                br#"{"access_token":"ya29.x","expires_in":3600}"#.to_vec(),
            );
        }
        match seen.head.contains("authorization: Bearer ya29.x\n") {
            true => Reply::Text("200 OK".into(), br#"{"messageIds":["1"]}"#.to_vec()),
            // A peer that tells everybody what it was told.
            false => Reply::status("401 Who"),
        }
    })
    .await;
    let mut account = json!({
        "type": "service_account",
        "client_email": "sa@acme.iam",
        "private_key": key.serialize_pem(),
        "token_uri": google.url("/token"),
    });
    let mut spec = spec(ProviderType::GooglePubSub, "acme");
    spec.channel = Some("flux".into());
    let provider = Provider {
        spec,
        ..Provider::default()
    };
    let held = Held {
        auth: Some([("token".to_owned(), account.to_string().into_bytes())].into()),
        ..Held::default()
    };
    let peers = Peers::default().with_pubsub(google.url("/").parse().unwrap());
    let service = assemble(&provider, &held, &Arc::new(peers)).unwrap();
    for _ in 0..2 {
        assert_eq!(tell(&service, &event()).await, Ok(Sent::Delivered));
    }

    // What is as good as a password follows no redirect, and is not told if a peer repeats it.
    let other = Sink::start(|_| Reply::status("200 OK")).await;
    let there = other.url("/token");
    let refusing = Sink::start(move |seen| match seen.head.starts_with("POST /away ") {
        true => Reply::status(&format!("307 Away\r\nlocation: {there}")),
        false => Reply::Text("400 Bad".into(), format!("no: {}", seen.body).into_bytes()),
    })
    .await;
    for (path, problem) in [
        ("/away", "must not get the credentials"),
        ("/token", "no: grant_type="),
    ] {
        account["token_uri"] = refusing.url(path).into();
        let token = account.to_string();
        let refused = with_secret(ProviderType::GooglePubSub, "acme", &[("token", &token)]);
        let error = tell(&refused, &event()).await.unwrap_err();
        assert!(error.message.contains(problem), "{error}");
        assert!(
            error.again == Again::Later && !error.message.contains("eyJ"),
            "{error}"
        );
    }
    assert!(other.seen().is_empty());
    let seen = google.seen();
    let paths: Vec<&str> = seen
        .iter()
        .map(|seen| seen.head.split(' ').nth(1).unwrap())
        .collect();
    let publish = "/v1/projects/acme/topics/flux:publish";
    assert_eq!(paths, ["/token", publish, publish]);
}

#[tokio::test]
async fn event_hubs_by_a_connection_string() {
    let azure = Sink::start(|_| Reply::status("201 Created")).await;
    let address = format!(
        "Endpoint={};SharedAccessKeyName=send;SharedAccessKey=c2VjcmV0a2V5;EntityPath=flux",
        azure.url("/")
    );
    let service = with_secret(ProviderType::AzureEventHub, "", &[("address", &address)]);
    assert_eq!(tell(&service, &event()).await, Ok(Sent::Delivered));
    let head = &azure.seen()[0].head;
    assert!(
        head.starts_with("POST /flux/messages?api-version=2014-01 "),
        "{head}"
    );
    assert!(
        head.contains("authorization: SharedAccessSignature sr=") && !head.contains("c2VjcmV0a2V5"),
        "{head}"
    );
    let key = head.split_once("idempotency-key: ").unwrap().1;
    let key = key.lines().next().unwrap();
    assert!(
        key.len() == 32 && key.bytes().all(|digit| digit.is_ascii_hexdigit()),
        "{head}"
    );
}

/// A NATS server that says this of itself, wants this in `CONNECT`, and notes what is published.
async fn played(info: Value, wants: Value, published: Arc<Mutex<Vec<String>>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let mut stream = BufReader::new(stream);
            let info = format!("INFO {info}\r\n");
            stream.write_all(info.as_bytes()).await.unwrap();
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                match line.split_once(' ').unwrap_or((&line, "")) {
                    ("CONNECT", said) => {
                        let said: Value = serde_json::from_str(said).unwrap();
                        let fits = wants
                            .as_object()
                            .unwrap()
                            .iter()
                            .all(|(key, value)| said[key] == *value);
                        if !fits {
                            stream
                                .write_all(b"-ERR 'Authorization Violation'\r\n")
                                .await
                                .unwrap();
                            break;
                        }
                    }
                    ("PUB" | "HPUB", said) => {
                        let length: usize = said.trim().rsplit(' ').next().unwrap().parse().unwrap();
                        let mut body = vec![0; length + 2];
                        stream.read_exact(&mut body).await.unwrap();
                        published.lock().unwrap().push(String::from_utf8(body).unwrap());
                    }
                    _ if line.starts_with("PING") => {
                        stream.write_all(b"+OK\r\nPING\r\nPONG\r\n").await.unwrap();
                    }
                    _ => {}
                }
                line.clear();
            }
        }
    });
    address
}

fn nats(address: &str, secret: crate::deliver::Pairs<'_>) -> notification_controller::provider::Service {
    let mut spec = spec(ProviderType::Nats, address);
    spec.channel = Some("flux.events".into());
    let held = Held {
        auth: Some(crate::deliver::data(secret)),
        ..Held::default()
    };
    crate::deliver::service(spec, held)
}

#[tokio::test]
async fn nats_by_every_proof() {
    let login = [("username", "me"), ("password", "s3cret")];
    for (wants, secret) in [
        (json!({"headers": false}), &[][..]),
        (json!({"user": "me", "pass": "s3cret"}), &login[..]),
        (json!({"nkey": PUBLIC}), &[("nkey", SEED)]),
    ] {
        let published = Arc::default();
        let info = json!({"nonce": "n0nce", "max_payload": 1 << 20});
        let address = played(info, wants, Arc::clone(&published)).await;
        // A server that is not there is passed over.
        let service = nats(&format!("nats://127.0.0.1:1, nats://{address}"), secret);
        assert_eq!(tell(&service, &event()).await, Ok(Sent::Delivered));
        let body: Value = serde_json::from_str(published.lock().unwrap()[0].trim()).unwrap();
        assert_eq!(body, serde_json::to_value(event()).unwrap());
    }
    let address = played(json!({}), json!({"user": "you"}), Arc::default()).await;
    let error = tell(&nats(&address, &login), &event()).await.unwrap_err();
    assert!(
        error.message.contains("Authorization Violation") && error.again == Again::Later,
        "{error}"
    );
}

#[tokio::test]
async fn a_message_to_nats_has_its_key_where_the_server_takes_headers() {
    let published = Arc::default();
    let (info, wants) = (json!({"headers": true}), json!({"headers": true}));
    let address = played(info, wants, Arc::clone(&published)).await;
    for _ in 0..2 {
        let sent = tell(&nats(&address, &[]), &event()).await;
        assert_eq!(sent, Ok(Sent::Delivered));
    }
    let published = published.lock().unwrap().clone();
    let (headers, body) = published[0].split_once("\r\n\r\n").unwrap();
    let key = headers.strip_prefix("NATS/1.0\r\nNats-Msg-Id: ").unwrap();
    assert!(key.len() == 32 && key.bytes().all(|digit| digit.is_ascii_hexdigit()));
    let body: Value = serde_json::from_str(body.trim()).unwrap();
    assert_eq!(body, serde_json::to_value(event()).unwrap());
    assert_eq!(published[0], published[1], "the same when it is sent again");

    let small = json!({"headers": true, "max_payload": 100});
    let address = played(small, json!({}), Arc::default()).await;
    let error = tell(&nats(&address, &[]), &event()).await.unwrap_err();
    assert!(
        error.again == Again::Never && error.message.contains("takes 100"),
        "{error}"
    );
}

#[tokio::test]
async fn nats_over_tls_trusts_the_ca_of_its_own_alone() {
    const PORT: &str = "NATS_OF_THE_SYSTEMS_CA";
    let over_tls = async |port: &str, ca: Option<&String>| {
        let mut service = nats(&format!("localhost:{port}"), &[]);
        service.transport.tls.ca = ca.map(|ca| ca.clone().into_bytes());
        tell(&service, &event()).await.is_ok()
    };
    let (another, ..) = certificates();
    // This test runs itself anew, where the system trusts the server.
    if let Ok(port) = std::env::var(PORT) {
        assert!(over_tls(&port, None).await);
        assert!(!over_tls(&port, Some(&another)).await);
        return;
    }
    let (ca, certificate, key) = certificates();
    let chain = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    let tls = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let info = b"INFO {\"tls_required\":true}\r\n";
            stream.write_all(info).await.unwrap();
            let Ok(stream) = tls.accept(stream).await else {
                continue;
            };
            let mut stream = BufReader::new(stream);
            let mut line = String::new();
            while stream.read_line(&mut line).await.is_ok_and(|read| read > 0) {
                if line.starts_with("PING") {
                    stream.write_all(b"PONG\r\n").await.unwrap();
                }
                line.clear();
            }
        }
    });
    let port = port.to_string();
    for (trusted, works) in [(Some(&ca), true), (Some(&another), false), (None, false)] {
        assert_eq!(over_tls(&port, trusted).await, works);
    }
    let roots = std::env::temp_dir().join(format!("nats-{}.pem", std::process::id()));
    std::fs::write(&roots, &ca).unwrap();
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "queues::nats_over_tls_trusts_the_ca_of_its_own_alone"])
        .env("SSL_CERT_FILE", &roots)
        .env_remove("SSL_CERT_DIR")
        .env(PORT, &port)
        .output()
        .await
        .unwrap();
    std::fs::remove_file(&roots).unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && said.contains("1 passed"), "{said}");
}

#[tokio::test]
async fn what_a_nats_server_repeats_of_a_secret_is_not_told() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            // The last of the secrets is where the words are cut.
            let said = format!(
                "INFO {{}}\r\n-ERR 'not t0ken-of-first, pa55-of-second, {}s3cret-0123456789'\r\n",
                "x".repeat(146)
            );
            stream.write_all(said.as_bytes()).await.unwrap();
        }
    });
    let address = format!("nats://t0ken-of-first@127.0.0.1:1, me:pa55-of-second@{address}");
    let service = nats(
        &address,
        &[("username", "user"), ("password", "s3cret-0123456789")],
    );
    let error = tell(&service, &event()).await.unwrap_err();
    assert!(error.message.contains("xxx"), "{error}");
    for hidden in ["t0ken", "pa55", "s3c"] {
        assert!(!error.message.contains(hidden), "{error}");
    }
}

#[tokio::test]
async fn nats_is_not_looked_for_at_a_metadata_service() {
    for address in ["169.254.169.254:80", "nats://[fd00:ec2::254]:80"] {
        let error = tell(&nats(address, &[]), &event()).await.unwrap_err();
        assert!(error.message.contains("metadata services"), "{error}");
    }
}

#[tokio::test]
async fn what_does_not_speak_nats_hangs_nothing() {
    for said in ["", "HTTP/1.1 400 Bad\r\n", "INFO {\r\n", "INFO {}\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                stream.write_all(said.as_bytes()).await.unwrap();
                kept.push(stream);
            }
        });
        let mut service = nats(&address, &[]);
        service.timeout = Duration::from_millis(300);
        assert_eq!(
            tell(&service, &event()).await.unwrap_err().again,
            Again::Later,
            "{said}"
        );
    }
}

#[tokio::test]
#[ignore = "needs a real server: NATS_ORACLE=<nats-server>"]
async fn a_real_nats_server() {
    let program = std::env::var("NATS_ORACLE").unwrap();
    let folder = std::env::temp_dir().join(format!("nats-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let port = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let (ca, certificate, key) = certificates();
    for (name, text) in [("ca.pem", &ca), ("tls.pem", &certificate), ("tls.key", &key)] {
        std::fs::write(folder.join(name), text).unwrap();
    }
    let tls = format!(
        "tls {{ cert_file: {0:?}, key_file: {1:?} }}",
        folder.join("tls.pem"),
        folder.join("tls.key")
    );
    let login = [("username", "me"), ("password", "s3cret")];
    let nkey = [("nkey", SEED)];
    for (auth, tls, secret) in [
        ("".to_owned(), "", &[][..]),
        (
            "authorization { user: me, password: s3cret }".to_owned(),
            "",
            &login[..],
        ),
        (
            format!("authorization {{ users = [ {{ nkey: {PUBLIC} }} ] }}"),
            tls.as_str(),
            &nkey[..],
        ),
    ] {
        let config = folder.join("nats.conf");
        std::fs::write(&config, format!("listen: \"127.0.0.1:{port}\"\n{auth}\n{tls}\n")).unwrap();
        let mut server = Command::new(&program)
            .arg("-c")
            .arg(&config)
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let up = async {
            while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), up).await.unwrap();
        let mut service = nats(&format!("localhost:{port}"), secret);
        if !tls.is_empty() {
            service.transport.tls.ca = Some(ca.clone().into_bytes());
        }
        assert_eq!(tell(&service, &event()).await, Ok(Sent::Delivered), "{auth}");
        let stranger = nats(
            &format!("localhost:{port}"),
            &[("username", "eve"), ("password", "x")],
        );
        assert_eq!(tell(&stranger, &event()).await.is_ok(), auth.is_empty());
        server.kill().await.unwrap();
    }
    std::fs::remove_dir_all(folder).unwrap();
}

/// A CA, and a certificate of it for localhost with its key.
fn certificates() -> (String, String, String) {
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let ca = rcgen::CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(vec!["localhost".into()])
        .unwrap()
        .signed_by(&key, &ca)
        .unwrap();
    (ca.pem(), certificate.pem(), key.serialize_pem())
}
