//! Google's own store, which is at one address only: a peer behind a proxy plays it here. Which logins reach it, what is told of
//! those that it does not take, and that nobody else hears of them.

use super::{
    BUCKET, again, charted,
    peer::{Application, Clouds, Images, answer, form, percent},
    ready, secret,
};
use crate::{artifact_store::kept_elsewhere, bucket::files};
use anyhow::{Context as _, Result, ensure};
use axum::{
    body::{Body, Bytes},
    http::{Method, Response},
};
use e2e::{
    flux::{SOURCE, with},
    origin::{Asked, Authority, Scripted, Tunnel},
    space::Space,
    suite::Options,
    world::World,
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};
use tempfile::NamedTempFile;

/// Where the store is, another host to which it sends people, and a registry.
const HOSTS: [&str; 3] = ["storage.googleapis.com", "elsewhere.test", "gcr.io"];
/// What [`Clouds`] give for a key, to the machine, and to a ServiceAccount.
const TOKENS: [&str; 3] = ["google-key", "google-machine", "google-federated"];
const FAILED: &str = "BucketOperationFailed";
const REFUSED: &str = "AuthenticationFailed";

/// An object: how often it was written, and its content.
type Object = (u64, Bytes);

/// A store whose buckets let in who has the token that each wants, and do otherwise what their names say.
#[derive(Default)]
struct Store(Mutex<BTreeMap<(String, String), Object>>);

impl Store {
    /// With two objects in each of these buckets.
    fn with(buckets: &[&str]) -> Self {
        let keys = ["a.yaml", "b c/ü.yaml"];
        let objects = buckets.iter().flat_map(|bucket| {
            keys.map(|key| {
                let place = ((*bucket).to_owned(), key.to_owned());
                (place, (1, Bytes::from_static(b"written: 1\n")))
            })
        });
        Self(Mutex::new(objects.collect()))
    }

    fn answer(&self, asked: &Asked) -> Response<Body> {
        let Some((bucket, key)) = place(asked) else {
            return refusal(404, "Not Found");
        };
        let login = asked.header("authorization");
        let wanted = match bucket {
            "expired" => return refusal(401, "Invalid Credentials"),
            "forbidden" => return refusal(403, "reader does not have storage.objects.list access"),
            "machine" | "artifacts" => TOKENS[1],
            "federated" => TOKENS[2],
            _ => TOKENS[0],
        };
        if login != format!("Bearer {wanted}") {
            return refusal(401, "Invalid Credentials");
        }
        let query = form(&asked.query);
        let is_content = query.contains_key("alt");
        let sends_away = match bucket {
            "moved" => key.is_empty(),
            "moved-about" => !key.is_empty(),
            "moved-object" => is_content,
            _ => false,
        };
        if sends_away {
            let mut response = answer(307, "");
            let place = format!("https://{}{}?{}", HOSTS[1], asked.path, asked.query);
            if let Ok(place) = place.parse() {
                response.headers_mut().insert("location", place);
            }
            return response;
        }
        let mut objects = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if key.is_empty() {
            let prefix = query.get("prefix").cloned().unwrap_or_default();
            let named =
                |((its, key), _): &(&(String, String), &Object)| its == bucket && key.starts_with(&prefix);
            let items = objects.iter().filter(named).map(|((_, key), (number, content))| {
                json!({"name": key, "etag": format!("e{number}"), "size": content.len().to_string()})
            });
            return answer(200, json!({"items": items.collect::<Vec<Value>>()}).to_string());
        }
        let place = (bucket.to_owned(), key);
        if asked.method == Method::POST {
            let number = objects.get(&place).map_or(0, |(number, _)| *number);
            objects.insert(place, (number + 1, asked.bytes.clone()));
            return answer(200, "{}");
        }
        if asked.method == Method::DELETE {
            return match objects.remove(&place) {
                Some(_) => answer(204, ""),
                None => refusal(404, "No such object"),
            };
        }
        let Some((number, content)) = objects.get(&place).cloned() else {
            return refusal(404, "No such object");
        };
        if is_content {
            return match query.get("ifGenerationMatch") {
                Some(wanted) if *wanted == number.to_string() => answer(200, content),
                _ => refusal(
                    412,
                    "At least one of the pre-conditions you specified did not hold.",
                ),
            };
        }
        // It is written anew just after somebody has looked what it is.
        if bucket == "restless" || (bucket == "moody" && number < 3) {
            let next = number + 1;
            objects.insert(place, (next, Bytes::from(format!("written: {next}\n"))));
        }
        let about = json!({"etag": format!("e{number}"), "generation": number.to_string()});
        answer(200, about.to_string())
    }
}

/// The bucket that is meant, and the key; none, if it is the bucket itself.
fn place(asked: &Asked) -> Option<(&str, String)> {
    let path = asked.path.strip_prefix("/upload").unwrap_or(&asked.path);
    let (bucket, key) = path.strip_prefix("/storage/v1/b/")?.split_once("/o")?;
    let key = match asked.path.starts_with("/upload") {
        true => form(&asked.query).remove("name")?,
        false => percent(key.trim_start_matches('/')),
    };
    Some((bucket, key))
}

