//! The addresses: secret, exact, gone with their token; and what may be sent to them.

use super::requested;
use anyhow::{Context as _, Result, ensure};
use e2e::{
    flux::{NOTIFICATION, SOURCE},
    space::LIMIT,
    webhook::{SECRET, TOKEN, ready, receiver, secret, send},
    world::World,
};
use serde_json::json;
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Flux's limit.
const LARGEST: usize = 3 << 20;

#[tokio::test]
async fn an_address_goes_with_its_token_at_once() -> Result<()> {
    let space = World::shared().await?.space("webhook-rotate").await?;
    space.git_repository(json!({"spec": {"suspend": true}})).await?;
    space.apply(receiver("hook", "generic", &json!({}))).await?;
    space
        .says(
            NOTIFICATION,
            "Receiver",
            "hook",
            "TokenNotFound",
            "unable to read token from secret 'webhook-rotate/webhook'",
        )
        .await?;
    space.apply(secret(TOKEN)).await?;
    let old = ready(&space, "hook").await?;
    ensure!(send(&old, &[], "").await? == 200);

    space.apply(secret("another")).await?;
    // Without waiting for anything.
    ensure!(send(&old, &[], "").await? == 404, "the old address is open");
    let changed = |o: &serde_json::Value| {
        o["status"]["webhookPath"]
            .as_str()
            .is_some_and(|path| !old.ends_with(path))
    };
    space
        .holds(
            "the address has changed",
            NOTIFICATION,
            "Receiver",
            "hook",
            changed,
        )
        .await?;
    let new = ready(&space, "hook").await?;
    let open = async || Ok((send(&new, &[], "").await? == 200).then_some(()));
    space.until("the new address is open", LIMIT, open).await?;
    ensure!(send(&old, &[], "").await? == 404);

    // Without a token there is no address; with an empty one neither: everybody could compute it.
    space.delete("v1", "Secret", SECRET).await?;
    ensure!(send(&new, &[], "").await? == 404);
    space
        .says(NOTIFICATION, "Receiver", "hook", "TokenNotFound", "not found")
        .await?;
    space.apply(secret("")).await?;
    space
        .says(NOTIFICATION, "Receiver", "hook", "TokenNotFound", "empty")
        .await?;
    let object = space
        .get(NOTIFICATION, "Receiver", "hook")
        .await?
        .context("no Receiver")?;
    ensure!(object["status"]["webhookPath"].is_null(), "{}", object["status"]);
    Ok(())
}

