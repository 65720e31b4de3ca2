//! HelmRepository: indexes from a real server, asked for no oftener than need be, and each failure told on the object.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::{SOURCE, with},
    origin::{
        Authority, HelmServer, Page, Tls,
        helm::{chart, index, package},
        oci::USER,
    },
    space::{LIMIT, Space},
    suite::Options,
    world::World,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const KIND: &str = "HelmRepository";
const INDEX: &str = "/index.yaml";

fn repository(name: &str, url: &str, change: &Value) -> Value {
    let plain = json!({
        "apiVersion": SOURCE, "kind": KIND, "metadata": {"name": name},
        "spec": {"interval": "1h", "url": url},
    });
    with(plain, change)
}

fn secret(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

fn sha256(content: &[u8]) -> String {
    use sha2::Digest as _;
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(content)))
}

async fn ready(space: &Space<'_>, name: &str, index: &[u8]) -> Result<Value> {
    let revision = sha256(index);
    let at = |o: &Value| {
        o["status"]["artifact"]["revision"] == revision.as_str()
            && expect::verdict(o).is_some_and(|v| v.status == "True")
    };
    space
        .holds(&format!("{name} is ready at {revision}"), SOURCE, KIND, name, at)
        .await
}

#[tokio::test]
async fn an_index_is_asked_for_only_if_it_changed() -> Result<()> {
    let space = World::shared().await?.space("helm-index").await?;
    let server = HelmServer::start().await?;
    let first = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put(INDEX, Page::Known(first.clone()));
    space
        .apply(repository("repo", &server.url(""), &json!({})))
        .await?;
    let object = ready(&space, "repo", &first).await?;
    let status = &object["status"];
    ensure!(
        status["artifact"]["path"]
            == format!(
                "helmrepository/helm-index/repo/index-{}.yaml",
                &sha256(&first)[7..]
            ),
        "{status}"
    );
    let served = async |url: &Value| {
        anyhow::Ok(
            reqwest::get(url.as_str().context("a url")?)
                .await?
                .bytes()
                .await?,
        )
    };
    let stored = served(&status["artifact"]["url"]).await?;
    ensure!(
        stored == served(&status["url"]).await?,
        "the link leads to the newest"
    );
    ensure!(status["artifact"]["digest"] == sha256(&stored), "{status}");
    let stored: Value = serde_json::from_slice(&stored)?;
    ensure!(stored["entries"]["web"][0]["version"] == "1.0.0", "{stored}");

    // Nothing changed: one request, no content, nothing written but that it was handled.
    space.handled(SOURCE, KIND, "repo").await?;
    let seen = server.seen(INDEX);
    ensure!(
        seen.len() == 2 && seen[1].conditional && seen[1].status == 304,
        "{seen:?}"
    );

    let begin = Instant::now();
    let second = index(&[
        ("web", "1.0.0", "web-1.0.0.tgz"),
        ("web", "1.1.0", "web-1.1.0.tgz"),
    ]);
    server.put(INDEX, Page::Known(second.clone()));
    space.request(SOURCE, KIND, "repo").await?;
    ready(&space, "repo", &second).await?;
    let took = begin.elapsed();
    e2e::note!(
        "helm: a new index is ready {} ms after it was asked for",
        took.as_millis()
    );
    ensure!(took < Duration::from_secs(1), "{took:?}");

    // A server that knows nothing again is asked again, and told to be the same by what it sends.
    server.put(INDEX, Page::Plain(second.clone()));
    let before = ready(&space, "repo", &second).await?;
    space.handled(SOURCE, KIND, "repo").await?;
    let after = ready(&space, "repo", &second).await?;
    ensure!(
        before["status"]["artifact"] == after["status"]["artifact"],
        "{after}"
    );

    // What is lost is made again, of what is kept.
    let path = after["status"]["artifact"]["path"].as_str().context("a path")?;
    std::fs::remove_file(space.world.suite.storage().join(path))?;
    space.handled(SOURCE, KIND, "repo").await?;
    served(&after["status"]["artifact"]["url"]).await?;
    space.at_rest().await?;

    space.delete(SOURCE, KIND, "repo").await?;
    space.gone(SOURCE, KIND, "repo").await?;
    ensure!(!space.world.suite.storage().join(path).exists(), "{path}");
    Ok(())
}