fn refusal(status: u16, text: &str) -> Response<Body> {
    answer(
        status,
        json!({"error": {"code": status, "message": text}}).to_string(),
    )
}

/// What of a bucket's was asked, and with which login.
fn heard(store: &Scripted, bucket: &str) -> BTreeSet<(String, String)> {
    let asked = store.asked();
    let of_it = asked.iter().filter_map(|asked| {
        let (its, key) = place(asked)?;
        let what = match asked.method.as_str() {
            "GET" if key.is_empty() => "list",
            "GET" if asked.query.contains("alt=media") => "read",
            "GET" => "look",
            other => other,
        };
        let login = asked.header("authorization").to_owned();
        (its == bucket).then(|| (what.to_owned(), login))
    });
    of_it.collect()
}

/// What a suite needs to find the store behind the proxy, and the other services of Google's.
fn environment(peer: &Scripted, tunnel: &Tunnel, trusted: &NamedTempFile) -> Vec<(&'static str, String)> {
    let url = peer.url();
    vec![
        ("GCE_METADATA_HOST", peer.address()),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", format!("{url}/gcpsts/")),
        ("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", url),
        ("SSL_CERT_FILE", trusted.path().display().to_string()),
        ("HTTPS_PROXY", tunnel.url().to_owned()),
        ("NO_PROXY", "127.0.0.1".into()),
    ]
}

/// Google's services for identities, which know the key of this application.
async fn clouds(application: &Application) -> Result<Arc<Clouds>> {
    Ok(Arc::new(Clouds {
        public: application.public.clone(),
        images: Images::new().await?,
    }))
}

/// The key of a service account, as a Secret has it.
fn key(application: &Application, peer: &Scripted) -> Value {
    let key = json!({
        "type": "service_account", "client_email": "reader@project.iam.gserviceaccount.com", "private_key_id": "k",
        "private_key": application.private, "token_uri": format!("{}/gcp/token", peer.url()),
    });
    json!({"serviceaccount": key.to_string()})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logins_reach_googles_store_and_nobody_else() -> Result<()> {
    let (application, stranger) = (Application::new()?, Application::new()?);
    let clouds = clouds(&application).await?;
    let registry = clouds.clone();
    let peer = Scripted::start(move |asked| clouds.answer(asked)).await?;
    let (trust, trusted) = (Authority::new()?, NamedTempFile::new()?);
    std::fs::write(trusted.path(), trust.certificate())?;
    let buckets = [
        "key",
        "machine",
        "federated",
        "moved-about",
        "moved-object",
        "restless",
        "moody",
    ];
    let played = Store::with(&buckets);
    let answer_named = move |asked: &Asked| match asked.header("host") == HOSTS[2] {
        true => registry.answer(asked),
        false => played.answer(asked),
    };
    let store = Scripted::start_tls(trust.server(&HOSTS)?, answer_named).await?;
    let tunnel = Tunnel::start(Some(store.address())).await?;
    let world = World::start(&Options {
        source: vec![
            "--feature-gates=ObjectLevelWorkloadIdentity=true".into(),
            "--log-level=trace".into(),
        ],
        env: environment(&peer, &tunnel, &trusted),
        ..Options::default()
    })
    .await?;
    // The namespace in which the ServiceAccount is somebody.
    let space = world.space("cloud").await?;
    space
        .apply(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "reader", "annotations": {
            "gcp.auth.fluxcd.io/workload-identity-provider": "projects/1/locations/global/workloadIdentityPools/p/providers/q",
            "iam.gke.io/gcp-service-account": "reader@project.iam.gserviceaccount.com",
        }}}))
        .await?;
    // A tenant's own proxy, to somebody with certificates of the tenant's own.
    let spied = Authority::new()?;
    let spy = Scripted::start_tls(spied.server(&HOSTS)?, |_| answer(200, "{}")).await?;
    let (to_spy, to_store) = (
        Tunnel::start(Some(spy.address())).await?,
        Tunnel::start(Some(store.address())).await?,
    );
    for (name, data) in [
        ("key", key(&application, &peer)),
        ("stranger", key(&stranger, &peer)),
        ("to-spy", json!({"address": to_spy.url()})),
        ("to-store", json!({"address": to_store.url()})),
        ("spied", json!({"ca.crt": spied.certificate()})),
    ] {
        space.apply(secret(name, &data)).await?;
    }

    let google = |bucket: &str, more: &Value| {
        let plain = json!({"provider": "gcp", "bucketName": bucket, "endpoint": "storage.googleapis.com"});
        with(plain, more)
    };
    let keyed = json!({"secretRef": {"name": "key"}});
    for (bucket, more, token) in [
        ("key", keyed.clone(), TOKENS[0]),
        ("machine", json!({}), TOKENS[1]),
        ("federated", json!({"serviceAccountName": "reader"}), TOKENS[2]),
    ] {
        let object = ready(&space, BUCKET, &google(bucket, &more)).await?;
        let found = files(&object).await?;
        let names: Vec<&str> = found.iter().map(|(path, _)| path.as_str()).collect();
        ensure!(names == ["a.yaml", "b c/ü.yaml"], "{bucket}: {names:?}");
        let all = ["list", "look", "read"].map(|what| (what.to_owned(), format!("Bearer {token}")));
        let heard = heard(&store, bucket);
        ensure!(heard == BTreeSet::from(all), "{bucket}: {heard:?}");
    }

    // An object that is written while it is read is that of one moment; one that never rests is given up.
    let object = ready(&space, BUCKET, &google("moody", &keyed)).await?;
    let found = files(&object).await?;
    ensure!(
        found.iter().all(|(_, content)| content == "written: 3\n"),
        "it is as it was at last: {found:?}"
    );
    let events = space.dump().await?;
    ensure!(
        !events.contains("keeps changing"),
        "it is read in one pass: {events}"
    );
    for (bucket, more, reason, part) in [
        ("restless", keyed.clone(), FAILED, "keeps changing"),
        // The token service does not know the key, and so the store is not asked.
        (
            "nowhere",
            json!({"secretRef": {"name": "stranger"}}),
            REFUSED,
            "/gcp/token: refused",
        ),
        ("expired", keyed.clone(), FAILED, "Invalid Credentials"),
        (
            "forbidden",
            keyed.clone(),
            FAILED,
            "reader does not have storage.objects.list access",
        ),
        // A login that is good, but for another bucket.
        ("machine", keyed.clone(), FAILED, "Invalid Credentials"),
        (
            "moved",
            keyed.clone(),
            FAILED,
            "refused to follow a redirect to 'elsewhere.test'",
        ),
        (
            "moved-about",
            keyed.clone(),
            FAILED,
            "refused to follow a redirect to 'elsewhere.test'",
        ),
        (
            "moved-object",
            keyed.clone(),
            FAILED,
            "refused to follow a redirect to 'elsewhere.test'",
        ),
    ] {
        let spec = google(bucket, &more);
        again(&space, BUCKET, &spec).await?;
        let told = space.says(SOURCE, BUCKET, "app", reason, part).await;
        let told = told.with_context(|| format!("case {spec}"))?;
        ensure!(told.status == "False", "{told:?}");
    }
    ensure!(
        heard(&store, "nowhere").is_empty(),
        "who has no login asks for nothing"
    );
    let elsewhere = |asked: &Asked| asked.header("host") == HOSTS[1];
    let strays: Vec<Asked> = store.asked().into_iter().filter(elsewhere).collect();
    ensure!(strays.is_empty(), "{strays:?}");

    // The machine's token opens the registry of a chart, too.
    charted(&space, &json!({"url": "oci://gcr.io/charts", "provider": "gcp"})).await?;
    proxies_of_tenants(&space, &google("machine", &json!({})), (&spy, &to_store)).await?;
    let log = std::fs::read_to_string(world.suite.source.log())?;
    for word in TOKENS.into_iter().chain(["BEGIN PRIVATE"]) {
        ensure!(!log.contains(word), "the log tells '{word}'");
    }
    Ok(())
}

