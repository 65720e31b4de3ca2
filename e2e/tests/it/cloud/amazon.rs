//! Temporary keys of Amazon's: whoever gives them, their session token goes along to the store, the registry and the repository.
//!
//! The peer takes no request whose signature does not hold, nor one without the token that the keys came with.

use super::{
    BUCKET, OCI, again, charted,
    peer::{Images, answer, claims, form, later},
    ready,
};
use crate::{
    bucket::dialect::{Dialect, Question},
    remote_cloud::peer::{secret as secret_of, signed, verified},
};
use anyhow::{Context as _, Result, ensure};
use axum::{body::Body, http::Response};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::{
    flux::with,
    origin::{Asked, Authority, Scripted, Tunnel},
    space::{LIMIT, Space},
    suite::Options,
    world::World,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeSet, sync::Arc};
use tempfile::NamedTempFile;

const GIT_KIND: &str = "GitRepository";
const REGION: &str = "eu-west-1";
/// A registry, a repository's host and a token service: they are where their names say.
const HOSTS: [&str; 3] = [
    "123456789012.dkr.ecr.eu-west-1.amazonaws.com",
    "git-codecommit.eu-west-1.amazonaws.com",
    "sts.eu-west-1.amazonaws.com",
];

/// The token that somebody's keys come with.
fn session(who: &str) -> String {
    format!("session-{who}/+=")
}

/// Amazon's services.
struct Amazon(Images);

impl Amazon {
    fn answer(&self, asked: &Asked) -> Response<Body> {
        let path = asked.path.as_str();
        let found = match path {
            "/container" => (asked.header("authorization") == "canary-container").then(|| given("container")),
            "/sts" => exchanged(asked, &["reader", "file"]),
            // The one that a Bucket names.
            "/" if asked.header("host") == HOSTS[2] => exchanged(asked, &["regional"]),
            "/ecr" => ecr(asked),
            _ if path.starts_with("/latest/") => machine(asked),
            _ if path.starts_with("/v2/") => self.registry(asked),
            _ if path.starts_with("/v1/repos/app/") => Some(repository(asked)),
            _ => store(asked),
        };
        found.unwrap_or_else(|| answer(403, json!({"message": "refused: no"}).to_string()))
    }

    /// A registry that lets in who has the password of somebody.
    fn registry(&self, asked: &Asked) -> Option<Response<Body>> {
        if registered(asked).is_none() {
            let mut response = answer(401, "");
            let challenge = "Basic realm=\"x\"".parse().ok()?;
            response.headers_mut().insert("www-authenticate", challenge);
            return Some(response);
        }
        Some(self.0.answer(asked))
    }
}

/// Keys in JSON, as containers and machines are given them.
fn given(who: &str) -> Response<Body> {
    let keys = json!({
        "AccessKeyId": format!("AKID{who}"), "SecretAccessKey": secret_of(who), "Token": session(who), "Expiration": later(),
    });
    answer(200, keys.to_string())
}

/// IMDSv2.
fn machine(asked: &Asked) -> Option<Response<Body>> {
    let role = "/latest/meta-data/iam/security-credentials/";
    if asked.path == "/latest/api/token" {
        return (asked.method == "PUT").then(|| answer(200, "imds"));
    }
    let path = asked.path.strip_prefix(role)?;
    (asked.header("x-aws-ec2-metadata-token") == "imds").then(|| match path {
        "" => answer(200, "machine"),
        who => given(who),
    })
}

/// `AssumeRoleWithWebIdentity`, for a token of the ServiceAccount or that of the file.
fn exchanged(asked: &Asked, roles: &[&str]) -> Option<Response<Body>> {
    let form = form(&asked.body);
    let token = form.get("WebIdentityToken")?;
    let who = form
        .get("RoleArn")?
        .strip_prefix("arn:aws:iam::123456789012:role/")?;
    let good = match who {
        "file" => token == "canary-web-identity",
        who => claims(token)["sub"] == format!("system:serviceaccount:amazon:{who}"),
    };
    let ours = good && roles.contains(&who);
    let (secret, session, end) = (secret_of(who), session(who), later());
    let text = format!(
        "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>AKID{who}</AccessKeyId>\
         <SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{session}</SessionToken><Expiration>{end}</Expiration>\
         </Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
    );
    ours.then(|| answer(200, text))
}

