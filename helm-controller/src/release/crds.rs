//! I/O: a chart's custom resource definitions, which come before everything else.

use super::{
    inventory::definitions,
    job::ActionError,
    objects::{self, Item},
    session::Session,
    wait::Awaited,
    write,
};
use crds::{
    helm::CrdsPolicy,
    meta::{HELM_NAME, HELM_NAMESPACE},
};
use expr::HealthExpressions;
use kube::ResourceExt as _;
use runtime::telemetry::chain;
use serde_json::Value;
use std::time::Duration;

/// How long definitions may take until they are served.
const ESTABLISHED: Duration = Duration::from_secs(60);
const GROUP: &str = "apiextensions.k8s.io";
const KIND: &str = "CustomResourceDefinition";

/// Writes the definitions of the chart as the policy says, and waits until they are served.
///
/// # Errors
/// Definitions that cannot be read, that the API server refuses, or that do not come up in a minute.
pub async fn run(session: &mut Session, policy: CrdsPolicy, server_side: bool) -> Result<(), ActionError> {
    let found = definitions(&session.job)?;
    if found.is_empty() || policy == CrdsPolicy::Skip {
        return Ok(());
    }
    session.say(format!(
        "applying CustomResourceDefinition(s) with policy {policy:?}"
    ));
    let mut items = Vec::new();
    for crd in &found {
        let text = String::from_utf8_lossy(&crd.data).into_owned();
        let failed = |e: &dyn std::error::Error| {
            ActionError::Helm(format!(
                "failed to apply CustomResourceDefinitions: failed to parse CustomResourceDefinitions from {}: {}",
                crd.path,
                chain(e)
            ))
        };
        let built = objects::build(&session.discovery, &text, &session.job.namespace).await;
        items.extend(built.map_err(|e| failed(&e))?);
    }
    // The folder is for definitions only.
    items.retain(|item| item.object.group == GROUP && item.object.kind == KIND);
    let mut written = Vec::new();
    for item in &mut items {
        label(session, &mut item.manifest);
        if let Some(awaited) = one(session, item, policy, server_side).await? {
            written.push(awaited);
        }
    }
    if written.is_empty() {
        return Ok(());
    }
    let count = written.len();
    let definitions: Vec<Value> = written.iter().map(|w| w.written.clone()).collect();
    let ready = session
        .waits
        .ready(written, false, &HealthExpressions::default(), ESTABLISHED)
        .await;
    ready.map_err(|e| {
        ActionError::from(e).context(
            "failed to apply CustomResourceDefinitions: failed to wait for CustomResourceDefinition(s)",
        )
    })?;
    session.say(format!(
        "successfully applied {count} CustomResourceDefinition(s)"
    ));
    let mut kinds = Vec::new();
    for definition in &definitions {
        session
            .discovery
            .forget(definition["spec"]["group"].as_str().unwrap_or_default());
        kinds.extend(served(definition));
    }
    session
        .context
        .cluster
        .of(&session.job.identity)
        .learn(&kinds)
        .await;
    Ok(())
}

/// The kinds that a live definition serves, as `group/version/Kind`.
fn served(definition: &Value) -> Vec<String> {
    let spec = &definition["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let versions = spec["versions"].as_array().into_iter().flatten();
    versions
        .filter(|version| version["served"] == true)
        .map(|version| {
            let (group, kind) = (text(&spec["group"]), text(&spec["names"]["kind"]));
            format!("{group}/{}/{kind}", text(&version["name"]))
        })
        .collect()
}

async fn one(
    session: &Session,
    item: &Item,
    policy: CrdsPolicy,
    server_side: bool,
) -> Result<Option<Awaited>, ActionError> {
    let client = &session.client.0;
    let name = &item.object.name;
    let failed = |text: String| {
        ActionError::Helm(format!(
            "failed to apply CustomResourceDefinitions: failed to create CustomResourceDefinition {name}: {text}"
        ))
    };
    let api = item.resource.api(client.clone(), "");
    let live = api.get_opt(name).await.map_err(|e| failed(write::words(&e)))?;
    let live = live.map(|l| serde_json::to_value(l).unwrap_or_default());
    let written = match (live, policy) {
        // It is there, and stays as it is. It may be another release that it came with.
        (Some(live), CrdsPolicy::Create) => live,
        (Some(live), _) if !server_side => {
            let mode = write::Mode {
                server_side: false,
                force: false,
                replace: true,
                three_way: false,
            };
            let replaced = super::client_side::write(client, None, item, Some(&live), mode).await;
            replaced.map_err(failed)?
        }
        (None, _) if !server_side => write::create(client, item)
            .await
            .map_err(|e| failed(write::words(&e)))?,
        _ => write::server_side(client, item, true).await.map_err(failed)?,
    };
    Ok(Some(Awaited {
        object: item.object.clone(),
        resource: item.resource.clone(),
        written,
    }))
}

fn label(session: &Session, manifest: &mut Value) {
    let object = &session.job.object;
    objects::put(manifest, "labels", HELM_NAME, &object.name_any());
    objects::put(
        manifest,
        "labels",
        HELM_NAMESPACE,
        &crate::spec::namespace(object),
    );
}
