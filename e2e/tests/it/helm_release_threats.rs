//! HelmRelease: what was done to others by names, records and odd objects (docs/threats-helm.md) is done to nobody here.

use anyhow::{Context as _, Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::{charts::Charts, expect::condition, flux::HELM, space::Space, world::World};
use futures::{StreamExt as _, TryStreamExt as _};
use helm::release::{Release, decode, encode, labels, secret_name};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

const TEMPLATE: &str = "apiVersion: v1
kind: ConfigMap
metadata: {name: {{ .Values.name | default \"own\" | quote }}}
data: {seen: {{ with .Values.look }}{{ lookup .version \"Secret\" .namespace .name | toJson | quote }}{{ end }}}
---
apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}-secret}
stringData: {a: \"{{ .Values.token }}\"}
";

/// How long what is waited for may take on a slow machine.
const LIMIT: Duration = Duration::from_secs(120);

/// Names are parts of paths and of questions at the API server.
#[tokio::test]
async fn names_lead_to_nobody_else() -> Result<()> {
    let world = World::shared().await?;
    let (space, neighbour) = (world.space("hr-names").await?, world.space("hr-named").await?);
    neighbour
        .apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret"}, "stringData": {"values.yaml": "token: CANARY"}}))
        .await?;
    let _charts = Charts::offer(&space, &[("templates/all.yaml", TEMPLATE)]).await?;
    space.helm_release("own", json!({})).await?;
    space.released("own", 1).await?;

    let from = |name: &str| json!({"valuesFrom": [{"kind": "Secret", "name": name}]});
    let look = |version: &str, namespace: &str, name: &str| json!({"values": {"look": {"version": version, "namespace": namespace, "name": name}}});
    let way = "../../hr-named/secrets/secret";
    for (name, spec, reason, part) in [
        ("from", from(way), "ValuesError", "is not the path of an object"),
        (
            "from-below",
            from("secret/x"),
            "ValuesError",
            "is not the path of an object",
        ),
        (
            "look",
            look("v1", "hr-names", way),
            "InstallFailed",
            "is not a name",
        ),
        (
            "look-there",
            look("v1", "../namespaces/hr-named", "secret"),
            "InstallFailed",
            "is not a name",
        ),
        (
            "look-version",
            look("../api/v1", "hr-named", "secret"),
            "InstallFailed",
            "is not a name",
        ),
        (
            "named",
            json!({"values": {"name": way}}),
            "InstallFailed",
            "may not hold",
        ),
        (
            "cut",
            json!({"values": {"name": "own#x"}}),
            "InstallFailed",
            "may not hold",
        ),
        (
            "release",
            json!({"releaseName": "own,owner=helm"}),
            "StateError",
            "cannot be a name",
        ),
        (
            "release-path",
            json!({"releaseName": "../own"}),
            "StateError",
            "cannot be a name",
        ),
        (
            "storage",
            json!({"storageNamespace": "../hr-named"}),
            "StateError",
            "cannot be a name",
        ),
        (
            "target",
            json!({"releaseName": "t", "targetNamespace": "hr-names/.."}),
            "StateError",
            "cannot be a name",
        ),
    ] {
        space.helm_release(name, json!({"spec": spec})).await?;
        let told = space.says(HELM, "HelmRelease", name, reason, part).await?;
        ensure!(!told.message.contains("CANARY"), "{}", told.message);
        space.delete(HELM, "HelmRelease", name).await?;
        space.gone(HELM, "HelmRelease", name).await?;
    }
    ensure!(
        space.get("v1", "ConfigMap", "own").await?.is_some(),
        "what others have stays"
    );
    Ok(())
}

/// The record of a revision, as it is stored.
async fn record(space: &Space<'_>, version: i64) -> Result<Release> {
    let secret = space.get("v1", "Secret", &secret_name("web", version)).await?;
    let secret = secret.context("a record")?;
    let text = STANDARD.decode(secret["data"]["release"].as_str().unwrap_or_default())?;
    Ok(decode(&String::from_utf8(text)?)?)
}

/// A Secret that says it is a release's record.
fn forged(release: &Release, text: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
        "metadata": {"name": secret_name(&release.name, release.version), "labels": labels(release, &BTreeMap::new(), Some(1), None)},
        "data": {"release": STANDARD.encode(text)},
    })
}

#[tokio::test]
async fn a_forged_record_reaches_no_further_than_its_tenant() -> Result<()> {
    let world = World::shared().await?;
    let (space, neighbour) = (world.space("hr-forged").await?, world.space("hr-robbed").await?);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "treasure"}});
    neighbour.apply(map).await?;
    space.cluster.tenant(space.name(), "deployer", "admin").await?;
    let _charts = Charts::offer(&space, &[("templates/all.yaml", TEMPLATE)]).await?;
    let spec = |a: i64| json!({"spec": {"serviceAccountName": "deployer", "values": {"a": a}}});
    space.helm_release("web", spec(1)).await?;
    space.released("web", 1).await?;
    space.at_rest().await?;

    // An upgrade takes away what the record says was there: in the tenant's name.
    let treasure = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: treasure, namespace: hr-robbed}\n";
    let mut release = record(&space, 1).await?;
    release.version = 2;
    release.manifest += &format!("---\n# Source: web/templates/x.yaml\n{treasure}");
    space.apply(forged(&release, &encode(&release)?)).await?;
    space.helm_release("web", spec(2)).await?;
    let beyond = |o: &Value| o["status"]["history"][0]["version"].as_i64() >= Some(3);
    space
        .holds("it was upgraded over it", HELM, "HelmRelease", "web", beyond)
        .await?;
    space.at_rest().await?;

    // So does an uninstall; and a hook of a record is made in the tenant's name. After the last revision there is none
    // with which the record could be put right before.
    let last = space.get(HELM, "HelmRelease", "web").await?.unwrap_or_default();
    let last = last["status"]["history"][0]["version"]
        .as_i64()
        .unwrap_or_default();
    let mut release = record(&space, last).await?;
    let next = Release {
        version: last + 1,
        ..release.clone()
    };
    release.version = i64::MAX;
    release.manifest += &format!("---\n# Source: web/templates/x.yaml\n{treasure}");
    let hook = json!({"name": "h", "kind": "ConfigMap", "path": "x", "events": ["pre-delete"], "manifest": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: made, namespace: hr-robbed}\n"});
    let mut json: Value = serde_json::from_str(&release.to_json())?;
    json["hooks"] = json!([hook]);
    let release = decode(&STANDARD.encode(json.to_string()))?;
    for release in [release, next] {
        space.apply(forged(&release, &encode(&release)?)).await?;
    }
    space
        .says(
            HELM,
            "HelmRelease",
            "web",
            "UpgradeFailed",
            "there is no revision after",
        )
        .await?;
    space.delete(HELM, "HelmRelease", "web").await?;
    let refused = async || {
        let mut told = space.events().await?.into_iter().filter_map(|e| e.message);
        Ok(told
            .any(|m| m.contains("system:serviceaccount:hr-forged:deployer"))
            .then_some(()))
    };
    space.until("the refusal is told", LIMIT, refused).await?;
    ensure!(
        neighbour.get("v1", "ConfigMap", "treasure").await?.is_some(),
        "the neighbour was robbed"
    );
    ensure!(
        neighbour.get("v1", "ConfigMap", "made").await?.is_none(),
        "a hook ran at the neighbour's"
    );
    // Without the forgery it ends well.
    space
        .delete("v1", "Secret", &secret_name("web", i64::MAX))
        .await?;
    space.request(HELM, "HelmRelease", "web").await?;
    space.gone(HELM, "HelmRelease", "web").await
}

#[tokio::test]
async fn odd_records_and_objects_hurt_nobody() -> Result<()> {
    let space = World::shared().await?.space("hr-odd").await?;
    let _charts = Charts::offer(&space, &[("templates/all.yaml", TEMPLATE)]).await?;
    space.helm_release("web", json!({})).await?;
    space.released("web", 1).await?;
    space.at_rest().await?;
    // A record that is none, and one that is small in the Secret and large in memory.
    let mut release = record(&space, 1).await?;
    release.version = 2;
    release.config.insert("x".to_owned(), json!(vec![1; 1_100_000]));
    let bomb = encode(&release)?;
    for (text, part) in [
        ("noise", "release record cannot be read"),
        (bomb.as_str(), "more than 1000000 values"),
    ] {
        space.apply(forged(&release, text)).await?;
        space.says(HELM, "HelmRelease", "web", "StateError", part).await?;
        space.delete("v1", "Secret", &secret_name("web", 2)).await?;
        space.released("web", 1).await?;
    }
    // Objects that the definition lets through and our types do not, and times that no clock has.
    space
        .apply(json!({"apiVersion": HELM, "kind": "HelmRelease", "metadata": {"name": "empty"}}))
        .await?;
    let invalid = |o: &Value| condition(o, "Ready").is_some_and(|c| c.reason == "InvalidObject");
    space
        .holds(
            "it says what is wrong with it",
            HELM,
            "HelmRelease",
            "empty",
            invalid,
        )
        .await?;
    let never = "99999999999999999999h";
    let spec = json!({"spec": {"interval": never, "timeout": never, "install": {"timeout": never, "strategy": {"name": "RetryOnFailure", "retryInterval": never}}}});
    space.helm_release("patient", spec).await?;
    space.released("patient", 1).await?;
    for name in ["empty", "patient"] {
        space.delete(HELM, "HelmRelease", name).await?;
        space.gone(HELM, "HelmRelease", name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_drifts_in_a_secret_is_not_told() -> Result<()> {
    let space = World::shared().await?.space("hr-drift-secret").await?;
    let _charts = Charts::offer(&space, &[("templates/all.yaml", TEMPLATE)]).await?;
    let spec = |mode: &str| json!({"spec": {"driftDetection": {"mode": mode}, "values": {"token": "canary-wanted"}}});
    space.helm_release("web", spec("warn")).await?;
    space.released("web", 1).await?;
    space.at_rest().await?;
    let hand = json!({"stringData": {"a": "canary-live"}});
    space.patch("v1", "Secret", "web-secret", hand).await?;
    let told = |o: &Value| condition(o, "Drifted").is_some_and(|c| c.status == "True");
    space
        .holds("it is told of", HELM, "HelmRelease", "web", told)
        .await?;
    space.helm_release("web", spec("enabled")).await?;
    let back = |o: &Value| o["data"]["a"] == STANDARD.encode("canary-wanted");
    space
        .holds("it is back", "v1", "Secret", "web-secret", back)
        .await?;
    space.at_rest().await?;
    let object = space.get(HELM, "HelmRelease", "web").await?.unwrap_or_default();
    let events = serde_json::to_string(&space.events().await?)?;
    ensure!(events.contains("DriftCorrected"), "{events}");
    for told in [object["status"].to_string(), events] {
        for canary in [
            "canary-live",
            &STANDARD.encode("canary-live"),
            &STANDARD.encode("canary-wanted"),
        ] {
            ensure!(!told.contains(canary), "{canary} was told: {told}");
        }
    }
    Ok(())
}

/// What is looked up comes in pages, and a chart sees all of it.
#[tokio::test]
async fn long_lists_are_looked_up_in_pages() -> Result<()> {
    const MANY: usize = 510;
    let space = World::shared().await?.space("hr-lists").await?;
    let count = "apiVersion: v1
kind: ConfigMap
metadata: {name: count}
data: {count: {{ len (lookup \"v1\" \"Secret\" .Release.Namespace \"\").items | quote }}}
";
    let _charts = Charts::offer(&space, &[("templates/all.yaml", count)]).await?;
    let secrets = (0..MANY).map(|n| {
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": format!("s{n}")}});
        space.apply(secret)
    });
    let secrets: Vec<_> = secrets.collect();
    futures::stream::iter(secrets)
        .buffer_unordered(16)
        .try_collect::<Vec<()>>()
        .await?;
    space.helm_release("web", json!({})).await?;
    space
        .holds("all are counted", "v1", "ConfigMap", "count", |o| {
            o["data"]["count"].as_str() == Some(&MANY.to_string())
        })
        .await?;
    Ok(())
}
