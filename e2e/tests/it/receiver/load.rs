//! Many webhooks at once: all are answered, and how fast is told.

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::hmac::HMAC_SHA256;
use e2e::{
    webhook::{TOKEN, http, ready, receiver, secret, sign},
    world::World,
};
use futures::{StreamExt as _, stream};
use serde_json::json;
use std::time::{Duration, Instant};

/// Requests at once, as many as a monorepo's worth of pipelines.
const AT_ONCE: usize = 16;

#[tokio::test]
async fn a_flood_is_borne() -> Result<()> {
    let space = World::shared().await?.space("webhook-load").await?;
    space.git_repository(json!({"spec": {"suspend": true}})).await?;
    space.apply(secret(TOKEN)).await?;
    space.apply(receiver("hook", "generic-hmac", &json!({}))).await?;
    let url = ready(&space, "hook").await?;
    let body = json!({"ref": "refs/heads/main", "text": "a".repeat(10_000)}).to_string();
    let signature = format!("sha256={}", sign(HMAC_SHA256, TOKEN, &body));
    let unknown = url.replace("/hook/", "/hook/0");
    for (what, url, count, expected) in [
        ("acted on", &url, 300, 200),
        ("of strangers", &unknown, 1500, 404),
    ] {
        let client = http()?;
        let begin = Instant::now();
        let each = (0..count).map(|_| {
            let request = client
                .post(url)
                .header("x-signature", &signature)
                .body(body.clone());
            async move {
                let begin = Instant::now();
                let status = request.send().await?.status().as_u16();
                anyhow::Ok((status, begin.elapsed()))
            }
        });
        let answers: Vec<Result<(u16, Duration)>> =
            stream::iter(each).buffer_unordered(AT_ONCE).collect().await;
        let took = begin.elapsed().as_secs_f64();
        let mut times = Vec::new();
        for answer in answers {
            let (status, time) = answer?;
            ensure!(status == expected, "{what}: {status}");
            times.push(time);
        }
        times.sort_unstable();
        let at = |percent: usize| {
            times
                .get(times.len() * percent / 100)
                .copied()
                .unwrap_or_default()
                .as_millis()
        };
        e2e::note!(
            "webhooks {what}: {:.0} a second with {AT_ONCE} at once, p50 {} ms, p99 {} ms",
            f64::from(count) / took,
            at(50),
            at(99)
        );
    }
    let peak = space
        .world
        .suite
        .notification
        .peak_memory()
        .context("no memory")?;
    e2e::note!("webhooks: at most {} MiB", peak >> 20);
    Ok(())
}
