//! What a benchmark must show: figures that may not be larger than what we promise.

use anyhow::{Result, bail};
use serde_json::Value;
use std::io::Write as _;

/// A figure, by its JSON pointer (RFC 6901), and the most that it may be.
pub type Promise = (&'static str, f64);

/// For `cargo bench-sources`: times of `git` for a commit of one file, MiB, requests where nothing moved, and cores, requests for
/// content, writes and MiB of 500 objects at rest. A Helm index of 50 MB may not cost ten times of that.
pub const OF_SOURCES: &[Promise] = &[
    ("/monorepo/oneFile/ratio", 1.5),
    ("/monorepo/first/peakMiB", 150.0),
    ("/monorepo/oneFile/peakMiB", 150.0),
    ("/monorepo/unmovedRequests/infoRefs", 0.0),
    ("/monorepo/unmovedRequests/lsRefs", 1.0),
    ("/monorepo/unmovedRequests/fetch", 0.0),
    ("/registry/atRest/cores", 0.05),
    ("/registry/atRest/gets", 0.0),
    ("/registry/atRest/writes", 0.0),
    ("/registry/peakMiB", 80.0),
    ("/index/next/peakMiB", 500.0),
];

/// For `cargo bench-notifications`: from a changed status to the sink and from a push to the cluster, in milliseconds, and MiB.
pub const OF_NOTIFICATIONS: &[Promise] = &[
    ("/statusToSinkMilliseconds/p99", 250.0),
    ("/pushToClusterMilliseconds/p50", 1000.0),
    ("/peakMiB", 40.0),
];

/// Prints what was measured; of a release build, what is measured has to keep the promises.
///
/// # Errors
/// Those that are not kept.
pub fn told(measured: &Value, promises: &[Promise]) -> Result<()> {
    writeln!(std::io::stdout(), "{}", serde_json::to_string_pretty(measured)?)?;
    let broken = broken(measured, promises);
    if cfg!(debug_assertions) || broken.is_empty() {
        return Ok(());
    }
    bail!("more than was promised: {}", broken.join(", "))
}

/// PURE: what is larger than promised, or was not measured though its part of the benchmark ran.
fn broken(measured: &Value, promises: &[Promise]) -> Vec<String> {
    let ran = |pointer: &str| {
        let part = pointer.split('/').nth(1);
        part.is_some_and(|part| measured.get(part).is_some())
    };
    let figures = promises.iter().filter(|(pointer, _)| ran(pointer));
    let told =
        figures.filter_map(
            |(pointer, most)| match measured.pointer(pointer).and_then(Value::as_f64) {
                Some(figure) if figure <= *most => None,
                Some(figure) => Some(format!("{pointer} is {figure}, promised {most}")),
                None => Some(format!("{pointer} was not measured, promised {most}")),
            },
        );
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_larger_than_promised_is_told() {
        let measured = json!({"peakMiB": 40.1, "statusToSinkMilliseconds": {"p99": 250}});
        assert_eq!(
            broken(&measured, OF_NOTIFICATIONS),
            ["/peakMiB is 40.1, promised 40"]
        );
        let measured = json!({"peakMiB": null, "statusToSinkMilliseconds": {}});
        assert_eq!(
            broken(&measured, OF_NOTIFICATIONS).len(),
            2,
            "nothing is no figure"
        );
        // What was not asked for was not measured.
        assert!(broken(&json!({}), OF_SOURCES).is_empty());
        assert_eq!(broken(&json!({"index": {}}), OF_SOURCES).len(), 1);
    }
}
