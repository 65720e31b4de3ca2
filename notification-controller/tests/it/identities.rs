//! A Provider without a Secret acts as a ServiceAccount, or as the controller itself, at Azure and Google; what that is granted
//! is heard by nobody else.

use crate::{
    deliver::{event, spec, tell},
    sink::{Reply, Seen, Sink},
};
use cloud::{Cloud, Settings};
use crds::{
    meta::LocalReference,
    notification::{Provider, ProviderType},
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use notification_controller::{
    message::{Again, DeliveryError, Sent},
    provider::{Peers, resolve},
};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serde_json::{Value, json};
use std::{env::var, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    process::Command,
};
use tokio_rustls::rustls::{self, pki_types::PrivateKeyDer};

const HUB: &str = "acme.servicebus.windows.net";
const DEVOPS: &str = "dev.azure.com";
const PUBSUB: &str = "pubsub.googleapis.com";
/// What tells a run of a test apart from the one that started it.
const INSIDE: &str = "IDENTITIES_INSIDE";

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

/// A Provider, and what becomes of a message to it, where objects may name ServiceAccounts or not.
async fn told(kind: ProviderType, change: Value, object_level: bool) -> Result<Sent, DeliveryError> {
    let url = var(INSIDE).unwrap();
    let client = kube::Client::try_from(kube::Config::new(url.parse().unwrap())).unwrap();
    let settings = Settings {
        controller: "notification-controller",
        object_level,
        default_account: String::new(),
        most: 10,
        life: Duration::from_secs(60),
    };
    let peers = Arc::new(Peers::default().with_cloud(Cloud::new(client.clone(), settings)));
    let address = match kind {
        ProviderType::AzureDevOps => "https://dev.azure.com/org/project/_git/app",
        ProviderType::AzureEventHub => "flux",
        _ => "project",
    };
    let mut spec = spec(kind, address);
    spec.channel = (kind != ProviderType::AzureDevOps).then(|| match kind {
        ProviderType::AzureEventHub => "acme".into(),
        _ => "topic".into(),
    });
    let named = |name: &str| {
        let name = change[name].as_str()?.to_owned();
        Some(LocalReference { name })
    };
    spec.proxy_secret_ref = named("proxy").or(Some(LocalReference {
        name: "tunnel".into(),
    }));
    spec.cert_secret_ref = named("certificates");
    spec.secret_ref = named("secret");
    spec.service_account_name = change["account"].as_str().map(str::to_owned);
    if let Some(channel) = change["channel"].as_str() {
        spec.channel = Some(channel.into());
    }
    if let Some(address) = change["address"].as_str() {
        spec.address = Some(address.into());
    }
    let provider = Provider {
        metadata: ObjectMeta {
            name: Some("chat".into()),
            namespace: Some("apps".into()),
            ..ObjectMeta::default()
        },
        spec,
    };
    // Deliveries run as tasks of their own.
    let told = tokio::spawn(async move {
        let service = resolve(&client, &provider, &peers).await?;
        tell(&service, &event()).await
    });
    told.await.unwrap()
}

/// Runs a test of this file anew, where the clouds are what the test plays and the system trusts them.
async fn inside(test: &str) -> (Vec<Seen>, Vec<Seen>) {
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

#[tokio::test]
async fn identities_open_their_services() {
    use ProviderType::{AzureDevOps, AzureEventHub, GooglePubSub};
    let cases = [
        (AzureDevOps, json!({}), DEVOPS, "Bearer machine-devops"),
        (
            AzureDevOps,
            json!({"account": "reader"}),
            DEVOPS,
            "Bearer reader-devops",
        ),
        (
            AzureDevOps,
            json!({"secret": "token"}),
            DEVOPS,
            "Basic OnN0YXRpYw==",
        ),
        (AzureEventHub, json!({}), HUB, "Bearer machine-hubs"),
        (
            AzureEventHub,
            json!({"account": "reader"}),
            HUB,
            "Bearer reader-hubs",
        ),
        (AzureEventHub, json!({"secret": "token"}), HUB, "Bearer static"),
        (GooglePubSub, json!({}), PUBSUB, "Bearer machine-google"),
        (
            GooglePubSub,
            json!({"account": "reader"}),
            PUBSUB,
            "Bearer reader-google",
        ),
        // What a ServiceAccount is granted is its tenant's, who may hear it.
        (
            AzureDevOps,
            json!({"account": "reader", "address": "https://evil.example/org/project/_git/app", "certificates": "authority"}),
            "evil.example",
            "Bearer reader-devops",
        ),
    ];
    if var(INSIDE).is_ok() {
        for (kind, change, ..) in cases {
            let outcome = told(kind, change.clone(), true).await;
            assert_eq!(outcome, Ok(Sent::Delivered), "{kind:?} {change}");
        }
        return;
    }
    let (heard, _) = inside("identities_open_their_services").await;
    let posted: Vec<&Seen> = heard
        .iter()
        .filter(|seen| seen.head.starts_with("POST"))
        .collect();
    assert_eq!(posted.len(), cases.len(), "{heard:?}");
    for (seen, (kind, change, host, authorization)) in posted.into_iter().zip(cases) {
        let has = |line: &str| seen.head.lines().any(|found| found == line);
        assert!(
            has(&format!("host: {host}")) && has(&format!("authorization: {authorization}")),
            "{kind:?} {change}: {}",
            seen.head
        );
    }
}

#[tokio::test]
async fn the_controllers_own_identity_is_heard_by_nobody() {
    use ProviderType::{AzureDevOps, AzureEventHub, GooglePubSub};
    let reader = json!({"account": "reader"});
    let cases = [
        (
            AzureDevOps,
            json!({"certificates": "authority"}),
            true,
            "over certificates that the object names",
        ),
        (
            AzureEventHub,
            json!({"certificates": "authority"}),
            true,
            "over certificates that the object names",
        ),
        (
            GooglePubSub,
            json!({"certificates": "authority"}),
            true,
            "over certificates that the object names",
        ),
        (
            AzureDevOps,
            json!({"address": "https://evil.example/org/project/_git/app"}),
            true,
            "'evil.example' is not Azure DevOps",
        ),
        (
            AzureDevOps,
            json!({"address": "http://dev.azure.com/org/project/_git/app"}),
            true,
            "without TLS (insecure)",
        ),
        (
            AzureDevOps,
            json!({"address": "http://127.0.0.1:1/org/project/_git/app"}),
            true,
            "over a proxy without TLS",
        ),
        (
            AzureEventHub,
            json!({"channel": "evil.example/?.servicebus."}),
            true,
            "is not of Azure's Event Hubs",
        ),
        (
            AzureEventHub,
            json!({"channel": "acme.servicebus.evil.example"}),
            true,
            "is not of Azure's Event Hubs",
        ),
        (
            AzureDevOps,
            json!({"account": "reader", "address": "http://evil.example/org/project/_git/app"}),
            true,
            "non TLS protected",
        ),
        (
            AzureDevOps,
            json!({"account": "nobody"}),
            true,
            "azure tenant ID is not set",
        ),
        (
            AzureEventHub,
            json!({"account": "absent"}),
            true,
            "failed to get service account 'apps/absent'",
        ),
        (
            GooglePubSub,
            json!({"account": "absent"}),
            true,
            "failed to get service account 'apps/absent'",
        ),
        (
            AzureEventHub,
            json!({"account": "reader", "secret": "token"}),
            true,
            "cannot be used together",
        ),
        (
            AzureEventHub,
            json!({"account": "reader", "address": "Endpoint=sb://a/;SharedAccessKeyName=n;SharedAccessKey=k;EntityPath=h"}),
            true,
            "cannot be used together",
        ),
        (
            AzureDevOps,
            reader.clone(),
            false,
            "enable the ObjectLevelWorkloadIdentity feature gate",
        ),
        (
            AzureEventHub,
            reader.clone(),
            false,
            "enable the ObjectLevelWorkloadIdentity feature gate",
        ),
        (
            GooglePubSub,
            reader,
            false,
            "enable the ObjectLevelWorkloadIdentity feature gate",
        ),
    ];
    if var(INSIDE).is_ok() {
        for (kind, change, object_level, problem) in cases {
            let error = told(kind, change.clone(), object_level).await.unwrap_err();
            assert!(
                error.message.contains(problem) && error.again == Again::Later,
                "{kind:?} {change}: {error}"
            );
        }
        return;
    }
    let (heard, asked) = inside("the_controllers_own_identity_is_heard_by_nobody").await;
    // Nothing was sent anywhere, and nobody was asked for what may not go.
    assert!(heard.is_empty(), "{heard:?}");
    assert!(asked.is_empty(), "{asked:?}");
}
