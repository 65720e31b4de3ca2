//! Nothing that happens is lost while the controller is away, whenever it is killed: at random, and at the seams between what happened,
//! what waits, and what was told. The seams are made sure by state: the API server refuses to save the one or the other.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    flux::{ALERTING, SOURCE, alert, provider},
    origin::{Answer, Sink},
    space::{LIMIT, Space},
    suite::{NAMESPACE, Options},
    world::World,
};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api,
    api::{DeleteParams, ListParams, PostParams},
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, time::Duration};

fn map(value: &str) -> String {
    format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata:\n  a: \"{value}\"\n")
}

/// What the controller has saved of a kind: what `told` and what is `waiting`.
async fn saved(space: &Space<'_>, state: &str) -> Result<Vec<ConfigMap>> {
    let api: Api<ConfigMap> = Api::namespaced(space.cluster.client.clone(), NAMESPACE);
    let label = format!("{STATE}={state}");
    Ok(api.list(&ListParams::default().labels(&label)).await?.items)
}

const STATE: &str = "notification.toolkit.fluxcd.io/state";

/// The messages that are saved as waiting for Providers of the space.
pub async fn waiting(space: &Space<'_>) -> Result<Vec<Value>> {
    let mut waiting = Vec::new();
    for map in saved(space, "waiting").await? {
        let data = map.data.unwrap_or_default();
        if data
            .get("namespace")
            .is_some_and(|namespace| namespace == space.name())
        {
            let items: Vec<Value> = serde_json::from_str(data.get("items").context("items")?)?;
            waiting.extend(items);
        }
    }
    Ok(waiting)
}

/// Whether the messages of a commit that wait are saved.
async fn waits(space: &Space<'_>, commit: &str) -> Result<bool> {
    let of = |item: &Value| item["event"]["metadata"]["revision"] == format!("main@sha1:{commit}").as_str();
    Ok(waiting(space).await?.iter().any(of))
}

/// A world of its own with one object that was told of, and a sink for what comes next.
struct Scene<'a> {
    world: &'a World,
    space: Space<'a>,
    sink: Sink,
    uid: String,
}

impl<'a> Scene<'a> {
    async fn of(world: &'a World, name: &str) -> Result<Self> {
        let (space, sink) = (world.space(name).await?, Sink::start().await?);
        space.apply(provider("sink", &sink.url("/"))).await?;
        space.apply(alert("all", "sink", &["GitRepository"])).await?;
        space.repo.commit(&[("app/a.yaml", &map("0"))])?;
        space.git_repository(json!({})).await?;
        let object = async || space.get(SOURCE, "GitRepository", "app").await;
        let object = space.until("the object is there", LIMIT, object).await?;
        let uid = object["metadata"]["uid"].as_str().context("a uid")?.to_owned();
        let scene = Self {
            world,
            space,
            sink,
            uid,
        };
        let told = async || Ok((scene.sink.letters().len() == 1 && scene.is_calm().await?).then_some(()));
        scene.space.until("the first is told", LIMIT, told).await?;
        Ok(scene)
    }

    /// How far the controller has saved that it has told of the object.
    async fn cursor(&self) -> Result<Option<String>> {
        let maps = saved(&self.space, "told").await?;
        Ok(maps.into_iter().find_map(|map| map.data?.remove(&self.uid)))
    }

    /// Whether nothing waits, and what was saved says that all was told that the object's status has.
    async fn is_calm(&self) -> Result<bool> {
        let object = self
            .space
            .get(SOURCE, "GitRepository", "app")
            .await?
            .unwrap_or_default();
        let messages = object["status"]["messages"].as_array();
        let last = messages.and_then(|all| all.last()?["sequence"].as_i64());
        let all = format!("GitRepository/{}/", last.unwrap_or_default());
        Ok(last.is_some() && self.cursor().await? == Some(all) && waiting(&self.space).await?.is_empty())
    }

