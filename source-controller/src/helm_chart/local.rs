//! The chart of a source with an archive of files: its folder or its package, with values of the source and what it needs.

use super::{
    build::{Build, BuildError, Content, Made, Options, Step, clean},
    dependencies::{self, Wanted},
    remote::MODIFIED,
    values,
};
use crate::{
    context::{ChartLimits, Context},
    record::Failure,
    shelf::blocking,
};
use artifact::{Limits, Tree, unpack_some};
use crds::{
    meta::Artifact,
    source::{HelmChart, condition::FETCH_FAILED, reason},
};
use helm::{ArchiveLimits, Chart, Dependency, Metadata};
use kube::ResourceExt as _;
use runtime::telemetry::chain;
use std::{collections::BTreeMap, io::BufReader, sync::Arc};

/// What is held of a source at once, in bytes; a chart is never larger (Helm's limit).
const MOST: u64 = 100 << 20;

/// The chart that the object wants of an archive.
pub async fn build(
    context: &Arc<Context>,
    object: &Arc<HelmChart>,
    source: Artifact,
    options: Options,
) -> Result<Build, Failure> {
    let namespace = object.namespace().unwrap_or_default();
    let (job, chart) = (context.clone(), object.spec.chart.clone());
    // Blocking: what is there, and what it needs beside that.
    let begun = blocking(move || {
        let source = Source {
            context: job,
            artifact: source,
        };
        begin(source, &chart, options)
    });
    let mut work = match begun.await?? {
        Begun::Done(build) => return Ok(build),
        Begun::Needs(work) => work,
    };
    // I/O: what repositories have of it.
    let wanted = std::mem::take(&mut work.missing);
    let new = work.made.as_new();
    context
        .progress
        .newer(&**object, &work.made.version, reason::NEW_CHART, &new);
    let outdated = |failure: Failure| failure.outdated(reason::NEW_CHART, new.clone());
    let had = dependencies::download(context, &namespace, wanted).await;
    let had = had.map_err(|error| outdated(error.into()))?;
    // Blocking: all of it, packaged.
    let built = blocking(move || finish(*work, had)).await?;
    built.map_err(|error| outdated(error.into()))
}

/// The files of a source.
struct Source {
    context: Arc<Context>,
    artifact: Artifact,
}

/// Files that were wanted of it.
struct Files {
    tree: Tree,
    /// Those too large to be in a chart, with their sizes.
    too_large: BTreeMap<String, u64>,
}

/// What is there of a chart.
enum Begun {
    /// All that is wanted.
    Done(Build),
    /// Something to be packaged.
    Needs(Box<Work>),
}

/// A chart that is to be packaged.
struct Work {
    source: Source,
    place: String,
    chart: Chart,
    made: Made,
    missing: Vec<Dependency>,
}

/// Blocking: reads the chart at a path of a source, as far as it can be without asking anybody.
fn begin(source: Source, path: &str, options: Options) -> Result<Begun, Failure> {
    let reference = |text: String| Failure::from(BuildError::new(Step::Reference, text));
    if path.is_empty() {
        return Err(reference("no path set for local chart reference".to_owned()));
    }
    if path.starts_with('/') {
        return Err(reference(
            "local chart reference path is expected to be relative".to_owned(),
        ));
    }
    let place = clean(path);
    let limits = source.context.charts;
    let values: Vec<String> = options.values_files.iter().map(|file| clean(file)).collect();
    let files = source.files(&[&place], &values)?;
    let is_folder = place.is_empty() || files.tree.is_dir(&place);
    let metadata = metadata(&files, &place, is_folder, limits).map_err(reference)?;
    let made = Made {
        version: options.version(&metadata.version)?,
        name: metadata.name,
        packaged: is_folder || options.changes_chart(),
        ..Made::default()
    };
    if let Some(build) = options.shelved(&made.name, &made.version, made.packaged) {
        return Ok(Begun::Done(build));
    }
    let new = made.as_new();
    let outdated = |error: BuildError| Failure::from(error).outdated(reason::NEW_CHART, new.clone());
    if !made.packaged {
        let archive = files.tree.file(&place).map(|file| file.bytes().to_vec());
        return Ok(Begun::Done(Build {
            made,
            content: Content::New(archive.unwrap_or_default()),
        }));
    }
    let merged = match options.values_files.is_empty() {
        true => None,
        false => {
            let content = |name: &str| files.tree.file(name).map(|file| file.bytes().to_vec());
            Some(values::of_source(&options, content).map_err(outdated)?)
        }
    };
    let package = |text: String| outdated(BuildError::new(Step::Package, text));
    let own = &mut ArchiveLimits::default();
    let mut chart = files.chart(&place, is_folder, limits, own).map_err(package)?;
    let mut made = made;
    chart.metadata.version.clone_from(&made.version);
    if let Some(merged) = merged {
        made.values_files = values::replace(&mut chart, merged).map_err(outdated)?;
    }
    let missing = match is_folder {
        true => dependencies::missing(&chart).map_err(outdated)?,
        false => Vec::new(),
    };
    Ok(Begun::Needs(Box::new(Work {
        source,
        place,
        chart,
        made,
        missing,
    })))
}

