//! The charts that a chart needs and does not bring: from beside it in its source, or from repositories.

use super::{
    build::{BuildError, Step, clean},
    repository::{Chosen, Missing, Repository, Unusable},
};
use crate::{
    context::Context,
    helm_remote::{Access, is_oci, normalized},
};
use crds::source::HelmRepository;
use helm::{ArchiveLimits, Chart, Dependency};
use kube::ResourceExt as _;
use peer::http::shown;
use std::{collections::HashMap, sync::Arc, time::Duration};
use versions::{Range, Version};

/// More are not had for one chart.
const MOST: usize = 128;
/// What all of them together may have in their archives, in bytes.
const MOST_BYTES: u64 = 100 << 20;
/// How long having all of them may take.
const LONGEST: Duration = Duration::from_secs(600);

/// A dependency, and its chart where it was downloaded.
pub type Wanted = (Dependency, Option<Vec<u8>>);

/// PURE: the dependencies that are not there; what a lock says counts before what the chart says.
pub fn missing(chart: &Chart) -> Result<Vec<Dependency>, BuildError> {
    let locked = chart.lock.as_ref().map(Dependency::locked).transpose();
    let locked =
        locked.map_err(|problem| BuildError::new(Step::Dependency, format!("Chart.lock: {problem}")))?;
    let asked = match locked {
        Some(locked) => locked.unwrap_or_default(),
        None => chart.metadata.dependencies.clone(),
    };
    if asked.len() == chart.dependencies.len() {
        return Ok(Vec::new());
    }
    let there = |wanted: &Dependency| chart.dependencies.iter().any(|found| is_it(wanted, found));
    let missing: Vec<Dependency> = asked.into_iter().filter(|wanted| !there(wanted)).collect();
    if missing.len() > MOST {
        let text = format!("the chart has more than {MOST} dependencies that are not in its charts folder");
        return Err(BuildError::new(Step::Dependency, text));
    }
    Ok(missing)
}

/// Whether a chart is the one that a dependency means: by its name or alias, or by its name and version under an alias.
fn is_it(wanted: &Dependency, found: &Chart) -> bool {
    let version = Version::parse(&found.metadata.version);
    let fits =
        Range::parse(&wanted.version).is_ok_and(|range| version.is_ok_and(|version| range.admits(&version)));
    found.name() == name(wanted) || (found.name() == wanted.name && fits)
}

/// PURE: whether a dependency is beside the chart.
pub fn is_local(dependency: &Dependency) -> bool {
    dependency.repository.is_empty() || dependency.repository.starts_with("file://")
}

/// PURE: where in a source a dependency of the chart at `chart` is.
pub fn place(chart: &str, dependency: &Dependency) -> String {
    match dependency.repository.strip_prefix("file://") {
        Some(path) => clean(&format!("{chart}/{path}")),
        None => clean(&format!("{chart}/charts/{}", dependency.name)),
    }
}

/// I/O: downloads the charts of those that are in repositories.
pub async fn download(
    context: &Arc<Context>,
    namespace: &str,
    wanted: Vec<Dependency>,
) -> Result<Vec<Wanted>, BuildError> {
    let work = async {
        let mut had = Vec::new();
        let mut repositories = HashMap::new();
        let mut left = MOST_BYTES;
        for dependency in wanted {
            let archive = if is_local(&dependency) {
                None
            } else {
                let archive = remote(context, namespace, &dependency, &mut repositories, left).await?;
                left -= archive.len() as u64;
                Some(archive)
            };
            had.push((dependency, archive));
        }
        Ok(had)
    };
    let late = |_| {
        let text = format!(
            "the dependencies could not be had within {}",
            crds::meta::format_go(LONGEST)
        );
        BuildError::new(Step::Dependency, text)
    };
    tokio::time::timeout(LONGEST, work).await.map_err(late)?
}

async fn remote(
    context: &Arc<Context>,
    namespace: &str,
    dependency: &Dependency,
    repositories: &mut HashMap<String, Repository>,
    left: u64,
) -> Result<Vec<u8>, BuildError> {
    let failed = |problem: String, delay| {
        let text = format!(
            "failed to add remote dependency '{}': {problem}",
            name(dependency)
        );
        BuildError::new(Step::Dependency, text).not_before(delay)
    };
    let url = url(&dependency.repository).map_err(|problem| failed(problem, None))?;
    if !repositories.contains_key(&url) {
        let opened = open(context, namespace, &url).await.map_err(|problem| {
            failed(
                format!(
                    "failed to get chart repository for URL '{}': {problem}",
                    shown(&url)
                ),
                None,
            )
        })?;
        repositories.insert(url.clone(), opened);
    }
    let Some(repository) = repositories.get(&url) else {
        return Err(failed(
            format!("no chart repository for URL '{}'", shown(&url)),
            None,
        ));
    };
    let chosen = repository
        .choose(context, &dependency.name, &dependency.version)
        .await;
    let chosen: Chosen = chosen.map_err(|missing| {
        let (problem, delay) = match missing {
            Missing::Reference(problem) => (problem, None),
            Missing::External(problem, delay) => (problem, delay),
        };
        let text = format!(
            "failed to get chart '{}' version '{}' from '{}': {problem}",
            dependency.name,
            dependency.version,
            shown(&dependency.repository)
        );
        failed(text, delay)
    })?;
    let limit = context.charts.archive.min(left);
    repository
        .download(context, &chosen, limit)
        .await
        .map_err(|(problem, delay)| {
            let text = format!("chart download of version '{}' failed: {problem}", chosen.version);
            failed(text, delay)
        })
}

