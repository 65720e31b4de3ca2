//! A peer that plays the providers of clusters: who is given which token, where a cluster is, and whom it lets in.

use crate::cloud::peer::{answer, claims, form, later};
use axum::{body::Body, http::Response};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use e2e::origin::Asked;
use hmac::{Hmac, KeyInit as _, Mac as _};
use k8s_openapi::jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
};

pub const EKS: &str = "arn:aws:eks:eu-west-1:123456789012:cluster/prod";
pub const AKS: &str = "/subscriptions/12345678-1234-1234-1234-123456789012/resourceGroups/rg/providers/Microsoft.ContainerService/managedClusters/prod";
pub const GKE: &str = "projects/app/locations/europe-west1/clusters/prod";
/// The namespace in which ServiceAccounts are somebody.
pub const NAMESPACE: &str = "remote-cloud";
/// How long Azure's tokens last, in seconds.
const SHORT: i64 = 20;
/// The clusters' application at Entra ID.
const AKS_ID: &str = "6dae42f8-4368-4678-94ff-3960e28e3630";

/// The providers, and the one cluster that is everybody's.
#[derive(Default)]
pub struct Providers {
    /// Its address, and its authority in PEM.
    pub server: OnceLock<(String, String)>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Who got it, until when it lasts.
    tokens: BTreeMap<String, (String, i64)>,
    /// Who was let in.
    entered: Vec<String>,
}

impl Providers {
    /// How many tokens somebody got.
    pub fn issued(&self, who: &str) -> usize {
        self.state()
            .tokens
            .values()
            .filter(|(name, _)| name == who)
            .count()
    }

    /// Whether the cluster has let somebody in.
    pub fn has_entered(&self, who: &str) -> bool {
        self.state().entered.iter().any(|name| name == who)
    }

    /// Tokens that somebody got count no longer.
    pub fn revoke(&self, who: &str) {
        let mut state = self.state();
        let theirs = state.tokens.values_mut().filter(|(name, _)| name == who);
        theirs.for_each(|(_, end)| *end = 0);
    }

