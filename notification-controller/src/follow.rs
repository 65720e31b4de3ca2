//! Watches what becomes of all objects, and has told what is new: one watch a kind, and nothing kept but cursors.

use crate::{
    dispatch::Dispatch,
    memory::Memory,
    transition::{Reporter, news},
    watched::{KINDS, Kind, Reported},
};
use futures::StreamExt as _;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps,
};
use kube::{
    Api, Client,
    runtime::{
        WatchStreamExt as _,
        wait::await_condition,
        watcher::{self, Event, watcher},
    },
};
use prometheus_client::metrics::counter::Counter;
use runtime::{conditions, telemetry::chain, watch::Patience};
use std::{collections::HashSet, pin::pin, sync::Arc, time::Duration};
use tracing::{debug, error, warn};

/// What a watch needs.
#[derive(Clone)]
pub struct Follow {
    /// In our own name.
    pub client: Client,
    /// Whom to tell.
    pub dispatch: Arc<Dispatch>,
    /// What was told.
    pub memory: Arc<Memory>,
    /// Counts what nobody was told of.
    pub missed: Counter,
    /// The process, as events name it.
    pub instance: String,
}

/// The pause after a look at a definition that failed.
const AGAIN: Duration = Duration::from_secs(5);

impl Follow {
    /// Follows all kinds, in one namespace or in all, for ever.
    pub async fn all(self, scope: Option<String>) {
        let follow = Arc::new(self);
        let kinds = KINDS.iter().map(|kind| follow.clone().kind(kind, scope.clone()));
        futures::future::join_all(kinds).await;
    }

    async fn kind(self: Arc<Self>, kind: &'static Kind, scope: Option<String>) {
        let keeps_messages = self.known(kind).await;
        if !keeps_messages {
            debug!(
                kind = kind.kind.as_str(),
                "its definition has no status.messages: its condition Ready speaks"
            );
        }
        let (resource, client) = (kind.resource(), self.client.clone());
        let api: Api<Reported> = match &scope {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        let mut stream = pin!(watcher(api, watcher::Config::default()).backoff(Patience::default()));
        let mut listed = HashSet::new();
        while let Some(event) = stream.next().await {
            match event {
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => {
                    listed.extend(object.metadata.uid.clone());
                    self.seen(kind, &object, keeps_messages).await;
                }
                Ok(Event::InitDone) => {
                    self.memory.retain(kind.kind.as_str(), &listed);
                    listed = HashSet::new();
                }
                Ok(Event::Apply(object)) => self.seen(kind, &object, keeps_messages).await,
                Ok(Event::Delete(object)) => {
                    // The last words may come with the end.
                    self.seen(kind, &object, keeps_messages).await;
                    self.memory
                        .forget(object.metadata.uid.as_deref().unwrap_or_default());
                }
                Err(error) => {
                    warn!(
                        kind = kind.kind.as_str(),
                        error = chain(&error),
                        "watch failed, trying again"
                    );
                }
            }
        }
    }

    /// Waits until the cluster knows the kind; whether statuses of it can hold messages.
    async fn known(&self, kind: &Kind) -> bool {
        let api: Api<CustomResourceDefinition> = Api::all(self.client.clone());
        let name = definition_name(kind);
        let is_served = |definition: Option<&CustomResourceDefinition>| {
            definition.is_some_and(|definition| served(definition, kind).is_some())
        };
        loop {
            match await_condition(api.clone(), &name, is_served).await {
                Ok(definition) => {
                    let version = definition
                        .as_ref()
                        .and_then(|definition| served(definition, kind));
                    return version.is_some_and(keeps_messages);
                }
                Err(error) => {
                    warn!(
                        kind = kind.kind.as_str(),
                        error = chain(&error),
                        "cannot read the definition, trying again"
                    );
                    tokio::time::sleep(AGAIN).await;
                }
            }
        }
    }

    /// The order counts: what there is to tell is in the outbox before the cursor says that it was told.
    async fn seen(&self, kind: &'static Kind, object: &Reported, keeps_messages: bool) {
        let Some(uid) = object.metadata.uid.as_deref() else {
            return;
        };
        let told = self.memory.told(uid);
        let name = kind.kind.as_str();
        let reporter = Reporter {
            kind,
            instance: &self.instance,
            keeps_messages,
            now: conditions::now(),
            since: self.memory.since(uid),
        };
        let news = news(told.as_ref(), object, &reporter);
        if news.missed > 0 {
            self.missed.inc_by(news.missed.unsigned_abs());
            error!(
                kind = name,
                namespace = object.metadata.namespace,
                name = object.metadata.name,
                count = news.missed,
                "messages are gone that nobody was told of: more happened to the object than its status holds"
            );
        }
        let labels = object.metadata.labels.clone().unwrap_or_default();
        for happened in &news.events {
            self.dispatch.tell(happened, &labels).await;
        }
        self.memory.note(uid, name, news.cursor);
    }
}

fn definition_name(kind: &Kind) -> String {
    format!("{}.{}", kind.plural, kind.group)
}

/// The version of a definition that we read, if the cluster serves it already.
fn served<'a>(
    definition: &'a CustomResourceDefinition,
    kind: &Kind,
) -> Option<&'a CustomResourceDefinitionVersion> {
    let conditions = definition.status.as_ref()?.conditions.as_deref()?;
    conditions
        .iter()
        .find(|condition| condition.type_ == "Established" && condition.status == "True")?;
    let mut versions = definition.spec.versions.iter();
    versions.find(|version| version.name == kind.version && version.served)
}

/// Whether a status has a field for messages.
fn keeps_messages(version: &CustomResourceDefinitionVersion) -> bool {
    let field = |schema: &JSONSchemaProps, name: &str| schema.properties.as_ref()?.get(name).cloned();
    let schema = version
        .schema
        .as_ref()
        .and_then(|schema| schema.open_api_v3_schema.as_ref());
    let status = schema.and_then(|schema| field(schema, "status"));
    status.is_some_and(|status| field(&status, "messages").is_some())
}
