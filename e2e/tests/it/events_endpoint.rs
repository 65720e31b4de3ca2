//! Third parties post events as they do to Flux: taken once, within bounds, and where a flag asks for it only of ServiceAccounts.

use anyhow::{Result, ensure};
use e2e::{
    flux::{alert, provider, with},
    origin::Sink,
    process::free_port,
    space::{LIMIT, Space},
    suite::{NAMESPACE, Options, sum},
    world::World,
};
use serde_json::{Value, json};

/// Alerts that want to know an object's labels.
const LABELLED: usize = 20;

fn event(namespace: &str, name: &str, message: &str, revision: &str) -> Value {
    json!({
        "involvedObject": {
            "apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "name": name, "namespace": namespace,
        },
        "severity": "info", "timestamp": "2026-01-02T03:04:05Z", "message": message, "reason": "Canary",
        "metadata": {
            "kustomize.toolkit.fluxcd.io/revision": revision, "kustomize.toolkit.fluxcd.io/token": "t", "bare": "dropped",
        },
        "reportingController": "flagger", "unknownField": true,
    })
}

/// How many tokens the API server has reviewed.
async fn reviews(space: &Space<'_>) -> Result<f64> {
    let request = http::Request::get("/metrics").body(Vec::new())?;
    let metrics = space.cluster.client.request_text(request).await?;
    Ok(sum(
        &metrics,
        "apiserver_request_total",
        "resource=\"tokenreviews\"",
    ))
}

/// How many requests for one Kustomization the API server has answered.
async fn looks(space: &Space<'_>) -> Result<f64> {
    let request = http::Request::get("/metrics").body(Vec::new())?;
    let metrics = space.cluster.client.request_text(request).await?;
    let gets = metrics
        .lines()
        .filter(|line| line.contains("verb=\"GET\"") && line.contains("resource=\"kustomizations\""));
    let gets: Vec<&str> = gets.collect();
    Ok(sum(&gets.join("\n"), "apiserver_request_total", ""))
}

