//! Bounded waits on the level: a predicate on state is asked until it holds, and what failed is told in full.

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// How often state is looked at.
pub const PAUSE: Duration = Duration::from_millis(25);

/// Asks `probe` until it gives a value, at most `limit` long.
///
/// # Errors
/// When the time is over, with what was awaited and the last error of `probe`, if it had one. Errors before that are
/// only remembered: a server that is restarting may come back.
pub async fn eventually<T>(
    what: &str,
    limit: Duration,
    mut probe: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + limit;
    loop {
        let last = match tokio::time::timeout_at(deadline, probe()).await {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => None,
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        if Instant::now() >= deadline {
            return match last {
                Some(error) => Err(error).with_context(|| format!("after {limit:?} still not: {what}")),
                None => bail!("after {limit:?} still not: {what}"),
            };
        }
        sleep(PAUSE).await;
    }
}

/// Writes a line to standard error, past the capture of test output; see [`crate::note!`].
pub fn note(text: &str) {
    use std::io::Write as _;
    // Nobody may be listening.
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// A condition of a Flux object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// `True`, `False` or `Unknown`.
    pub status: String,
    /// The reason, one CamelCase word.
    pub reason: String,
    /// What happened.
    pub message: String,
    /// The generation that it is about.
    pub generation: i64,
    /// When the status became what it is, in RFC 3339 with whole seconds.
    pub since: String,
}

/// The condition of a type on an object, if it is there.
pub fn condition(object: &Value, type_: &str) -> Option<Condition> {
    let list = object["status"]["conditions"].as_array()?;
    let found = list.iter().find(|c| c["type"] == type_)?;
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    Some(Condition {
        status: text("status"),
        reason: text("reason"),
        message: text("message"),
        since: text("lastTransitionTime"),
        generation: found["observedGeneration"].as_i64().unwrap_or_default(),
    })
}

/// The Ready condition, if it is about what the object says now and is either True or False.
pub fn verdict(object: &Value) -> Option<Condition> {
    let ready = condition(object, "Ready")?;
    (ready.status != "Unknown" && Some(ready.generation) == object["metadata"]["generation"].as_i64())
        .then_some(ready)
}
