//! The sources of generators as last seen, and what of them a generator is made of.

use super::record::Failure;
use crds::{
    extensions::{ArtifactGenerator, GeneratorSource, GeneratorSourceKind as Kind, reason},
    meta::{Artifact, OCI_REVISION},
    source::{Bucket, ExternalArtifact, GitRepository, HelmChart, OCIRepository},
};
use kube::{Client, ResourceExt as _};
use runtime::{
    Key,
    source::{self, Found},
    watch::Store,
};
use sha2::{Digest as _, Sha256};
use std::{collections::BTreeMap, sync::Arc};

/// The stores of all kinds of source.
///
/// They are not those of the controller's own kinds: a generator's source may belong to another shard.
#[derive(Debug, Default)]
pub struct Sources {
    git: Arc<Store<GitRepository>>,
    oci: Arc<Store<OCIRepository>>,
    bucket: Arc<Store<Bucket>>,
    chart: Arc<Store<HelmChart>>,
    external: Arc<Store<ExternalArtifact>>,
}

/// A source that has an artifact.
#[derive(Debug, Clone)]
pub struct Observed {
    /// The artifact.
    pub artifact: Artifact,
}

impl Observed {
    /// The revision of what the source itself was made from.
    pub fn origin(&self) -> &str {
        let notes = self.artifact.metadata.as_ref();
        notes
            .and_then(|notes| notes.get(OCI_REVISION))
            .unwrap_or(&self.artifact.revision)
    }
}

impl Sources {
    /// Keeps all stores current, for ever, and tells what changed.
    pub fn follow(
        &self,
        client: &Client,
        scope: Option<&str>,
        changed: &Arc<dyn Fn(Kind, Key) + Send + Sync>,
    ) {
        let tell = |kind| {
            let changed = changed.clone();
            move |key| changed(kind, key)
        };
        source::follow(self.git.clone(), client, scope, |_| (), tell(Kind::GitRepository));
        source::follow(self.oci.clone(), client, scope, |_| (), tell(Kind::OciRepository));
        source::follow(self.bucket.clone(), client, scope, |_| (), tell(Kind::Bucket));
        source::follow(self.chart.clone(), client, scope, |_| (), tell(Kind::HelmChart));
        // What others do to an ExternalArtifact that is made here is undone.
        let noted = |made: &ExternalArtifact| {
            let meta = &made.metadata;
            (meta.labels.clone(), meta.annotations.clone(), made.spec.clone())
        };
        source::follow(
            self.external.clone(),
            client,
            scope,
            noted,
            tell(Kind::ExternalArtifact),
        );
    }

    /// Waits until all are known.
    pub async fn synced(&self) {
        self.git.synced().await;
        self.oci.synced().await;
        self.bucket.synced().await;
        self.chart.synced().await;
        self.external.synced().await;
    }

    /// An ExternalArtifact.
    pub fn external(&self, key: &Key) -> Option<Arc<ExternalArtifact>> {
        self.external.get(key)
    }

    /// All ExternalArtifacts.
    pub fn all_external(&self) -> Vec<Arc<ExternalArtifact>> {
        self.external.all()
    }

    fn find(&self, kind: Kind, key: &Key) -> Found {
        match kind {
            Kind::GitRepository => source::find(&self.git, key),
            Kind::OciRepository => source::find(&self.oci, key),
            Kind::Bucket => source::find(&self.bucket, key),
            Kind::HelmChart => source::find(&self.chart, key),
            Kind::ExternalArtifact => source::find(&self.external, key),
        }
    }
}

/// The key of a source of a generator in `namespace`.
pub fn key(source: &GeneratorSource, namespace: &str) -> Key {
    Key::new(source.namespace.as_deref().unwrap_or(namespace), &source.name)
}

/// The artifacts that a generator's sources have, by alias.
///
/// # Errors
/// When a source is not there or has none yet.
pub fn run(sources: &Sources, object: &ArtifactGenerator) -> Result<BTreeMap<String, Observed>, Failure> {
    let namespace = object.namespace().unwrap_or_default();
    let mut observed = BTreeMap::new();
    for source in &object.spec.sources {
        let key = key(source, &namespace);
        let named = format!("{}/{}/{}", source.kind.as_str(), key.namespace, key.name);
        let artifact = match sources.find(source.kind, &key) {
            Found::Artifact(artifact) => *artifact,
            Found::Missing => {
                let text = format!("get sources failed: source '{named}' not found");
                return Err(Failure::awaits(reason::SOURCE_FETCH_FAILED, text));
            }
            Found::NoArtifact | Found::Disabled => {
                let text = format!("get sources failed: source '{named}' is not ready");
                return Err(Failure::awaits(reason::SOURCE_FETCH_FAILED, text));
            }
        };
        observed.insert(source.alias.clone(), Observed { artifact });
    }
    Ok(observed)
}

/// `status.observedSourcesDigest`: the artifacts of all sources in one checksum, as Flux's source-watcher makes it.
pub fn digest(observed: &BTreeMap<String, Observed>) -> String {
    let mut parts: Vec<String> = observed
        .iter()
        .map(|(alias, source)| {
            let Artifact {
                digest,
                revision,
                url,
                ..
            } = &source.artifact;
            format!("{alias}=[digest={digest},revision={revision},url={url}]")
        })
        .collect();
    parts.sort();
    format!("sha256:{}", hex::encode(Sha256::digest(parts.join("|"))))
}
