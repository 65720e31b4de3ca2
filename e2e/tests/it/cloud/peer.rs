//! A peer that plays the parts of all providers: it gives what their services give, to whoever asks as they want to be asked.

use anyhow::Result;
use axum::{body::Body, http::Response};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use e2e::{
    app,
    origin::{
        Artifact, Asked,
        helm::{chart, package},
        objects::KEYS,
        oci::FLUX,
    },
};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use pkcs8::{
    EncryptedPrivateKeyInfo,
    der::{Encode as _, asn1::OctetString},
    pkcs5::pbes2::Parameters,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// The key of an application and of a service account: RSA, made for this test.
pub struct Application {
    pub private: String,
    pub public: String,
    pub certificate: String,
}

impl Application {
    pub fn new() -> Result<Self> {
        let pair = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048)?;
        let certificate = rcgen::CertificateParams::default().self_signed(&pair)?;
        Ok(Self {
            private: pair.serialize_pem(),
            public: pair.public_key_pem(),
            certificate: certificate.pem(),
        })
    }

    /// The private key, encrypted with a password.
    pub fn encrypted(&self, password: &str) -> Result<String> {
        let lines = self.private.lines().filter(|line| !line.starts_with("-----"));
        let plain = STANDARD.decode(lines.collect::<String>())?;
        let scheme = Parameters::generate_pbkdf2_sha256_aes256cbc(2048, b"salt in a test", [7; 16])?;
        let encrypted = EncryptedPrivateKeyInfo {
            encrypted_data: OctetString::new(scheme.encrypt(password, &plain)?)?,
            encryption_algorithm: scheme.into(),
        };
        let text = STANDARD.encode(encrypted.to_der()?);
        Ok(format!(
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\n{text}\n-----END ENCRYPTED PRIVATE KEY-----\n"
        ))
    }

    /// What a statement says, if this application signed it for this audience.
    fn claims(public: &str, statement: &str, audience: &str) -> Option<Value> {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&[audience]);
        let key = DecodingKey::from_rsa_pem(public.as_bytes()).ok()?;
        Some(jsonwebtoken::decode(statement, &key, &validation).ok()?.claims)
    }
}

/// What a token says, whoever signed it: the API server's tokens are checked by the API server's friends.
pub fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap_or_default();
    let text = URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

pub fn form(text: &str) -> std::collections::BTreeMap<String, String> {
    let decoded = |text: &str| percent(&text.replace('+', " "));
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect()
}

