//! People are told what becomes of objects: what happened, once, and in the words of the controller it happened in.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    flux::{KUSTOMIZE, alert, provider, with},
    origin::Sink,
    space::{LIMIT, Space},
    world::World,
};
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Instant};

const GOOD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  a: b\n";
const BAD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata: text\n";

/// Waits until the sink has an event about an object, with this reason and a text that contains `part`.
async fn told(
    space: &Space<'_>,
    sink: &Sink,
    path: &str,
    object: &str,
    reason: &str,
    part: &str,
) -> Result<Value> {
    let what = format!("{object} {reason} '{part}' is told");
    let found = space
        .until(&what, LIMIT, async || {
            Ok(sink
                .events(path)
                .into_iter()
                .find(|event| is(event, object, reason, part)))
        })
        .await;
    found.with_context(|| format!("the sink has {:#?}", sink.events(path)))
}

fn is(event: &Value, object: &str, reason: &str, part: &str) -> bool {
    let about = &event["involvedObject"];
    let name = format!(
        "{}/{}",
        about["kind"].as_str().unwrap_or_default(),
        about["name"].as_str().unwrap_or_default()
    );
    name == object && event["reason"] == reason && event["message"].as_str().is_some_and(|m| m.contains(part))
}

/// API version of Flux's image controllers.
const IMAGE: &str = "image.toolkit.fluxcd.io/v1";

/// A room for a scenario, and a service that is told of it.
async fn space(name: &str) -> Result<(Space<'static>, Sink)> {
    Ok((World::shared().await?.space(name).await?, Sink::start().await?))
}

/// An Alert about kinds, changed by `change`, whose messages come to the sink under its name.
async fn listen(space: &Space<'_>, sink: &Sink, name: &str, kinds: &[&str], change: Value) -> Result<()> {
    space
        .apply(provider(name, &sink.url(&format!("/{name}"))))
        .await?;
    space.apply(with(alert(name, name, kinds), &change)).await
}

#[tokio::test]
async fn a_failure_and_its_end_are_told() -> Result<()> {
    let (space, sink) = space("notify").await?;
    let kinds = ["GitRepository", "Kustomization"];
    let dressed = json!({"spec": {"eventMetadata": {"env": "prod"}, "summary": "in production"}});
    listen(&space, &sink, "all", &kinds, dressed).await?;
    listen(
        &space,
        &sink,
        "errors",
        &kinds,
        json!({"spec": {"eventSeverity": "error"}}),
    )
    .await?;
    let first = space.repo.commit(&[("app/a.yaml", GOOD)])?;
    space.git_repository(json!({})).await?;
    space
        .kustomization(
            "app",
            "./app",
            json!({"metadata": {"annotations": {
                "event.toolkit.fluxcd.io/owner": "team-a", "event.toolkit.fluxcd.io/env": "test",
            }}}),
        )
        .await?;
    let revision = format!("main@sha1:{first}");
    let stored = told(
        &space,
        &sink,
        "/all",
        "GitRepository/app",
        "NewArtifact",
        "stored artifact for commit",
    )
    .await?;
    ensure!(
        stored["metadata"] == json!({"env": "prod", "revision": revision, "summary": "in production"}),
        "{stored:#}"
    );
    let created = told(
        &space,
        &sink,
        "/all",
        "Kustomization/app",
        "Progressing",
        "ConfigMap/notify/app created",
    )
    .await?;
    // The alert's word goes before the object's (Flux).
    ensure!(
        created["metadata"]["env"] == "prod" && created["metadata"]["owner"] == "team-a",
        "{created:#}"
    );
    told(
        &space,
        &sink,
        "/all",
        "Kustomization/app",
        "ReconciliationSucceeded",
        "Reconciliation finished",
    )
    .await?;

    space.push(&[("app/a.yaml", BAD)]).await?;
    let failed = told(
        &space,
        &sink,
        "/all",
        "Kustomization/app",
        "ReconciliationFailed",
        "ConfigMap/notify/app",
    )
    .await?;
    ensure!(failed["severity"] == "error", "{failed:#}");
    told(
        &space,
        &sink,
        "/errors",
        "Kustomization/app",
        "ReconciliationFailed",
        "",
    )
    .await?;
    let third = space.push(&[("app/a.yaml", GOOD)]).await?;
    let recovered = |event: &Value| {
        is(event, "Kustomization/app", "ReconciliationSucceeded", "")
            && event["metadata"]["revision"] == format!("main@sha1:{third}").as_str()
    };
    space
        .until("the recovery is told", LIMIT, async || {
            Ok(sink.events("/all").iter().any(recovered).then_some(()))
        })
        .await?;
    ensure!(
        sink.events("/errors")
            .iter()
            .all(|event| event["severity"] == "error"),
        "only failures were asked for"
    );
    let all = sink.events("/all");
    let mut texts: Vec<String> = all
        .iter()
        .map(|event| {
            let about = &event["involvedObject"]["kind"];
            format!(
                "{about} {} {} {}",
                event["reason"], event["message"], event["metadata"]["revision"]
            )
        })
        .collect();
    texts.sort();
    let count = texts.len();
    texts.dedup();
    ensure!(texts.len() == count, "something was told twice: {texts:#?}");
    Ok(())
}

