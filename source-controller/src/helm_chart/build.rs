//! PURE: what is wanted of a chart, what was made of it, and why nothing could be.

use super::{proof::Proof, source::Found};
use crate::record::Failure;
use crds::source::{
    ChartSourceKind, HelmChart, ReconcileStrategy, Source as _, condition::BUILD_FAILED, reason,
};
use std::time::Duration;
use versions::Version;

/// What is wanted beside the chart itself.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// What is added to the version, behind a `+`.
    pub suffix: Option<String>,
    /// The values files to merge; none if the chart's own are wanted as they are.
    pub values_files: Vec<String>,
    /// Whether some of those may be missing.
    pub ignore_missing: bool,
    /// What is on the shelf, and need not be made again.
    pub kept: Option<Kept>,
}

/// A chart that is on the shelf.
#[derive(Debug, Clone)]
pub struct Kept {
    name: String,
    version: String,
    values_files: Vec<String>,
}

/// A chart that was had.
#[derive(Debug)]
pub struct Build {
    /// What it is.
    pub made: Made,
    /// Its archive.
    pub content: Content,
}

/// The archive of a chart.
#[derive(Debug)]
pub enum Content {
    /// It is on the shelf.
    Kept,
    /// These bytes.
    New(Vec<u8>),
}

/// What a chart is, and how it was made.
#[derive(Debug, Clone, Default)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// Its version, with what was added.
    pub version: String,
    /// The values files that were merged into it.
    pub values_files: Vec<String>,
    /// Whether it was packaged here.
    pub packaged: bool,
    /// How many dependencies were had for it.
    pub dependencies: usize,
    /// What became of its signature, if one is wanted.
    pub proof: Option<Proof>,
}

/// Which step failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    Reference,
    Pull,
    Metadata,
    Values,
    Dependency,
    Package,
    Verification,
    Provenance,
    Unknown,
}

/// Why there is no chart.
#[derive(Debug)]
pub struct BuildError {
    step: Step,
    problem: String,
    retry_after: Option<Duration>,
}

impl Options {
    /// What a HelmChart wants of its source. `shelved`: what its status names is on the shelf.
    pub fn of(object: &HelmChart, found: &Found, shelved: bool) -> Self {
        let spec = &object.spec;
        let generation = object.metadata.generation.unwrap_or_default();
        let values_files = wanted_files(&spec.values_files);
        let mut parts = Vec::new();
        if let (Found::Archive { kind, artifact }, Some(ReconcileStrategy::Revision)) =
            (found, spec.reconcile_strategy)
        {
            parts.push(short(*kind, &artifact.revision));
        }
        if !values_files.is_empty() {
            parts.push(generation.to_string());
        }
        let status = object.status.as_ref();
        let observed = status.map(|status| status.observed_generation);
        let kept = object
            .artifact()
            .filter(|_| shelved && observed == Some(generation))
            .map(|artifact| Kept {
                name: status
                    .and_then(|s| s.observed_chart_name.clone())
                    .unwrap_or_default(),
                version: artifact.revision.clone(),
                values_files: status
                    .map(|s| s.observed_values_files.clone())
                    .unwrap_or_default(),
            });
        Self {
            suffix: (!parts.is_empty()).then(|| parts.join(".")),
            values_files,
            ignore_missing: spec.ignore_missing_values_files,
            kept,
        }
    }

    /// Whether the chart has to be packaged here, wherever it comes from.
    pub fn changes_chart(&self) -> bool {
        self.suffix.is_some() || !self.values_files.is_empty()
    }

    /// A version with what is added to it.
    pub fn version(&self, version: &str) -> Result<String, BuildError> {
        let Some(suffix) = &self.suffix else {
            return Ok(version.to_owned());
        };
        let mut parsed = Version::parse(version).map_err(|error| {
            let text = format!("failed to parse version from chart metadata as SemVer: {error}");
            BuildError::new(Step::Metadata, text)
        })?;
        parsed.metadata.clone_from(suffix);
        Ok(parsed.to_string())
    }

    /// The chart that is on the shelf, if it is just the one that is wanted.
    pub fn shelved(&self, name: &str, version: &str, packaged: bool) -> Option<Build> {
        let kept = self.kept.as_ref()?;
        if kept.name != name || kept.version != version {
            return None;
        }
        let observed = Some(&kept.values_files).filter(|files| !files.is_empty());
        Some(Build {
            made: Made {
                name: name.to_owned(),
                version: version.to_owned(),
                values_files: observed.unwrap_or(&self.values_files).clone(),
                packaged,
                dependencies: 0,
                proof: None,
            },
            content: Content::Kept,
        })
    }
}

/// The values files of a spec. A chart's own `values.yaml` alone is the same as none.
fn wanted_files(files: &[String]) -> Vec<String> {
    match files {
        [one] if clean(one) == "values.yaml" => Vec::new(),
        files => files.to_vec(),
    }
}

/// A path without what leads nowhere: `./a//b/../c` is `a/c`; what would lead out of the root stays at it.
pub fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    parts.join("/")
}

