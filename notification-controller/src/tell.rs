//! Telling people, put together: alerts and Providers, the lanes between them, and what feeds those.

use crate::{
    Args, digests::Digests, dispatch::Dispatch, endpoint::Endpoint, follow::Follow, memory::Memory,
    outbox::Outbox, provider::Peers, standing::Standing,
};
use cloud::Cloud;
use crds::{meta::FINALIZER, notification::Alert};
use kube::{Client, ResourceExt as _, runtime::watcher};
use prometheus_client::metrics::counter::Counter;
use runtime::{
    Key,
    args::address,
    client::Identity,
    process::{Failure, Process},
    server::{self, Limits, Requests},
    status,
    telemetry::chain,
    watch::{self, Store, Watched},
};
use std::sync::{Arc, OnceLock};
use tracing::warn;
use url::Url;

/// The field manager of what is written here.
const MANAGER: &str = crate::NAMES.manager;

/// Alerts and Providers, and the lanes between them.
pub struct Telling {
    alerts: Arc<Store<Alert>>,
    outbox: Arc<Outbox>,
    digests: Arc<Digests>,
    dispatch: Arc<Dispatch>,
    standing: Arc<Standing>,
    memory: OnceLock<Arc<Memory>>,
}

impl Telling {
    /// Begins what works in every replica, leader or not: alerts and Providers are known, and events of third parties taken
    /// where `--events-addr` says.
    ///
    /// # Errors
    /// When the address is none, or cannot be listened on.
    pub async fn begin(process: &Process, args: &Args) -> Result<Self, Failure> {
        let client = process.tools.clients.of(&Identity::Controller);
        let (alerts, outbox) = (Arc::<Store<Alert>>::default(), Arc::<Outbox>::default());
        let digests = Arc::<Digests>::default();
        let standing = Arc::new(Standing::new(
            alerts.clone(),
            outbox.clone(),
            process.tools.recorder.clone(),
        ));
        let dispatch = Dispatch::new(
            process,
            args.delivery_deadline,
            alerts.clone(),
            peers(client.clone(), args)?,
            (outbox.clone(), digests.clone()),
            standing.clone(),
        );
        let (written, writer) = (standing.clone(), client.clone());
        tokio::spawn(async move { written.write(writer).await });
        let (routes, repaired) = (dispatch.clone(), dispatch.clone());
        follow(process, alerts.clone(), move |change| {
            routes.alert_changed(change)
        });
        follow(process, dispatch.providers(), move |_| {
            repaired.provider_changed()
        });
        if !process.args.events_addr.is_empty() {
            let listener = runtime::admin::listen(address(&process.args.events_addr)?).await?;
            let endpoint = Endpoint::new(
                client,
                dispatch.clone(),
                args.rate_limit_interval,
                args.events_authentication,
            );
            let requests = Requests::register(&process.tools.metrics, "gotk_event", "/");
            let endpoint = Arc::new(endpoint);
            let answer = move |request| {
                let endpoint = endpoint.clone();
                async move { server::status(endpoint.answer(request).await) }
            };
            server::serve(listener, Limits::default(), requests, process.stopped(), answer);
        }
        Ok(Self {
            alerts,
            outbox,
            digests,
            dispatch,
            standing,
            memory: OnceLock::new(),
        })
    }

    /// Takes up where the last leader was; what this gives follows all objects, for ever.
    ///
    /// # Errors
    /// When what was saved cannot be read.
    pub async fn follow(&self, process: &Process) -> Result<impl Future<Output = ()> + use<>, Failure> {
        let client = process.tools.clients.of(&Identity::Controller);
        let stores = (self.outbox.clone(), self.digests.clone());
        let (memory, left) = Memory::load(client.clone(), &process.namespace(), stores).await?;
        self.standing.lead();
        // Who may be told is known before anything is.
        self.alerts.synced().await;
        self.dispatch.providers().synced().await;
        for (provider, items) in left.waiting {
            self.dispatch.resume(&provider, items);
        }
        // After what waits: a digest may be there as well.
        for digest in left.digests {
            self.dispatch.resume_digest(digest);
        }
        let missed = Counter::default();
        process.tools.metrics.register(|registry| {
            registry.register(
                "sluice_messages_missed",
                "Messages that a status did not hold any more",
                missed.clone(),
            );
        });
        let follow = Follow {
            client,
            dispatch: self.dispatch.clone(),
            memory: memory.clone(),
            missed,
            instance: std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".into()),
        };
        let _ = self.memory.set(memory.clone());
        let scope = process.scope();
        Ok(async move {
            tokio::join!(follow.all(scope), memory.keep());
        })
    }

    /// Saves what is not saved yet, at the end.
    pub async fn end(&self) {
        if let Some(memory) = self.memory.get() {
            memory.save().await;
        }
    }
}

/// What services share: identities at cloud providers, and where Pub/Sub is, if not where it is for everybody (an override of
/// Google's `gcloud`).
fn peers(client: Client, args: &Args) -> Result<Peers, Failure> {
    let peers = Peers::default().with_cloud(Cloud::new(client, args.identities()));
    match std::env::var("CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB") {
        Ok(place) if !place.is_empty() => Ok(peers.with_pubsub(Url::parse(&place)?)),
        _ => Ok(peers),
    }
}

/// Keeps a store current and has an object that is deleted go: Flux's controller leaves a finalizer on these kinds, ours needs
/// none.
fn follow<K>(
    process: &Process,
    store: Arc<Store<K>>,
    changed: impl Fn(&watch::Change<K>) + Send + Sync + 'static,
) where
    K: Watched,
{
    let client = process.tools.clients.of(&Identity::Controller);
    let scope = process.scope();
    tokio::spawn(async move {
        let writer = client.clone();
        let on_change = move |change: watch::Change<K>| {
            if let Some(object) = &change.new
                && object.meta().deletion_timestamp.is_some()
                && object.finalizers().iter().any(|finalizer| finalizer == FINALIZER)
            {
                let (client, object) = (writer.clone(), object.clone());
                tokio::spawn(async move {
                    let gone = status::set_finalizer(client, &*object, FINALIZER, false, MANAGER).await;
                    if let Err(error) = gone {
                        let key = Key::of(&*object);
                        warn!(
                            namespace = key.namespace,
                            name = key.name,
                            error = chain(&error),
                            "cannot remove the finalizer"
                        );
                    }
                });
            }
            changed(&change);
        };
        let unreadable = |invalid: watch::Undecodable| {
            warn!(
                kind = %K::kind(&()),
                namespace = invalid.metadata.namespace,
                name = invalid.metadata.name,
                error = invalid.error,
                "the object cannot be read"
            );
        };
        watch::run(
            client,
            scope.as_deref(),
            watcher::Config::default(),
            store,
            on_change,
            unreadable,
        )
        .await;
    });
}
