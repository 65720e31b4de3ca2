//! Webhooks: a push is in the cluster at once; who does not prove himself gets nothing done, whatever he sends.

mod addresses;
mod bodies;
mod load;
mod proofs;
mod tokens;

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::hmac;
use e2e::{
    app,
    flux::{KUSTOMIZE, NOTIFICATION, SOURCE, with},
    space::Space,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// From a signed push to the cluster, at the longest: three times in ten, for the machine may be busy with other tests.
const AT_ONCE: Duration = Duration::from_secs(1);
/// The token of Receivers, and the Secret it is in.
const TOKEN: &str = "s3cr3t-t0ken";
const SECRET: &str = "webhook";

/// A Secret whose changes are seen, with a token.
fn secret(token: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret",
        "metadata": {"name": SECRET, "labels": {crds::meta::WATCH: crds::meta::ENABLED}},
        "stringData": {"token": token},
    })
}

/// A Receiver of the GitRepository `app`, changed by `change`.
fn receiver(name: &str, type_: &str, change: &Value) -> Value {
    let plain = json!({
        "apiVersion": NOTIFICATION, "kind": "Receiver", "metadata": {"name": name},
        "spec": {
            "type": type_, "secretRef": {"name": SECRET}, "interval": "1h",
            "resources": [{"kind": "GitRepository", "name": "app"}],
        },
    });
    with(plain, change)
}

/// Waits until a Receiver is ready and its address open, and gives the address; it may be asked on the way.
async fn ready(space: &Space<'_>, name: &str) -> Result<String> {
    space.verdict(NOTIFICATION, "Receiver", name, "Succeeded").await?;
    let object = space
        .get(NOTIFICATION, "Receiver", name)
        .await?
        .context("no Receiver")?;
    let path = object["status"]["webhookPath"].as_str().context("no address")?;
    let url = space.world.suite.notification.webhook(path)?;
    // The port learns of an address when its watch tells it, which is a moment after the status has it.
    let open = async || Ok((send(&url, &[], "").await? != 404).then_some(()));
    let what = format!("the address of {name} is open");
    space.until(&what, e2e::space::LIMIT, open).await?;
    Ok(url)
}

fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(120))
        .build()?)
}

/// Sends a webhook; the status of the answer.
async fn send(url: &str, headers: &[(&str, String)], body: impl Into<reqwest::Body>) -> Result<u16> {
    let mut request = http()?.post(url).body(body);
    for (name, value) in headers {
        request = request.header(*name, value);
    }
    let answer = request.send().await?;
    let status = answer.status().as_u16();
    ensure!(answer.bytes().await?.is_empty(), "an answer has no words");
    Ok(status)
}

fn sign(algorithm: hmac::Algorithm, token: &str, body: &str) -> String {
    let tag = hmac::sign(&hmac::Key::new(algorithm, token.as_bytes()), body.as_bytes());
    hex::encode(tag)
}

/// The headers of a delivery of GitHub's.
fn github(event: &str, token: &str, body: &str, delivery: &str) -> Vec<(&'static str, String)> {
    vec![
        ("content-type", "application/json".into()),
        ("x-github-event", event.into()),
        ("x-github-delivery", delivery.into()),
        (
            "x-hub-signature-256",
            format!("sha256={}", sign(hmac::HMAC_SHA256, token, body)),
        ),
    ]
}

/// When an object was last asked to reconcile.
async fn requested(space: &Space<'_>, api_version: &str, kind: &str, name: &str) -> Result<Option<String>> {
    let object = space.get(api_version, kind, name).await?.context("no object")?;
    Ok(object["metadata"]["annotations"][crds::meta::REQUESTED_AT]
        .as_str()
        .map(str::to_owned))
}

