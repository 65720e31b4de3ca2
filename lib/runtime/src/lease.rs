//! Am I the writer: leader election by a Lease, with client-go's times and field semantics.

use crate::telemetry::chain;
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client,
    api::{ObjectMeta, PostParams},
};
use std::time::Duration;
use tokio::time::Instant;
use tracing::{info, warn};

/// The times of an election (Flux flags `--leader-election-*`).
#[derive(Debug, Clone, Copy)]
pub struct Timing {
    /// How long others wait for a silent leader.
    pub duration: Duration,
    /// How long the leader tries to renew before it gives up.
    pub renew_deadline: Duration,
    /// How long to wait between attempts.
    pub retry_period: Duration,
}

/// A candidate for a lease.
#[derive(Clone)]
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    holder: String,
    timing: Timing,
}

impl std::fmt::Debug for Candidate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Candidate({} for {})", self.holder, self.name)
    }
}

impl Candidate {
    /// A candidate named `holder` for the lease `name` in `namespace`.
    pub fn new(client: Client, namespace: &str, name: &str, holder: String, timing: Timing) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            holder,
            timing,
        }
    }

    /// Waits until the lease is ours.
    pub async fn acquire(&self) {
        // Others are judged by our own clock: how long the record has not changed since we first saw it so.
        let mut seen: Option<(LeaseSpec, Instant)> = None;
        loop {
            match self.attempt(&mut seen).await {
                Ok(true) => {
                    info!(lease = self.name, holder = self.holder, "became the leader");
                    return;
                }
                Ok(false) => {}
                Err(error) => warn!(
                    lease = self.name,
                    error = chain(&error),
                    "cannot ask for the lease"
                ),
            }
            tokio::time::sleep(self.timing.retry_period).await;
        }
    }

    /// Keeps the lease; returns when it is lost.
    pub async fn hold(&self) {
        let mut renewed = Instant::now();
        loop {
            tokio::time::sleep(self.timing.retry_period).await;
            match tokio::time::timeout(self.timing.renew_deadline, self.renew()).await {
                Ok(Ok(true)) => renewed = Instant::now(),
                Ok(Ok(false)) => return,
                Ok(Err(error)) => warn!(lease = self.name, error = chain(&error), "cannot renew the lease"),
                Err(_) => warn!(lease = self.name, "no answer when renewing the lease"),
            }
            if renewed.elapsed() > self.timing.renew_deadline {
                return;
            }
        }
    }

    /// Gives the lease back, so that another need not wait for it to run out.
    pub async fn release(&self) {
        let Ok(Some(mut lease)) = self.api.get_opt(&self.name).await else {
            return;
        };
        let Some(spec) = lease
            .spec
            .as_mut()
            .filter(|s| s.holder_identity.as_deref() == Some(&self.holder))
        else {
            return;
        };
        spec.holder_identity = Some(String::new());
        spec.lease_duration_seconds = Some(1);
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        // The resourceVersion read guards the write; a failure only makes the next leader wait.
        let _ = self.api.replace(&self.name, &PostParams::default(), &lease).await;
    }

    async fn attempt(&self, seen: &mut Option<(LeaseSpec, Instant)>) -> kube::Result<bool> {
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            let lease = Lease {
                metadata: ObjectMeta {
                    name: Some(self.name.clone()),
                    ..Default::default()
                },
                spec: Some(self.record(None)),
            };
            return won(self.api.create(&PostParams::default(), &lease).await);
        };
        let spec = lease.spec.clone().unwrap_or_default();
        if !seen.as_ref().is_some_and(|(old, _)| *old == spec) {
            *seen = Some((spec.clone(), Instant::now()));
        }
        let held = spec
            .holder_identity
            .as_deref()
            .is_some_and(|h| !h.is_empty() && h != self.holder);
        let silent = seen.as_ref().map_or(Duration::ZERO, |(_, since)| since.elapsed());
        let duration = spec
            .lease_duration_seconds
            .and_then(|s| u64::try_from(s).ok())
            .map_or(self.timing.duration, Duration::from_secs);
        if held && silent < duration {
            return Ok(false);
        }
        lease.spec = Some(self.record(Some(&spec)));
        won(self.api.replace(&self.name, &PostParams::default(), &lease).await)
    }

    async fn renew(&self) -> kube::Result<bool> {
        let Some(mut lease) = self.api.get_opt(&self.name).await? else {
            return Ok(false);
        };
        let spec = lease.spec.take().unwrap_or_default();
        if spec.holder_identity.as_deref() != Some(&self.holder) {
            return Ok(false);
        }
        lease.spec = Some(LeaseSpec {
            renew_time: Some(MicroTime(Timestamp::now())),
            ..spec
        });
        // A conflict is not yet a loss: look again, the holder tells.
        won(self.api.replace(&self.name, &PostParams::default(), &lease).await).map(|_| true)
    }

    fn record(&self, old: Option<&LeaseSpec>) -> LeaseSpec {
        let now = MicroTime(Timestamp::now());
        let same = old.is_some_and(|o| o.holder_identity.as_deref() == Some(&self.holder));
        let transitions = old.and_then(|o| o.lease_transitions).unwrap_or(0);
        LeaseSpec {
            holder_identity: Some(self.holder.clone()),
            lease_duration_seconds: Some(i32::try_from(self.timing.duration.as_secs()).unwrap_or(i32::MAX)),
            acquire_time: if same {
                old.and_then(|o| o.acquire_time.clone())
            } else {
                Some(now.clone())
            },
            renew_time: Some(now),
            lease_transitions: Some(if same || old.is_none() {
                transitions
            } else {
                transitions.saturating_add(1)
            }),
            ..Default::default()
        }
    }
}

/// A write that lost the race (conflict) is a lost attempt, not an error.
fn won(answer: kube::Result<Lease>) -> kube::Result<bool> {
    match answer {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
        Err(error) => Err(error),
    }
}
