//! What is no failure can be told as one summary; failures are told at once, and one cause is one message.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    flux::{ALERTING, KUSTOMIZE, alert, provider, with},
    origin::Sink,
    space::{LIMIT, Space},
    suite::Options,
    world::World,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{Api, api::ListParams};
use serde_json::{Value, json};

const BAD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata: text\n";

fn map(value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  a: \"{value}\"\n")
}

/// An Alert `all` with this grouping, whose messages come to the sink.
async fn listen(space: &Space<'_>, sink: &Sink, kinds: &[&str], grouping: Value) -> Result<()> {
    space.apply(provider("sink", &sink.url("/"))).await?;
    let change = json!({"spec": {"grouping": grouping}});
    space.apply(with(alert("all", "sink", kinds), &change)).await
}

async fn regroup(space: &Space<'_>, grouping: Value) -> Result<()> {
    let change = json!({"spec": {"grouping": grouping}});
    space.patch(ALERTING, "Alert", "all", change).await
}

/// What the controller has saved of what it gathers for the alert, if it is anything.
async fn gathered(space: &Space<'_>) -> Result<Option<Value>> {
    let api: Api<ConfigMap> = Api::all(space.cluster.client.clone());
    let label = ListParams::default().labels("notification.toolkit.fluxcd.io/state=digest");
    let maps = api.list(&label).await?.items.into_iter();
    let texts = maps.filter_map(|map| map.data?.remove("digest"));
    let digests: Vec<Value> = texts
        .map(|text| serde_json::from_str(&text))
        .collect::<Result<_, _>>()?;
    let own = |digest: &Value| digest["alertNamespace"] == space.name();
    Ok(digests.into_iter().find(own))
}

/// Waits until so many artifacts of GitRepositories are gathered.
async fn gathers(space: &Space<'_>, artifacts: u64) -> Result<()> {
    let holds = async || {
        let count = gathered(space)
            .await?
            .and_then(|digest| digest["counts"][ARTIFACTS].as_u64());
        Ok(count.filter(|count| *count >= artifacts).map(drop))
    };
    space
        .until(&format!("{artifacts} artifacts are gathered"), LIMIT, holds)
        .await
}

const ARTIFACTS: &str = "GitRepository NewArtifact";

fn text(event: &Value) -> &str {
    event["message"].as_str().unwrap_or_default()
}

fn is_digest(event: &Value) -> bool {
    event["reason"] == "Digest"
}

async fn digest(space: &Space<'_>, sink: &Sink) -> Result<Value> {
    let found = async || Ok(sink.events("/").into_iter().find(is_digest));
    let found = space.until("the digest is told", LIMIT, found).await;
    found.with_context(|| format!("the sink has {:#?}", sink.events("/")))
}

#[tokio::test]
async fn failures_are_told_at_once_and_all_else_as_one_summary() -> Result<()> {
    let (space, sink) = (
        World::shared().await?.space("digest").await?,
        Sink::start().await?,
    );
    listen(
        &space,
        &sink,
        &["GitRepository", "Kustomization"],
        json!({"digest": "24h"}),
    )
    .await?;
    let first = space.repo.commit(&[("app/a.yaml", &map("1"))])?;
    space.git_repository(json!({})).await?;
    space.kustomization("app", "./app", json!({})).await?;
    space.synced("app", &first).await?;
    space.push(&[("app/a.yaml", BAD)]).await?;
    let failed = async || Ok(sink.events("/").into_iter().next());
    let failed = space.until("the failure is told", LIMIT, failed).await?;
    ensure!(
        failed["severity"] == "error" && failed["involvedObject"]["kind"] == "Kustomization",
        "{failed:#}"
    );
    let third = space.push(&[("app/a.yaml", &map("3"))]).await?;
    let ended = async || {
        let well = |event: &Value| event["metadata"]["revision"] == format!("main@sha1:{third}").as_str();
        Ok(sink.events("/").into_iter().find(well))
    };
    let ended = space
        .until("the end of the failure is told", LIMIT, ended)
        .await?;
    ensure!(ended["reason"] == "ReconciliationSucceeded", "{ended:#}");
    gathers(&space, 3).await?;
    ensure!(sink.events("/").len() == 2, "{:#?}", sink.events("/"));

    // Another period counts from when the digest began: this one is over.
    regroup(&space, json!({"digest": "1s"})).await?;
    let told = digest(&space, &sink).await?;
    let about = &told["involvedObject"];
    ensure!(
        about["kind"] == "Alert" && about["name"] == "all" && told["severity"] == "info",
        "{told:#}"
    );
    for part in [
        "messages since",
        "\nGitRepository NewArtifact: 3",
        "\nKustomization Progressing: ",
        "\n- GitRepository/digest/app: NewArtifact: stored artifact for commit",
        "\n- Kustomization/digest/app: ",
    ] {
        space.contains(text(&told), part)?;
    }
    let none = async || Ok(gathered(&space).await?.is_none().then_some(()));
    space.until("nothing is gathered any more", LIMIT, none).await?;
    ensure!(sink.events("/").len() == 3, "{:#?}", sink.events("/"));

    // Without a digest all is told as it happens again.
    regroup(&space, json!({"digest": "24h"})).await?;
    space.push(&[("app/a.yaml", &map("4"))]).await?;
    gathers(&space, 1).await?;
    regroup(&space, Value::Null).await?;
    let both = async || Ok((sink.events("/").iter().filter(|e| is_digest(e)).count() == 2).then_some(()));
    space.until("what was gathered is told", LIMIT, both).await?;
    space.push(&[("app/a.yaml", &map("5"))]).await?;
    let plain = async || {
        Ok(sink
            .events("/")
            .into_iter()
            .find(|e| e["reason"] == "NewArtifact"))
    };
    space.until("what happens is told at once", LIMIT, plain).await?;
    Ok(())
}