/// Through a proxy that a Bucket names the machine's token goes to Google alone: no certificate of the tenant's is trusted.
async fn proxies_of_tenants(
    space: &Space<'_>,
    machine: &Value,
    (spy, to_store): (&Scripted, &Tunnel),
) -> Result<()> {
    let through = |name: &str| with(machine.clone(), &json!({"proxySecretRef": {"name": name}}));
    ready(space, BUCKET, &through("to-store")).await?;
    let led = to_store.led();
    ensure!(
        !led.is_empty() && led.iter().all(|place| *place == format!("{}:443", HOSTS[0])),
        "{led:?}"
    );
    let spied = with(through("to-spy"), &json!({"certSecretRef": {"name": "spied"}}));
    again(space, BUCKET, &spied).await?;
    space.says(SOURCE, BUCKET, "app", FAILED, "certificate").await?;
    ensure!(spy.asked().is_empty(), "{:?}", spy.asked());
    Ok(())
}

/// The store of artifacts is Google's: the machine's token is asked for, and goes along with whatever is asked of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn artifacts_are_kept_with_the_login_of_the_machine() -> Result<()> {
    let clouds = clouds(&Application::new()?).await?;
    let peer = Scripted::start(move |asked| clouds.answer(asked)).await?;
    let (trust, trusted) = (Authority::new()?, NamedTempFile::new()?);
    std::fs::write(trusted.path(), trust.certificate())?;
    let played = Store::default();
    let store = Scripted::start_tls(trust.server(&HOSTS)?, move |asked| played.answer(asked)).await?;
    let tunnel = Tunnel::start(Some(store.address())).await?;
    let env = environment(&peer, &tunnel, &trusted);
    kept_elsewhere("gs://artifacts/a/b".to_owned(), env, "store-google-login").await?;
    let all = ["DELETE", "POST", "list", "look", "read"];
    let all = all.map(|what| (what.to_owned(), format!("Bearer {}", TOKENS[1])));
    let heard = heard(&store, "artifacts");
    ensure!(heard == BTreeSet::from(all), "{heard:?}");
    Ok(())
}
