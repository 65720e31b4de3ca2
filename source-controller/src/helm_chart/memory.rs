//! With what of its source a chart was last compared: a source that is as it was is not unpacked again.

use super::build::Made;
use crate::lock::lock;
use crds::{meta::Artifact, source::HelmChart};
use kube::ResourceExt as _;
use runtime::Key;
use std::{collections::HashMap, sync::Mutex};

/// What charts were made of, since the process began.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<Key, Seen>>);

#[derive(Debug)]
struct Seen {
    of: Of,
    made: Made,
}

/// All that a chart depends on, but for what is in repositories: that is not looked at while its version stays.
#[derive(Debug, PartialEq, Eq)]
struct Of {
    uid: Option<String>,
    generation: Option<i64>,
    source: String,
    chart: String,
}

impl Of {
    fn new(object: &HelmChart, source: &Artifact, chart: &Artifact) -> Self {
        Self {
            uid: object.uid(),
            generation: object.metadata.generation,
            // Two digests may have one revision: what a source leaves out, or has of others, is not part of it.
            source: format!("{} {}", source.revision, source.digest),
            chart: chart.digest.clone(),
        }
    }
}

impl Memory {
    /// What the chart on the shelf is, if it was made by a spec like this of a source like this.
    pub fn recall(&self, object: &HelmChart, source: &Artifact, chart: &Artifact) -> Option<Made> {
        let seen = lock(&self.0);
        let seen = seen.get(&Key::of(object))?;
        (seen.of == Of::new(object, source, chart)).then(|| seen.made.clone())
    }

    /// Takes in what a chart is, and of what it was made.
    pub fn keep(&self, object: &HelmChart, source: &Artifact, chart: &Artifact, made: &Made) {
        let made = Made {
            // They were told of when they were had.
            dependencies: 0,
            ..made.clone()
        };
        let of = Of::new(object, source, chart);
        lock(&self.0).insert(Key::of(object), Seen { of, made });
    }

    /// Forgets a chart.
    pub fn forget(&self, key: &Key) {
        lock(&self.0).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn artifact(revision: &str, digest: &str) -> Artifact {
        let json = serde_json::json!({
            "revision": revision, "digest": digest, "path": "", "url": "", "lastUpdateTime": "2026-01-01T00:00:00Z",
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn only_the_very_same_is_recalled() {
        let mut object = HelmChart::default();
        object.metadata.name = Some("web".into());
        object.metadata.generation = Some(1);
        let (source, chart) = (artifact("main@sha1:1", "sha256:a"), artifact("1.0.0", "sha256:b"));
        let made = Made {
            name: "web".into(),
            dependencies: 2,
            ..Made::default()
        };
        let memory = Memory::default();
        assert!(memory.recall(&object, &source, &chart).is_none());
        memory.keep(&object, &source, &chart, &made);
        let recalled = memory.recall(&object, &source, &chart).unwrap();
        assert_eq!((recalled.name.as_str(), recalled.dependencies), ("web", 0));
        for (source, chart) in [
            (artifact("main@sha1:2", "sha256:a"), chart.clone()),
            (artifact("main@sha1:1", "sha256:c"), chart.clone()),
            (source.clone(), artifact("1.0.0", "sha256:c")),
        ] {
            assert!(memory.recall(&object, &source, &chart).is_none());
        }
        object.metadata.generation = Some(2);
        assert!(memory.recall(&object, &source, &chart).is_none());
        object.metadata.generation = Some(1);
        memory.forget(&Key::of(&object));
        assert!(memory.recall(&object, &source, &chart).is_none());
    }
}