#[tokio::test]
async fn many_objects_make_one_request() -> Result<()> {
    let space = World::shared().await?.space("helm-many").await?;
    let server = HelmServer::start().await?;
    let content = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put(INDEX, Page::Plain(content.clone()));
    let begin = Instant::now();
    for n in 0..20 {
        space
            .apply(repository(&format!("repo-{n}"), &server.url("/"), &json!({})))
            .await?;
    }
    for n in 0..20 {
        ready(&space, &format!("repo-{n}"), &content).await?;
    }
    let seen = server.seen(INDEX).len();
    e2e::note!(
        "helm: 20 objects of one URL: {seen} request, {} ms",
        begin.elapsed().as_millis()
    );
    // Within the time for which an index counts as current; on a machine that is slower a few more.
    ensure!(
        seen == 1 || begin.elapsed() > Duration::from_secs(8),
        "{seen} requests"
    );
    Ok(())
}

#[tokio::test]
async fn what_is_no_index_says_why() -> Result<()> {
    let space = World::shared().await?.space("helm-bad").await?;
    let server = HelmServer::start().await?;
    let good = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put("/good/index.yaml", Page::Known(good.clone()));
    space
        .apply(repository("good", &server.url("/good"), &json!({})))
        .await?;
    ready(&space, "good", &good).await?;
    let text = |text: &str| Page::Known(text.as_bytes().to_vec());
    let failed = "failed to fetch Helm repository index: failed to cache index to temporary file: ";
    for (name, page, timeout, reason, part) in [
        (
            "missing",
            Page::Status(404, vec![]),
            "60s",
            "Failed",
            format!(
                "{failed}failed to fetch {} : 404 Not Found",
                server.url("/missing/index.yaml")
            ),
        ),
        (
            "broken",
            Page::Status(500, vec![]),
            "60s",
            "Failed",
            "500 Internal Server Error".into(),
        ),
        (
            "loop",
            Page::Status(302, vec![("Location", server.url("/loop/index.yaml"))]),
            "60s",
            "Failed",
            "too many redirects".into(),
        ),
        (
            "cut",
            Page::Truncated(good.clone()),
            "60s",
            "Failed",
            failed.into(),
        ),
        ("hangs", Page::Hang, "1s", "Failed", "no answer".into()),
        (
            "slow",
            Page::Slow(good.clone(), Duration::from_millis(100)),
            "1s",
            "Failed",
            "within the timeout of 1s".into(),
        ),
        (
            "endless",
            Page::Endless(b"# nothing to see here\n".repeat(1000)),
            "60s",
            "Failed",
            "index exceeds the maximum index file size of 52428800 bytes".into(),
        ),
        (
            "claims",
            Page::Claims(1 << 40),
            "60s",
            "Failed",
            "index exceeds the maximum index file size of 52428800 bytes".into(),
        ),
        (
            "empty",
            text(""),
            "60s",
            "IndexationFailed",
            "failed to load Helm repository from index YAML: failed to load index: empty index.yaml file"
                .into(),
        ),
        (
            "version",
            text("entries: {}"),
            "60s",
            "IndexationFailed",
            "no API version specified".into(),
        ),
        (
            "html",
            text("<!DOCTYPE html>\n<html><body>Sign in: please</body></html>\n"),
            "60s",
            "IndexationFailed",
            "failed to load index: error".into(),
        ),
        (
            "binary",
            Page::Known(vec![0, 159, 146, 150]),
            "60s",
            "IndexationFailed",
            "yaml".into(),
        ),
        (
            "field",
            text("apiVersion: v1\nentries: {}\nmine: 1\n"),
            "60s",
            "IndexationFailed",
            "unknown field \"mine\"".into(),
        ),
        (
            "bomb",
            text(&bomb()),
            "60s",
            "IndexationFailed",
            "excessive aliasing".into(),
        ),
        (
            "deep",
            text(&format!("apiVersion: v1\nentries: {}", "[".repeat(100_000))),
            "60s",
            "IndexationFailed",
            "yaml".into(),
        ),
    ] {
        server.put(&format!("/{name}/index.yaml"), page);
        let change = json!({"spec": {"timeout": timeout}});
        space
            .apply(repository(name, &server.url(&format!("/{name}")), &change))
            .await?;
        let told = space.says(SOURCE, KIND, name, reason, &part).await?;
        ensure!(told.status == "False", "{told:?}");
        let object = space.get(SOURCE, KIND, name).await?.context("it is there")?;
        let problem = expect::condition(&object, "FetchFailed").context("a problem")?;
        ensure!(
            (problem.status.as_str(), problem.reason.as_str()) == ("True", reason),
            "{problem:?}"
        );
        ensure!(
            expect::condition(&object, "Reconciling").is_some_and(|c| c.reason == "ProgressingWithRetry"),
            "{object}"
        );
    }
    // What cannot be helped by trying again is not tried again.
    for (url, part) in [
        (
            "oci://localhost/x",
            "'oci' URL scheme cannot be used with 'default' HelmRepository type",
        ),
        ("http://:0:1/", "invalid Helm repository URL"),
    ] {
        space.apply(repository("url", url, &json!({}))).await?;
        space.says(SOURCE, KIND, "url", "URLInvalid", part).await?;
        let object = space.get(SOURCE, KIND, "url").await?.context("it is there")?;
        ensure!(
            expect::condition(&object, "Stalled").is_some_and(|c| c.reason == "URLInvalid"),
            "{object}"
        );
        ensure!(
            object["status"]["observedGeneration"] == object["metadata"]["generation"],
            "{object}"
        );
    }
    // And nobody else was hurt, nor is there anything left of it all.
    space.handled(SOURCE, KIND, "good").await?;
    ready(&space, "good", &good).await?;
    let peak = space.world.suite.source.peak_memory().unwrap_or_default();
    e2e::note!(
        "helm: peak memory of source-controller after hostile indexes: {} MiB",
        peak >> 20
    );
    Ok(())
}

