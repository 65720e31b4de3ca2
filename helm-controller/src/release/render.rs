//! From a chart and values to a release's manifest: on a thread of its own, with the tenant's eyes on the cluster.

use super::post_render;
use crate::capabilities::Cluster;
use apply::{discovery::Discovery, id::ObjectRef};
use crds::helm::HelmRelease;
use helm::{Chart, Environment, Hook, Metadata, Options};
use kube::{
    Api, Client,
    api::{DynamicObject, ListParams},
};
use runtime::telemetry::chain;
use serde_json::{Map, Value, json};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{runtime::Handle, sync::watch, time::Instant};

/// What is rendered.
#[derive(Debug, Clone)]
pub struct Input {
    /// The HelmRelease.
    pub object: Arc<HelmRelease>,
    /// The chart, with the version that its source gave it.
    pub chart: Arc<Chart>,
    /// The values.
    pub values: Map<String, Value>,
    /// The release's name.
    pub name: String,
    /// The release's namespace.
    pub namespace: String,
    /// The revision.
    pub revision: i64,
    /// An upgrade, not an install.
    pub upgrade: bool,
    /// Values need not satisfy the chart's schemas.
    pub skip_schema: bool,
    /// When no look at the cluster is taken any more.
    pub until: Instant,
    /// Set when something newer is to be done: no look is taken then, either.
    pub cancel: watch::Receiver<bool>,
}

/// What a chart became.
#[derive(Debug)]
pub struct Output {
    /// Every object, each after a comment that names its template.
    pub manifest: String,
    /// The hooks.
    pub hooks: Vec<Hook>,
    /// `NOTES.txt`.
    pub notes: String,
    /// The chart's metadata as a record holds it.
    pub metadata: Metadata,
    /// The chart's values as a record holds them.
    pub chart_values: Map<String, Value>,
}

/// Renders a chart; `client` is the tenant's, for `lookup`.
///
/// # Errors
/// In Helm's words, whatever keeps the chart from being rendered.
pub async fn run(
    input: Input,
    cluster: &Cluster,
    discovery: &Arc<Discovery>,
    client: Client,
) -> Result<Output, String> {
    let capabilities = cluster.capabilities().await.map_err(|e| chain(&e))?;
    let live = Live {
        client,
        discovery: discovery.clone(),
        handle: Handle::current(),
        until: input.until,
        cancel: input.cancel.clone(),
    };
    // Rendering is pure computation: it does not hold up the threads that serve watches.
    let rendered = tokio::task::spawn_blocking(move || {
        let options = Options {
            name: input.name.clone(),
            namespace: input.namespace.clone(),
            revision: input.revision,
            upgrade: input.upgrade,
            capabilities,
            skip_schema: input.skip_schema,
            ..Options::default()
        };
        let text = |e: helm::Error| e.to_string();
        input.chart.check_installable().map_err(text)?;
        let templates = helm::render_templates(&input.chart, &input.values, &options, &live).map_err(text)?;
        let done = post_render::run(&input.object, &templates.files).map_err(|e| chain(&e))?;
        let rendered = helm::Rendered {
            manifests: done.manifests,
            hooks: Vec::new(),
            templates,
        };
        Ok(Output {
            manifest: rendered.manifest(false),
            hooks: done.hooks,
            notes: rendered.templates.notes,
            metadata: rendered.templates.metadata,
            chart_values: rendered.templates.chart_values,
        })
    });
    let rendered = rendered.await;
    rendered.map_err(|panic| format!("the rendering broke off: {panic}"))?
}

/// The clock, the dice, and the cluster in the tenant's name.
struct Live {
    client: Client,
    discovery: Arc<Discovery>,
    handle: Handle,
    until: Instant,
    cancel: watch::Receiver<bool>,
}

/// How long one look at the cluster may take.
const LOOKUP: Duration = Duration::from_secs(30);
/// A list comes in pages of this many objects, and may have so many in all.
const PAGE: u32 = 500;
const LISTED: usize = 10_000;

impl Environment for Live {
    fn now(&self) -> (i64, u32) {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (
            i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            since.subsec_nanos(),
        )
    }

    fn random(&self, bytes: &mut [u8]) {
        rand::fill(bytes);
    }

    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Value, String> {
        let until = self.until.min(Instant::now() + LOOKUP);
        let mut cancel = self.cancel.clone();
        let look = async {
            tokio::select! {
                biased;
                _ = cancel.wait_for(|canceled| *canceled) => Err("something newer is to be done".to_owned()),
                () = tokio::time::sleep_until(until) => Err("no answer in time".to_owned()),
                found = self.look(api_version, kind, namespace, name) => return found,
            }
            .map_err(|why: String| format!("lookup of {kind} {namespace}/{name}: {why}"))
        };
        // The engine runs on a thread of its own, where waiting is allowed.
        self.handle.block_on(look)
    }
}

impl Live {
    async fn look(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
    ) -> Result<Value, String> {
        let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
        let object = ObjectRef {
            group: group.into(),
            version: version.into(),
            kind: kind.into(),
            namespace: namespace.into(),
            name: name.into(),
        };
        if let Some((field, value)) = object.elsewhere() {
            return Err(format!(
                "lookup of {kind} {namespace}/{name}: {field} {value:?} is not a name"
            ));
        }
        let resource = self.discovery.resource(&object).await.map_err(|e| {
            format!(
                "unable to get apiresource from unstructured: {group}/{version}, Kind={kind}: {}",
                chain(&e)
            )
        })?;
        let api = if namespace.is_empty() {
            kube::Api::all_with(self.client.clone(), &resource.api)
        } else {
            resource.api(self.client.clone(), namespace)
        };
        let failed = |e: kube::Error| match e {
            kube::Error::Api(status) => status.message.clone(),
            other => chain(&other),
        };
        if name.is_empty() {
            return match list(&api).await {
                Ok(Some(items)) => Ok(json!({
                    "apiVersion": api_version, "kind": format!("{kind}List"), "metadata": {}, "items": items,
                })),
                Ok(None) => Err(format!(
                    "lookup of {kind} {namespace}/{name}: there are more than {LISTED} of them"
                )),
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(json!({})),
                Err(error) => Err(failed(error)),
            };
        }
        match api.get_opt(name).await {
            Ok(found) => Ok(found.map_or_else(|| json!({}), |o| serde_json::to_value(o).unwrap_or_default())),
            Err(error) => Err(failed(error)),
        }
    }
}

/// All objects, page by page; `None` if there are too many.
async fn list(api: &Api<DynamicObject>) -> Result<Option<Vec<DynamicObject>>, kube::Error> {
    let mut items = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list(&params).await?;
        items.extend(page.items);
        if items.len() > LISTED {
            return Ok(None);
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(Some(items)),
        }
    }
}
