//! The first start tells nothing of what was before it, whenever it is cut short, and what was told is not told again.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app,
    flux::{KUSTOMIZE, alert, provider},
    origin::Sink,
    space::{LIMIT, Space},
    suite::{NAMESPACE, Options},
    world::World,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, ListParams},
};
use std::collections::{BTreeMap, BTreeSet};

/// Enough that each of the eight parts in which is saved what was told has some.
const OBJECTS: usize = 24;

fn saved(space: &Space<'_>) -> (Api<ConfigMap>, ListParams) {
    let api = Api::namespaced(space.cluster.client.clone(), NAMESPACE);
    let label = ListParams::default().labels("notification.toolkit.fluxcd.io/state=told");
    (api, label)
}

fn name(n: usize) -> String {
    format!("app-{n}")
}

/// Commits something new and waits until each object was told of at it; then nothing of what was before may have been told.
async fn news_alone(space: &Space<'_>, sink: &Sink, old: &mut BTreeSet<String>, version: &str) -> Result<()> {
    let commit = space
        .push(&[("app/a.yaml", &app::config_map("a", version))])
        .await?;
    let revision = format!("main@sha1:{commit}");
    let at = |revision: &str| -> BTreeSet<String> {
        let events = sink.events("/").into_iter();
        let of = events.filter(|e| e["metadata"]["revision"] == revision);
        of.filter_map(|e| e["involvedObject"]["name"].as_str().map(str::to_owned))
            .collect()
    };
    let all = async || Ok((at(&revision).len() == OBJECTS).then_some(()));
    let heard = space.until("all objects are told of", LIMIT, all).await;
    heard.with_context(|| format!("the sink has {:#?}", sink.events("/")))?;
    for old in old.iter() {
        ensure!(at(old).is_empty(), "told of {old}: {:?}", at(old));
    }
    old.insert(revision);
    Ok(())
}

#[tokio::test]
async fn old_news_is_not_told() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let space = world.space("notify-start").await?;
    let controller = &world.suite.notification;
    controller.kill();
    let (api, told) = saved(&space);
    let (all, none) = (ListParams::default(), DeleteParams::default());
    // As if it had never been there.
    for map in api.list(&told).await? {
        api.delete(&map.name_any(), &none).await?;
    }
    let first = space.repo.commit(&[("app/a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(serde_json::json!({})).await?;
    for n in 0..OBJECTS {
        space
            .kustomization(&name(n), "./app", serde_json::json!({}))
            .await?;
    }
    for n in 0..OBJECTS {
        space.synced(&name(n), &first).await?;
    }
    let mut old = BTreeSet::from([format!("main@sha1:{first}")]);
    // What was told before the time that is whole seconds begins is old.
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;

    // The first start is cut short when it has saved the first thing.
    controller.start()?;
    let begun = async || Ok((!api.list(&told).await?.items.is_empty()).then_some(()));
    space.until("something is saved", LIMIT, begun).await?;
    controller.kill();
    let sink = Sink::start().await?;
    space.apply(provider("sink", &sink.url("/"))).await?;
    space.apply(alert("all", "sink", &["Kustomization"])).await?;
    controller.start()?;
    controller.ready().await?;
    news_alone(&space, &sink, &mut old, "2").await?;

    // What was told is lost, a part of it while nobody looks, and another one while it runs. (What was sent in the last half
    // second may come again: that is over when all is saved and nothing waits.)
    let all_saved = async || {
        let holds = async || {
            let waiting = ListParams::default().labels("notification.toolkit.fluxcd.io/state=waiting");
            let mut texts = BTreeMap::new();
            for map in api.list(&told).await? {
                texts.extend(map.data.unwrap_or_default());
            }
            for n in 0..OBJECTS {
                let object = space.get(KUSTOMIZE, "Kustomization", &name(n)).await?;
                let object = object.unwrap_or_default();
                let messages = object["status"]["messages"].as_array();
                let last = messages.and_then(|m| m.last()?["sequence"].as_i64());
                let uid = object["metadata"]["uid"].as_str().unwrap_or_default();
                let expected = format!("Kustomization/{}/", last.unwrap_or_default());
                if texts.get(uid) != Some(&expected) {
                    return Ok(None);
                }
            }
            Ok(api.list(&waiting).await?.items.is_empty().then_some(()))
        };
        space.until("what was told is saved", LIMIT, holds).await
    };
    all_saved().await?;
    controller.kill();
    let sink = Sink::start().await?;
    space.apply(provider("sink", &sink.url("/"))).await?;
    api.delete("notification-controller-told-3", &none).await?;
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    controller.start()?;
    controller.ready().await?;
    news_alone(&space, &sink, &mut old, "3").await?;
    let sink = Sink::start().await?;
    space.apply(provider("sink", &sink.url("/"))).await?;
    for map in api.list(&all).await? {
        let is_told = map.name_any().starts_with("notification-controller-told-");
        if is_told && map.name_any() != "notification-controller-told-3" {
            api.delete(&map.name_any(), &none).await?;
        }
    }
    news_alone(&space, &sink, &mut old, "4").await?;
    all_saved().await?;
    controller.kill();
    let sink = Sink::start().await?;
    space.apply(provider("sink", &sink.url("/"))).await?;
    controller.start()?;
    controller.ready().await?;
    news_alone(&space, &sink, &mut old, "5").await
}