/// The URL of a dependency's repository as all who compare URLs write it.
fn url(repository: &str) -> Result<String, String> {
    if repository.starts_with('@') {
        return Err(format!(
            "aliased repository dependency is not supported: {repository}/"
        ));
    }
    let known = is_oci(repository) || repository.starts_with("http://") || repository.starts_with("https://");
    if !known {
        return Err(format!("invalid dependency repository URL: {repository}"));
    }
    let url = normalized(repository).map_err(|error| format!("parse {:?}: {error}", shown(repository)))?;
    Ok(url.to_string())
}

/// The repository at a URL, with the access of the HelmRepository in the chart's namespace that has the same URL; without any
/// if there is none.
async fn open(context: &Arc<Context>, namespace: &str, url: &str) -> Result<Repository, String> {
    let same = |object: &&Arc<HelmRepository>| {
        object.namespace().as_deref() == Some(namespace)
            && normalized(&object.spec.url).is_ok_and(|found| found.as_str() == url)
    };
    let mut all = context.helm_repositories.all();
    // Of several alike it is always the same.
    all.sort_by_key(|object| object.name_any());
    let object = all.iter().find(same);
    let access = match object {
        Some(object) => Access::read(&context.client, object).await?,
        None => Access::anonymous(),
    };
    let opened = Repository::open(context, url, access, object.map(|object| &**object));
    opened.map_err(|unusable| match unusable {
        Unusable::Url(problem) | Unusable::Client(problem) => problem,
    })
}

/// PURE: puts a dependency that was downloaded into its chart. What it needs is taken off what is left for all of them.
pub fn add_remote(
    chart: &mut Chart,
    dependency: &Dependency,
    archive: &[u8],
    left: &mut ArchiveLimits,
) -> Result<(), BuildError> {
    let loaded = Chart::from_archive_within(archive, left).map_err(|error| {
        let text = format!(
            "failed to load downloaded archive of version '{}': {error}",
            dependency.version
        );
        let text = format!("failed to add remote dependency '{}': {text}", name(dependency));
        BuildError::new(Step::Dependency, text)
    })?;
    add(chart, loaded);
    Ok(())
}

/// PURE: puts a dependency that is beside its chart into it; its version has to be one that the chart admits.
pub fn add_local(chart: &mut Chart, dependency: &Dependency, loaded: Chart) -> Result<(), BuildError> {
    let failed = |problem: String| local_failed(dependency, &problem);
    let range = Range::parse(&dependency.version).map_err(|error| {
        failed(format!(
            "invalid version/constraint format '{}': {error}",
            dependency.version
        ))
    })?;
    let version = Version::parse(&loaded.metadata.version).map_err(|error| failed(error.to_string()))?;
    if !range.admits(&version) {
        let text = format!(
            "can't get a valid version for constraint '{}'",
            dependency.version
        );
        return Err(failed(text));
    }
    add(chart, loaded);
    Ok(())
}

/// A dependency beside the chart could not be added.
pub fn local_failed(dependency: &Dependency, problem: &str) -> BuildError {
    let text = format!("failed to add local dependency '{}': {problem}", name(dependency));
    BuildError::new(Step::Dependency, text)
}

/// Under its own name: Helm makes a copy for each alias. (Flux renames it, so that `helm` itself does not find it.)
fn add(chart: &mut Chart, loaded: Chart) {
    let same =
        |other: &Chart| other.name() == loaded.name() && other.metadata.version == loaded.metadata.version;
    if !chart.dependencies.iter().any(same) {
        chart.dependencies.push(loaded);
    }
}

