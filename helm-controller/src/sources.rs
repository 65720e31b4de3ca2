//! The objects that offer charts, as last seen.

use crds::{
    helm::ChartReferenceKind,
    meta::{Condition, ObjectStatus, READY, STALLED},
    source::{ExternalArtifact, HelmChart, OCIRepository, Source},
};
use kube::{Client, Resource};
use runtime::{
    Key,
    conditions::{find, is_true},
    source::{self, Found},
    watch::{Store, Watched},
};
use std::{fmt::Debug, future::Future, sync::Arc};

/// A source by kind, namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceKey {
    /// The kind's name.
    pub kind: &'static str,
    /// Namespace and name.
    pub key: Key,
}

impl SourceKey {
    /// The key of an object that a HelmRelease refers to.
    pub fn new(kind: ChartReferenceKind, key: Key) -> Self {
        Self {
            kind: kind.as_str(),
            key,
        }
    }
}

/// The stores of all kinds of source.
#[derive(Debug)]
pub struct Sources {
    charts: Arc<Store<HelmChart>>,
    oci: Arc<Store<OCIRepository>>,
    external: Option<Arc<Store<ExternalArtifact>>>,
}

/// What is known of a source.
#[derive(Debug, Clone, PartialEq)]
pub struct Sight {
    /// Whether it is there, and its artifact.
    pub found: Found,
    /// Why it cannot be used yet, if it cannot.
    pub unready: Option<String>,
}

impl Sources {
    /// Empty stores; ExternalArtifacts are read only where that feature is on.
    pub fn new(external: bool) -> Self {
        Self {
            charts: Arc::default(),
            oci: Arc::default(),
            external: external.then(Arc::default),
        }
    }

    /// What is known of a source.
    pub fn find(&self, kind: ChartReferenceKind, key: &Key) -> Sight {
        match (kind, &self.external) {
            (ChartReferenceKind::HelmChart, _) => look(&self.charts, key, |o| o.status.as_ref()),
            (ChartReferenceKind::OciRepository, _) => look(&self.oci, key, |o| o.status.as_ref()),
            (ChartReferenceKind::ExternalArtifact, None) => Sight {
                found: Found::Disabled,
                unready: None,
            },
            (ChartReferenceKind::ExternalArtifact, Some(store)) => {
                let found = source::find(store, key);
                let lacks = found == Found::NoArtifact;
                let unready = format!("ExternalArtifact '{key}' is not ready: does not have an artifact");
                Sight {
                    found,
                    unready: lacks.then_some(unready),
                }
            }
        }
    }

    /// A HelmChart, if it is there.
    pub fn chart(&self, key: &Key) -> Option<Arc<HelmChart>> {
        self.charts.get(key)
    }

    /// Keeps all stores current, and says of each source whose artifact or readiness changes.
    pub fn follow(
        &self,
        client: &Client,
        scope: Option<&str>,
        changed: &Arc<dyn Fn(SourceKey) + Send + Sync>,
    ) {
        let kind = ChartReferenceKind::HelmChart;
        follow(
            kind,
            &self.charts,
            client,
            scope,
            |o| note(o.status.as_ref()),
            changed,
        );
        let kind = ChartReferenceKind::OciRepository;
        follow(
            kind,
            &self.oci,
            client,
            scope,
            |o| note(o.status.as_ref()),
            changed,
        );
        if let Some(external) = &self.external {
            let kind = ChartReferenceKind::ExternalArtifact;
            follow(kind, external, client, scope, |_| None::<()>, changed);
        }
    }

    /// Runs `watch` for ever beside `work`, which begins when all sources are known, and returns when `work` does.
    pub async fn synced(&self, watch: impl Future<Output = ()>, work: impl Future<Output = ()>) {
        let work = async {
            self.charts.synced().await;
            self.oci.synced().await;
            if let Some(external) = &self.external {
                external.synced().await;
            }
            work.await;
        };
        tokio::select! {
            () = watch => {}
            () = work => {}
        }
    }
}

/// What of a status, beside its artifact, matters to who refers to it.
fn note<S: ObjectStatus>(status: Option<&S>) -> Option<(i64, bool, String)> {
    let status = status?;
    let conditions = status.conditions();
    Some((
        status.observed_generation(),
        is_true(conditions, STALLED),
        find(conditions, READY)
            .map(|c| c.message.clone())
            .unwrap_or_default(),
    ))
}

/// A source is usable when its status is of its current spec, nothing has stalled, and it has an artifact.
fn look<K, S>(store: &Store<K>, key: &Key, status: impl Fn(&K) -> Option<&S>) -> Sight
where
    K: Resource<DynamicType = ()> + Source,
    S: ObjectStatus,
{
    let found = source::find(store, key);
    let Some(object) = store.get(key) else {
        return Sight { found, unready: None };
    };
    let status = status(&object);
    let conditions: &[Condition] = status.map_or(&[], |s| s.conditions());
    let observed = status.map_or(-1, |s| s.observed_generation());
    let problem = if Some(observed) != object.meta().generation {
        let failed = find(conditions, READY).filter(|c| c.status == crds::meta::ConditionStatus::False);
        Some(failed.map_or(
            "latest generation of object has not been reconciled".to_owned(),
            |c| c.message.clone(),
        ))
    } else if is_true(conditions, STALLED) {
        find(conditions, STALLED).map(|c| c.message.clone())
    } else if found == Found::NoArtifact {
        Some("does not have an artifact".to_owned())
    } else {
        None
    };
    Sight {
        found,
        unready: problem.map(|p| format!("{} '{key}' is not ready: {p}", K::kind(&()))),
    }
}

fn follow<K, N>(
    kind: ChartReferenceKind,
    store: &Arc<Store<K>>,
    client: &Client,
    scope: Option<&str>,
    noted: impl Fn(&K) -> Option<N> + Send + Sync + 'static,
    changed: &Arc<dyn Fn(SourceKey) + Send + Sync>,
) where
    N: PartialEq,
    K: Watched + Source,
{
    let changed = changed.clone();
    source::follow(store.clone(), client, scope, noted, move |key| {
        changed(SourceKey::new(kind, key));
    });
}