#[tokio::test]
async fn strangers_learn_nothing() -> Result<()> {
    let space = World::shared().await?.space("webhook-strangers").await?;
    space.git_repository(json!({"spec": {"suspend": true}})).await?;
    space.apply(secret(TOKEN)).await?;
    space.apply(receiver("hook", "generic", &json!({}))).await?;
    let url = ready(&space, "hook").await?;
    ensure!(send(&url, &[], "").await? == 200);
    let base = url.split("/hook/").next().context("no base")?.to_owned();
    let mut answers = Vec::new();
    for odd in [
        format!("{url}?"),
        format!("{url}?a=b"),
        format!("{url}/"),
        format!("{url}0"),
        url[..url.len() - 1].to_owned(),
        url.replace("/hook/", "/hook//"),
        url.replace("/hook/", "/hook/%2e/"),
        url.replace("/hook/", "/Hook/"),
        format!("{base}/hook/"),
        format!("{base}/hook/{}", "0".repeat(64)),
        format!("{base}/"),
        format!("{base}/metrics"),
    ] {
        // Not by a client that tidies up what it is given.
        let target = odd.strip_prefix(&base).unwrap_or("/");
        let answer = raw(
            &base,
            &format!(
                "POST {target} HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{{}}"
            ),
        )
        .await?;
        ensure!(answer.starts_with("HTTP/1.1 404"), "{odd}: {answer}");
        answers.push(
            answer
                .lines()
                .filter(|l| !l.starts_with("date:"))
                .collect::<Vec<_>>()
                .join("\n"),
        );
    }
    answers.dedup();
    ensure!(answers.len() == 1, "answers differ: {answers:?}");
    // An address in full is for proxies.
    let path = url.strip_prefix(&base).unwrap_or_default();
    let proxied = raw(
        &base,
        &format!("POST {url} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
    )
    .await?;
    ensure!(proxied.starts_with("HTTP/1.1 404"), "{proxied}");
    let plain = raw(
        &base,
        &format!("POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
    )
    .await?;
    ensure!(plain.starts_with("HTTP/1.1 200"), "{plain}");

    // Suspended, it is there and takes nothing.
    space
        .patch(
            NOTIFICATION,
            "Receiver",
            "hook",
            json!({"spec": {"suspend": true}}),
        )
        .await?;
    let closed = async || Ok((send(&url, &[], "").await? == 503).then_some(()));
    space
        .until("a suspended Receiver takes nothing", LIMIT, closed)
        .await?;

    let metrics = &space.world.suite.notification;
    let name = "gotk_receiver_http_request_duration_seconds_count";
    ensure!(
        metrics
            .metric(name, "handler=\"/hook/\",method=\"POST\",code=\"404\"")
            .await?
            >= 12.0
    );
    ensure!(metrics.metric(name, "code=\"200\"").await? >= 1.0);
    ensure!(
        metrics
            .metrics()
            .await?
            .contains("gotk_receiver_http_requests_inflight")
    );
    Ok(())
}

/// Argo CD CVE-2024-40634: a body without end.
#[tokio::test]
async fn bodies_are_bounded() -> Result<()> {
    let space = World::shared().await?.space("webhook-bodies").await?;
    space.git_repository(json!({"spec": {"suspend": true}})).await?;
    space.apply(secret(TOKEN)).await?;
    space.apply(receiver("hook", "generic", &json!({}))).await?;
    let url = ready(&space, "hook").await?;
    let base = url.split("/hook/").next().context("no base")?.to_owned();
    let path = url.strip_prefix(&base).unwrap_or_default();

    ensure!(
        send(&url, &[], vec![b'a'; LARGEST]).await? == 200,
        "as large as may be"
    );
    // Declared: refused before a byte of it is read, and whoever it is for.
    for target in [path, "/hook/unknown"] {
        let declared = format!(
            "POST {target} HTTP/1.1\r\nhost: a\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            LARGEST + 1
        );
        let answer = raw(&base, &declared).await?;
        ensure!(answer.starts_with("HTTP/1.1 413"), "{target}: {answer}");
    }
    let before = requested(&space, SOURCE, "GitRepository", "app").await?;
    // Not declared: as soon as it is more than that.
    let begin = Instant::now();
    let answer = chunks(&base, path).await?;
    ensure!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // Of a stranger nothing is read at all.
    let answer = chunks(&base, "/hook/unknown").await?;
    ensure!(answer.starts_with("HTTP/1.1 404"), "{answer}");
    ensure!(begin.elapsed() < Duration::from_secs(60), "{:?}", begin.elapsed());
    for odd in [
        "transfer-encoding: chunked\r\ncontent-length: 5\r\n\r\nhello",
        "transfer-encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        "content-length: -1\r\n\r\n",
        "content-length: 1\r\ncontent-length: 2\r\n\r\nab",
        "content-length: 99999999999999999999999\r\n\r\n",
    ] {
        let answer = raw(
            &base,
            &format!("POST {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{odd}"),
        )
        .await?;
        ensure!(
            !answer.starts_with("HTTP/1.1 200") && !answer.starts_with("HTTP/1.1 500"),
            "{odd:?}: {answer}"
        );
    }
    ensure!(
        requested(&space, SOURCE, "GitRepository", "app").await? == before,
        "nothing of this had an effect"
    );
    ensure!(send(&url, &[], "").await? == 200, "and the port is as before");
    let peak = space
        .world
        .suite
        .notification
        .peak_memory()
        .context("no memory")?;
    ensure!(peak < 300 << 20, "it takes {} MiB", peak >> 20);
    Ok(())
}

/// What a peer answers to bytes as they are.
pub(super) async fn raw(base: &str, text: &str) -> Result<String> {
    let address: SocketAddr = base.trim_start_matches("http://").parse()?;
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(text.as_bytes()).await?;
    let mut answer = Vec::new();
    let read = stream.read_to_end(&mut answer);
    // Whoever is refused may find the connection reset.
    let _ = tokio::time::timeout(Duration::from_secs(60), read).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// What a peer answers to a body in pieces that never ends.
pub(super) async fn chunks(base: &str, path: &str) -> Result<String> {
    let address: SocketAddr = base.trim_start_matches("http://").parse()?;
    let stream = TcpStream::connect(address).await?;
    let (mut read, mut write) = stream.into_split();
    let head = format!("POST {path} HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n");
    let writer = tokio::spawn(async move {
        let piece = format!("10000\r\n{}\r\n", "a".repeat(0x10000));
        let _ = write.write_all(head.as_bytes()).await;
        while write.write_all(piece.as_bytes()).await.is_ok() {}
    });
    let mut answer = [0; 64];
    let read = tokio::time::timeout(Duration::from_secs(60), read.read(&mut answer)).await;
    writer.abort();
    let count = read.context("no answer to a body without end")?.unwrap_or(0);
    Ok(String::from_utf8_lossy(&answer[..count]).into_owned())
}

#[tokio::test]
async fn a_receiver_at_the_same_address_speaks_for_itself_alone() -> Result<()> {
    let world = World::shared().await?;
    // Token, name and namespace are joined without a mark between (Flux): these two are one address.
    let (victim, other) = (world.space("xx-hooks").await?, world.space("x-hooks").await?);
    for (space, name) in [(&victim, "hook"), (&other, "hookx")] {
        space.git_repository(json!({"spec": {"suspend": true}})).await?;
        space.apply(secret(TOKEN)).await?;
        space.apply(receiver(name, "generic", &json!({}))).await?;
    }
    let address = ready(&victim, "hook").await?;
    ensure!(
        address == ready(&other, "hookx").await?,
        "they are no test of this"
    );
    let asked = async || requested(&victim, SOURCE, "GitRepository", "app").await;
    // Both take it, and both act.
    let theirs = async || requested(&other, SOURCE, "GitRepository", "app").await;
    let before = (asked().await?, theirs().await?);
    ensure!(send(&address, &[], "").await? == 200);
    ensure!(asked().await? != before.0 && theirs().await? != before.1);
    // What fails for one is told the sender, and is done for the other.
    let change =
        |spec: serde_json::Value| other.patch(NOTIFICATION, "Receiver", "hookx", json!({"spec": spec}));
    change(json!({"resources": [{"kind": "GitRepository", "name": "gone"}]})).await?;
    let failed = async || {
        let before = asked().await?;
        let status = send(&address, &[], "").await?;
        ensure!(asked().await? != before, "{status}: the victim's is not asked");
        Ok((status == 500).then_some(()))
    };
    victim.until("the other's failure is told", LIMIT, failed).await?;
    change(json!({"suspend": true})).await?;
    let before = asked().await?;
    let acted = async || {
        let status = send(&address, &[], "").await?;
        Ok((status == 200 && asked().await? != before).then_some(()))
    };
    victim.until("the one that takes it acts", LIMIT, acted).await
}