/// The first twelve characters of what a revision has for a hash.
fn short(kind: ChartSourceKind, revision: &str) -> String {
    let hash = match kind {
        ChartSourceKind::GitRepository | ChartSourceKind::Bucket => {
            revision.rsplit_once(':').map_or(revision, |(_, hash)| hash)
        }
        ChartSourceKind::HelmRepository => revision,
    };
    hash.chars()
        .filter(char::is_ascii_alphanumeric)
        .take(12)
        .collect()
}

impl Made {
    /// The name of its file.
    pub fn file(&self) -> String {
        format!("{}-{}.tgz", self.name, self.version)
    }

    /// What it is, for people, before its archive is there.
    pub fn as_new(&self) -> String {
        self.told("new")
    }

    /// What was done, for people.
    pub fn summary(&self) -> String {
        self.told(if self.packaged { "packaged" } else { "pulled" })
    }

    /// The reason to tell it under.
    pub fn reason(&self) -> &'static str {
        if self.packaged {
            reason::CHART_PACKAGE_SUCCEEDED
        } else {
            reason::CHART_PULL_SUCCEEDED
        }
    }

    fn told(&self, action: &str) -> String {
        let mut text = format!("{action} '{}' chart with version '{}'", self.name, self.version);
        if !self.values_files.is_empty() {
            text += &format!(" and merged values files [{}]", self.values_files.join(" "));
        }
        text
    }
}

impl Step {
    /// The reason, and how Flux begins what it tells.
    fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Reference => (reason::INVALID_CHART_REFERENCE, "invalid chart reference"),
            Self::Pull => (reason::CHART_PULL_ERROR, "chart pull error"),
            Self::Metadata => (reason::METADATA_PATCH_ERROR, "chart metadata patch error"),
            Self::Values => (reason::VALUES_FILES_ERROR, "values files merge error"),
            Self::Dependency => (reason::DEPENDENCY_BUILD_ERROR, "dependency build error"),
            Self::Package => (reason::CHART_PACKAGE_ERROR, "chart package error"),
            Self::Verification | Self::Provenance => {
                (reason::CHART_VERIFICATION_ERROR, "chart verification error")
            }
            Self::Unknown => (reason::UNKNOWN, "unknown build error"),
        }
    }
}

impl BuildError {
    /// A failure of a step.
    pub fn new(step: Step, problem: impl Into<String>) -> Self {
        Self {
            step,
            problem: problem.into(),
            retry_after: None,
        }
    }

    /// The failure, which upstream asks not to be tried again before so long.
    pub fn not_before(mut self, delay: Option<Duration>) -> Self {
        self.retry_after = delay;
        self
    }

    /// How long upstream asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Whether it may be for lack of a login or of trust in certificates. What a provenance file says may have any words in it.
    pub fn may_be_of_access(&self) -> bool {
        self.step != Step::Provenance
    }

    /// What went wrong, as it is told.
    pub fn message(&self) -> String {
        format!("{}: {}", self.step.words().1, self.problem)
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        let (reason, message) = (error.step.words().0, error.message());
        let failure = match error.step {
            Step::Reference => Failure::fetch(reason, message).stalled(),
            Step::Pull | Step::Unknown => Failure::fetch(reason, message),
            Step::Metadata | Step::Values => Failure::new(BUILD_FAILED, reason, message).stalled(),
            Step::Dependency | Step::Package => Failure::new(BUILD_FAILED, reason, message),
            Step::Verification | Step::Provenance => {
                Failure::new(BUILD_FAILED, reason, message).and_unverified(reason::VERIFICATION_ERROR)
            }
        };
        failure.not_before(error.retry_after)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_the_root() {
        for (path, expected) in [
            ("./charts/web", "charts/web"),
            ("charts//web/", "charts/web"),
            ("../../etc", "etc"),
            ("a/../../b/./c", "b/c"),
            (".", ""),
            ("", ""),
        ] {
            assert_eq!(clean(path), expected, "{path}");
        }
    }

    #[test]
    fn revisions_are_cut_to_twelve() {
        use ChartSourceKind::{Bucket, GitRepository};
        for (kind, revision, expected) in [
            (
                GitRepository,
                "main@sha1:221a93568e4c3e453a2bbde6b488ce3606e39b35",
                "221a93568e4c",
            ),
            (GitRepository, "sha1:221a93568e4c3e453a2b", "221a93568e4c"),
            (Bucket, "sha256:3999f0d770ab086321a9", "3999f0d770ab"),
            (Bucket, "short", "short"),
        ] {
            assert_eq!(short(kind, revision), expected);
        }
    }

    #[test]
    fn suffixes_become_build_metadata() {
        let options = Options {
            suffix: Some("221a93568e4c.3".into()),
            ..Options::default()
        };
        assert_eq!(
            options.version("v1.2-rc.1+old").unwrap(),
            "1.2.0-rc.1+221a93568e4c.3"
        );
        assert!(
            options
                .version("x")
                .unwrap_err()
                .message()
                .starts_with("chart metadata patch error")
        );
        assert_eq!(Options::default().version("v1.2").unwrap(), "v1.2");
        assert!(wanted_files(&["./values.yaml".into()]).is_empty());
        assert_eq!(wanted_files(&["a".into(), "values.yaml".into()]).len(), 2);
    }
}