/// Nine lists, each of which has ten times the one before.
fn bomb() -> String {
    let mut text = "apiVersion: v1\nannotations:\n  a0: &a0 x\n".to_owned();
    for level in 1..10 {
        let below = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("  a{level}: &a{level} [{below}]\n");
    }
    text
}

#[tokio::test]
async fn a_failure_keeps_what_was_good() -> Result<()> {
    let space = World::shared().await?.space("helm-keeps").await?;
    let server = HelmServer::start().await?;
    let good = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put(INDEX, Page::Known(good.clone()));
    space
        .apply(repository("repo", &server.url(""), &json!({})))
        .await?;
    let before = ready(&space, "repo", &good).await?;
    server.put(INDEX, Page::Status(503, vec![("Retry-After", "600".to_owned())]));
    space.handled(SOURCE, KIND, "repo").await?;
    let told = space
        .says(SOURCE, KIND, "repo", "Failed", "503 Service Unavailable")
        .await?;
    ensure!(told.status == "False", "{told:?}");
    let after = space.get(SOURCE, KIND, "repo").await?.context("it is there")?;
    ensure!(
        after["status"]["artifact"] == before["status"]["artifact"],
        "{after}"
    );
    ensure!(
        expect::condition(&after, "ArtifactInStorage").is_some_and(|c| c.status == "True"),
        "{after}"
    );
    // The server wants to be left alone; without that it would have been asked several times by now.
    let asked = server.seen(INDEX).len();
    space.at_rest().await?;
    ensure!(
        server.seen(INDEX).len() == asked,
        "it is left alone for as long as it asked"
    );
    server.put(INDEX, Page::Known(good.clone()));
    space.request(SOURCE, KIND, "repo").await?;
    ready(&space, "repo", &good).await?;
    Ok(())
}