/// Blocking: adds what the chart needs, and packages it.
fn finish(mut work: Work, had: Vec<Wanted>) -> Result<Build, BuildError> {
    let limits = work.source.context.charts;
    let places: Vec<String> = had
        .iter()
        .filter(|(_, archive)| archive.is_none())
        .map(|(dependency, _)| dependencies::place(&work.place, dependency))
        .collect();
    let beside = match places.is_empty() {
        true => None,
        false => {
            let places: Vec<&str> = places.iter().map(String::as_str).collect();
            let files = work.source.files(&places, &[]);
            Some(files.map_err(|failure| BuildError::new(Step::Dependency, failure.message))?)
        }
    };
    work.made.dependencies = had.len();
    // One chart is made of them, so they have together what one may have.
    let mut left = ArchiveLimits::default();
    for (dependency, archive) in &had {
        match (archive, &beside) {
            (Some(archive), _) => dependencies::add_remote(&mut work.chart, dependency, archive, &mut left)?,
            (None, Some(files)) => {
                let place = dependencies::place(&work.place, dependency);
                let is_folder = place.is_empty() || files.tree.is_dir(&place);
                if !is_folder && files.tree.file(&place).is_none() {
                    let text = format!(
                        "no chart found at '/{place}' (reference '{}')",
                        dependency.repository
                    );
                    return Err(dependencies::local_failed(dependency, &text));
                }
                let loaded = files
                    .chart(&place, is_folder, limits, &mut left)
                    .map_err(|problem| {
                        let text = format!(
                            "failed to load chart from '/{place}' (reference '{}'): {problem}",
                            dependency.repository
                        );
                        dependencies::local_failed(dependency, &text)
                    })?;
                dependencies::add_local(&mut work.chart, dependency, loaded)?;
            }
            (None, None) => {}
        }
    }
    let archive = helm::package(&work.chart, MODIFIED)
        .map_err(|error| BuildError::new(Step::Package, format!("failed to package chart: {error}")))?;
    Ok(Build {
        made: work.made,
        content: Content::New(archive),
    })
}

impl Source {
    /// The files at and below some paths, and those of other names.
    fn files(&self, places: &[&str], names: &[String]) -> Result<Files, Failure> {
        let archive = self.context.open(&self.artifact).map_err(|error| {
            let text = format!("failed to open source artifact: {}", chain(&error));
            Failure::fetch(reason::READ_OPERATION_FAILED, text)
        })?;
        let limits = self.context.charts;
        let mut too_large = BTreeMap::new();
        let tree = unpack_some(BufReader::new(archive), &Limits::default(), MOST, |path, size| {
            let is_one = places.contains(&path);
            let below = |place: &&str| {
                place.is_empty() || path.strip_prefix(place).is_some_and(|rest| rest.starts_with('/'))
            };
            if !is_one && !places.iter().any(below) && !names.iter().any(|name| name == path) {
                return false;
            }
            let fits = size <= if is_one { limits.archive } else { limits.file };
            if !fits {
                too_large.insert(path.to_owned(), size);
            }
            fits
        });
        let tree = tree.map_err(|error| {
            let text = format!("unknown build error: artifact untar error: {}", chain(&error));
            Failure::new(FETCH_FAILED, reason::UNKNOWN, text)
        })?;
        Ok(Files { tree, too_large })
    }
}

impl Files {
    /// Loads the chart at a place, within what is `left` of all that may be loaded.
    fn chart(
        &self,
        place: &str,
        is_folder: bool,
        limits: ChartLimits,
        left: &mut ArchiveLimits,
    ) -> Result<Chart, String> {
        if !is_folder {
            let archive = self.tree.file(place).map(|file| file.bytes());
            let archive = archive.ok_or_else(|| format!("stat /{place}: no such file or directory"))?;
            return Chart::from_archive_within(archive, left).map_err(|e| e.to_string());
        }
        let failed = |problem: String| format!("failed to load files from /{place}: {problem}");
        let prefix = if place.is_empty() {
            String::new()
        } else {
            format!("{place}/")
        };
        let rules = self.tree.file(&format!("{prefix}.helmignore"));
        let rules = rules.map(|file| file.bytes()).unwrap_or_default();
        for (path, size) in &self.too_large {
            let Some(name) = path.strip_prefix(&prefix) else {
                continue;
            };
            if !helm::is_ignored(rules, name).map_err(|e| failed(e.to_string()))? {
                let limit = limits.file;
                let text = format!("cannot load file {name} as file size ({size}) exceeds limit ({limit})");
                return Err(failed(text));
            }
        }
        let chart = Chart::from_tree_within(&self.tree, place, left);
        chart.map_err(|error| format!("failed to load chart from /{place}: {error}"))
    }
}

/// What the chart at a place says of itself.
fn metadata(files: &Files, place: &str, is_folder: bool, limits: ChartLimits) -> Result<Metadata, String> {
    if !is_folder {
        if files.too_large.contains_key(place) {
            let limit = limits.archive;
            return Err(format!("size of chart '/{place}' exceeds '{limit}' bytes limit"));
        }
        let archive = files.tree.file(place).map(|file| file.bytes());
        let archive = archive.ok_or_else(|| format!("stat /{place}: no such file or directory"))?;
        let metadata = Metadata::of_archive(archive, limits.file).and_then(Metadata::checked);
        return metadata.map_err(|error| error.to_string());
    }
    let path = |name: &str| clean(&format!("{place}/{name}"));
    let content = |name: &str| files.tree.file(&path(name)).map(|file| file.bytes());
    for name in ["Chart.yaml", "requirements.yaml"] {
        if files.too_large.contains_key(&path(name)) {
            return Err(format!("size of '{name}' exceeds '{}' bytes limit", limits.file));
        }
    }
    let Some(chart) = content("Chart.yaml") else {
        return Err(format!("open /{}: no such file or directory", path("Chart.yaml")));
    };
    let metadata = Metadata::of_files(chart, content("requirements.yaml")).and_then(Metadata::checked);
    metadata.map_err(|error| error.to_string())
}
