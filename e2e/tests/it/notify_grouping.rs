//! What belongs together is one message: also over the end of the process, at the end of failures, and only where the service is told
//! of objects together.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app::config_map,
    flux::{ALERTING, KUSTOMIZE, alert, provider, with},
    origin::{Letter, Sink},
    space::{LIMIT, Space},
    suite::Options,
    world::World,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

const BAD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata: text\n";

/// An Alert about Kustomizations, grouped by a window, to a Provider of this kind.
async fn listen(space: &Space<'_>, window: &str, to: Value) -> Result<()> {
    space.apply(to).await?;
    let change = json!({"spec": {"grouping": {"window": window}}});
    space
        .apply(with(alert("all", "sink", &["Kustomization"]), &change))
        .await
}

/// Kustomizations of one folder, each with objects of its own.
async fn kustomizations(space: &Space<'_>, numbers: std::ops::Range<usize>) -> Result<()> {
    for n in numbers {
        let change = json!({"spec": {"retryInterval": "1h", "namePrefix": format!("app-{n}-")}});
        space.kustomization(&format!("app-{n}"), "./app", change).await?;
    }
    Ok(())
}

/// How many messages the controller has saved as held back for the space's Provider.
async fn held(space: &Space<'_>) -> Result<usize> {
    let api: Api<ConfigMap> = Api::all(space.cluster.client.clone());
    let label = ListParams::default().labels("notification.toolkit.fluxcd.io/state=waiting");
    let mut count = 0;
    for map in api.list(&label).await?.items {
        let data = map.data.unwrap_or_default();
        if data
            .get("namespace")
            .is_some_and(|namespace| namespace == space.name())
        {
            let items: Vec<Value> = serde_json::from_str(data.get("items").context("items")?)?;
            count += items.iter().filter(|item| item["held"] == true).count();
        }
    }
    Ok(count)
}

#[tokio::test]
async fn a_kill_in_a_window_does_not_open_it() -> Result<()> {
    const WINDOW: Duration = Duration::from_secs(20);
    let world = World::start(&Options::default()).await?;
    let (space, sink) = (world.space("window-kill").await?, Sink::start().await?);
    let controller = &world.suite.notification;
    listen(&space, "20s", provider("sink", &sink.url("/"))).await?;
    let errors = json!({"spec": {"eventSeverity": "error"}});
    space.patch(ALERTING, "Alert", "all", errors).await?;
    space.repo.commit(&[("app/a.yaml", BAD)])?;
    space.git_repository(json!({})).await?;
    let before = Instant::now();
    kustomizations(&space, 0..5).await?;
    let saved = async || Ok((held(&space).await? == 5).then_some(()));
    space.until("the failures are held back", LIMIT, saved).await?;
    controller.kill();
    ensure!(sink.letters().is_empty(), "{:#?}", sink.letters());
    // While nobody is there.
    kustomizations(&space, 5..7).await?;
    let failed = |o: &Value| e2e::expect::verdict(o).is_some_and(|v| v.reason == "ReconciliationFailed");
    for name in ["app-5", "app-6"] {
        space
            .holds("it fails", KUSTOMIZE, "Kustomization", name, failed)
            .await?;
    }
    controller.start()?;
    let told = async || Ok(sink.letters().into_iter().next());
    let told = space.until("the failures are told", LIMIT, told).await?;
    let text = told.body["message"].as_str().unwrap_or_default();
    ensure!(text.starts_with("7 Kustomization objects: "), "{text}");
    let passed = told.at - before;
    ensure!(
        passed > WINDOW && passed < WINDOW * 2,
        "the time before the kill counts: {passed:?}"
    );
    let none = async || Ok((held(&space).await? == 0).then_some(()));
    space.until("nothing is held back any more", LIMIT, none).await?;
    ensure!(sink.letters().len() == 1, "{:#?}", sink.letters());
    Ok(())
}

/// The value of a field in a message to Slack.
fn field<'a>(letter: &'a Letter, title: &str) -> Option<&'a str> {
    let fields = letter.body["attachments"][0]["fields"].as_array()?;
    fields.iter().find(|field| field["title"] == title)?["value"].as_str()
}

