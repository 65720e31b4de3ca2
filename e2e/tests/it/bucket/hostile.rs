//! Stores that no honest software is, all at once: each ends in its reason on its object, an honest one is served meanwhile, and
//! neither memory nor disk grow.

use super::{
    KIND, bucket,
    dialect::{Dialect, Question},
    files,
    odd::{answer, endless},
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
fn hostile(dialect: Dialect, asked: &Asked, elsewhere: &str) -> Response<Body> {
    let (scenario, question) = dialect.question(asked);
    let known = [("etag", "\"e\"")];
    let busy = |status: u16| {
        let text = ("SlowDown", "Reduce your rate.");
        dialect.error(status, &[("retry-after", "3000")], text)
    };
    let page = |keys: &[&str], size, next: Option<&str>| answer(200, &[], dialect.page(keys, size, next));
    let key = match question {
        Question::Page(from) => {
            let number = from
                .as_deref()
                .and_then(|token| token.parse::<u64>().ok())
                .unwrap_or_default();
            let next = (number + 1).to_string();
            return match scenario {
                "busy-429" => busy(429),
                "busy-503" => busy(503),
                "claims-more" => page(&["a.yaml"], 900 << 20, None),
                "circle" => {
                    let next = if from.as_deref() == Some("one") {
                        "two"
                    } else {
                        "one"
                    };
                    page(&["a.yaml"], 1, Some(next))
                }
                "pages" => page(&[], 1, Some(&next)),
                "objects" => {
                    let keys: Vec<String> = (0..1000).map(|n| format!("{number}/{n}.yaml")).collect();
                    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
                    page(&keys, 1, Some(&next))
                }
                "crowded" => answer(200, &[], dialect.crowded(15 << 20)),
                "page" => answer(200, &[], endless()),
                _ => page(&["a.yaml"], 1, None),
            };
        }
        Question::About(".sourceignore") | Question::Object(".sourceignore") => return dialect.missing(),
        Question::About(_) if scenario == "about" => return answer(200, &[], endless()),
        Question::About(_) => return Dialect::about(),
        Question::Object(key) => key,
    };
    match scenario {
        "drips" | "drips-on" => answer(200, &known, cut(b"begin", true)),
        "endless" => answer(200, &known, endless()),
        "announced" => answer(
            200,
            &[known[0], ("content-length", "1099511627776")],
            cut(b"begin", true),
        ),
        "truncated" => answer(200, &[known[0], ("content-length", "100")], cut(b"begin", false)),
        "claims-less" => answer(200, &known, vec![b'#'; 100_000]),
        "moved" => answer(307, &[("location", &format!("{elsewhere}/moved/{key}"))], ""),
        "busy-object" => busy(503),
        _ => answer(200, &known, "content"),
    }
}

/// What each store is about, and what is told of it.
fn cases(dialect: Dialect) -> Vec<(&'static str, Value, &'static str)> {
    let patient = json!({"spec": {"timeout": "10m"}});
    let plain = json!({});
    let mut cases = vec![
        (
            "drips",
            json!({"spec": {"timeout": "2s"}}),
            "did not answer within the timeout of 2s",
        ),
        ("endless", plain.clone(), "larger than 67108864 bytes"),
        ("announced", plain.clone(), "larger than 1073741824 bytes"),
        ("truncated", plain.clone(), "failed to get 'a.yaml' object"),
        ("busy-429", plain.clone(), "Reduce your rate."),
        ("busy-503", plain.clone(), "Reduce your rate."),
        ("busy-object", plain.clone(), "Reduce your rate."),
        ("circle", plain.clone(), "the listing goes round in a circle"),
        ("pages", patient.clone(), "its listing does not end"),
        ("objects", patient.clone(), "more than 100000 objects"),
        ("crowded", plain.clone(), "more than 10000"),
        ("page", plain.clone(), "larger than 16777216 bytes"),
    ];
    let with_login = "refused to follow a redirect to '127.0.0.1'";
    match dialect {
        // It takes a minute, and what reads the body is the same for all.
        Dialect::S3 => cases.extend([
            ("drips-on", patient, "the answer comes too slowly"),
            ("moved", plain, with_login),
        ]),
        // One that the environment names is sent no login.
        Dialect::Google => cases.push(("about", plain, "larger than 16777216 bytes")),
        Dialect::Azure => cases.push(("moved", plain, with_login)),
    }
    cases
}

/// A store of each kind.
struct Stores([(Dialect, Scripted); 3]);

impl Stores {
    async fn start(elsewhere: &str) -> Result<Self> {
        let start = async |dialect| {
            let elsewhere = elsewhere.to_owned();
            let server = Scripted::start(move |asked| hostile(dialect, asked, &elsewhere)).await?;
            Ok::<_, anyhow::Error>((dialect, server))
        };
        Ok(Self([
            start(Dialect::S3).await?,
            start(Dialect::Google).await?,
            start(Dialect::Azure).await?,
        ]))
    }

    fn of(&self, dialect: Dialect) -> &Scripted {
        let [s3, google, azure] = &self.0;
        match dialect {
            Dialect::S3 => &s3.1,
            Dialect::Google => &google.1,
            Dialect::Azure => &azure.1,
        }
    }

    /// A Bucket of one of them, which says which.
    async fn apply(&self, space: &Space<'_>, dialect: Dialect, scenario: &str, change: &Value) -> Result<()> {
        let server = self.of(dialect);
        let (endpoint, spec) = match dialect {
            Dialect::S3 => (server.address(), json!({"secretRef": {"name": "keys"}})),
            // It is where the environment says.
            Dialect::Google => ("storage.googleapis.com".to_owned(), json!({"provider": "gcp"})),
            Dialect::Azure => (
                server.url(),
                json!({"provider": "azure", "secretRef": {"name": "signature"}}),
            ),
        };
        let named = json!({"metadata": {"name": name(dialect, scenario)}, "spec": {"bucketName": scenario}});
        let object = bucket(&endpoint, &with(named, &json!({"spec": spec})));
        space.apply(with(object, change)).await
    }

    /// How often a store was asked for a listing, or for an object that is no rules.
    fn asked(&self, dialect: Dialect, scenario: &str, for_object: bool) -> usize {
        let asked = self.of(dialect).asked();
        let counts = |asked: &&Asked| {
            let (its, question) = dialect.question(asked);
            its == scenario
                && match question {
                    Question::Page(_) => !for_object,
                    Question::About(_) => false,
                    Question::Object(key) => for_object && key != ".sourceignore",
                }
        };
        asked.iter().filter(counts).count()
    }
}

fn name(dialect: Dialect, scenario: &str) -> String {
    format!("{dialect:?}-{scenario}").to_lowercase()
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
    let other = Scripted::start(|_| answer(200, &[("etag", "\"e\"")], "stolen")).await?;
    let stores = Stores::start(&other.url()).await?;
    let google = stores.of(Dialect::Google).url();
    let world = World::start(&Options {
        env: vec![("STORAGE_EMULATOR_HOST", google)],
        ..Options::default()
    })
    .await?;
    let (space, calm) = (
        world.space("bucket-hostile").await?,
        world.space("bucket-calm").await?,
    );
    for space in [&space, &calm] {
        let keys = json!({"accesskey": "a", "secretkey": "canary-key"});
        space.apply(secret("keys", &keys)).await?;
        let signature = json!({"sasKey": "sig=canary-key"});
        space.apply(secret("signature", &signature)).await?;
    }
    let dialects = [Dialect::S3, Dialect::Google, Dialect::Azure];
    for dialect in dialects {
        stores.apply(&calm, dialect, "honest", &json!({})).await?;
        ready(&calm, &name(dialect, "honest")).await?;
    }

    let (storage, source) = (world.suite.storage().to_owned(), &world.suite.source);
    let (disk, memory) = (size(&storage), source.peak_memory().context("it runs")?);
    let watch = Watch::of(storage.clone());
    for dialect in dialects {
        for (scenario, change, _) in &cases(dialect) {
            stores.apply(&space, dialect, scenario, change).await?;
        }
    }
    // Another tenant's, which is honest, is served, though there are more of these than workers.
    let mut longest = Duration::ZERO;
    for dialect in dialects.iter().cycle().take(6) {
        let begin = Instant::now();
        calm.handled(SOURCE, KIND, &name(*dialect, "honest")).await?;
        longest = longest.max(begin.elapsed());
    }
    ensure!(
        longest < Duration::from_secs(30),
        "an honest Bucket waited {longest:?}"
    );
    for dialect in dialects {
        for (scenario, _, part) in cases(dialect) {
            let name = name(dialect, scenario);
            let told = space.says(SOURCE, KIND, &name, FAILED, part).await;
            let told = told.with_context(|| format!("case {name}"))?;
            ensure!(
                told.status == "False" && !told.message.contains("canary"),
                "{told:?}"
            );
        }
        // A listing that lies about sizes: what comes counts.
        for (scenario, length) in [("claims-less", 100_000), ("claims-more", 7)] {
            stores.apply(&space, dialect, scenario, &json!({})).await?;
            let name = name(dialect, scenario);
            let found = files(&ready(&space, &name).await?).await?;
            let sizes: Vec<usize> = found.iter().map(|(_, text)| text.len()).collect();
            ensure!(sizes == [length], "{name}: {sizes:?}");
        }
        // Who asks to be left alone is.
        for (scenario, for_object) in [("busy-429", false), ("busy-503", false), ("busy-object", true)] {
            let count = stores.asked(dialect, scenario, for_object);
            ensure!(count == 1, "{dialect:?} {scenario} was asked {count} times");
        }
    }
    // No login went to another host, nor any request.
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
