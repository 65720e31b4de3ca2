//! Nothing that happens is lost while a service is away, slow or refuses, and nothing is told again without need.

use anyhow::{Result, ensure};
use e2e::{
    flux::{ALERTING, alert, git_repository, provider, with},
    origin::{Answer, Letter, Sink},
    space::{LIMIT, Space},
    suite::Options,
    world::World,
};
use serde_json::json;
use std::{collections::BTreeSet, time::Duration};

use super::notify_kills::waiting;

fn map(value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  a: \"{value}\"\n")
}

/// A commit of which an alert is to tell a service that is away.
async fn something_happens_while_away(space: &Space<'_>, sink: &mut Sink) -> Result<()> {
    space.apply(provider("sink", &sink.url("/"))).await?;
    space.apply(alert("all", "sink", &["GitRepository"])).await?;
    sink.down().await?;
    space.repo.commit(&[("app/a.yaml", &map("1"))])?;
    space.git_repository(json!({})).await
}

/// Waits until the alert says that a message waits.
async fn says_that_one_waits(space: &Space<'_>) -> Result<()> {
    let waits = |alert: &serde_json::Value| alert["status"]["waiting"] == 1;
    let what = "the alert says that a message waits";
    space.holds(what, ALERTING, "Alert", "all", waits).await?;
    Ok(())
}

#[tokio::test]
async fn a_service_that_is_away_is_told_when_it_is_back() -> Result<()> {
    let (space, mut sink) = (
        World::shared().await?.space("notify-away").await?,
        Sink::start().await?,
    );
    something_happens_while_away(&space, &mut sink).await?;
    let waits = |alert: &serde_json::Value| {
        alert["status"]["waiting"] == 1
            && alert["status"]["lastFailure"]["object"] == "GitRepository/notify-away/app"
    };
    space
        .holds(
            "the alert says that a message waits",
            ALERTING,
            "Alert",
            "all",
            waits,
        )
        .await?;
    sink.up()?;
    for _ in 0..3 {
        sink.next(Answer::from(500));
    }
    sink.next(Answer {
        status: 429,
        retry_after: Some("2".into()),
        delay: Duration::ZERO,
    });
    let arrived = async || Ok((!sink.events("/").is_empty()).then_some(()));
    space.until("the message arrives", LIMIT, arrived).await?;
    let letters = sink.letters();
    ensure!(letters.iter().map(|l| l.status).collect::<Vec<_>>() == [500, 500, 500, 429, 200]);
    let pauses: Vec<Duration> = letters.windows(2).map(|pair| pair[1].at - pair[0].at).collect();
    ensure!(
        pauses[0] >= Duration::from_millis(800) && pauses[1] > pauses[0] && pauses[2] > pauses[1],
        "pauses grow: {pauses:?}"
    );
    let pause = pauses[3];
    ensure!(
        pause >= Duration::from_millis(1800),
        "Retry-After is honoured: {pause:?}"
    );
    let calm = |alert: &serde_json::Value| alert["status"]["waiting"].is_null();
    let alert = space
        .holds("the alert says that none waits", ALERTING, "Alert", "all", calm)
        .await?;
    ensure!(alert["status"]["deadLetters"].is_null(), "{alert:#}");
    Ok(())
}

#[tokio::test]
async fn what_an_earlier_process_said_of_an_alert_is_put_right() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let (space, mut sink) = (world.space("notify-left").await?, Sink::start().await?);
    something_happens_while_away(&space, &mut sink).await?;
    says_that_one_waits(&space).await?;
    world.suite.notification.kill();
    sink.up()?;
    world.suite.notification.start()?;
    let arrived = async || Ok((!sink.events("/").is_empty()).then_some(()));
    space.until("the message arrives", LIMIT, arrived).await?;
    let calm = |alert: &serde_json::Value| alert["status"]["waiting"].is_null();
    space
        .holds("the alert says that none waits", ALERTING, "Alert", "all", calm)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_message_that_is_refused_is_given_up_and_holds_none_up() -> Result<()> {
    let (space, sink) = (
        World::shared().await?.space("notify-refused").await?,
        Sink::start().await?,
    );
    sink.next(Answer::from(422));
    space.apply(provider("sink", &sink.url("/"))).await?;
    space.apply(alert("all", "sink", &["GitRepository"])).await?;
    space.repo.commit(&[("app/a.yaml", &map("1"))])?;
    space.git_repository(json!({})).await?;
    let dead = |alert: &serde_json::Value| alert["status"]["deadLetters"] == 1;
    space
        .holds("the alert counts it", ALERTING, "Alert", "all", dead)
        .await?;
    space.push(&[("app/a.yaml", &map("2"))]).await?;
    let arrived = async || Ok((sink.events("/").len() == 1).then_some(()));
    space.until("the next one arrives", LIMIT, arrived).await
}

