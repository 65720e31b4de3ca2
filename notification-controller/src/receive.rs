//! The port that takes webhooks: a request that proves itself has the objects reconciled that its Receiver names.

mod compiled;
mod deliveries;
mod effect;
mod filter;
mod incoming;
mod issuers;
mod judge;
mod jwt;
mod oidc;
mod outcome;
mod path;
mod port;
mod reconcile;
mod record;
mod secret;
mod sender;
mod target;
mod triggers;
mod validate;

#[cfg(test)]
mod fuzz;

use crate::Args;
pub use compiled::Compiled;
use crds::notification::Receiver;
use runtime::{
    client::Identity,
    process::{Failure, Process},
    queue::Queue,
    server::{self, Limits, Requests},
    shell::Shell,
    watch::{self, Store},
};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Takes webhooks until the process ends; in every replica, leader or not (Flux). The task ends with the last request.
///
/// # Errors
/// When the address cannot be listened on.
pub async fn serve(
    process: &Process,
    args: &Args,
    compiled: Arc<Compiled>,
) -> Result<JoinHandle<()>, Failure> {
    let listener = runtime::admin::listen(args.receiver_addr).await?;
    let client = process.tools.clients.of(&Identity::Controller);
    let issuers = issuers::Issuers::new(&args.google_keys_url)?;
    let effect = effect::Effect::new(client.clone(), process.args.access());
    let port = Arc::new(port::Port::new(client.clone(), issuers, effect, compiled));
    let (store, followed, scope) = (port.store(), port.clone(), process.scope());
    let config = process.own_objects();
    tokio::spawn(async move {
        let changed = move |change| followed.changed(&change);
        // Those that cannot be read are reported where they are reconciled.
        watch::run::<Receiver>(client, scope.as_deref(), config, store, changed, |_| {}).await;
    });
    let requests = Requests::register(&process.tools.metrics, "gotk_receiver", "/hook/");
    let stopped = process.stopped();
    let answer = move |request| {
        let port = port.clone();
        async move { server::status(port.answer(request).await) }
    };
    Ok(server::serve(
        listener,
        Limits::default(),
        requests,
        stopped,
        answer,
    ))
}

/// Reconciles Receivers until the process ends.
pub async fn reconcile(process: &Process, compiled: Arc<Compiled>) {
    let (store, queue) = (Arc::new(Store::default()), Arc::new(Queue::default()));
    let client = process.tools.clients.of(&Identity::Controller);
    let triggers = Arc::new(triggers::Triggers::new(queue.clone()));
    let shell = Shell::new(
        reconcile::Receivers::new(client.clone(), compiled),
        store.clone(),
        queue,
        process.tools.clone(),
    );
    let (on_change, unreadable, scope) = (shell.clone(), shell.clone(), process.scope());
    triggers.clone().follow(process);
    let objects = watch::run::<Receiver>(
        client,
        scope.as_deref(),
        process.own_objects(),
        store,
        move |change| {
            triggers.changed(&change);
            on_change.changed(&change);
        },
        move |invalid| unreadable.undecodable(invalid),
    );
    let concurrency = process.args.concurrent.unwrap_or(4);
    tokio::select! {
        () = objects => {}
        () = shell.run(concurrency, process.stopped()) => {}
    }
}