#[tokio::test]
async fn a_push_is_in_the_cluster_at_once() -> Result<()> {
    let space = e2e::world::World::shared().await?.space("webhook-push").await?;
    let first = space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    space.kustomization("app", "./", json!({})).await?;
    space.apply(secret(TOKEN)).await?;
    space
        .apply(receiver(
            "hook",
            "github",
            &json!({"spec": {"events": ["ping", "push"]}}),
        ))
        .await?;
    space.synced("app", &first).await?;
    let url = ready(&space, "hook").await?;

    // The interval is an hour: whatever is there at once is there by the push.
    // A busy machine has more chances; what takes a second each time has none. How long it takes where nothing else runs is the demo's
    // to say.
    let mut times = Vec::new();
    for n in 2..32 {
        let value = n.to_string();
        let commit = space.repo.commit(&[("a.yaml", &app::config_map("a", &value))])?;
        let body = json!({"ref": "refs/heads/main", "after": commit}).to_string();
        let begin = Instant::now();
        let status = send(&url, &github("push", TOKEN, &body, &value), body.clone()).await?;
        ensure!(status == 200, "{status}");
        let answered = begin.elapsed();
        space
            .holds("the cluster has it", "v1", "ConfigMap", "a", |o| {
                o["data"]["value"] == value
            })
            .await?;
        let applied = begin.elapsed();
        times.push(applied);
        e2e::note!(
            "webhook to cluster: answered after {} ms, applied after {} ms",
            answered.as_millis(),
            applied.as_millis()
        );
        space.synced("app", &commit).await?;
        if applied < AT_ONCE {
            break;
        }
    }
    ensure!(
        times.iter().any(|time| *time < AT_ONCE),
        "none was at once: {times:?}"
    );

    // The annotation is as Flux writes it, in its name, and nothing else of the object is.
    let source = space
        .get(SOURCE, "GitRepository", "app")
        .await?
        .context("no GitRepository")?;
    let value = source["metadata"]["annotations"][crds::meta::REQUESTED_AT]
        .as_str()
        .unwrap_or_default();
    ensure!(value.contains(" +0000 UTC m=+"), "{value}");
    let fields = source["metadata"]["managedFields"]
        .as_array()
        .context("no managers")?;
    let ours = fields
        .iter()
        .find(|f| f["manager"] == "notification-controller")
        .context("not in our name")?;
    ensure!(
        ours["operation"] == "Update" && ours["fieldsV1"].as_object().is_some_and(|f| f.len() == 1),
        "{ours}"
    );
    ensure!(
        ours["fieldsV1"]["f:metadata"]["f:annotations"]
            .as_object()
            .is_some_and(|a| a.len() <= 2),
        "{ours}"
    );

    // The status is as Flux writes it.
    let object = space
        .get(NOTIFICATION, "Receiver", "hook")
        .await?
        .context("no Receiver")?;
    let path = object["status"]["webhookPath"].as_str().unwrap_or_default();
    let conditions = object["status"]["conditions"]
        .as_array()
        .context("no conditions")?;
    ensure!(
        conditions.len() == 1 && conditions[0]["reason"] == "Succeeded",
        "{conditions:?}"
    );
    ensure!(
        conditions[0]["message"] == format!("Receiver initialized for path: {path}"),
        "{conditions:?}"
    );
    ensure!(
        object["metadata"]["finalizers"] == json!(["finalizers.fluxcd.io"]),
        "{}",
        object["metadata"]
    );
    space.at_rest().await?;
    space.delete(NOTIFICATION, "Receiver", "hook").await?;
    space.gone(NOTIFICATION, "Receiver", "hook").await?;
    let gone = async || Ok((send(&url, &[], "").await? == 404).then_some(()));
    space
        .until("its address is nobody's", e2e::space::LIMIT, gone)
        .await
}

