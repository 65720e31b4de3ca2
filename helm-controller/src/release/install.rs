//! I/O: `helm install`.

use super::{
    apply, crds, hooks,
    job::{ActionError, next_revision, now},
    objects::{self, Item},
    render::{self, Output},
    session::Session,
    write::{self, Mode},
};
use crate::storage::Record;
use ::apply::{discovery::Resource, id::ObjectRef};
use ::crds::helm::Install;
use helm::{
    Chart, Event,
    release::{HookRun, Info, LastRun, Release, Status},
};
use kube::api::{ApiResource, PropagationPolicy};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use std::{collections::BTreeMap, sync::Arc};

/// Installs the chart.
///
/// # Errors
/// In Helm's words. What fails after the record was made is in the record.
pub async fn run(session: &mut Session) -> Result<(), ActionError> {
    let options = session.job.object.spec.install.clone().unwrap_or_default();
    let server_side = options
        .server_side_apply
        .unwrap_or(!session.context.settings.helm3_defaults);
    crds::run(session, options.crds.unwrap_or_default(), server_side).await?;
    // Where the pass found nothing there is nothing; if something has come since, the record of this install is refused.
    let entries = match session.job.last {
        Some(_) => session.storage.entries(&session.job.name).await?,
        None => Vec::new(),
    };
    let revision = revision(&entries, options.replace)?;
    let output = rendered(session, revision, false, options.disable_schema_validation).await?;
    let mut record = Record {
        release: release(session, &output, revision, server_side, Status::PendingInstall)?,
        labels: BTreeMap::new(),
    };
    drop(output);
    record.release.info.description = "Initial install underway".to_owned();
    let mut items = session
        .build(&record.release.manifest, "release manifest")
        .await?;
    if options.disable_take_ownership {
        refuse_foreign(session, &items, "install").await?;
    }
    own(session, &mut items);
    if options.create_namespace && session.job.object.spec.target_namespace.is_some() {
        namespace(session, server_side).await?;
    }
    if options.replace {
        supersede(session, &entries).await?;
    }
    session.create(&record, 0).await?;
    let done = perform(session, &mut record, items, &options, server_side).await;
    if let Err(error) = done {
        record.release.info.status = Status::Failed;
        record.release.info.description = format!("Release \"{}\" failed: {error}", record.release.name);
        session.record(&record).await;
        return Err(error);
    }
    record.release.info.status = Status::Deployed;
    record.release.info.description = "Install complete".to_owned();
    session.record(&record).await;
    Ok(())
}

async fn perform(
    session: &mut Session,
    record: &mut Record,
    items: Vec<Item>,
    options: &Install,
    server_side: bool,
) -> Result<(), ActionError> {
    if !options.disable_hooks {
        let hooks = hooks::run(session, record, Event::PreInstall, server_side, |_| true).await;
        hooks.map_err(|e| e.context("failed pre-install"))?;
    }
    let mode = Mode {
        server_side,
        force: server_side,
        replace: false,
        three_way: !options.disable_take_ownership && !server_side,
    };
    let written = apply::update(session, &[], &items, mode, false).await;
    let written = written.map_err(|e| ActionError::Helm(e.error))?;
    session.say(format!("{} object(s) written", written.live.len()));
    // Many may wait, for long: what is not needed again goes now.
    drop(items);
    if !options.disable_wait {
        let jobs = !options.disable_wait_for_jobs;
        session.ready([record], written.live, jobs).await?;
    }
    if !options.disable_hooks {
        let hooks = hooks::run(session, record, Event::PostInstall, server_side, |_| true).await;
        hooks.map_err(|e| e.context("failed post-install"))?;
    }
    Ok(())
}

/// The revision that an install makes, if the name is free.
fn revision(entries: &[crate::storage::Entry], replace: bool) -> Result<i64, ActionError> {
    match entries.last() {
        None => Ok(1),
        Some(last) if replace && matches!(last.status, Status::Uninstalled | Status::Failed) => {
            next_revision(last.version)
        }
        Some(_) => Err(ActionError::helm(
            "release name check failed: cannot reuse a name that is still in use",
        )),
    }
}

async fn supersede(session: &mut Session, entries: &[crate::storage::Entry]) -> Result<(), ActionError> {
    let Some(last) = entries.last().filter(|e| e.status != Status::Failed) else {
        return Ok(());
    };
    if let Some(mut record) = session.storage.read(&last.secret).await? {
        record.release.info.status = Status::Superseded;
        record.release.info.description = "superseded by new release".to_owned();
        session.update(&record).await?;
    }
    Ok(())
}