#[tokio::test]
async fn events_of_others_are_passed_on() -> Result<()> {
    let address = format!("127.0.0.1:{}", free_port()?);
    let options = Options {
        notification: vec![
            format!("--events-addr={address}"),
            "--events-authentication".into(),
        ],
        ..Options::default()
    };
    let world = World::start(&options).await?;
    let (space, sink) = (world.space("posted").await?, Sink::start().await?);
    space.apply(provider("sink", &sink.url("/all"))).await?;
    space.apply(alert("all", "sink", &["Kustomization"])).await?;
    let labelled = json!({"spec": {"eventSources": [{"kind": "Kustomization", "name": "*", "matchLabels": {"tier": "a"}}]}});
    space.apply(provider("labelled", &sink.url("/labelled"))).await?;
    space
        .apply(with(alert("labelled", "labelled", &[]), &labelled))
        .await?;
    space
        .apply(provider("labelled-too", &sink.url("/labelled-too")))
        .await?;
    for (name, tier) in [("one", "a"), ("two", "b")] {
        let suspended = json!({"metadata": {"labels": {"tier": tier}}, "spec": {"suspend": true}});
        space.kustomization(name, "./app", suspended).await?;
    }
    for n in 0..LABELLED {
        let name = format!("labelled-{n}");
        space
            .apply(with(alert(&name, "labelled-too", &[]), &labelled))
            .await?;
    }
    let token = space.cluster.token(NAMESPACE, "source-controller").await?;
    let http = reqwest::Client::builder().no_proxy().build()?;
    let url = format!("http://{address}/any/path");
    let post = async |body: Vec<u8>, token: Option<&str>| {
        let mut request = http.post(&url).body(body);
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        anyhow::Ok(request.send().await?.status().as_u16())
    };
    let body = |name: &str, message: &str, revision: &str| {
        event("posted", name, message, revision).to_string().into_bytes()
    };

    for (bad, status) in [(None, 401), (Some("no-token"), 401)] {
        ensure!(post(body("one", "m", "1"), bad).await? == status, "{bad:?}");
    }
    ensure!(post(b"{".to_vec(), Some(&token)).await? == 400);
    // Nobody knows anything yet, or nobody may be told of it.
    let empty = async || Ok((post(b"{}".to_vec(), Some(&token)).await? == 202).then_some(()));
    space
        .until("an event about nothing is taken", LIMIT, empty)
        .await?;
    ensure!(post(vec![b' '; (3 << 20) + 1], Some(&token)).await? == 413);
    ensure!(sink.letters().is_empty(), "{:?}", sink.letters());

    space
        .until("the alerts are seen", LIMIT, async || {
            let revision = format!("{:?}", std::time::Instant::now());
            ensure!(post(body("one", "ping", &revision), Some(&token)).await? == 202);
            let known = |path: &str| sink.events(path).iter().any(|e| e["message"] == "ping");
            Ok((known("/all") && known("/labelled")).then_some(()))
        })
        .await?;
    // What Go fills for Flux is filled here.
    let mut bare = event("posted", "one", "bare", "1");
    for field in ["severity", "reason", "reportingController", "reportingInstance"] {
        bare.as_object_mut().map(|event| event.remove(field));
    }
    bare["timestamp"] = Value::Null;
    ensure!(post(bare.to_string().into_bytes(), Some(&token)).await? == 202);
    bare["message"] = json!("unheard-of");
    bare["severity"] = json!("warning");
    ensure!(post(bare.to_string().into_bytes(), Some(&token)).await? == 202);
    bare["timestamp"] = json!("yesterday");
    ensure!(post(bare.to_string().into_bytes(), Some(&token)).await? == 400);
    for (name, message, revision, status) in [
        ("one", "first", "1", 202),
        ("one", "first", "1", 429),
        ("one", "first", "2", 202),
        ("two", "second", "1", 202),
    ] {
        let answer = post(body(name, message, revision), Some(&token)).await?;
        ensure!(answer == status, "{name} {message} {revision}: {answer}");
    }
    let told = |path: &str, message: &str| {
        sink.events(path)
            .iter()
            .filter(|e| e["message"] == message)
            .count()
    };
    space
        .until("all are passed on", LIMIT, async || {
            Ok((told("/all", "first") == 2
                && told("/all", "second") == 1
                && told("/all", "bare") == 1
                && told("/all", "unheard-of") == 1
                && told("/labelled", "first") == 2)
                .then_some(()))
        })
        .await?;
    ensure!(told("/labelled", "second") == 0, "its label is another");
    let first = sink.events("/all").into_iter().find(|e| e["message"] == "first");
    ensure!(
        first.is_some_and(
            |e| e["metadata"] == json!({"revision": "1"}) && e["reportingController"] == "flagger"
        ),
        "the metadata is combined"
    );
    ensure!(post(body("gone", "third", "1"), Some(&token)).await? == 202);
    // It is asked for the object once an event, however many alerts want to know its labels.
    let before = looks(&space).await?;
    for n in 0..10 {
        ensure!(post(body("one", "looked at", &n.to_string()), Some(&token)).await? == 202);
    }
    space
        .until("all are told", LIMIT, async || {
            Ok((told("/labelled", "looked at") == 10).then_some(()))
        })
        .await?;
    let looked = looks(&space).await? - before;
    ensure!(
        (10.0..20.0).contains(&looked),
        "10 events, {LABELLED} alerts: {looked} looks"
    );
    // The API server is asked about a token once in a while, whether it is one or not.
    let before = reviews(&space).await?;
    for n in 0..40 {
        let revision = format!("many-{n}");
        ensure!(post(body("one", "many", &revision), Some(&token)).await? == 202);
        ensure!(post(body("one", "many", &revision), Some("no-token")).await? == 401);
    }
    let asked = reviews(&space).await? - before;
    ensure!(asked <= 10.0, "80 events: {asked} reviews");
    space
        .until(
            "the alert says that it cannot see the labels",
            LIMIT,
            async || {
                let events = space.events().await?;
                Ok(events
                    .iter()
                    .any(|e| e.reason.as_deref() == Some("SourceFetchFailed"))
                    .then_some(()))
            },
        )
        .await?;
    Ok(())
}

#[tokio::test]
async fn what_is_taken_at_the_start_is_passed_on() -> Result<()> {
    const STARTS: usize = 5;
    let address = format!("127.0.0.1:{}", free_port()?);
    let options = Options {
        notification: vec![format!("--events-addr={address}")],
        ..Options::default()
    };
    let world = World::start(&options).await?;
    let (space, sink) = (world.space("posted-early").await?, Sink::start().await?);
    space.apply(provider("sink", &sink.url("/"))).await?;
    // Many alerts take their time to be listed.
    for n in 0..50 {
        space
            .apply(alert(&format!("other-{n}"), "sink", &["Bucket"]))
            .await?;
    }
    space.apply(alert("the-one", "sink", &["Kustomization"])).await?;
    let (http, controller) = (
        reqwest::Client::builder().no_proxy().build()?,
        &world.suite.notification,
    );
    for start in 0..STARTS {
        controller.kill();
        controller.start()?;
        // From before it listens until it takes what it is told: then it has to pass it on.
        let taken = async || {
            let body = event("posted-early", "one", &format!("start {start}"), "1").to_string();
            match http.post(format!("http://{address}/")).body(body).send().await {
                Err(error) if error.is_connect() => Ok(None),
                Err(error) => Err(error.into()),
                Ok(answer) => match answer.status().as_u16() {
                    202 => Ok(Some(())),
                    503 => Ok(None),
                    other => anyhow::bail!("answered {other}"),
                },
            }
        };
        space.until("an event is taken", LIMIT, taken).await?;
        let told = async || {
            let events = sink.events("/");
            let told = events
                .iter()
                .any(|e| e["message"] == format!("start {start}").as_str());
            Ok(told.then_some(()))
        };
        space.until("it is passed on", LIMIT, told).await?;
        controller.ready().await?;
    }
    Ok(())
}
