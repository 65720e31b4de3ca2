//! Stores that no honest software is, all at once: each ends in its reason on its object, an honest one is served meanwhile, and
//! neither memory nor disk grow.

use super::{
    KIND, bucket, files,
    odd::{answer, endless, listing},
    secret,
};
use anyhow::{Context as _, Result, ensure};
use axum::{body::Body, http::Response};
use e2e::{
    expect,
    flux::{SOURCE, with},
    origin::{Asked, Scripted},
    space::Space,
    suite::Options,
    world::World,
};
use futures::StreamExt as _;
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

const FAILED: &str = "BucketOperationFailed";

/// So many bytes may be on the disk beyond what there was, whatever peers do: the most that an object without a length has, and
/// some.
const DISK: u64 = 80 << 20;
const MEMORY: u64 = 128 << 20;

/// A body of which these bytes come, and then no more: the connection breaks, or a byte comes now and then.
fn cut(bytes: &[u8], drips: bool) -> Body {
    let begin = futures::stream::iter([Ok(bytes.to_vec())]);
    if !drips {
        let broken = futures::stream::iter([Err(std::io::Error::other("broken off"))]);
        return Body::from_stream(begin.chain(broken));
    }
    let drop = || async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        Ok(vec![b'#'])
    };
    Body::from_stream(begin.chain(futures::stream::repeat_with(drop).then(|drop| drop)))
}

/// A store that does what its bucket's name says; `elsewhere` is another host.
fn hostile(asked: &Asked, elsewhere: &str) -> Response<Body> {
    let (scenario, key) = asked.path[1..].split_once('/').unwrap_or_default();
    let known = [("etag", "\"e\"")];
    let busy = |status: u16| {
        let text = "<Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>";
        answer(status, &[("retry-after", "3000")], text)
    };
    let from = || {
        let mut pairs = asked.query.split('&').filter_map(|pair| pair.split_once('='));
        let token = pairs.find(|(name, _)| *name == "continuation-token");
        token.map(|(_, token)| token.to_owned())
    };
    if key.is_empty() {
        let list = |size: u64| answer(200, &[], listing(&["a.yaml"], size, None));
        let number = || {
            from()
                .and_then(|token| token.parse::<u64>().ok())
                .unwrap_or_default()
        };
        return match scenario {
            "busy-429" => busy(429),
            "busy-503" => busy(503),
            "claims-more" => list(900 << 20),
            "circle" => {
                let next = if from().as_deref() == Some("one") {
                    "two"
                } else {
                    "one"
                };
                answer(200, &[], listing(&["a.yaml"], 1, Some(next)))
            }
            "pages" => answer(200, &[], listing(&[], 1, Some(&(number() + 1).to_string()))),
            "objects" => {
                let keys: Vec<String> = (0..1000).map(|n| format!("{}/{n}.yaml", number())).collect();
                let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                answer(200, &[], listing(&keys, 1, Some(&(number() + 1).to_string())))
            }
            "crowded" => {
                let entries = "<Contents/>".repeat((15 << 20) / 11);
                answer(
                    200,
                    &[],
                    format!("<ListBucketResult>{entries}</ListBucketResult>"),
                )
            }
            "page" => answer(200, &[], endless()),
            _ => list(1),
        };
    }
    let missing = "<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message></Error>";
    match (scenario, key) {
        (_, ".sourceignore") => answer(404, &[], missing),
        ("drips" | "drips-on", _) => answer(200, &known, cut(b"begin", true)),
        ("endless", _) => answer(200, &known, endless()),
        ("announced", _) => answer(
            200,
            &[known[0], ("content-length", "1099511627776")],
            cut(b"begin", true),
        ),
        ("truncated", _) => answer(200, &[known[0], ("content-length", "100")], cut(b"begin", false)),
        ("claims-less", _) => answer(200, &known, vec![b'#'; 100_000]),
        ("moved", key) => answer(307, &[("location", &format!("{elsewhere}/moved/{key}"))], ""),
        ("busy-object", _) => busy(503),
        _ => answer(200, &known, "content"),
    }
}

/// What each store is about, and what is told of it.
fn cases() -> Vec<(&'static str, Value, &'static str)> {
    let patient = json!({"spec": {"timeout": "10m"}});
    let plain = json!({});
    vec![
        (
            "drips",
            json!({"spec": {"timeout": "2s"}}),
            "did not answer within the timeout of 2s",
        ),
        ("drips-on", patient.clone(), "the answer comes too slowly"),
        ("endless", plain.clone(), "larger than 67108864 bytes"),
        ("announced", plain.clone(), "larger than 1073741824 bytes"),
        ("truncated", plain.clone(), "failed to get 'a.yaml' object"),
        (
            "moved",
            plain.clone(),
            "refused to follow a redirect to '127.0.0.1'",
        ),
        ("busy-429", plain.clone(), "Reduce your rate."),
        ("busy-503", plain.clone(), "Reduce your rate."),
        ("busy-object", plain.clone(), "Reduce your rate."),
        ("circle", plain.clone(), "the listing goes round in a circle"),
        ("pages", patient.clone(), "its listing does not end"),
        ("objects", patient, "more than 100000 objects"),
        ("crowded", plain.clone(), "more than 10000"),
        ("page", plain, "larger than 16777216 bytes"),
    ]
}