/// What a dependency is called in its chart.
fn name(dependency: &Dependency) -> &str {
    match dependency.alias.as_str() {
        "" => &dependency.name,
        alias => alias,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use helm::File;

    fn chart(name: &str, version: &str, more: &str, lock: Option<&str>) -> Chart {
        let metadata = format!("apiVersion: v2\nname: {name}\nversion: {version}\n{more}");
        let mut files = vec![File::new("Chart.yaml", metadata)];
        files.extend(lock.map(|lock| File::new("Chart.lock", lock)));
        Chart::from_files(files).unwrap()
    }

    const ASKED: &str = "dependencies:\n- {name: a, version: 1.x, repository: 'https://r'}\n- {name: a, version: 2.x, repository: 'https://r', alias: b}\n- {name: c, version: '*'}\n";

    fn names(chart: &Chart) -> Vec<String> {
        let missing = missing(chart).unwrap();
        missing
            .iter()
            .map(|wanted| format!("{}@{}", name(wanted), wanted.version))
            .collect()
    }

    #[test]
    fn what_is_there_is_not_asked_for() {
        let mut asking = chart("web", "1.0.0", ASKED, None);
        assert_eq!(names(&asking), ["a@1.x", "b@2.x", "c@*"]);
        // Found by its name, as in Flux; with an alias by name and version, as in Helm, or by the alias, as Flux left it.
        add(&mut asking, chart("a", "2.1.0", "", None));
        assert_eq!(names(&asking), ["c@*"]);
        let mut asking = chart("web", "1.0.0", ASKED, None);
        add(&mut asking, chart("a", "1.1.0", "", None));
        assert_eq!(names(&asking), ["b@2.x", "c@*"]);
        add(&mut asking, chart("b", "2.1.0", "", None));
        add(&mut asking, chart("b", "2.1.0", "", None));
        assert_eq!(names(&asking), ["c@*"]);
        assert_eq!(asking.dependencies.len(), 2, "the same chart is there once");
    }

    #[test]
    fn a_lock_counts_before_the_chart() {
        let lock = "dependencies: [{name: a, version: 1.2.3, repository: 'https://r'}]\n";
        assert_eq!(names(&chart("web", "1.0.0", ASKED, Some(lock))), ["a@1.2.3"]);
        assert!(names(&chart("web", "1.0.0", ASKED, Some("digest: x\n"))).is_empty());
        let odd = chart("web", "1.0.0", ASKED, Some("dependencies: x\n"));
        assert!(
            missing(&odd)
                .unwrap_err()
                .message()
                .starts_with("dependency build error: Chart.lock")
        );
        let many: String = (0..200)
            .map(|n| format!("- {{name: a{n}, version: 1.x}}\n"))
            .collect();
        let many = chart("web", "1.0.0", &format!("dependencies:\n{many}"), None);
        assert!(missing(&many).unwrap_err().message().contains("more than 128"));
    }

    /// Each is within the limits, and all of them together are not.
    #[test]
    fn all_together_have_one_budget() {
        let packed = |name: &str| {
            let mut made = chart(name, "1.0.0", "", None);
            made.files.push(File::new("big", vec![0; 4 << 20]));
            helm::package(&made, 0).unwrap()
        };
        let (a, b) = (packed("a"), packed("b"));
        let mut asking = chart("web", "1.0.0", ASKED, None);
        let mut left = ArchiveLimits {
            bytes: 7 << 20,
            ..ArchiveLimits::default()
        };
        let wanted = Dependency::default();
        add_remote(&mut asking, &wanted, &a, &mut left).unwrap();
        let error = add_remote(&mut asking, &wanted, &b, &mut left).unwrap_err();
        assert!(
            error.message().contains("larger than the maximum size"),
            "{}",
            error.message()
        );
        assert_eq!(asking.dependencies.len(), 1);
    }

    #[test]
    fn local_ones_stay_in_their_source() {
        let at = |repository: &str| Dependency {
            name: "dep".into(),
            repository: repository.into(),
            ..Dependency::default()
        };
        for (repository, local, expected) in [
            ("", true, "charts/web/charts/dep"),
            ("file://../common", true, "charts/common"),
            ("file://../../../../etc", true, "etc"),
            ("file:///abs", true, "charts/web/abs"),
            ("https://r", false, "charts/web/charts/dep"),
        ] {
            let dependency = at(repository);
            assert_eq!(is_local(&dependency), local, "{repository}");
            assert_eq!(place("charts/web", &dependency), expected, "{repository}");
        }
    }

    #[test]
    fn urls_are_compared_as_all_write_them() {
        for (repository, expected) in [
            ("https://r/charts", Ok("https://r/charts/")),
            ("https://r/charts//", Ok("https://r/charts/")),
            ("oci://r/charts/", Ok("oci://r/charts")),
            (
                "@mine",
                Err("aliased repository dependency is not supported: @mine/"),
            ),
            ("alias:mine", Err("invalid dependency repository URL: alias:mine")),
            ("http://", Err("parse")),
        ] {
            let found = url(repository);
            let told = found.as_ref().unwrap_or_else(|problem| problem);
            assert!(told.contains(expected.unwrap_or_else(|part| part)), "{told}");
            assert_eq!(found.is_ok(), expected.is_ok(), "{repository}: {told}");
        }
    }
}