/// The numbers of the objects `app-…` that messages to Slack are about, of one or of several, whose texts have this in them.
fn counts(letters: &[Letter], part: &str) -> Vec<usize> {
    let with_part = letters.iter().filter(|letter| {
        let message = &letter.body["attachments"][0];
        let author = message["author_name"].as_str().unwrap_or_default();
        let text = message["text"].as_str().unwrap_or_default();
        author.starts_with("kustomization/app-") && text.contains(part)
    });
    let count = |letter: &Letter| field(letter, "count").and_then(|count| count.parse().ok());
    with_part.map(|letter| count(letter).unwrap_or(1)).collect()
}

#[tokio::test]
async fn forty_that_recover_are_told_of_whoever_reports_first() -> Result<()> {
    const OBJECTS: usize = 40;
    let (space, sink) = (
        World::shared().await?.space("recoveries").await?,
        Sink::start().await?,
    );
    let slack = json!({"spec": {"type": "slack"}});
    listen(&space, "8s", with(provider("sink", &sink.url("/hook")), &slack)).await?;
    let well = config_map("well", "1");
    space
        .repo
        .commit(&[("app/a.yaml", BAD), ("well/a.yaml", &well)])?;
    space.git_repository(json!({})).await?;
    kustomizations(&space, 0..OBJECTS).await?;
    space.kustomization("well", "./well", json!({})).await?;
    let all = async || {
        Ok((counts(&sink.letters(), "dry-run failed").iter().sum::<usize>() >= OBJECTS).then_some(()))
    };
    space.until("the failures are told", LIMIT, all).await?;

    // One that is well has something to tell, and then the others recover.
    let change = json!({"spec": {"commonMetadata": {"labels": {"tier": "front"}}}});
    space.patch(KUSTOMIZE, "Kustomization", "well", change).await?;
    let reported = |o: &Value| {
        o["status"]["observedGeneration"] == o["metadata"]["generation"]
            && e2e::expect::verdict(o).is_some_and(|v| v.reason == "ReconciliationSucceeded")
    };
    space
        .holds("it is well", KUSTOMIZE, "Kustomization", "well", reported)
        .await?;
    let before = sink.letters().len();
    space
        .push(&[
            ("app/a.yaml", &config_map("app", "1")),
            ("well/a.yaml", &config_map("well", "2")),
        ])
        .await?;
    let ends = || counts(&sink.letters(), "Reconciliation finished");
    let all = async || Ok((ends().iter().sum::<usize>() >= OBJECTS).then_some(()));
    let all = space.until("all recoveries are told", LIMIT, all).await;
    all.with_context(|| format!("Slack has {:#?}", sink.letters()))?;
    let (ends, told) = (ends(), sink.letters().len() - before);
    ensure!(
        ends.iter().sum::<usize>() == OBJECTS,
        "only those that failed: {ends:?}"
    );
    ensure!(told <= 6, "{told} messages: {:#?}", sink.letters());
    println!("{OBJECTS} recover: told of in {ends:?}, {told} messages in all");
    Ok(())
}

#[tokio::test]
async fn the_status_of_a_commit_is_set_for_each_object() -> Result<()> {
    const OBJECTS: usize = 12;
    let (space, sink) = (
        World::shared().await?.space("statuses").await?,
        Sink::start().await?,
    );
    let token = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "token"}, "stringData": {"token": "t"}});
    space.apply(token).await?;
    let github = json!({"spec": {"type": "github", "secretRef": {"name": "token"}}});
    listen(
        &space,
        "24h",
        with(provider("sink", &sink.url("/acme/web")), &github),
    )
    .await?;
    let commit = space.repo.commit(&[("app/a.yaml", BAD)])?;
    space.git_repository(json!({})).await?;
    kustomizations(&space, 0..OBJECTS).await?;
    let place = format!("/api/v3/repos/acme/web/statuses/{commit}");
    let contexts = |state: &str| -> BTreeSet<String> {
        let mut letters = sink.letters();
        letters.retain(|letter| {
            letter.method == "POST" && letter.path == place && letter.body["state"] == state
        });
        let context = |letter: &Letter| Some(letter.body["context"].as_str()?.rsplit_once('/')?.0.to_owned());
        letters.iter().filter_map(context).collect()
    };
    let expected: BTreeSet<String> = (0..OBJECTS).map(|n| format!("kustomization/app-{n}")).collect();
    let set = async || Ok((contexts("failure") == expected).then_some(()));
    let set = space.until("each object's status is set", LIMIT, set).await;
    set.with_context(|| format!("the host has {:#?}", sink.letters()))
}