#[tokio::test]
async fn what_waits_goes_with_its_alert_to_another_provider() -> Result<()> {
    let (space, mut revoked, repaired) = (
        World::shared().await?.space("notify-moved").await?,
        Sink::start().await?,
        Sink::start().await?,
    );
    space.apply(provider("revoked", &revoked.url("/"))).await?;
    space.apply(alert("all", "revoked", &["GitRepository"])).await?;
    revoked.down().await?;
    space.repo.commit(&[("app/a.yaml", &map("1"))])?;
    space.git_repository(json!({})).await?;
    says_that_one_waits(&space).await?;
    space.apply(provider("repaired", &repaired.url("/"))).await?;
    space.apply(alert("all", "repaired", &["GitRepository"])).await?;
    let arrived = async || Ok((repaired.events("/").len() == 1).then_some(()));
    space.until("it arrives at the other", LIMIT, arrived).await?;
    let calm = |alert: &serde_json::Value| {
        alert["status"]["waiting"].is_null() && alert["status"]["deadLetters"].is_null()
    };
    space
        .holds(
            "none waits, and none was given up",
            ALERTING,
            "Alert",
            "all",
            calm,
        )
        .await?;
    Ok(())
}

#[tokio::test]
async fn what_is_too_late_is_given_up_and_counted() -> Result<()> {
    let world = World::start(&Options {
        notification: vec!["--delivery-deadline=3s".into()],
        ..Options::default()
    })
    .await?;
    let (space, mut sink) = (world.space("notify-late").await?, Sink::start().await?);
    something_happens_while_away(&space, &mut sink).await?;
    let dead = |alert: &serde_json::Value| {
        let (status, failure) = (&alert["status"], &alert["status"]["lastFailure"]);
        status["deadLetters"] == 1
            && status["waiting"].is_null()
            && failure["object"] == "GitRepository/notify-late/app"
            && failure["message"]
                .as_str()
                .is_some_and(|text| text.starts_with("given up after 3s: "))
    };
    space
        .holds(
            "the alert says what was given up, and why",
            ALERTING,
            "Alert",
            "all",
            dead,
        )
        .await?;
    // The next one is none the worse for it.
    sink.up()?;
    space.push(&[("app/a.yaml", &map("2"))]).await?;
    let arrived = async || Ok((sink.events("/").len() == 1).then_some(()));
    space.until("the next one arrives", LIMIT, arrived).await
}

#[tokio::test]
async fn a_commit_that_gitea_does_not_know_holds_up_itself_alone() -> Result<()> {
    let (space, gitea) = (
        World::shared().await?.space("notify-poison").await?,
        Sink::start().await?,
    );
    space
        .apply(json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "gitea"}, "stringData": {"token": "t"},
        }))
        .await?;
    let host = json!({"spec": {"type": "gitea", "secretRef": {"name": "gitea"}}});
    space
        .apply(with(provider("gitea", &gitea.url("/team/app")), &host))
        .await?;
    space.apply(alert("all", "gitea", &["Kustomization"])).await?;
    let unknown = space.repo.commit(&[("app/a.yaml", &map("1"))])?;
    // As Gitea answers.
    gitea.refuse(Some((&format!("/statuses/{unknown}"), 500)));
    space.git_repository(json!({})).await?;
    space.kustomization("app", "./app", json!({})).await?;
    let told = |commit: &str, status: u16| {
        let path = format!("/api/v1/repos/team/app/statuses/{commit}");
        // Asked for before it is set.
        let is_set = |letter: &Letter| letter.method == "POST" || status >= 400;
        let is_it =
            |letter: &&Letter| letter.path.starts_with(&path) && letter.status == status && is_set(letter);
        gitea.letters().iter().filter(is_it).count()
    };
    let refused = async || Ok((told(&unknown, 500) > 0).then_some(()));
    space.until("the first is refused", LIMIT, refused).await?;
    let known = space.push(&[("app/a.yaml", &map("2"))]).await?;
    let arrived = async || Ok((told(&known, 200) > 0).then_some(()));
    space
        .until("that of the next commit arrives", LIMIT, arrived)
        .await?;
    let waits = |alert: &serde_json::Value| alert["status"]["waiting"].as_i64() > Some(0);
    space
        .holds("the first still waits", ALERTING, "Alert", "all", waits)
        .await?;
    ensure!(told(&unknown, 200) == 0);
    gitea.refuse(None);
    let arrived = async || Ok((told(&unknown, 200) > 0).then_some(()));
    space.until("the first arrives", LIMIT, arrived).await
}

#[tokio::test]
async fn a_slow_service_holds_up_itself_alone() -> Result<()> {
    let (space, slow, quick) = (
        World::shared().await?.space("notify-slow").await?,
        Sink::start().await?,
        Sink::start().await?,
    );
    slow.always(Some(Answer {
        status: 200,
        retry_after: None,
        delay: Duration::from_secs(3600),
    }));
    for (name, sink) in [("slow", &slow), ("quick", &quick)] {
        space.apply(provider(name, &sink.url("/"))).await?;
        space.apply(alert(name, name, &["GitRepository"])).await?;
    }
    space.repo.commit(&[("app/a.yaml", &map("1"))])?;
    space.git_repository(json!({})).await?;
    let asked = async || Ok((!slow.letters().is_empty()).then_some(()));
    space.until("the slow service is asked", LIMIT, asked).await?;
    space.push(&[("app/a.yaml", &map("2"))]).await?;
    let arrived = async || Ok((quick.events("/").len() == 2).then_some(()));
    space.until("the quick one has both", LIMIT, arrived).await
}

