//! Azure, Google, the API server and a proxy as tests play them, and a run of a test among them.

use crate::sink::{Reply, Seen, Sink};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use std::{net::SocketAddr, sync::Arc};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::Command,
};
use tokio_rustls::rustls::{self, pki_types::PrivateKeyDer};

/// The names of services.
pub const HUB: &str = "acme.servicebus.windows.net";
pub const DEVOPS: &str = "dev.azure.com";
pub const PUBSUB: &str = "pubsub.googleapis.com";
/// What tells a run among them apart from the one that started it: the address of the API server.
pub const INSIDE: &str = "IDENTITIES_INSIDE";

/// Runs a test of `identities` anew, where the clouds are what the test plays and the system trusts them.
pub async fn inside(test: &str) -> (Vec<Seen>, Vec<Seen>) {
    let (services, ca) = services().await;
    let tokens = token_services().await;
    let api = api(ca.clone(), tunnel(services.address).await).await;
    let roots = std::env::temp_dir().join(format!("{test}-{}.pem", std::process::id()));
    std::fs::write(&roots, &ca).unwrap();
    let host = tokens.address.to_string();
    let again = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("identities::{test}")])
        .env("SSL_CERT_FILE", &roots)
        .env_remove("SSL_CERT_DIR")
        .env("AZURE_POD_IDENTITY_AUTHORITY_HOST", tokens.url(""))
        .env("AZURE_AUTHORITY_HOST", tokens.url(""))
        .env("GCE_METADATA_HOST", &host)
        .env("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", tokens.url(""))
        .env(INSIDE, api.url("/"))
        .output()
        .await
        .unwrap();
    std::fs::remove_file(&roots).unwrap();
    let said = String::from_utf8_lossy(&again.stdout);
    let failed = String::from_utf8_lossy(&again.stderr);
    assert!(
        again.status.success() && said.contains("1 passed"),
        "{said}{failed}"
    );
    (services.seen(), tokens.seen())
}

fn json(body: &Value) -> Reply {
    Reply::Text("200 OK".into(), body.to_string().into_bytes())
}

/// An API server that knows two ServiceAccounts, gives tokens of them, and has Secrets.
async fn api(ca: String, tunnel: String) -> Sink {
    Sink::start(move |seen| {
        let line = seen.head.lines().next().unwrap_or_default();
        let account = |name: &str, notes: Value| {
            json(&json!({"metadata": {"name": name, "namespace": "apps", "annotations": notes}}))
        };
        let secret = |data: Value| {
            let data: serde_json::Map<String, Value> = data
                .as_object()
                .into_iter()
                .flatten()
                .map(|(key, value)| (key.clone(), encoded(value.as_str().unwrap_or_default()).into()))
                .collect();
            json(&json!({"metadata": {"name": "x"}, "data": data}))
        };
        match line.split(' ').nth(1).unwrap_or_default() {
            "/api/v1/namespaces/apps/serviceaccounts/reader" => account(
                "reader",
                json!({
                    "azure.workload.identity/tenant-id": "tenant", "azure.workload.identity/client-id": "client",
                    "gcp.auth.fluxcd.io/workload-identity-provider":
                        "projects/1/locations/global/workloadIdentityPools/p/providers/q",
                }),
            ),
            "/api/v1/namespaces/apps/serviceaccounts/nobody" => account("nobody", json!({})),
            path if path.starts_with("/api/v1/namespaces/apps/serviceaccounts/reader/token") => {
                let asked: Value = serde_json::from_str(&seen.body).unwrap_or_default();
                let audience = asked["spec"]["audiences"][0].as_str().unwrap_or_default();
                json(&json!({
                    "metadata": {}, "spec": {"audiences": []},
                    "status": {"token": format!("reader for {audience}"), "expirationTimestamp": "2036-01-01T00:00:00Z"},
                }))
            }
            "/api/v1/namespaces/apps/secrets/authority" => secret(json!({"ca.crt": ca})),
            "/api/v1/namespaces/apps/secrets/tunnel" => secret(json!({"address": tunnel})),
            "/api/v1/namespaces/apps/secrets/token" => secret(json!({"token": "static"})),
            _ => Reply::Text(
                "404 Not Found".into(),
                json!({"kind": "Status", "status": "Failure", "message": "not found", "reason": "NotFound", "code": 404})
                    .to_string()
                    .into_bytes(),
            ),
        }
    })
    .await
}

fn encoded(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

fn decoded(form: &str) -> String {
    percent_encoding::percent_decode_str(&form.replace('+', " "))
        .decode_utf8_lossy()
        .into_owned()
}

/// Entra ID, Google, and the metadata services of both: each grants who asks as it must be asked something of its own.
async fn token_services() -> Sink {
    Sink::start(|seen| {
        let line = decoded(seen.head.lines().next().unwrap_or_default());
        let form = decoded(&seen.body);
        let azure = |token: String| json(&json!({"access_token": token, "expires_in": 3600}));
        let scope = |text: &str| text.contains("499b84ac-1321-427f-aa17-267ca6975798");
        let hubs = |text: &str| text.contains("https://eventhubs.azure.net/");
        let what = match (scope(&line) || scope(&form), hubs(&line) || hubs(&form)) {
            (true, _) => "devops",
            (_, true) => "hubs",
            _ => "none",
        };
        if line.starts_with("GET /metadata/identity/oauth2/token?") && seen.head.contains("metadata: true") {
            return azure(format!("machine-{what}"));
        }
        if line.starts_with("POST /tenant/oauth2/v2.0/token ")
            && form.contains("client_assertion=reader for api://AzureADTokenExchange")
            && form.contains("client_id=client&")
        {
            return azure(format!("reader-{what}"));
        }
        if line.starts_with("GET /computeMetadata/v1/instance/service-accounts/default/token ") {
            return azure("machine-google".into());
        }
        let pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q";
        if line.starts_with("POST /v1/token ") && form.contains(&format!("subject_token=reader for {pool}&"))
        {
            return azure("reader-google".into());
        }
        Reply::status("403 Forbidden")
    })
    .await
}

/// The services that messages go to, of all names, and who vouches for them.
async fn services() -> (Sink, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let names = [HUB, DEVOPS, PUBSUB, "evil.example"].map(str::to_owned);
    let server = CertificateParams::new(names)
        .unwrap()
        .signed_by(&key, &ca)
        .unwrap();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(crypto)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![server.der().clone()],
            PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
        )
        .unwrap();
    let sink = Sink::with_tls(config, |seen| match seen.head.starts_with("GET") {
        true => json(&json!({"value": []})),
        false => json(&json!({})),
    });
    (sink.await, ca.pem())
}

/// A proxy all of whose tunnels lead to one address; what comes without a tunnel goes where it says.
async fn tunnel(to: SocketAddr) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(through(stream, to));
        }
    });
    format!("http://{address}")
}

async fn through(stream: TcpStream, to: SocketAddr) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while stream.read_line(&mut head).await.ok()? > 2 {}
    let mut there = if head.starts_with("CONNECT ") {
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
        TcpStream::connect(to).await.ok()?
    } else {
        let (method, rest) = head.split_once(" http://")?;
        let (place, path) = rest.split_once('/')?;
        let mut there = TcpStream::connect(place).await.ok()?;
        there
            .write_all(format!("{method} /{path}").as_bytes())
            .await
            .ok()?;
        there
    };
    copy_bidirectional(&mut stream, &mut there).await.ok().map(drop)
}