/// Who has signed a request, with the token that belongs to the keys.
fn signer(asked: &Asked, service: &str) -> Option<String> {
    let who = signed(asked, service)?;
    let names = asked.header("authorization").split("SignedHeaders=").nth(1)?;
    let is_signed = names
        .split(',')
        .next()?
        .split(';')
        .any(|name| name == "x-amz-security-token");
    let is_whole = asked.header("x-amz-content-sha256") == hex::encode(Sha256::digest(&asked.bytes));
    let its = asked.header("x-amz-security-token") == session(&who);
    (is_signed && is_whole && its).then_some(who)
}

fn ecr(asked: &Asked) -> Option<Response<Body>> {
    let who = signer(asked, "ecr")?;
    let data = json!({"authorizationData": [{
        "authorizationToken": STANDARD.encode(format!("AWS:password-{who}")), "expiresAt": 4_000_000_000_u64,
    }]});
    Some(answer(200, data.to_string()))
}

/// A bucket with an object.
fn store(asked: &Asked) -> Option<Response<Body>> {
    signer(asked, "s3")?;
    let (_, question) = Dialect::S3.question(asked);
    Some(match question {
        Question::Page(_) => answer(200, Dialect::S3.page(&["a.yaml"], 1, None)),
        Question::Object("a.yaml") => {
            let mut response = answer(200, "#");
            response.headers_mut().insert("etag", "\"e\"".parse().ok()?);
            response
        }
        _ => Dialect::S3.missing(),
    })
}

/// Name and password of a request.
fn login(asked: &Asked) -> Option<(String, String)> {
    let pair = STANDARD
        .decode(asked.header("authorization").strip_prefix("Basic ")?)
        .ok()?;
    let (name, password) = String::from_utf8(pair)
        .ok()?
        .split_once(':')
        .map(|(n, p)| (n.to_owned(), p.to_owned()))?;
    Some((name, password))
}

/// Who has the password for the registry.
fn registered(asked: &Asked) -> Option<String> {
    let (name, password) = login(asked)?;
    let who = password.strip_prefix("password-")?;
    (name == "AWS").then(|| who.to_owned())
}

/// Who has signed for the repository, in the way of `git-remote-codecommit`: the token stands behind the key's name.
fn committer(asked: &Asked) -> Option<String> {
    let (name, password) = login(asked)?;
    let (id, its) = name.split_once('%')?;
    let (time, signature) = password.split_once('Z')?;
    let path = asked.path.strip_suffix("/info/refs")?;
    let canonical = format!("GIT\n{path}\n\nhost:{}\n\nhost\n", HOSTS[1]);
    let credential = format!("{id}/{}/{REGION}/codecommit/aws4_request", time.get(..8)?);
    let who = verified(&credential, time, "codecommit", &canonical, signature)?;
    (its == session(&who)).then_some(who)
}

/// A server that knows whoever has signed, and has no such repository.
fn repository(asked: &Asked) -> Response<Body> {
    match committer(asked) {
        Some(_) => answer(404, ""),
        None if asked.header("authorization").is_empty() => {
            let mut response = answer(401, "");
            if let Ok(challenge) = "Basic realm=\"x\"".parse() {
                response.headers_mut().insert("www-authenticate", challenge);
            }
            response
        }
        None => answer(403, ""),
    }
}

/// Who was let in, and where.
fn seen(peers: [&Scripted; 2]) -> BTreeSet<String> {
    let asked = peers.iter().flat_map(|peer| peer.asked());
    let who = asked.filter_map(|asked| match asked.path.as_str() {
        "/ecr" => Some(format!("ecr {}", signer(&asked, "ecr")?)),
        path if path.starts_with("/v2/charts/") => Some(format!("chart {}", registered(&asked)?)),
        path if path.starts_with("/v2/") => Some(format!("registry {}", registered(&asked)?)),
        path if path.starts_with("/v1/repos/") => Some(format!("git {}", committer(&asked)?)),
        path if path.starts_with("/app/") => Some(format!("s3 {}", signer(&asked, "s3")?)),
        _ => None,
    });
    who.collect()
}