/// Renders the chart.
///
/// # Errors
/// In Helm's words, whatever keeps it from being rendered.
pub async fn rendered(
    session: &mut Session,
    revision: i64,
    upgrade: bool,
    skip_schema: bool,
) -> Result<Output, ActionError> {
    let job = &session.job;
    let input = render::Input {
        object: job.object.clone(),
        chart: chart(session)?,
        values: job.values.clone(),
        name: job.name.clone(),
        namespace: job.namespace.clone(),
        revision,
        upgrade,
        skip_schema,
        until: tokio::time::Instant::now() + session.timeout(),
        cancel: session.waits.cancel.clone(),
    };
    let context = &session.context;
    let output = render::run(
        input,
        &context.cluster.of(&session.job.identity),
        &session.discovery,
        session.client.0.clone(),
    )
    .await;
    output.map_err(ActionError::Helm)
}

/// The record of what was rendered.
///
/// # Errors
/// Without a chart there is none.
pub fn release(
    session: &Session,
    output: &Output,
    revision: i64,
    server_side: bool,
    status: Status,
) -> Result<Release, ActionError> {
    let moment = now();
    Ok(Release {
        name: session.job.name.clone(),
        namespace: session.job.namespace.clone(),
        info: Info {
            first_deployed: Some(moment.clone()),
            last_deployed: Some(moment),
            status,
            notes: output.notes.clone(),
            ..Info::default()
        },
        chart: Release::chart_of(&*chart(session)?, &output.metadata, &output.chart_values),
        config: session.job.values.clone(),
        manifest: output.manifest.clone(),
        hooks: output
            .hooks
            .iter()
            .map(|hook| HookRun {
                hook: hook.clone(),
                last_run: LastRun::default(),
            })
            .collect(),
        version: revision,
        apply_method: if server_side { "ssa" } else { "csa" }.to_owned(),
    })
}

/// Refuses objects that are there already and are not this release's own.
///
/// # Errors
/// The first of them.
pub async fn refuse_foreign(session: &Session, items: &[Item], what: &str) -> Result<(), ActionError> {
    for item in items {
        let api = item
            .resource
            .api(session.client.0.clone(), &item.object.namespace);
        let live = api.get_opt(&item.object.name).await.map_err(|e| {
            ActionError::Helm(format!(
                "unable to continue with {what}: could not get information about the resource {}: {}",
                objects::shown(&item.object),
                write::words(&e)
            ))
        })?;
        let Some(live) = live else { continue };
        let live = serde_json::to_value(live).unwrap_or_default();
        if let Some(problem) = objects::foreign(&live, &session.job.name, &session.job.namespace) {
            return Err(ActionError::Helm(format!(
                "unable to continue with {what}: {} exists and cannot be imported into the current release: {problem}",
                objects::shown(&item.object)
            )));
        }
    }
    Ok(())
}

/// Writes into the manifests whose release they are of.
pub fn own(session: &Session, items: &mut [Item]) {
    for item in items {
        objects::own(&mut item.manifest, &session.job.name, &session.job.namespace);
    }
}

/// Deletes what a failed action made.
pub async fn clean_up(session: &mut Session, created: &[Item], error: ActionError) -> ActionError {
    let errors = apply::remove(&session.client.0, created, &PropagationPolicy::Background).await;
    match errors.is_empty() {
        true => error,
        false => ActionError::Helm(format!(
            "an error occurred while cleaning up resources. original upgrade error: {error}: unable to cleanup \
             resources: {}",
            errors.join(", ")
        )),
    }
}

fn chart(session: &Session) -> Result<Arc<Chart>, ActionError> {
    session
        .job
        .chart
        .clone()
        .ok_or_else(|| ActionError::helm("missing chart"))
}

async fn namespace(session: &Session, server_side: bool) -> Result<(), ActionError> {
    let name = &session.job.namespace;
    let gvk = GroupVersionKind::gvk("", "v1", "Namespace");
    let item = Item {
        object: ObjectRef {
            group: String::new(),
            version: "v1".into(),
            kind: "Namespace".into(),
            namespace: String::new(),
            name: name.clone(),
        },
        resource: Arc::new(Resource {
            api: ApiResource::from_gvk_with_plural(&gvk, "namespaces"),
            namespaced: false,
        }),
        manifest: json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"name": name}}}),
    };
    let api = item.resource.api(session.client.0.clone(), "");
    // One that is there is not ours to change.
    if matches!(api.get_metadata_opt(name).await, Ok(Some(_))) {
        return Ok(());
    }
    let made: Result<Value, String> = match server_side {
        true => write::server_side(&session.client.0, &item, false).await,
        false => write::create(&session.client.0, &item)
            .await
            .map_err(|e| write::words(&e)),
    };
    made.map(drop).map_err(ActionError::Helm)
}
