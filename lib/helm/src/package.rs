//! `helm package` as a function: a chart in, its archive out; the same bytes for the same chart.

use crate::chart::{Chart, Dependency, Metadata};
use crate::{Error, index};
use artifact::deflate::GzipWriter;
use artifact::{Member, Members};
use serde_json::{Value as Json, json};
use std::collections::HashSet;

/// What Helm writes into the header of each archive, and by which others know it as a chart.
const EXTRA: &[u8] = b"rr\x28\x00aHR0cHM6Ly95b3V0dS5iZS96OVV6MWljandyTQo=";
const COMMENT: &str = "Helm";

/// The archive of a chart with the charts that it depends on, byte for byte as Helm 4 writes it, but that all files are of
/// one time, `modified` in seconds since 1970, where Helm takes the time of the file or of the day.
///
/// # Errors
/// Metadata that Helm refuses, a lock or a schema that is none, two files of one name.
pub fn package(chart: &Chart, modified: u64) -> Result<Vec<u8>, Error> {
    chart.metadata.clone().validate()?;
    let mut packer = Packer {
        members: Members::new(GzipWriter::with_notes(Vec::new(), EXTRA, COMMENT).map_err(failed)?),
        modified,
        names: HashSet::new(),
    };
    packer.chart(chart, chart.name())?;
    let archive = packer.members.finish().map_err(failed)?;
    archive.finish().map_err(failed)
}

struct Packer {
    members: Members<GzipWriter<Vec<u8>>>,
    modified: u64,
    names: HashSet<String>,
}

impl Packer {
    /// Adds a chart under a folder.
    fn chart(&mut self, chart: &Chart, base: &str) -> Result<(), Error> {
        let name = chart.name();
        if name.is_empty() || name.contains('/') || name == "." || name == ".." {
            return Err(Error::Package(format!("chart.metadata.name {name:?} is invalid")));
        }
        self.add(
            &format!("{base}/Chart.yaml"),
            metadata(&chart.metadata).as_bytes(),
        )?;
        if let Some(lock) = chart.lock.as_ref().filter(|_| chart.metadata.api_version == "v2") {
            self.add(&format!("{base}/Chart.lock"), self::lock(lock)?.as_bytes())?;
        }
        if let Some(values) = &chart.values_file {
            self.add(&format!("{base}/values.yaml"), &values.data)?;
        }
        if let Some(schema) = &chart.schema {
            if serde_json::from_slice::<serde::de::IgnoredAny>(schema).is_err() {
                return Err(Error::Package("invalid JSON in values.schema.json".to_owned()));
            }
            self.add(&format!("{base}/values.schema.json"), schema)?;
        }
        for file in chart.templates.iter().chain(&chart.files) {
            self.add(&format!("{base}/{}", file.name), &file.data)?;
        }
        let mut taken = HashSet::new();
        for dependency in &chart.dependencies {
            // Two versions of one chart, under different aliases. What their folders are called says nothing.
            let folder = match taken.insert(dependency.name()) {
                true => dependency.name().to_owned(),
                false => format!("{}-{}", dependency.name(), dependency.metadata.version),
            };
            self.chart(dependency, &format!("{base}/charts/{folder}"))?;
        }
        Ok(())
    }

    fn add(&mut self, name: &str, content: &[u8]) -> Result<(), Error> {
        if !self.names.insert(name.to_owned()) {
            return Err(Error::Package(format!("{name:?} would be in the archive twice")));
        }
        let member = Member {
            name,
            mode: 0o644,
            modified: self.modified,
            content,
        };
        self.members.add(member).map_err(failed)
    }
}

/// `Chart.yaml` as Helm prints it. In API version v1 dependencies are in a file of their own.
fn metadata(metadata: &Metadata) -> String {
    let mut printed = metadata.to_json();
    if let (Json::Object(map), "v1") = (&mut printed, metadata.api_version.as_str()) {
        map.remove("dependencies");
    }
    yaml::to_string(&printed)
}

/// `Chart.lock` as Helm prints it: what it does not know is left out.
fn lock(lock: &Json) -> Result<String, Error> {
    let unusable = |problem: String| Error::Package(format!("Chart.lock: {problem}"));
    let locked = Dependency::locked(lock).map_err(unusable)?;
    let dependencies = match locked {
        Some(dependencies) => Json::Array(dependencies.iter().map(Dependency::to_json).collect()),
        None => Json::Null,
    };
    Ok(yaml::to_string(&json!({
        "dependencies": dependencies,
        "digest": lock.get("digest").and_then(Json::as_str).unwrap_or_default(),
        "generated": index::generated(lock).map_err(unusable)?,
    })))
}

fn failed(error: std::io::Error) -> Error {
    Error::Package(error.to_string())
}