    pub fn answer(&self, asked: &Asked) -> Response<Body> {
        let found = match asked.path.as_str() {
            "/tokens" => self.review(asked),
            path if path.starts_with("/latest/") => Self::machine(asked),
            "/sts" => Self::sts(asked),
            path if path.starts_with("/eks/") => self.eks(asked),
            "/metadata/identity/oauth2/token" => {
                let query = form(&asked.query);
                let granted = query.get("resource").and_then(|id| self.entra("own", id));
                granted.filter(|_| asked.header("metadata") == "true")
            }
            path if path.ends_with("/oauth2/v2.0/token") => self.federated(asked),
            path if path.starts_with("/subscriptions/") => self.aks(asked),
            "/computeMetadata/v1/instance/service-accounts/default/token" => {
                let token = self.token("gcp-own", 3600);
                Some(json!({"access_token": token, "expires_in": 3600}))
            }
            "/gcpsts/v1/token" => self.google_sts(asked),
            path if path.ends_with(":generateAccessToken") => self.google_iam(asked),
            path if path.starts_with("/gke/v1/projects/") => self.gke(asked),
            _ => None,
        };
        match found {
            Some(Value::String(text)) => answer(200, text),
            Some(value) => answer(200, value.to_string()),
            None => {
                let text = json!({"error": {"message": format!("refused: {}", asked.path)}, "message": "refused: no"});
                answer(403, text.to_string())
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token(&self, who: &str, life: i64) -> String {
        let mut state = self.state();
        let token = format!("canary-{}", state.tokens.len());
        let end = Timestamp::now().as_second() + life;
        state.tokens.insert(token.clone(), (who.to_owned(), end));
        token
    }

    /// Whose a bearer token is.
    fn owner(&self, token: &str) -> Option<String> {
        let state = self.state();
        let (who, end) = state.tokens.get(token)?;
        (Timestamp::now().as_second() < *end).then(|| who.clone())
    }

    fn bearer(&self, asked: &Asked) -> Option<String> {
        self.owner(asked.header("authorization").strip_prefix("Bearer ")?)
    }

    /// Whether the cluster knows whoever shows a token (`TokenReview`).
    fn review(&self, asked: &Asked) -> Option<Value> {
        let review: Value = serde_json::from_str(&asked.body).ok()?;
        let token = review["spec"]["token"].as_str()?;
        let who = match token.strip_prefix("k8s-aws-v1.") {
            Some(url) => amazon(url),
            None => self.owner(token),
        };
        let who = who.filter(|who| {
            ["eks-", "aks-", "gcp-"].iter().any(|kind| who.starts_with(kind)) && !who.ends_with("-outsider")
        });
        if let Some(who) = &who {
            self.state().entered.push(who.clone());
        }
        Some(json!({
            "apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview",
            "status": {"authenticated": who.is_some(), "user": {"username": who.unwrap_or_default(), "groups": ["deployers"]}},
        }))
    }

    fn machine(asked: &Asked) -> Option<Value> {
        match asked
            .path
            .trim_start_matches("/latest/meta-data/iam/security-credentials/")
        {
            "/latest/api/token" => Some("session".into()),
            "" => Some("own".into()),
            "own" => Some(json!({
                "AccessKeyId": "AKIDown", "SecretAccessKey": secret("own"), "Token": "", "Expiration": later(),
            })),
            _ => None,
        }
    }

    /// Keys for a role that a ServiceAccount of the same name may take; a stranger may not.
    fn sts(asked: &Asked) -> Option<Value> {
        let form = form(&asked.body);
        let token = claims(form.get("WebIdentityToken")?);
        let account = account(&token, "sts.amazonaws.com")?;
        let role = form
            .get("RoleArn")?
            .strip_prefix("arn:aws:iam::123456789012:role/")?;
        (role == account && account != "stranger").then(|| {
            let (secret, end) = (secret(&account), later());
            Value::String(format!(
                "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>\
                 <AccessKeyId>AKID{account}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey>\
                 <SessionToken>session/+=</SessionToken><Expiration>{end}</Expiration>\
                 </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
            ))
        })
    }

    /// `DescribeCluster`, for a request that is signed as it must be.
    fn eks(&self, asked: &Asked) -> Option<Value> {
        signed(asked, "eks")?;
        let (address, authority) = self.server.get()?;
        (asked.path == "/eks/clusters/prod").then(|| {
            json!({"cluster": {
                "name": "prod", "arn": EKS, "endpoint": address,
                "certificateAuthority": {"data": STANDARD.encode(authority)},
            }})
        })
    }

    /// Entra ID: `own` is the machine's identity.
    fn entra(&self, who: &str, resource: &str) -> Option<Value> {
        let (kind, life) = match resource {
            AKS_ID => ("aks", SHORT),
            "https://management.example.com" => ("arm", 3600),
            _ => return None,
        };
        let token = self.token(&format!("{kind}-{who}"), life);
        Some(json!({"access_token": token, "expires_in": life}))
    }

    fn federated(&self, asked: &Asked) -> Option<Value> {
        let form = form(&asked.body);
        let account = account(
            &claims(form.get("client_assertion")?),
            "api://AzureADTokenExchange",
        )?;
        let ours = asked.path == "/tenant/oauth2/v2.0/token"
            && *form.get("client_id")? == account
            && account != "stranger";
        let resource = form.get("scope")?.strip_suffix("/.default")?;
        ours.then(|| self.entra(&account, resource)).flatten()
    }

    /// The resource manager: one cluster with Entra ID, and one without.
    fn aks(&self, asked: &Asked) -> Option<Value> {
        if !self.bearer(asked)?.starts_with("arm-") || !asked.query.starts_with("api-version=20") {
            return None;
        }
        let plain = AKS.replace("/prod", "/plain");
        if asked.path == plain {
            return Some(json!({"properties": {}}));
        }
        if asked.path == AKS && asked.method == "GET" {
            return Some(json!({"properties": {"aadProfile": {"managed": true}}}));
        }
        let (address, authority) = self.server.get()?;
        let credential = |address: &str| {
            let config = json!({
                "apiVersion": "v1", "kind": "Config", "current-context": "prod",
                "contexts": [{"name": "prod", "context": {"cluster": "prod", "user": "x"}}],
                "clusters": [{"name": "prod", "cluster": {
                    "server": address, "certificate-authority-data": STANDARD.encode(authority),
                }}],
                "users": [{"name": "x", "user": {"exec": {"command": "kubelogin"}}}],
            });
            json!({"name": "clusterUser", "value": STANDARD.encode(config.to_string())})
        };
        let ours = asked.path == format!("{AKS}/listClusterUserCredential") && asked.method == "POST";
        ours.then(|| json!({"kubeconfigs": [credential(address), credential("https://other.example.com")]}))
    }

    fn google_sts(&self, asked: &Asked) -> Option<Value> {
        let form = form(&asked.body);
        let pool = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/q";
        let account = account(&claims(form.get("subject_token")?), pool)?;
        let ours = form.get("audience")? == pool && account != "stranger";
        ours.then(
            || json!({"access_token": self.token(&format!("federated-{account}"), 3600), "expires_in": 3600}),
        )
    }

    fn google_iam(&self, asked: &Asked) -> Option<Value> {
        let owner = self.bearer(asked)?;
        let account = owner.strip_prefix("federated-")?;
        let email = format!("/serviceAccounts/{account}@app.iam.gserviceaccount.com:generateAccessToken");
        asked.path.ends_with(&email).then(
            || json!({"accessToken": self.token(&format!("gcp-{account}"), 3600), "expireTime": later()}),
        )
    }

    fn gke(&self, asked: &Asked) -> Option<Value> {
        let known = self.bearer(asked)?.starts_with("gcp-") && asked.path == format!("/gke/v1/{GKE}");
        let (address, authority) = self.server.get()?;
        known.then(|| {
            json!({
                "endpoint": address.trim_start_matches("https://"),
                "masterAuth": {"clusterCaCertificate": STANDARD.encode(authority)},
            })
        })
    }
}

/// The ServiceAccount that a token of the API server is of, if it is for this audience.
fn account(token: &Value, audience: &str) -> Option<String> {
    let subject = token["sub"].as_str()?;
    let name = subject.strip_prefix(&format!("system:serviceaccount:{NAMESPACE}:"))?;
    (token["aud"] == json!([audience])).then(|| name.to_owned())
}

/// The secret key of somebody at Amazon.
pub fn secret(who: &str) -> String {
    format!("canary-secret-{who}")
}

/// Who has signed the question in a token for `prod`, as the cluster's authenticator finds out.
fn amazon(encoded: &str) -> Option<String> {
    let url = String::from_utf8(URL_SAFE_NO_PAD.decode(encoded).ok()?).ok()?;
    let query = url.strip_prefix("https://sts.eu-west-1.amazonaws.com/?")?;
    let (query, signature) = query.split_once("&X-Amz-Signature=")?;
    let pairs = form(query);
    let ours = pairs.get("Action")? == "GetCallerIdentity"
        && pairs.get("X-Amz-SignedHeaders")? == "host;x-k8s-aws-id"
        && pairs.get("X-Amz-Expires")?.parse::<u32>().ok()? <= 900;
    let mut sorted: Vec<&str> = query.split('&').collect();
    sorted.sort_unstable();
    let canonical = format!(
        "GET\n/\n{}\nhost:sts.eu-west-1.amazonaws.com\nx-k8s-aws-id:prod\n\nhost;x-k8s-aws-id\n{}",
        sorted.join("&"),
        hex::encode(Sha256::digest(b""))
    );
    let who = verified(
        pairs.get("X-Amz-Credential")?,
        pairs.get("X-Amz-Date")?,
        "sts",
        &canonical,
        signature,
    )?;
    // Temporary keys count with their session only.
    let session = pairs.get("X-Amz-Security-Token").map(String::as_str);
    (ours && session == (who != "own").then_some("session/+=")).then(|| format!("eks-{who}"))
}

/// Who has signed a request for a service.
pub fn signed(asked: &Asked, service: &str) -> Option<String> {
    let login = asked.header("authorization").strip_prefix("AWS4-HMAC-SHA256 ")?;
    let parts: BTreeMap<&str, &str> = login
        .split(", ")
        .filter_map(|part| part.split_once('='))
        .collect();
    let names = parts.get("SignedHeaders")?;
    let headers: String = names
        .split(';')
        .map(|name| format!("{name}:{}\n", asked.header(name)))
        .collect();
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{names}\n{}",
        asked.method,
        asked.path,
        asked.query,
        asked.header("x-amz-content-sha256")
    );
    let date = asked.header("x-amz-date");
    verified(
        parts.get("Credential")?,
        date,
        service,
        &canonical,
        parts.get("Signature")?,
    )
}

/// Whose signature it is (AWS "Signing AWS API requests").
pub fn verified(
    credential: &str,
    date: &str,
    service: &str,
    canonical: &str,
    signature: &str,
) -> Option<String> {
    let (id, scope) = credential.split_once('/')?;
    let who = id.strip_prefix("AKID")?;
    let day = date.get(..8)?;
    let now = Timestamp::now().strftime("%Y%m%d").to_string();
    if scope != format!("{day}/eu-west-1/{service}/aws4_request") || day > now.as_str() {
        return None;
    }
    let mac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
        mac.update(text.as_bytes());
        Some(mac.finalize().into_bytes().to_vec())
    };
    let mut key = format!("AWS4{}", secret(who)).into_bytes();
    let digest = hex::encode(Sha256::digest(canonical));
    let text = format!("AWS4-HMAC-SHA256\n{date}\n{scope}\n{digest}");
    for part in scope.split('/').chain([text.as_str()]) {
        key = mac(&key, part)?;
    }
    (hex::encode(key) == signature).then(|| who.to_owned())
}