    /// Has the API server refuse what the controller saves of a kind, until it is allowed again.
    async fn refuse(&self, state: &str, refused: bool) -> Result<()> {
        let cluster = &self.space.cluster;
        let name = format!("refuse-{state}");
        let labels = format!("object.metadata.?labels['{STATE}'].orValue('')");
        let policy = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "matchConstraints": {"resourceRules": [
                    {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]},
                ]},
                "validations": [{"expression": format!("{labels} != '{state}'"), "reason": "Forbidden"}],
            },
        });
        let binding = json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        });
        for object in [policy, binding] {
            match refused {
                true => drop(cluster.apply(&object).await?),
                false => drop(
                    cluster
                        .api_of(&object)
                        .await?
                        .delete(&name, &DeleteParams::default())
                        .await?,
                ),
            }
        }
        let api: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), NAMESPACE);
        let probe = serde_json::from_value(json!({"metadata": {"name": "probe", "labels": {STATE: state}}}))?;
        let dry = PostParams {
            dry_run: true,
            ..PostParams::default()
        };
        let counts = async || {
            let is_refused = match api.create(&dry, &probe).await {
                Ok(_) => false,
                Err(kube::Error::Api(status)) if status.code == 403 => true,
                Err(error) => return Err(error.into()),
            };
            Ok((is_refused == refused).then_some(()))
        };
        let what = format!("that what is {state} is refused is {refused}");
        self.space.until(&what, LIMIT, counts).await
    }

    /// Waits until a commit is told of, and that is saved; each time with the same key.
    async fn told(&self, commit: &str, most: usize) -> Result<()> {
        let letters = || {
            let mut letters = self.sink.letters();
            let revision = format!("main@sha1:{commit}");
            letters.retain(|letter| letter.body["metadata"]["revision"] == revision.as_str());
            letters
        };
        let told = async || {
            let arrived = letters().iter().any(|letter| letter.status == 200);
            Ok((arrived && self.is_calm().await?).then_some(()))
        };
        self.space
            .until("it is told, and that is known", LIMIT, told)
            .await?;
        let keys: BTreeSet<_> = letters()
            .iter()
            .map(|letter| letter.headers.get("idempotency-key").cloned())
            .map(|key| key.map(|key| key.as_bytes().to_vec()))
            .collect();
        ensure!(keys.len() == 1 && !keys.contains(&None), "{:#?}", letters());
        ensure!(letters().len() <= most, "{:#?}", letters());
        Ok(())
    }
}

#[tokio::test]
async fn a_kill_between_what_waits_and_what_was_told() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let mut scene = Scene::of(&world, "kill-cursor").await?;
    let before = scene.cursor().await?;
    scene.refuse("told", true).await?;
    scene.sink.down().await?;
    let commit = scene.space.push(&[("app/a.yaml", &map("1"))]).await?;
    let seam = async || Ok(waits(&scene.space, &commit).await?.then_some(()));
    scene.space.until("the message is saved", LIMIT, seam).await?;
    scene.world.suite.notification.kill();
    ensure!(scene.cursor().await? == before, "that it was told is not");
    scene.refuse("told", false).await?;
    scene.sink.up()?;
    scene.world.suite.notification.start()?;
    // It waits, and its object's status says it again: twice at the most.
    scene.told(&commit, 2).await
}

#[tokio::test]
async fn a_kill_between_what_happened_and_what_waits() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let mut scene = Scene::of(&world, "kill-outbox").await?;
    let before = scene.cursor().await?;
    scene.refuse("waiting", true).await?;
    scene.sink.down().await?;
    let commit = scene.space.push(&[("app/a.yaml", &map("1"))]).await?;
    let log = scene.world.suite.notification.log().to_owned();
    let seam = async || {
        let text = std::fs::read_to_string(&log)?;
        let tried = text.contains("message not sent, trying again")
            && text.contains("cannot save the messages that wait");
        Ok(tried.then_some(()))
    };
    scene
        .space
        .until("the message is taken up and cannot be saved", LIMIT, seam)
        .await?;
    scene.world.suite.notification.kill();
    ensure!(!waits(&scene.space, &commit).await?, "nothing waits");
    ensure!(
        scene.cursor().await? == before,
        "and nothing says that it was told"
    );
    scene.refuse("waiting", false).await?;
    scene.sink.up()?;
    scene.world.suite.notification.start()?;
    scene.told(&commit, 1).await
}

#[tokio::test]
async fn a_kill_between_sending_and_knowing() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let scene = Scene::of(&world, "kill-sent").await?;
    let before = scene.cursor().await?;
    scene.sink.next(Answer {
        status: 200,
        retry_after: None,
        delay: Duration::from_secs(3600),
    });
    let commit = scene.space.push(&[("app/a.yaml", &map("1"))]).await?;
    let seam = async || {
        let sent = scene.sink.letters().len() == 2;
        Ok((sent && waits(&scene.space, &commit).await? && scene.cursor().await? != before).then_some(()))
    };
    scene
        .space
        .until("it is sent, and not answered, and all is saved", LIMIT, seam)
        .await?;
    scene.world.suite.notification.kill();
    scene.world.suite.notification.start()?;
    // Nobody can know that it arrived: it is sent again, with the same key.
    let again = async || Ok((scene.sink.letters().len() == 3).then_some(()));
    scene.space.until("it is sent again", LIMIT, again).await?;
    scene.told(&commit, 2).await
}