#[tokio::test]
async fn an_alert_that_is_suspended_or_deleted_wants_no_digest() -> Result<()> {
    let (space, sink) = (
        World::shared().await?.space("digest-off").await?,
        Sink::start().await?,
    );
    let none = async || Ok(gathered(&space).await?.is_none().then_some(()));
    listen(&space, &sink, &["GitRepository"], json!({"digest": "24h"})).await?;
    space.repo.commit(&[("app/a.yaml", &map("1"))])?;
    space.git_repository(json!({})).await?;
    gathers(&space, 1).await?;
    space
        .patch(ALERTING, "Alert", "all", json!({"spec": {"suspend": true}}))
        .await?;
    space.until("it is dropped when suspended", LIMIT, none).await?;

    let again = json!({"spec": {"suspend": false}});
    space.patch(ALERTING, "Alert", "all", again).await?;
    space.push(&[("app/a.yaml", &map("2"))]).await?;
    gathers(&space, 1).await?;
    space.delete(ALERTING, "Alert", "all").await?;
    space.until("it is dropped when deleted", LIMIT, none).await?;

    // One of the same name begins anew.
    listen(&space, &sink, &["GitRepository"], json!({"digest": "24h"})).await?;
    space.push(&[("app/a.yaml", &map("3"))]).await?;
    gathers(&space, 1).await?;
    regroup(&space, json!({"digest": "1s"})).await?;
    let told = digest(&space, &sink).await?;
    space.contains(text(&told), "1 messages since")?;
    ensure!(sink.events("/").len() == 1, "{:#?}", sink.events("/"));
    Ok(())
}

#[tokio::test]
async fn a_kill_in_mid_period_loses_nothing_of_a_digest() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let (space, sink) = (world.space("digest-kill").await?, Sink::start().await?);
    let controller = &world.suite.notification;
    listen(&space, &sink, &["GitRepository"], json!({"digest": "24h"})).await?;
    space.repo.commit(&[("app/a.yaml", &map("0"))])?;
    space.git_repository(json!({})).await?;
    gathers(&space, 1).await?;
    const KILLS: u64 = 6;
    for n in 1..=KILLS {
        // By turns: what was saved is there again, and what was not is told again by the status.
        let commit = space.push(&[("app/a.yaml", &map(&n.to_string()))]).await?;
        if n % 2 == 0 {
            gathers(&space, n + 1).await?;
        }
        controller.kill();
        space.fetched(&commit).await?;
        controller.start()?;
        gathers(&space, n + 1).await?;
    }
    ensure!(sink.events("/").is_empty(), "{:#?}", sink.events("/"));
    // The period ends while nobody is there.
    controller.kill();
    regroup(&space, json!({"digest": "1s"})).await?;
    controller.start()?;
    let told = digest(&space, &sink).await?;
    let count = text(&told)
        .lines()
        .find_map(|line| line.strip_prefix(ARTIFACTS)?.strip_prefix(": "));
    let count: u64 = count.context("it counts the artifacts")?.parse()?;
    // At least once: what came in the last half second before a kill may be counted again.
    ensure!((KILLS + 1..=2 * (KILLS + 1)).contains(&count), "{told:#}");
    println!(
        "{} commits, {} kills: the digest counts {count}",
        KILLS + 1,
        KILLS + 1
    );
    Ok(())
}

#[tokio::test]
async fn forty_that_wait_for_one_that_fails_are_one_message_with_it() -> Result<()> {
    const WAITING: usize = 40;
    let (space, sink) = (
        World::shared().await?.space("digest-cause").await?,
        Sink::start().await?,
    );
    listen(&space, &sink, &["Kustomization"], json!({"window": "20s"})).await?;
    space
        .repo
        .commit(&[("base/a.yaml", BAD), ("app/a.yaml", &map("1"))])?;
    space.git_repository(json!({})).await?;
    let change = json!({"spec": {"retryInterval": "1h"}});
    space.kustomization("base", "./base", change).await?;
    for n in 0..WAITING {
        // Half of them wait for the one before, not for the base itself.
        let on = if n % 2 == 0 {
            "base".to_owned()
        } else {
            format!("app-{}", n - 1)
        };
        let change = json!({"spec": {"dependsOn": [{"name": on}], "retryInterval": "1h"}});
        space.kustomization(&format!("app-{n}"), "./app", change).await?;
    }
    let waits = |o: &Value| e2e::expect::verdict(o).is_some_and(|v| v.reason == "DependencyNotReady");
    for n in 0..WAITING {
        let name = format!("app-{n}");
        space
            .holds("it waits", KUSTOMIZE, "Kustomization", &name, waits)
            .await?;
    }
    let about = |part: &'static str| move |event: &Value| text(event).contains(part);
    let told = async || {
        Ok(sink
            .events("/")
            .into_iter()
            .find(about("because of Kustomization/digest-cause/base")))
    };
    let told = space.until("the cause is told", LIMIT, told).await;
    let told = told.with_context(|| format!("the sink has {:#?}", sink.events("/")))?;
    ensure!(
        told["severity"] == "error" && told["involvedObject"]["name"] == "base",
        "{told:#}"
    );
    let told = sink.events("/").len();
    ensure!(told <= 3, "{told} messages of one cause: {:#?}", sink.events("/"));
    println!("one fails and {WAITING} wait for it: {told} messages");
    Ok(())
}