/// What it shows, the spec, the JSON that is sent, the status of the answer, and which objects are asked.
type Case<'a> = (&'a str, Value, Option<&'a str>, u16, &'a [&'a str]);

/// A Kustomization is asked directly, too.
#[tokio::test]
async fn objects_are_chosen_by_name_label_and_filter() -> Result<()> {
    let space = e2e::world::World::shared().await?.space("webhook-filter").await?;
    space.apply(secret(TOKEN)).await?;
    space
        .kustomization("k", "./", json!({"spec": {"suspend": true}}))
        .await?;
    for (name, tier) in [("web", "front"), ("api", "front"), ("db", "back")] {
        let labels = json!({"metadata": {"name": name, "labels": {"tier": tier}}, "spec": {"suspend": true}});
        space.git_repository(labels).await?;
    }
    let front = json!({"kind": "GitRepository", "name": "*", "matchLabels": {"tier": "front"}});
    let resources =
        |list: Value, filter: &str| json!({"spec": {"resources": list, "resourceFilter": filter}});
    let by_name = "has(req.name) && res.metadata.name == req.name";
    let json_type = ("content-type", "application/json".to_owned());
    let kustomization = json!({"apiVersion": KUSTOMIZE, "kind": "Kustomization", "name": "k"});
    let filtered =
        json!({"kind": "GitRepository", "name": "db", "filter": "res.metadata.labels.tier == req.tier"});
    let missing = json!({"kind": "GitRepository", "name": "missing"});
    let unlabelled = json!({"kind": "GitRepository", "name": "*"});
    let unversioned = json!({"kind": "Kustomization", "name": "k"});
    let nobody = json!({"kind": "GitRepository", "name": "*", "matchLabels": {"tier": "none"}});
    let cases: Vec<Case<'_>> = vec![
        (
            "by label",
            resources(json!([front]), ""),
            None,
            200,
            &["api", "web"],
        ),
        (
            "of other kinds",
            resources(json!([kustomization]), ""),
            None,
            200,
            &["k"],
        ),
        (
            "by filter",
            resources(json!([front]), by_name),
            Some(r#"{"name":"web"}"#),
            200,
            &["web"],
        ),
        ("not JSON", resources(json!([front]), by_name), None, 200, &[]),
        (
            "broken JSON",
            resources(json!([front]), by_name),
            Some("{"),
            500,
            &[],
        ),
        (
            "both filters",
            resources(json!([filtered]), "req.tier != ''"),
            Some(r#"{"tier":"back"}"#),
            200,
            &["db"],
        ),
        (
            "one filter not",
            resources(json!([filtered]), "req.tier != ''"),
            Some(r#"{"tier":"front"}"#),
            200,
            &[],
        ),
        (
            "a filter without a value",
            resources(json!([filtered, kustomization]), ""),
            Some("{}"),
            500,
            &["k"],
        ),
        (
            "a missing object",
            resources(json!([missing, front]), ""),
            None,
            500,
            &["api", "web"],
        ),
        (
            "all, without labels",
            resources(json!([unlabelled, kustomization]), ""),
            None,
            500,
            &["k"],
        ),
        (
            "no version",
            resources(json!([unversioned, front]), ""),
            None,
            500,
            &["api", "web"],
        ),
        ("labels of nobody", resources(json!([nobody]), ""), None, 200, &[]),
    ];
    let all = [
        (SOURCE, "GitRepository", "web"),
        (SOURCE, "GitRepository", "api"),
        (SOURCE, "GitRepository", "db"),
        (KUSTOMIZE, "Kustomization", "k"),
    ];
    let stamps = async || {
        let mut stamps = Vec::new();
        for (api_version, kind, name) in all {
            stamps.push(requested(&space, api_version, kind, name).await?);
        }
        anyhow::Ok(stamps)
    };
    for (n, (what, change, body, expected, asked)) in cases.into_iter().enumerate() {
        let name = format!("r{n}");
        space.apply(receiver(&name, "generic", &change)).await?;
        let url = ready(&space, &name).await?;
        let before = stamps().await?;
        let headers = body.map(|_| json_type.clone());
        let status = send(&url, headers.as_slice(), body.unwrap_or("junk").to_owned()).await?;
        ensure!(status == expected, "{what}: {status}");
        let after = stamps().await?;
        let mut moved: Vec<&str> = all
            .iter()
            .zip(before.iter().zip(&after))
            .filter(|(_, (a, b))| a != b)
            .map(|(o, _)| o.2)
            .collect();
        moved.sort_unstable();
        ensure!(moved == asked, "{what}: asked were {moved:?}, not {asked:?}");
    }
    // What cannot be compiled is said on the object, and its author has to change it.
    space
        .apply(receiver("broken", "generic", &resources(json!([front]), "res.")))
        .await?;
    space
        .says(
            NOTIFICATION,
            "Receiver",
            "broken",
            "InvalidCELExpression",
            "Reconciliation failed terminally due to configuration error: spec.resourceFilter: ",
        )
        .await?;
    Ok(())
}
