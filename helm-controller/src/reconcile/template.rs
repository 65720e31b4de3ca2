//! I/O: the HelmChart that `spec.chart` asks for, written; and the one that is no longer asked for, deleted.

use super::step::Stop;
use crate::{
    context::Context,
    release::write::{MANAGER, words},
    spec,
};
use crds::{
    helm::{HelmRelease, HelmReleaseStatus, reason as hr},
    meta::{HELM_NAME, HELM_NAMESPACE, format_go, reason},
    source::HelmChart,
};
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, Patch, PatchParams},
};
use runtime::{Key, client::Identity, events::Event};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// What became of the HelmChart.
#[derive(Debug, Default)]
pub struct Templated {
    /// The HelmChart in use, if the object asks for one.
    pub chart: Option<Key>,
    /// What to tell.
    pub events: Vec<Event>,
}

/// Brings the HelmChart in line with the spec.
pub async fn run(
    context: &Context,
    object: &HelmRelease,
    status: &HelmReleaseStatus,
) -> Result<Templated, Stop> {
    let wanted = wanted(object);
    let mut done = Templated::default();
    let known = known(status);
    if let Some(old) = known
        .as_ref()
        .filter(|old| wanted.as_ref().map(|(key, _)| key) != Some(old))
    {
        done.events.extend(delete(context, object, old).await?);
    }
    let Some((key, manifest)) = wanted else {
        return Ok(done);
    };
    allowed(context, object, &key)?;
    let live = context.sources.chart(&key);
    if !live.is_some_and(|live| is_as(&live, &manifest)) {
        let change = write(context, &key, &manifest).await?;
        let source = &manifest["spec"]["sourceRef"];
        let told = |reason: &str, word: &str| {
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            let name = format!(
                "{}/{}/{}",
                text(&source["kind"]),
                key.namespace,
                text(&source["name"])
            );
            Event::trace(reason, format!("{word} HelmChart/{key} with SourceRef '{name}'"))
        };
        match change {
            Change::Created => done.events.push(told(hr::HELM_CHART_CREATED, "Created")),
            Change::Configured => done.events.push(told(hr::HELM_CHART_CONFIGURED, "Configured")),
            Change::Unchanged => {}
        }
    }
    done.chart = Some(key);
    Ok(done)
}

/// Deletes the HelmChart of an object that goes.
pub async fn clean_up(context: &Context, object: &HelmRelease) -> Result<Vec<Event>, Stop> {
    match object.status.as_ref().and_then(known) {
        Some(key) => Ok(delete(context, object, &key).await?.into_iter().collect()),
        None => Ok(Vec::new()),
    }
}

/// Whether a HelmChart, as last seen, is as it is asked for.
fn is_as(live: &HelmChart, manifest: &Value) -> bool {
    let has = |map: &str, live: &BTreeMap<String, String>| {
        let said = manifest["metadata"][map].as_object();
        said.into_iter()
            .flatten()
            .all(|(key, value)| live.get(key).map(String::as_str) == value.as_str())
    };
    serde_json::to_value(&live.spec).is_ok_and(|spec| spec == manifest["spec"])
        && has("labels", live.labels())
        && has("annotations", live.annotations())
}

enum Change {
    Created,
    Configured,
    Unchanged,
}

async fn write(context: &Context, key: &Key, manifest: &Value) -> Result<Change, Stop> {
    let api = charts(context, &key.namespace);
    let failed = |e: kube::Error| Stop::Failed {
        reason: hr::HELM_CHART_SYNC_ERR,
        message: format!("failed to run server-side apply: {}", words(&e)),
        tells: true,
    };
    let before = api.get_metadata_opt(&key.name).await.map_err(failed)?;
    let params = PatchParams {
        force: true,
        field_manager: Some(MANAGER.into()),
        ..PatchParams::default()
    };
    let written = api
        .patch(&key.name, &params, &Patch::Apply(manifest))
        .await
        .map_err(failed)?;
    Ok(match before {
        None => Change::Created,
        Some(before) if before.resource_version() == written.resource_version() => Change::Unchanged,
        Some(_) => Change::Configured,
    })
}

async fn delete(context: &Context, object: &HelmRelease, key: &Key) -> Result<Option<Event>, Stop> {
    allowed(context, object, key)?;
    match charts(context, &key.namespace)
        .delete(&key.name, &DeleteParams::default())
        .await
    {
        Ok(_) => Ok(Some(Event::trace(
            hr::HELM_CHART_DELETED,
            format!("deleted HelmChart '{key}'"),
        ))),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(Stop::Failed {
            reason: hr::HELM_CHART_SYNC_ERR,
            message: format!("failed to delete HelmChart '{key}': {}", words(&error)),
            tells: true,
        }),
    }
}

fn charts(context: &Context, namespace: &str) -> Api<HelmChart> {
    Api::namespaced(context.clients.of(&Identity::Controller), namespace)
}

fn allowed(context: &Context, object: &HelmRelease, key: &Key) -> Result<(), Stop> {
    let own = spec::namespace(object);
    let checked = context
        .settings
        .access
        .check(&own, "HelmChart", &key.namespace, &key.name);
    checked.map_err(|e| Stop::Terminal {
        reason: reason::ACCESS_DENIED,
        message: e.to_string(),
        observed: true,
    })
}

/// The HelmChart that was made for an object.
pub fn known(status: &HelmReleaseStatus) -> Option<Key> {
    let (namespace, name) = status.helm_chart.as_deref()?.split_once('/')?;
    Some(Key::new(namespace, name))
}

/// The HelmChart that the spec asks for: its key and manifest.
fn wanted(object: &HelmRelease) -> Option<(Key, Value)> {
    let template = object.spec.chart.as_ref()?;
    let own = spec::namespace(object);
    let spec = &template.spec;
    let namespace = spec.source_ref.namespace.as_deref().filter(|n| !n.is_empty());
    let key = Key::new(namespace.unwrap_or(&own), format!("{own}-{}", object.name_any()));
    let interval = spec.interval.as_ref().unwrap_or(&object.spec.interval);
    let interval = interval.get().map_or_else(|_| "1h0m0s".to_owned(), format_go);
    let mut labels = template
        .metadata
        .as_ref()
        .map(|m| m.labels.clone())
        .unwrap_or_default();
    labels.insert(HELM_NAME.to_owned(), object.name_any());
    labels.insert(HELM_NAMESPACE.to_owned(), own);
    let mut chart = json!({
        "chart": spec.chart,
        "version": spec.version.as_deref().unwrap_or("*"),
        "sourceRef": {"kind": spec.source_ref.kind.as_str(), "name": spec.source_ref.name},
        "interval": interval,
        "reconcileStrategy": spec.reconcile_strategy.unwrap_or_default(),
    });
    if !spec.values_files.is_empty() {
        chart["valuesFiles"] = json!(spec.values_files);
    }
    if spec.ignore_missing_values_files {
        chart["ignoreMissingValuesFiles"] = json!(true);
    }
    if let Some(verify) = &spec.verify {
        chart["verify"] = json!(verify);
    }
    let mut metadata = json!({"name": key.name, "namespace": key.namespace, "labels": labels});
    if let Some(annotations) = template
        .metadata
        .as_ref()
        .map(|m| &m.annotations)
        .filter(|a| !a.is_empty())
    {
        metadata["annotations"] = json!(annotations);
    }
    let manifest = json!({
        "apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "HelmChart", "metadata": metadata, "spec": chart,
    });
    Some((key, manifest))
}