pub fn percent(text: &str) -> String {
    let (mut out, bytes, mut at) = (Vec::new(), text.as_bytes(), 0);
    while at < bytes.len() {
        let hex = text.get(at + 1..at + 3).filter(|_| bytes[at] == b'%');
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

pub fn answer(status: u16, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status.try_into().unwrap_or_default();
    response
}

pub fn later() -> String {
    let hour = std::time::SystemTime::now() + std::time::Duration::from_secs(3600);
    let hour = k8s_openapi::jiff::Timestamp::try_from(hour).unwrap_or_default();
    hour.to_string()
}

/// A token without a signature that ends in an hour.
fn token(name: &str) -> String {
    let end = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |t| t.as_secs())
        + 3600;
    let claims = URL_SAFE_NO_PAD.encode(json!({"exp": end, "name": name}).to_string());
    format!("e30.{claims}.x")
}

/// Azure DevOps, as Entra ID knows it, and the token that it takes here.
const DEVOPS: &str = "499b84ac-1321-427f-aa17-267ca6975798";
pub const GIT: &str = "devops-token";

/// Event Hubs, as Entra ID knows them, the namespace that is played here, and the tokens that it takes: of the machine, and of a
/// ServiceAccount.
const HUBS: &str = "https://eventhubs.azure.net/";
pub const NAMESPACE: &str = "acme.servicebus.windows.net";
pub const HUB_TOKENS: [&str; 2] = ["hubs-machine", "hubs-account"];

/// A manifest, and its only layer.
type Image = (String, Vec<u8>);

/// What registries have, wherever one looks: a chart below `charts`, and files elsewhere.
pub struct Images {
    chart: Image,
    files: Image,
}

impl Images {
    pub async fn new() -> Result<Self> {
        let image = |config: &str, kind: &str, layer: Vec<u8>| {
            let part = |kind: &str, content: &[u8]| {
                let digest = format!("sha256:{}", hex::encode(Sha256::digest(content)));
                json!({"mediaType": kind, "digest": digest, "size": content.len()})
            };
            let manifest = json!({
                "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": part(config, b"{}"), "layers": [part(kind, &layer)],
            });
            (manifest.to_string(), layer)
        };
        let files = Artifact::of_files(&[("a.yaml", &app::config_map("a", "1"))])?;
        let (kind, files) = files.layers.into_iter().next().unwrap_or_default();
        let chart = package(&chart("web", "1.0.0")).await?;
        let helm = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";
        Ok(Self {
            chart: image("application/vnd.cncf.helm.config.v1+json", helm, chart),
            files: image(FLUX.0, &kind, files),
        })
    }

    /// What a registry gives to whoever it lets in.
    pub fn answer(&self, asked: &Asked) -> Response<Body> {
        let path = asked.path.as_str();
        let (manifest, layer) = match path.starts_with("/v2/charts/") {
            true => &self.chart,
            false => &self.files,
        };
        if path.contains("/manifests/") {
            answer(200, manifest.clone())
        } else if path.contains("/blobs/") {
            answer(200, layer.clone())
        } else {
            answer(200, "{}")
        }
    }
}

/// The parts of all providers.
pub struct Clouds {
    pub public: String,
    pub images: Images,
}

impl Clouds {
    pub fn answer(&self, asked: &Asked) -> Response<Body> {
        let host = asked.header("host").to_owned();
        let found = match asked.path.as_str() {
            path if path.starts_with("/v2/") => self.registry(&host, asked),
            path if path.starts_with("/latest/") => Self::machine(asked),
            path if path.starts_with("/metadata/identity/") => Self::azure_machine(asked),
            path if path.starts_with("/computeMetadata/") => Self::gcp_machine(asked),
            "/sts" => Self::sts(asked),
            "/ecr" => Self::ecr(asked),
            "/oauth2/exchange" => Self::acr(asked),
            "/gcp/token" => self.google(asked),
            "/gcpsts/v1/token" => Self::federation(asked),
            path if path.ends_with(":generateAccessToken") => Self::impersonation(asked),
            path if path.ends_with("/oauth2/v2.0/token") => self.entra(&host, asked),
            path if path.starts_with("/org/project/_apis/git/")
                || path.starts_with("/v1/projects/project/topics/") =>
            {
                Self::told(asked)
            }
            "/flux/messages" => Self::hub(&host, asked),
            path if path.starts_with("/blobs") => Self::blobs(asked),
            _ => None,
        };
        found.unwrap_or_else(|| {
            let text = json!({"error": "refused", "error_description": format!("no: {} canary", asked.path)});
            answer(403, text.to_string())
        })
    }

    /// IMDSv2: a session first, then the role, then its keys.
    fn machine(asked: &Asked) -> Option<Response<Body>> {
        if asked.path == "/latest/api/token" {
            return (asked.method == "PUT").then(|| answer(200, "session"));
        }
        if asked.header("x-aws-ec2-metadata-token") != "session" {
            return None;
        }
        let keys = json!({
            "AccessKeyId": KEYS.0, "SecretAccessKey": KEYS.1, "Token": "", "Expiration": later(),
        });
        Some(
            match asked
                .path
                .trim_start_matches("/latest/meta-data/iam/security-credentials/")
            {
                "" => answer(200, "the-role\n"),
                "the-role" => answer(200, keys.to_string()),
                _ => return None,
            },
        )
    }

    fn sts(asked: &Asked) -> Option<Response<Body>> {
        let form = form(&asked.body);
        let result = |name: &str| {
            let credentials = format!(
                "<Credentials><AccessKeyId>{}</AccessKeyId><SecretAccessKey>{}</SecretAccessKey><Expiration>{}</Expiration></Credentials>",
                KEYS.0,
                KEYS.1,
                later()
            );
            answer(
                200,
                format!("<{name}Response><{name}Result>{credentials}</{name}Result></{name}Response>"),
            )
        };
        match form.get("Action")?.as_str() {
            action @ "AssumeRoleWithWebIdentity" => {
                let token = claims(form.get("WebIdentityToken")?);
                let ours = token["aud"] == json!(["sts.amazonaws.com"])
                    && token["sub"] == "system:serviceaccount:cloud:reader"
                    && form.get("RoleArn")? == "arn:aws:iam::123456789012:role/reader"
                    && form.get("RoleSessionName")?.starts_with("reader.cloud.");
                ours.then(|| result(action))
            }
            action @ "AssumeRoleWithLDAPIdentity" => {
                let ours = form.get("LDAPUsername")? == "me" && form.get("LDAPPassword")? == "right";
                ours.then(|| result(action))
            }
            _ => None,
        }
    }

    fn ecr(asked: &Asked) -> Option<Response<Body>> {
        let login = asked.header("authorization");
        let scope = format!("Credential={}/", KEYS.0);
        let signed = login.contains(&scope) && login.contains("/eu-west-1/ecr/aws4_request");
        let target =
            asked.header("x-amz-target") == "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken";
        let data = json!({"authorizationData": [{
            "authorizationToken": STANDARD.encode("AWS:ecr-password"), "expiresAt": 4_000_000_000_u64,
        }]});
        (signed && target).then(|| answer(200, data.to_string()))
    }

    fn acr(asked: &Asked) -> Option<Response<Body>> {
        let form = form(&asked.body);
        let ours = form.get("grant_type")? == "access_token"
            && claims(form.get("access_token")?)["name"] == "registry"
            && form.get("service")? == asked.header("host");
        ours.then(|| answer(200, json!({"refresh_token": token("acr")}).to_string()))
    }

    /// Google's token service for the key of a service account.
    fn google(&self, asked: &Asked) -> Option<Response<Body>> {
        let form = form(&asked.body);
        let audience = format!("http://{}/gcp/token", asked.header("host"));
        let claims = Application::claims(&self.public, form.get("assertion")?, &audience)?;
        let ours = form.get("grant_type")? == "urn:ietf:params:oauth:grant-type:jwt-bearer"
            && claims["iss"] == "reader@project.iam.gserviceaccount.com"
            && claims["scope"] == "https://www.googleapis.com/auth/devstorage.read_only";
        ours.then(|| {
            answer(
                200,
                json!({"access_token": "google-key", "expires_in": 3600}).to_string(),
            )
        })
    }

    fn gcp_machine(asked: &Asked) -> Option<Response<Body>> {
        let path = "/computeMetadata/v1/instance/service-accounts/default/token";
        let ours = asked.header("metadata-flavor") == "Google" && asked.path == path;
        ours.then(|| {
            answer(
                200,
                json!({"access_token": "google-machine", "expires_in": 3600}).to_string(),
            )
        })
    }

    fn federation(asked: &Asked) -> Option<Response<Body>> {
        let form = form(&asked.body);
        let audience = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q";
        let token = claims(form.get("subject_token")?);
        let ours = form.get("audience")? == audience
            && token["aud"] == json!([audience])
            && token["sub"] == "system:serviceaccount:cloud:reader";
        ours.then(|| {
            answer(
                200,
                json!({"access_token": "federated", "expires_in": 3600}).to_string(),
            )
        })
    }

    fn impersonation(asked: &Asked) -> Option<Response<Body>> {
        let ours = asked.header("authorization") == "Bearer federated"
            && asked
                .path
                .contains("/serviceAccounts/reader@project.iam.gserviceaccount.com:");
        let granted = json!({"accessToken": "google-federated", "expireTime": later()});
        ours.then(|| answer(200, granted.to_string()))
    }

    fn azure_machine(asked: &Asked) -> Option<Response<Body>> {
        let query = form(&asked.query);
        if asked.header("metadata") != "true" {
            return None;
        }
        let name = match (
            query.get("resource")?.as_str(),
            query.get("client_id").map(String::as_str),
        ) {
            ("https://storage.azure.com", Some("managed") | None) => "blobs",
            ("https://management.example.com", None) => "registry",
            (DEVOPS, None) => "",
            (HUBS, None) => "hubs",
            _ => return None,
        };
        let token = match name {
            "" => GIT.to_owned(),
            "hubs" => HUB_TOKENS[0].to_owned(),
            name => token(name),
        };
        let granted = json!({"access_token": token, "expires_in": "3600"});
        Some(answer(200, granted.to_string()))
    }

    /// Entra ID, for a secret, a certificate or a token of a ServiceAccount.
    fn entra(&self, host: &str, asked: &Asked) -> Option<Response<Body>> {
        let form = form(&asked.body);
        let good = match (form.get("client_secret"), form.get("client_assertion")) {
            (Some(secret), None) => secret == "right",
            (None, Some(statement)) => {
                let audience = format!("http://{host}{}", asked.path);
                let by_key = Application::claims(&self.public, statement, &audience);
                let by_account = claims(statement);
                by_key.is_some_and(|claims| claims["sub"] == "client" && claims["iss"] == "client")
                    || (by_account["aud"] == json!(["api://AzureADTokenExchange"])
                        && by_account["sub"] == "system:serviceaccount:cloud:reader")
            }
            _ => false,
        };
        let ours = good && asked.path == "/tenant/oauth2/v2.0/token" && form.get("client_id")? == "client";
        let scope = form.get("scope")?.strip_suffix("/.default")?;
        let token = match scope {
            "https://storage.azure.com" => token("blobs"),
            DEVOPS => GIT.to_owned(),
            HUBS => HUB_TOKENS[1].to_owned(),
            _ => return None,
        };
        ours.then(|| {
            answer(
                200,
                json!({"access_token": token, "expires_in": 3600}).to_string(),
            )
        })
    }

    /// Azure DevOps and Pub/Sub, which let in whoever has a token for them, and know of nothing yet.
    fn told(asked: &Asked) -> Option<Response<Body>> {
        let known = match asked.path.ends_with(":publish") {
            true => vec![
                "Bearer google-machine".to_owned(),
                "Bearer google-federated".to_owned(),
            ],
            false => vec![format!("Bearer {GIT}")],
        };
        let login = asked.header("authorization").to_owned();
        known.contains(&login).then(|| answer(200, r#"{"value": []}"#))
    }

    /// The hub `flux` of a namespace, which takes an event from whoever has a token for Event Hubs.
    fn hub(host: &str, asked: &Asked) -> Option<Response<Body>> {
        let token = asked.header("authorization").strip_prefix("Bearer ")?;
        let ours = asked.method == "POST"
            && host == NAMESPACE
            && form(&asked.query).contains_key("api-version")
            && HUB_TOKENS.contains(&token);
        ours.then(|| answer(201, ""))
    }

    /// A storage account that lets in whoever has a token for blobs, or the right signature in the query.
    fn blobs(asked: &Asked) -> Option<Response<Body>> {
        let query = form(&asked.query);
        let token = asked.header("authorization").trim_start_matches("Bearer ");
        let signed = query.get("sig").is_some_and(|sig| sig == "canary/sas=")
            && query.get("sv").is_some_and(|v| v == "1");
        if claims(token)["name"] != "blobs" && !signed {
            let text = "\u{feff}<?xml version=\"1.0\"?><Error><Code>AuthenticationFailed</Code><Message>Server failed to authenticate.\nRequestId:1\nTime:2</Message></Error>";
            return Some(answer(403, text));
        }
        if asked.path == "/blobs/app" {
            let page = |names: &[&str], next: &str| {
                let blob = |name: &&str| {
                    format!(
                        "<Blob><Name>{name}</Name><Properties><Content-Length>3</Content-Length><Etag>0x1</Etag></Properties></Blob>"
                    )
                };
                let blobs: String = names.iter().map(blob).collect();
                answer(
                    200,
                    format!(
                        "\u{feff}<?xml version=\"1.0\"?><EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>"
                    ),
                )
            };
            return Some(match query.get("marker").map(String::as_str) {
                None => page(&["a b.yaml"], "more"),
                Some("more") => page(&["c/d.yaml"], ""),
                _ => return None,
            });
        }
        let mut response = answer(200, "1\n2");
        response.headers_mut().insert("etag", "\"0x1\"".parse().ok()?);
        if asked.path.ends_with("/.sourceignore") {
            response = answer(404, "");
            response
                .headers_mut()
                .insert("x-ms-error-code", "BlobNotFound".parse().ok()?);
        }
        Some(response)
    }

    /// Registries of all providers, each with its login.
    fn registry(&self, host: &str, asked: &Asked) -> Option<Response<Body>> {
        let login = match host {
            host if host.contains(".dkr.ecr.") => "AWS:ecr-password".to_owned(),
            "gcr.io" => "oauth2accesstoken:google-machine".to_owned(),
            "eu.gcr.io" => "oauth2accesstoken:google-federated".to_owned(),
            _ => format!("00000000-0000-0000-0000-000000000000:{}", token("acr")),
        };
        let given = asked.header("authorization").trim_start_matches("Basic ");
        let given = String::from_utf8(STANDARD.decode(given).unwrap_or_default()).unwrap_or_default();
        // The time in a token moves; who it is of does not.
        let same = given == login || (host.starts_with("127.") && given.starts_with("00000000-"));
        if !same {
            let mut response = answer(401, "");
            response
                .headers_mut()
                .insert("www-authenticate", "Basic realm=\"x\"".parse().ok()?);
            return Some(response);
        }
        Some(self.images.answer(asked))
    }
}
