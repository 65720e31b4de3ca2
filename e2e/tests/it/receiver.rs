//! Webhooks: a push is in the cluster at once; who does not prove himself gets nothing done, whatever he sends.

mod addresses;
mod bodies;
mod load;
mod proofs;
mod tokens;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    flux::{KUSTOMIZE, NOTIFICATION, SOURCE},
    space::Space,
    webhook::{Pushes, TOKEN, ready, receiver, secret, send},
};
use serde_json::{Value, json};

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
    let mut pushes = Pushes::start(&space).await?;
    for _ in 0..3 {
        let push = pushes.push().await?;
        e2e::note!(
            "webhook to cluster: answered after {} ms, applied after {} ms",
            push.answered.as_millis(),
            push.applied.as_millis()
        );
    }
    let url = &pushes.url;

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
    let gone = async || Ok((send(url, &[], "").await? == 404).then_some(()));
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