#[tokio::test]
async fn each_alert_hears_what_it_asked_for() -> Result<()> {
    let (space, sink) = space("notify-routes").await?;
    for (name, spec) in [
        (
            "by-name",
            json!({"eventSources": [{"kind": "Kustomization", "name": "one"}]}),
        ),
        (
            "by-label",
            json!({"eventSources": [{"kind": "Kustomization", "name": "*", "matchLabels": {"tier": "back"}}]}),
        ),
        ("included", json!({"inclusionList": [".*created$"]})),
        (
            "excluded",
            json!({"exclusionList": ["created$", "^Reconciliation"]}),
        ),
        ("suspended", json!({"suspend": true})),
    ] {
        listen(&space, &sink, name, &["Kustomization"], json!({"spec": spec})).await?;
    }
    // A Provider may be suspended as well.
    let muted = provider("muted", &sink.url("/muted"));
    space
        .apply(with(muted, &json!({"spec": {"suspend": true}})))
        .await?;
    space.apply(alert("muted", "muted", &["Kustomization"])).await?;
    let broken = json!({"spec": {"inclusionList": ["("], "exclusionList": ["["]}});
    listen(&space, &sink, "broken", &["Kustomization"], broken).await?;
    space
        .repo
        .commit(&[("one/a.yaml", GOOD), ("two/a.yaml", &GOOD.replace("app", "two"))])?;
    space.git_repository(json!({})).await?;
    space.kustomization("one", "./one", json!({})).await?;
    space
        .kustomization("two", "./two", json!({"metadata": {"labels": {"tier": "back"}}}))
        .await?;
    for (path, object, reason) in [
        ("/by-name", "Kustomization/one", "ReconciliationSucceeded"),
        ("/by-label", "Kustomization/two", "ReconciliationSucceeded"),
        ("/included", "Kustomization/one", "Progressing"),
        ("/included", "Kustomization/two", "Progressing"),
    ] {
        told(&space, &sink, path, object, reason, "").await?;
    }
    let names = |path: &str| -> Vec<String> {
        let of = |event: &Value| {
            event["involvedObject"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        };
        sink.events(path).iter().map(of).collect()
    };
    ensure!(
        names("/by-name").iter().all(|name| name == "one"),
        "{:?}",
        names("/by-name")
    );
    ensure!(
        names("/by-label").iter().all(|name| name == "two"),
        "{:?}",
        names("/by-label")
    );
    for nothing in ["/suspended", "/muted", "/excluded"] {
        ensure!(names(nothing).is_empty(), "{nothing}: {:?}", names(nothing));
    }
    space
        .until("the broken patterns are told of", LIMIT, async || {
            let events = space.events().await?;
            let said = |part: &str| {
                events.iter().any(|e| {
                    e.reason.as_deref() == Some("InvalidConfig")
                        && e.message.as_deref().is_some_and(|m| m.contains(part))
                })
            };
            Ok((said("inclusionList") && said("exclusionList")).then_some(()))
        })
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_deletion_is_told() -> Result<()> {
    let (space, sink) = space("notify-deleted").await?;
    listen(&space, &sink, "all", &["Kustomization"], json!({})).await?;
    let commit = space.repo.commit(&[("app/a.yaml", GOOD)])?;
    space.git_repository(json!({})).await?;
    space.kustomization("app", "./app", json!({})).await?;
    space.synced("app", &commit).await?;
    space.delete(KUSTOMIZE, "Kustomization", "app").await?;
    space.gone(KUSTOMIZE, "Kustomization", "app").await?;
    told(
        &space,
        &sink,
        "/all",
        "Kustomization/app",
        "ReconciliationSucceeded",
        "ConfigMap/notify-deleted/app deleted",
    )
    .await?;
    Ok(())
}

#[tokio::test]
async fn many_failures_of_one_kind_can_be_one_message() -> Result<()> {
    let (space, sink) = space("notify-storm").await?;
    let errors = json!({"spec": {"eventSeverity": "error"}});
    listen(&space, &sink, "each", &["Kustomization"], errors).await?;
    const WINDOW: u64 = 6;
    let grouping = json!({"spec": {"eventSeverity": "error", "grouping": {"window": format!("{WINDOW}s")}}});
    listen(&space, &sink, "grouped", &["Kustomization"], grouping).await?;
    space.repo.commit(&[("app/a.yaml", BAD)])?;
    const OBJECTS: usize = 200;
    let begin = Instant::now();
    space.git_repository(json!({})).await?;
    for n in 0..OBJECTS {
        space
            .kustomization(
                &format!("app-{n}"),
                "./app",
                json!({"spec": {"retryInterval": "1h"}}),
            )
            .await?;
    }
    // How many objects a message says that it is about; one that says nothing is about its own.
    let count = |event: &Value| {
        let first = event["message"].as_str().and_then(|text| text.split(' ').next());
        first.and_then(|number| number.parse::<usize>().ok()).unwrap_or(1)
    };
    let all = async || {
        let grouped: usize = sink.events("/grouped").iter().map(count).sum();
        let each: BTreeSet<String> = sink
            .events("/each")
            .iter()
            .map(|event| event["involvedObject"]["name"].to_string())
            .collect();
        Ok((each.len() == OBJECTS && grouped >= OBJECTS).then_some(()))
    };
    space
        .until("each failure is told, and all of them together", LIMIT * 3, all)
        .await?;
    let (each, grouped) = (sink.events("/each").len(), sink.events("/grouped").len());
    println!("{OBJECTS} objects failed: {each} messages, grouped {grouped}");
    // However long the machine takes to fail so often.
    let windows = usize::try_from(begin.elapsed().as_secs() / WINDOW)? + 2;
    ensure!(
        grouped <= windows,
        "{grouped} messages of {OBJECTS} failures in {windows} windows"
    );
    Ok(())
}

#[tokio::test]
async fn objects_of_other_controllers_are_told_of_by_their_condition() -> Result<()> {
    let (space, sink) = space("notify-foreign").await?;
    listen(&space, &sink, "all", &["ImageRepository"], json!({})).await?;
    // The kind comes later than the controller, and its status has no messages.
    let anything = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "imagerepositories.image.toolkit.fluxcd.io"},
        "spec": {
            "group": "image.toolkit.fluxcd.io", "scope": "Namespaced",
            "names": {"kind": "ImageRepository", "plural": "imagerepositories"},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": anything},
            }],
        },
    });
    space.cluster.define(&[definition]).await?;
    space
        .apply(
            json!({"apiVersion": IMAGE, "kind": "ImageRepository", "metadata": {"name": "app"}, "spec": {}}),
        )
        .await?;
    let api = space.api(IMAGE, "ImageRepository").await?;
    let ready = async |status: &str, reason: &str, text: &str| {
        let ready = json!({"type": "Ready", "status": status, "reason": reason, "message": text});
        let body = json!({"status": {"conditions": [ready]}});
        api.patch_status("app", &PatchParams::default(), &Patch::Merge(body))
            .await
            .map(drop)
    };
    for (status, reason, text, severity) in [
        ("False", "ReadOperationFailed", "no such image", "error"),
        ("Unknown", "Progressing", "tries again", ""),
        ("True", "Succeeded", "found 3 tags", "info"),
        ("False", "ReadOperationFailed", "no such image", "error"),
    ] {
        let before = sink.events("/all").len();
        ready(status, reason, text).await?;
        if severity.is_empty() {
            continue;
        }
        let what = format!("{reason} is told");
        let fresh = async || Ok(sink.events("/all").get(before).cloned());
        let event = space.until(&what, LIMIT, fresh).await?;
        ensure!(
            is(&event, "ImageRepository/app", reason, text) && event["severity"] == severity,
            "{event:#}"
        );
    }
    ensure!(sink.events("/all").len() == 3, "{:#?}", sink.events("/all"));
    Ok(())
}
