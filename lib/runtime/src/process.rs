//! From flags to a running controller and a clean end: logs, ports, leadership, signals.

use crate::{
    admin::{self, Readiness},
    args::CommonArgs,
    client::{Clients, ClientsError, Identity},
    events::Recorder,
    lease::Candidate,
    metrics::Metrics,
    shell::Tools,
    telemetry,
};
use kube::runtime::watcher;
use sha2::{Digest as _, Sha256};
use std::{future::Future, io};
use thiserror::Error;
use tokio::{
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tracing::{error, info};

/// A controller process that is ready to work.
#[derive(Debug, Clone)]
pub struct Process {
    /// The flags it was started with.
    pub args: CommonArgs,
    /// What its shells need.
    pub tools: Tools,
    /// Whether it can be relied on.
    pub readiness: Readiness,
    stop: watch::Receiver<bool>,
}

/// Why a process cannot start or go on.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// A flag has a value that cannot be worked with.
    #[error("{0}")]
    Flag(String),
    /// A port cannot be served.
    #[error("cannot serve")]
    Serve(#[source] io::Error),
    /// The cluster cannot be reached.
    #[error("cannot reach the cluster")]
    Clients(#[source] ClientsError),
    /// Something of the controller's own failed at the start.
    #[error("cannot start")]
    Start(#[source] Failure),
    /// Another replica leads now.
    #[error("lost the leadership")]
    Lease,
}

/// What the parts of a process that are a controller's own fail with.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// How long the last events may take to be written at the end.
const LAST_EVENTS: std::time::Duration = std::time::Duration::from_secs(3);

/// Names of a controller that Flux's tools know.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    /// The controller, as its Deployment is called.
    pub controller: &'static str,
    /// The field manager of its own patches.
    pub manager: &'static str,
    /// The features that `--feature-gates` may name.
    pub features: &'static [&'static str],
    /// Whether `--events-addr` is where events are taken; in Flux's other controllers it is where they are posted.
    pub takes_events: bool,
}

impl Process {
    /// Runs a controller until a signal ends it: sets up what all share, waits to lead, then calls `work` with the
    /// process, and returns when `work` does.
    ///
    /// # Errors
    /// See [`ProcessError`]; the caller turns it into a non-zero exit.
    pub async fn run<F, W>(names: Names, args: CommonArgs, work: F) -> Result<(), ProcessError>
    where
        F: FnOnce(Process) -> W,
        W: Future<Output = Result<(), Failure>>,
    {
        Self::run_beside(names, args, async |_| Ok(()), |process, ()| work(process)).await
    }

    /// As [`Process::run`], for a controller of which a part works in every replica, leader or not: `beside` is called
    /// before the process waits to lead, starts that part, and gives what `work` needs of it. On a standby that is told
    /// to end, nothing waits for that part.
    ///
    /// # Errors
    /// See [`ProcessError`]; what `beside` fails with is [`ProcessError::Start`].
    pub async fn run_beside<B, F, W>(
        names: Names,
        args: CommonArgs,
        beside: impl AsyncFnOnce(&Process) -> Result<B, Failure>,
        work: F,
    ) -> Result<(), ProcessError>
    where
        F: FnOnce(Process, B) -> W,
        W: Future<Output = Result<(), Failure>>,
    {
        telemetry::init(args.log_encoding, args.log_level);
        args.check_features(names.features).map_err(ProcessError::Flag)?;
        // Whoever came first has chosen the same provider: it is the only one linked.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let (metrics, readiness) = (Metrics::default(), Readiness::default());
        admin::serve(
            args.health_addr,
            args.metrics_addr,
            readiness.clone(),
            metrics.clone(),
        )
        .await
        .map_err(ProcessError::Serve)?;
        let clients = Clients::from_environment(&metrics)
            .await
            .map_err(ProcessError::Clients)?;
        let recorder = Recorder::new(clients.of(&Identity::Controller), names.controller);
        let tools = Tools {
            clients,
            recorder,
            metrics,
            manager: names.manager,
            backoff: args.backoff(),
            jitter: args.interval_jitter_percentage,
        };
        let (stop_sender, stop) = watch::channel(false);
        let mut signals = Signals::new().map_err(ProcessError::Serve)?;
        if !args.events_addr.is_empty() && !names.takes_events {
            info!(
                events_addr = args.events_addr,
                "--events-addr is accepted and not used: notification-controller reads status"
            );
        }

        let process = Self {
            args,
            tools,
            readiness,
            stop,
        };
        let beside = beside(&process).await.map_err(ProcessError::Start)?;
        let candidate = process.candidate(&names);
        if let Some(candidate) = &candidate {
            // A standby is ready, as controller-runtime has it: an update may then proceed to stop the leader.
            process.readiness.set(true);
            tokio::select! {
                () = candidate.acquire() => {}
                () = signals.wait() => return Ok(()),
            }
        }
        process.readiness.set(true);
        info!(
            controller = names.controller,
            version = env!("CARGO_PKG_VERSION"),
            "starting"
        );
        let release = process.args.leader_election_release_on_cancel;
        let recorder = process.tools.recorder.clone();
        let mut working = std::pin::pin!(work(process, beside));
        let lost = async {
            match &candidate {
                Some(candidate) => candidate.hold().await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            ended = &mut working => ended,
            // No clean end: whoever leads now may be writing already.
            () = lost => return Err(ProcessError::Lease),
            () = signals.wait() => {
                info!(controller = names.controller, "ending");
                stop_sender.send_replace(true);
                working.await
            }
        };
        recorder.flush(LAST_EVENTS).await;
        if let Some(candidate) = candidate.filter(|_| release) {
            candidate.release().await;
        }
        ended.map_err(ProcessError::Start)
    }

    /// Resolves when the process shall end.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut stop = self.stop.clone();
        async move {
            let _ = stop.wait_for(|stop| *stop).await;
        }
    }

    /// The namespace to work in; `None` for all.
    pub fn scope(&self) -> Option<String> {
        if self.args.watch_all_namespaces {
            None
        } else {
            Some(self.namespace())
        }
    }

    /// The namespace the process runs in.
    pub fn namespace(&self) -> String {
        self.args
            .runtime_namespace
            .clone()
            .unwrap_or_else(|| "flux-system".to_owned())
    }

    /// How the kind's own objects are watched: this shard's, streamed and paged.
    pub fn own_objects(&self) -> watcher::Config {
        let config = watcher::Config::default();
        if self.args.watch_label_selector.is_empty() {
            config
        } else {
            config.labels(&self.args.watch_label_selector)
        }
    }

    fn candidate(&self, names: &Names) -> Option<Candidate> {
        if !self.args.enable_leader_election {
            return None;
        }
        let mut name = format!("{}-leader-election", names.controller);
        if !self.args.watch_label_selector.is_empty() {
            let hash = hex::encode(Sha256::digest(&self.args.watch_label_selector));
            name = format!("{name}-{}", &hash[..8]);
        }
        let host = std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".into());
        let holder = format!("{host}_{}", hex::encode(rand::random::<[u8; 8]>()));
        let client = self.tools.clients.of(&Identity::Controller);
        Some(Candidate::new(
            client,
            &self.namespace(),
            &name,
            holder,
            self.args.lease_timing(),
        ))
    }
}

struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// What a controller's `main` does with the result of [`Process::run`]: logs the failure and gives the exit code.
pub fn exit(result: Result<(), ProcessError>) -> std::process::ExitCode {
    match result {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(failure) => {
            error!(error = telemetry::chain(&failure), "the controller ends");
            // Before logging is set up there is only this.
            eprintln!("error: {}", telemetry::chain(&failure));
            std::process::ExitCode::FAILURE
        }
    }
}