/// How large all files below a folder are together.
fn size(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let sizes = entries.map(|entry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => size(&entry.path()),
        Ok(meta) => meta.len(),
        // It is gone already.
        Err(_) => 0,
    });
    sizes.sum()
}

/// Looks at a folder until it is dropped, and knows how large it was at most.
struct Watch(Arc<AtomicU64>, tokio::task::JoinHandle<()>);

impl Watch {
    fn of(folder: PathBuf) -> Self {
        let most = Arc::new(AtomicU64::new(0));
        let seen = most.clone();
        let task = tokio::spawn(async move {
            loop {
                seen.fetch_max(size(&folder), Relaxed);
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        Self(most, task)
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.1.abort();
    }
}

async fn ready(space: &Space<'_>, name: &str) -> Result<Value> {
    let at = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    space.holds("ready", SOURCE, KIND, name, at).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_stores_hurt_nobody() -> Result<()> {
    let world = World::start(&Options::default()).await?;
    let space = world.space("bucket-hostile").await?;
    let other = Scripted::start(|_| answer(200, &[("etag", "\"e\"")], "stolen")).await?;
    let elsewhere = other.url();
    let server = Scripted::start(move |asked| hostile(asked, &elsewhere)).await?;
    space
        .apply(secret(
            "keys",
            &json!({"accesskey": "a", "secretkey": "canary-key"}),
        ))
        .await?;
    let calm = world.space("bucket-calm").await?;
    let apply = async |space: &Space<'_>, name: &str, change: &Value| {
        let spec =
            json!({"metadata": {"name": name}, "spec": {"bucketName": name, "secretRef": {"name": "keys"}}});
        space.apply(bucket(&server.address(), &with(spec, change))).await
    };
    let keys = secret("keys", &json!({"accesskey": "a", "secretkey": "canary-key"}));
    for space in [&space, &calm] {
        space.apply(keys.clone()).await?;
    }
    apply(&calm, "honest", &json!({})).await?;
    ready(&calm, "honest").await?;

    let (storage, source) = (world.suite.storage().to_owned(), &world.suite.source);
    let (disk, memory) = (size(&storage), source.peak_memory().context("it runs")?);
    let watch = Watch::of(storage.clone());
    for (name, change, _) in &cases() {
        apply(&space, name, change).await?;
    }
    // Another tenant's, which is honest, is served, though there are more of these than workers.
    let mut longest = Duration::ZERO;
    for _ in 0..5 {
        let begin = Instant::now();
        calm.handled(SOURCE, KIND, "honest").await?;
        longest = longest.max(begin.elapsed());
    }
    ensure!(
        longest < Duration::from_secs(30),
        "an honest Bucket waited {longest:?}"
    );
    for (name, _, part) in cases() {
        let told = space.says(SOURCE, KIND, name, FAILED, part).await;
        let told = told.with_context(|| format!("case {name}"))?;
        ensure!(
            told.status == "False" && !told.message.contains("canary"),
            "{told:?}"
        );
    }

    // A listing that lies about sizes: what comes counts.
    for (name, length) in [("claims-less", 100_000), ("claims-more", 7)] {
        apply(&space, name, &json!({})).await?;
        let found = files(&ready(&space, name).await?).await?;
        ensure!(
            found.len() == 1 && found[0].1.len() == length,
            "{name}: {:?}",
            found
                .iter()
                .map(|(path, text)| (path, text.len()))
                .collect::<Vec<_>>()
        );
    }

    // Who asks to be left alone is, and no login went to another host, nor any request.
    for (path, name) in [
        ("/busy-429/", ""),
        ("/busy-503/", ""),
        ("/busy-object/", "a.yaml"),
    ] {
        let asked = server.asked();
        let count = asked
            .iter()
            .filter(|asked| asked.path == format!("{path}{name}"))
            .count();
        ensure!(count == 1, "{path} was asked {count} times");
    }
    ensure!(other.asked().is_empty(), "{:?}", other.asked());

    let most = watch.0.load(Relaxed).saturating_sub(disk);
    let peak = source.peak_memory().context("it runs")?.saturating_sub(memory);
    e2e::note!(
        "hostile buckets: {} MiB of disk and {} MiB of memory at most; an honest one waited {} ms",
        most >> 20,
        peak >> 20,
        longest.as_millis()
    );
    ensure!(most < DISK, "{most} bytes were on the disk");
    ensure!(peak < MEMORY, "{peak} bytes of memory were taken");
    // Those that are tried again may be at it just now.
    let nothing = async || Ok((std::fs::read_dir(storage.join(".work"))?.count() == 0).then_some(()));
    space
        .until(
            "nothing is left of what was put together",
            e2e::space::LIMIT,
            nothing,
        )
        .await?;
    Ok(())
}