#[tokio::test]
async fn twenty_kills_lose_nothing() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let (space, mut sink) = (world.space("notify-kills").await?, Sink::start().await?);
    space.apply(provider("sink", &sink.url("/"))).await?;
    space.apply(alert("all", "sink", &["GitRepository"])).await?;
    let mut commits = BTreeSet::new();
    commits.insert(space.repo.commit(&[("app/a.yaml", &map("0"))])?);
    space.git_repository(json!({})).await?;
    space
        .until("the first is told", LIMIT, async || {
            Ok((heard(&sink) == commits).then_some(()))
        })
        .await?;
    let controller = &world.suite.notification;
    // What kills have found: nothing yet, a message that waits, one that was sent.
    let mut found = [0; 3];
    for n in 1..=20_u64 {
        // The service is away each fourth time: only then a message that was read is sure not to be sent yet.
        let is_away = n % 4 == 0;
        if is_away {
            sink.down().await?;
        }
        let commit = space.push(&[("app/a.yaml", &map(&n.to_string()))]).await?;
        commits.insert(commit.clone());
        if is_away {
            let seam = async || Ok(waits(&space, &commit).await?.then_some(()));
            space.until("the message is saved", LIMIT, seam).await?;
        } else {
            // Between now and when the news has been sent; chosen by the commit, which nobody chooses.
            let moment = u64::from_str_radix(&commit[..4], 16)? % 120;
            tokio::time::sleep(Duration::from_millis(moment)).await;
        }
        controller.kill();
        let is_sent = heard(&sink).contains(&commit);
        found[match waits(&space, &commit).await? {
            _ if is_sent => 2,
            true => 1,
            false => 0,
        }] += 1;
        if is_away {
            sink.up()?;
        }
        space.fetched(&commit).await?;
        controller.start()?;
        // Every other time it is killed again before it has come far.
        if n % 2 == 0 {
            controller.ready().await?;
        }
    }
    ensure!(found[1] >= 5, "between reading and sending: {found:?}");
    controller.ready().await?;
    let complete = async || Ok(commits.is_subset(&heard(&sink)).then_some(()));
    space.until("every commit was told of", LIMIT, complete).await?;
    let told = sink.events("/").len();
    let [nothing, waiting, sent] = found;
    println!(
        "21 transitions, 20 kills ({nothing} before anything was saved, {waiting} before what was saved was sent, {sent} after): none lost, \
         {} told again",
        told - commits.len()
    );
    Ok(())
}

/// The commits that a sink was told of.
fn heard(sink: &Sink) -> BTreeSet<String> {
    let commit = |event: &Value| {
        let revision = event["metadata"]["revision"].as_str()?;
        revision.strip_prefix("main@sha1:").map(str::to_owned)
    };
    sink.events("/").iter().filter_map(commit).collect()
}

/// A storm of more than one ConfigMap holds, for a service that is away for a minute, while the controller is killed.
#[tokio::test]
async fn a_storm_while_a_service_is_away_and_a_kill_lose_nothing() -> Result<()> {
    const OBJECTS: usize = 200;
    const AWAY: Duration = Duration::from_secs(60);
    let world = World::start(&Options::default()).await?;
    let (space, mut sink) = (world.space("notify-flood").await?, Sink::start().await?);
    space.apply(provider("sink", &sink.url("/"))).await?;
    space.apply(alert("all", "sink", &["Kustomization"])).await?;
    sink.down().await?;
    let since = std::time::Instant::now();
    let bad = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: app\ndata: text\n";
    space.repo.commit(&[("app/a.yaml", bad)])?;
    space.git_repository(json!({})).await?;
    let long = |n: usize| {
        (
            format!("event.toolkit.fluxcd.io/note-{n}"),
            "x".repeat(1000).into(),
        )
    };
    let notes: serde_json::Map<String, Value> = (0..6).map(long).collect();
    for n in 0..OBJECTS {
        let change = json!({"metadata": {"annotations": notes}, "spec": {"retryInterval": "1h"}});
        space.kustomization(&format!("app-{n}"), "./app", change).await?;
    }
    let failures = |events: &[Value]| -> BTreeSet<String> {
        let failed = events.iter().filter(|event| event["severity"] == "error");
        failed
            .map(|event| event["involvedObject"]["name"].to_string())
            .collect()
    };
    let all_wait = async || {
        let waiting = waiting(&space).await?;
        let events: Vec<Value> = waiting.iter().map(|item| item["event"].clone()).collect();
        Ok((failures(&events).len() == OBJECTS).then(|| json!(waiting).to_string().len()))
    };
    let bytes = space.until("all of it waits", LIMIT * 3, all_wait).await?;
    ensure!(bytes > 1 << 20, "{bytes} bytes would fit in one ConfigMap");
    let controller = &world.suite.notification;
    controller.kill();
    controller.start()?;
    controller.ready().await?;
    tokio::time::sleep(AWAY.saturating_sub(since.elapsed())).await;
    sink.up()?;
    let up = std::time::Instant::now();
    let all = async || Ok((failures(&sink.events("/")).len() == OBJECTS).then_some(()));
    space.until("each failure arrives", LIMIT * 3, all).await?;
    println!(
        "{OBJECTS} failures, {bytes} bytes, away for {:?}: all there after {:?}",
        up - since,
        up.elapsed()
    );
    let alert_is_calm = |alert: &Value| alert["status"]["deadLetters"].is_null();
    let what = "none is given up";
    space.holds(what, ALERTING, "Alert", "all", alert_is_calm).await?;
    Ok(())
}