#[tokio::test]
async fn credentials_are_for_one_host() -> Result<()> {
    let space = World::shared().await?.space("helm-login").await?;
    let authority = Authority::new()?;
    let content = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    let guarded = HelmServer::start().await?;
    guarded.guard(true);
    guarded.put(INDEX, Page::Known(content.clone()));
    let open = HelmServer::start().await?;
    open.put(INDEX, Page::Known(content.clone()));
    let sending = HelmServer::start().await?;
    sending.put(
        INDEX,
        Page::Status(302, vec![("Location", open.other_url(INDEX))]),
    );
    let mutual = Tls {
        identity: authority.server(&["127.0.0.1"])?,
        client_authority: Some(authority.certificate()),
    };
    let mutual = HelmServer::start_tls(&mutual).await?;
    mutual.put(INDEX, Page::Known(content.clone()));
    let client = authority.client("helm")?;
    for (name, data) in [
        ("right", json!({"username": USER.0, "password": USER.1})),
        ("wrong", json!({"username": USER.0, "password": "hunter2"})),
        ("half", json!({"username": "x"})),
        (
            "certs",
            json!({"ca.crt": authority.certificate(), "tls.crt": client.certificate, "tls.key": client.key}),
        ),
        (
            "legacy",
            json!({"caFile": authority.certificate(), "certFile": client.certificate, "keyFile": client.key}),
        ),
        ("ca", json!({"ca.crt": authority.certificate()})),
        ("keyless", json!({"tls.crt": client.certificate})),
        ("garbage", json!({"ca.crt": "no certificate"})),
        ("nothing", json!({"a": "b"})),
    ] {
        space.apply(secret(name, &data)).await?;
    }
    let login = |name: &str| json!({"secretRef": {"name": name}});
    let tls = |name: &str| json!({"certSecretRef": {"name": name}});
    for (at, (server, spec)) in [
        (&guarded, login("right")),
        (&sending, login("right")),
        (&open, login("nothing")),
        (&mutual, tls("certs")),
        (&mutual, login("legacy")),
    ]
    .into_iter()
    .enumerate()
    {
        let name = format!("good-{at}");
        space
            .apply(repository(&name, &server.url(""), &json!({"spec": spec})))
            .await?;
        ready(&space, &name, &content).await?;
    }
    let led = open.seen(INDEX);
    ensure!(
        sending
            .seen(INDEX)
            .iter()
            .all(|seen| seen.authorization.is_some()),
        "the login goes where it was given for"
    );
    ensure!(
        !led.is_empty() && led.iter().all(|seen| seen.authorization.is_none()),
        "and nowhere else: {led:?}"
    );
    for (server, spec, reason, part) in [
        (&guarded, json!({}), "Failed", "401 Unauthorized"),
        (&guarded, login("wrong"), "Failed", "401 Unauthorized"),
        (
            &open,
            login("nowhere"),
            "AuthenticationFailed",
            "failed to get authentication secret 'helm-login/nowhere': secrets \"nowhere\" not found",
        ),
        (
            &open,
            login("half"),
            "AuthenticationFailed",
            "malformed basic auth - has 'username' but missing 'password'",
        ),
        (
            &open,
            tls("nothing"),
            "AuthenticationFailed",
            "must contain either 'ca.crt' or both 'tls.crt' and 'tls.key'",
        ),
        (
            &open,
            tls("keyless"),
            "AuthenticationFailed",
            "contains 'tls.crt' but missing 'tls.key'",
        ),
        (
            &mutual,
            tls("garbage"),
            "AuthenticationFailed",
            "failed to construct Helm client's TLS config: failed to parse CA certificate",
        ),
        (&mutual, json!({}), "Failed", "certificate"),
        (&mutual, tls("ca"), "Failed", "Get"),
    ] {
        space
            .apply(repository("bad", &server.url(""), &json!({"spec": spec})))
            .await?;
        let told = space.says(SOURCE, KIND, "bad", reason, part).await?;
        ensure!(!told.message.contains("hunter2"), "{told:?}");
        space.delete(SOURCE, KIND, "bad").await?;
        space.gone(SOURCE, KIND, "bad").await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_note_on_a_registry_is_left_alone() -> Result<()> {
    let space = World::shared().await?.space("helm-static").await?;
    let server = HelmServer::start().await?;
    let content = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put(INDEX, Page::Known(content.clone()));
    let of_oci = json!({"spec": {"type": "oci"}});
    space
        .apply(repository("note", "oci://127.0.0.1:1/charts", &of_oci))
        .await?;
    let bare = |o: &Value| o["status"] == json!({}) && o["metadata"]["finalizers"].is_null();
    space
        .holds(
            "a note has no status and no finalizer",
            SOURCE,
            KIND,
            "note",
            bare,
        )
        .await?;
    space.at_rest().await?;

    // One that was a repository loses what it had.
    space
        .apply(repository("repo", &server.url(""), &json!({})))
        .await?;
    let object = ready(&space, "repo", &content).await?;
    let path = object["status"]["artifact"]["path"].as_str().context("a path")?;
    space
        .apply(repository("repo", "oci://127.0.0.1:1/charts", &of_oci))
        .await?;
    space
        .holds("it is a note now", SOURCE, KIND, "repo", bare)
        .await?;
    ensure!(!space.world.suite.storage().join(path).exists(), "{path}");
    for name in ["note", "repo"] {
        space.delete(SOURCE, KIND, name).await?;
        space.gone(SOURCE, KIND, name).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_suspended_repository_is_left_alone() -> Result<()> {
    let space = World::shared().await?.space("helm-suspend").await?;
    let server = HelmServer::start().await?;
    let content = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put(INDEX, Page::Known(content.clone()));
    let suspended = json!({"spec": {"suspend": true}});
    space
        .apply(repository("repo", &server.url(""), &suspended))
        .await?;
    space.handled(SOURCE, KIND, "repo").await?;
    ensure!(server.seen(INDEX).is_empty(), "it is not asked for");
    space
        .apply(repository(
            "repo",
            &server.url(""),
            &json!({"spec": {"suspend": false}}),
        ))
        .await?;
    ready(&space, "repo", &content).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_kill_in_mid_download_leaves_nothing() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let space = world.space("helm-kill").await?;
    let server = HelmServer::start().await?;
    let content = index(&[("web", "1.0.0", "web-1.0.0.tgz")]);
    server.put(INDEX, Page::Slow(content.clone(), Duration::from_millis(50)));
    space
        .apply(repository("repo", &server.url(""), &json!({})))
        .await?;
    let begun = async || Ok((!server.seen(INDEX).is_empty()).then_some(()));
    space.until("the download has begun", LIMIT, begun).await?;
    world.suite.source.kill();
    server.put(INDEX, Page::Known(content.clone()));
    world.suite.source.start()?;
    world.suite.source.ready().await?;
    ready(&space, "repo", &content).await?;
    // After another start what is kept on disk is good still.
    let asked = server.seen(INDEX).len();
    world.suite.source.kill();
    world.suite.source.start()?;
    world.suite.source.ready().await?;
    space.handled(SOURCE, KIND, "repo").await?;
    let seen = server.seen(INDEX);
    ensure!(
        seen.len() > asked && seen[asked..].iter().all(|seen| seen.status == 304),
        "{seen:?}"
    );
    space.at_rest().await
}

/// `HELM_INDEX_MB` says how large an index (8).
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_large_index_costs_little() -> Result<()> {
    let megabytes = std::env::var("HELM_INDEX_MB")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(8);
    let world = World::start(&Options::default()).await?;
    let space = world.space("helm-large").await?;
    let server = HelmServer::start().await?;
    server.put(
        "/small/index.yaml",
        Page::Known(index(&[("web", "1.0.0", "web-1.0.0.tgz")])),
    );
    space
        .apply(repository("small", &server.url("/small"), &json!({})))
        .await?;
    space.verdict(SOURCE, KIND, "small", "Succeeded").await?;
    let peak = || world.suite.source.peak_memory().unwrap_or_default();
    let before = peak();
    let content = large(megabytes << 20);
    server.put("/large/index.yaml", Page::Known(content.clone()));
    server.put(
        "/large/chart-7-1.2.3.tgz",
        Page::Plain(package(&chart("chart-7", "1.2.3")).await?),
    );
    let begin = Instant::now();
    let change = json!({"spec": {"timeout": "10m"}});
    space
        .apply(repository("large", &server.url("/large"), &change))
        .await?;
    let revision = sha256(&content);
    let at = |o: &Value| o["status"]["artifact"]["revision"] == revision.as_str();
    let there = async || Ok(space.get(SOURCE, KIND, "large").await?.filter(at));
    space
        .until("the large index is stored", Duration::from_secs(300), there)
        .await?;
    let (stored, after) = (begin.elapsed(), peak());
    let begin = Instant::now();
    space.apply(json!({
        "apiVersion": SOURCE, "kind": "HelmChart", "metadata": {"name": "web"},
        "spec": {"interval": "1h", "chart": "chart-7", "version": "1.2.3", "sourceRef": {"kind": KIND, "name": "large"}},
    })).await?;
    space
        .verdict(SOURCE, "HelmChart", "web", "ChartPullSucceeded")
        .await?;
    e2e::note!(
        "helm: an index of {megabytes} MiB stored in {:.1} s, peak memory {} MiB (before {}); a chart of it after {} ms, peak {} MiB",
        stored.as_secs_f64(),
        after >> 20,
        before >> 20,
        begin.elapsed().as_millis(),
        peak() >> 20
    );
    let allowed = before + 3 * (megabytes << 20) as u64 + (48 << 20);
    ensure!(
        peak() < allowed,
        "peak {} MiB, allowed {} MiB",
        peak() >> 20,
        allowed >> 20
    );
    Ok(())
}

/// An index of so many bytes: a hundred charts, an entry of them about 500 bytes.
fn large(size: usize) -> Vec<u8> {
    let mut text = "apiVersion: v1\nentries:\n".to_owned();
    for chart in 0..100 {
        text += &format!("  chart-{chart}:\n");
        for number in 0.. {
            let version = format!("{}.{}.{}", number / 100, number / 10 % 10, number % 10);
            text += &format!(
                "  - apiVersion: v2\n    appVersion: \"{version}\"\n    created: \"2026-01-01T00:00:00Z\"\n    description: A chart that is described in some words, as charts are.\n    digest: {:064x}\n    home: https://example.com/charts\n    keywords: [database, sql]\n    maintainers:\n    - name: Somebody\n      url: https://example.com\n    name: chart-{chart}\n    urls:\n    - chart-{chart}-{version}.tgz\n    version: {version}\n",
                number
            );
            if text.len() >= size / 100 * (chart + 1) {
                break;
            }
        }
    }
    text.into_bytes()
}