/// Bucket, OCIRepository, GitRepository and a chart with the login of `who`, changed by `more`.
async fn let_in(space: &Space<'_>, peers: [&Scripted; 2], who: &str, more: &Value) -> Result<()> {
    let bucket = json!({
        "provider": "aws", "bucketName": "app", "endpoint": peers[0].address(), "insecure": true, "region": REGION,
    });
    ready(space, BUCKET, &with(bucket, more)).await?;
    let image = json!({"provider": "aws", "url": format!("oci://{}/app", HOSTS[0])});
    ready(space, OCI, &with(image, more)).await?;
    let url = format!("https://{}/v1/repos/app", HOSTS[1]);
    let repository = json!({"provider": "aws", "url": url, "ref": {"branch": "main"}});
    again(space, GIT_KIND, &with(repository, more)).await?;
    let mut wanted = vec!["s3", "ecr", "registry", "git"];
    // No HelmRepository acts as a ServiceAccount.
    if *more == json!({}) {
        let charts = json!({"provider": "aws", "url": format!("oci://{}/charts", HOSTS[0])});
        charted(space, &charts).await?;
        wanted.push("chart");
    }
    let wanted = wanted.into_iter().map(|at| format!("{at} {who}"));
    let wanted: BTreeSet<String> = wanted.collect();
    let all = async || Ok(seen(peers).is_superset(&wanted).then_some(()));
    let told = space
        .until(&format!("{who} is let in everywhere"), LIMIT, all)
        .await;
    told.with_context(|| format!("{:?}", seen(peers)))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn temporary_keys_go_with_their_token_whoever_gave_them() -> Result<()> {
    let amazon = Arc::new(Amazon(Images::new().await?));
    let play = || {
        let amazon = amazon.clone();
        move |asked: &Asked| amazon.answer(asked)
    };
    let (trust, trusted, token) = (Authority::new()?, NamedTempFile::new()?, NamedTempFile::new()?);
    std::fs::write(trusted.path(), trust.certificate())?;
    std::fs::write(token.path(), "canary-web-identity\n")?;
    let plain = Scripted::start(play()).await?;
    let named = Scripted::start_tls(trust.server(&HOSTS)?, play()).await?;
    let tunnel = Tunnel::start(Some(named.address())).await?;
    let (peers, url) = ([&plain, &named], plain.url());
    let world = World::start(&Options {
        source: vec![
            "--feature-gates=ObjectLevelWorkloadIdentity=true".into(),
            "--log-level=trace".into(),
        ],
        env: vec![
            ("AWS_REGION", REGION.into()),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.clone()),
            ("AWS_ENDPOINT_URL_STS", format!("{url}/sts")),
            ("AWS_ENDPOINT_URL_ECR", format!("{url}/ecr")),
            ("SSL_CERT_FILE", trusted.path().display().to_string()),
            ("HTTPS_PROXY", tunnel.url().to_owned()),
            ("NO_PROXY", "127.0.0.1".into()),
        ],
        ..Options::default()
    })
    .await?;
    let space = world.space("amazon").await?;
    let role = |name: &str| format!("arn:aws:iam::123456789012:role/{name}");
    for name in ["reader", "regional"] {
        space
            .apply(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
                "name": name, "annotations": {"eks.amazonaws.com/role-arn": role(name)},
            }}))
            .await?;
    }
    let_in(&space, peers, "machine", &json!({})).await?;
    let_in(&space, peers, "reader", &json!({"serviceAccountName": "reader"})).await?;
    // The token service that a Bucket names is the one that is asked.
    let regional = json!({
        "provider": "aws", "bucketName": "app", "endpoint": plain.address(), "insecure": true, "region": REGION,
        "serviceAccountName": "regional", "sts": {"provider": "aws", "endpoint": format!("https://{}", HOSTS[2])},
    });
    ready(&space, BUCKET, &regional).await?;
    ensure!(seen(peers).contains("s3 regional"), "{:?}", seen(peers));

    let mut logs = vec![world.suite.source.log().to_owned()];
    world.suite.source.stop();
    for (who, env) in [
        (
            "container",
            vec![
                ("AWS_CONTAINER_CREDENTIALS_FULL_URI", format!("{url}/container")),
                ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "canary-container".to_owned()),
            ],
        ),
        (
            "file",
            vec![
                ("AWS_WEB_IDENTITY_TOKEN_FILE", token.path().display().to_string()),
                ("AWS_ROLE_ARN", role("file")),
            ],
        ),
        (
            "environment",
            vec![
                ("AWS_ACCESS_KEY_ID", "AKIDenvironment".to_owned()),
                ("AWS_SECRET_ACCESS_KEY", secret_of("environment")),
                ("AWS_SESSION_TOKEN", session("environment")),
            ],
        ),
    ] {
        let other = world.suite.source.replica(who, &[])?.with_env(&env);
        other.start()?;
        other.ready().await?;
        let_in(&space, peers, who, &json!({})).await?;
        other.stop();
        logs.push(other.log().to_owned());
    }
    for log in logs {
        let log = std::fs::read_to_string(log)?;
        for word in ["canary-", "session-", "password-"] {
            ensure!(!log.contains(word), "the log tells '{word}'");
        }
    }
    Ok(())
}