#[tokio::test]
async fn slack_is_sent_no_more_than_it_takes_and_all_of_it() -> Result<()> {
    const OBJECTS: usize = 12;
    // As Slack documents it: one a second, with short bursts.
    const BURST: usize = 4;
    const EVERY: Duration = Duration::from_secs(1);
    let (space, sink) = (
        World::shared().await?.space("notify-pace").await?,
        Sink::start().await?,
    );
    let slack = json!({"spec": {"type": "slack"}});
    space
        .apply(with(provider("sink", &sink.url("/hook")), &slack))
        .await?;
    space.apply(alert("all", "sink", &["GitRepository"])).await?;
    // One that says when to come back is heeded.
    sink.next(Answer {
        status: 429,
        retry_after: Some("3".into()),
        delay: Duration::ZERO,
    });
    space.repo.commit(&[("app/a.yaml", &map("1"))])?;
    for n in 0..OBJECTS {
        let mut object = git_repository(&format!("app-{n}"), &space.url());
        // Each with a letter of its own: the same commit is packed once.
        object["spec"]["ignore"] = json!(format!("# {n}"));
        space.apply(object).await?;
    }
    let names = || -> Vec<String> {
        let author = |letter: &Letter| {
            letter.body["attachments"][0]["author_name"]
                .as_str()
                .map(str::to_owned)
        };
        let letters = sink.letters();
        letters
            .iter()
            .filter(|l| l.status == 200)
            .filter_map(author)
            .collect()
    };
    let all = async || Ok((names().len() >= OBJECTS).then_some(()));
    space.until("all messages arrive", LIMIT, all).await?;
    let letters = sink.letters();
    ensure!(
        letters[0].status == 429 && letters[1].at - letters[0].at >= Duration::from_millis(2700),
        "Retry-After rules"
    );
    let distinct: BTreeSet<String> = names().into_iter().collect();
    ensure!(
        distinct.len() == OBJECTS && letters.len() == OBJECTS + 1,
        "{letters:#?}"
    );
    for (n, first) in letters.iter().enumerate() {
        for (m, last) in letters.iter().enumerate().skip(n + BURST) {
            let owed = EVERY * u32::try_from(m - n - BURST + 1)?;
            // Requests travel; they leave when they may.
            let took = last.at - first.at + Duration::from_millis(300);
            ensure!(took >= owed, "{} messages in {took:?}", m - n + 1);
        }
    }
    let took = letters[OBJECTS].at - letters[1].at;
    println!("{OBJECTS} messages to Slack in {took:?}");
    Ok(())
}

#[tokio::test]
async fn a_service_that_takes_its_time_is_told_once() -> Result<()> {
    const COMMITS: usize = 5;
    let (space, sink) = (
        World::shared().await?.space("notify-unhurried").await?,
        Sink::start().await?,
    );
    sink.always(Some(Answer {
        status: 200,
        retry_after: None,
        delay: Duration::from_millis(1500),
    }));
    space.apply(provider("sink", &sink.url("/"))).await?;
    space.apply(alert("all", "sink", &["GitRepository"])).await?;
    let mut commits = BTreeSet::new();
    for n in 0..COMMITS {
        let commit = space.repo.commit(&[("app/a.yaml", &map(&n.to_string()))])?;
        match n {
            0 => space.git_repository(json!({})).await?,
            _ => space.request(e2e::flux::SOURCE, "GitRepository", "app").await?,
        }
        space.fetched(&commit).await?;
        commits.insert(commit);
    }
    // What is saved as waiting is empty again when the last is answered.
    let calm = async || {
        let told = sink.letters().len() >= COMMITS;
        Ok((told && waiting(&space).await?.is_empty()).then_some(()))
    };
    space
        .until("all are told, and that is known", LIMIT, calm)
        .await?;
    let letters = sink.letters();
    let revisions: Vec<&str> = letters
        .iter()
        .filter_map(|letter| {
            letter.body["metadata"]["revision"]
                .as_str()?
                .strip_prefix("main@sha1:")
        })
        .collect();
    let distinct: BTreeSet<String> = revisions.iter().map(|r| (*r).to_owned()).collect();
    ensure!(revisions.len() == COMMITS && distinct == commits, "{revisions:?}");
    for pair in letters.windows(2) {
        let pause = pair[1].at - pair[0].at;
        ensure!(
            pause >= Duration::from_millis(1500),
            "one after the other: {pause:?}"
        );
    }
    Ok(())
}
