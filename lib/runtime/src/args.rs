//! The flags that all controllers share, with Flux's names and defaults.

use crate::{
    access::Access,
    lease::Timing,
    requeue::Backoff,
    telemetry::{Encoding, Verbosity},
};
use clap::{ArgAction, Args, value_parser};
use std::{
    collections::BTreeMap,
    net::{SocketAddr, ToSocketAddrs as _},
    time::Duration,
};

/// Flags common to the four controllers. Boolean flags take `--flag` or `--flag=false`, as Go's do.
#[derive(Debug, Clone, Args)]
pub struct CommonArgs {
    /// Where metrics are served; an empty host means all addresses.
    #[arg(long, env = "METRICS_ADDR", default_value = ":8080", value_parser = address)]
    pub metrics_addr: SocketAddr,
    /// Where `/healthz` and `/readyz` are served.
    #[arg(long, default_value = ":9440", value_parser = address)]
    pub health_addr: SocketAddr,
    /// Where notification-controller takes events of third parties, off by default. Of the others it is accepted for
    /// compatibility: events are derived from status, nothing is posted.
    #[arg(long, env = "EVENTS_ADDR", default_value = "")]
    pub events_addr: String,
    /// How many objects of a kind are worked on at once.
    #[arg(long, value_parser = value_parser!(u16).range(1..))]
    pub concurrent: Option<u16>,
    /// How long an object waits for something it depends on when no change of it can be watched.
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub requeue_dependency: Duration,
    /// How much is logged.
    #[arg(long, value_enum, default_value = "info")]
    pub log_level: Verbosity,
    /// How log lines are written.
    #[arg(long, value_enum, default_value = "json")]
    pub log_encoding: Encoding,
    /// Whether replicas agree on one that works.
    #[arg(long, default_value = "false", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub enable_leader_election: bool,
    /// How long the others wait before they take over from a leader that is silent.
    #[arg(long, default_value = "35s", value_parser = duration)]
    pub leader_election_lease_duration: Duration,
    /// How long the leader tries to renew before it gives up.
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub leader_election_renew_deadline: Duration,
    /// How long to wait between attempts.
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub leader_election_retry_period: Duration,
    /// Whether the leader gives the lease back when it ends.
    #[arg(long, default_value = "true", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub leader_election_release_on_cancel: bool,
    /// The delay after a first failure.
    #[arg(long, default_value = "750ms", value_parser = duration)]
    pub min_retry_delay: Duration,
    /// The longest delay between failures.
    #[arg(long, default_value = "15m", value_parser = duration)]
    pub max_retry_delay: Duration,
    /// Accepted for compatibility: the API server's priority and fairness shape our requests.
    #[arg(long, default_value = "50")]
    pub kube_api_qps: f64,
    /// Accepted for compatibility, as above.
    #[arg(long, default_value = "300")]
    pub kube_api_burst: u32,
    /// How far an interval is spread, in percent.
    #[arg(long, default_value = "5", value_parser = value_parser!(u8).range(0..100))]
    pub interval_jitter_percentage: u8,
    /// Whether to work in all namespaces or only in `RUNTIME_NAMESPACE`.
    #[arg(long, default_value = "true", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub watch_all_namespaces: bool,
    /// Work only on objects with matching labels (sharding).
    #[arg(long, default_value = "")]
    pub watch_label_selector: String,
    /// Which ConfigMaps and Secrets are watched for changes.
    #[arg(long, default_value = "reconcile.fluxcd.io/watch=Enabled")]
    pub watch_configs_label_selector: String,
    /// Features switched on or off, as `Name=true,Other=false`; repeated flags add up, as `flux install` relies on.
    #[arg(long, value_parser = feature_gates)]
    feature_gates: Vec<FeatureGates>,
    /// How many access tokens of cloud providers and Git hosts are kept; 0 keeps none.
    #[arg(long, default_value = "100")]
    pub token_cache_max_size: usize,
    /// How long a token is kept at the most.
    #[arg(long, default_value = "1h", value_parser = duration)]
    pub token_cache_max_duration: Duration,
    /// Whether an object may refer to objects in other namespaces.
    #[arg(long, default_value = "false", action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub no_cross_namespace_refs: bool,
    /// Where the process runs; leases are kept there.
    #[arg(long, env = "RUNTIME_NAMESPACE", hide = true)]
    pub runtime_namespace: Option<String>,
}

/// Features by name, as given by `--feature-gates`.
pub type FeatureGates = BTreeMap<String, bool>;

impl CommonArgs {
    /// The bounds of the back-off after failures.
    pub fn backoff(&self) -> Backoff {
        Backoff {
            min: self.min_retry_delay,
            max: self.max_retry_delay,
        }
    }

    /// The times of the leader election.
    pub fn lease_timing(&self) -> Timing {
        Timing {
            duration: self.leader_election_lease_duration,
            renew_deadline: self.leader_election_renew_deadline,
            retry_period: self.leader_election_retry_period,
        }
    }

    /// The rules for references across namespaces.
    pub fn access(&self) -> Access {
        Access {
            no_cross_namespace_refs: self.no_cross_namespace_refs,
        }
    }

    /// Checks that every feature named exists; Flux refuses to start otherwise.
    ///
    /// # Errors
    /// The name of the first unknown feature.
    pub fn check_features(&self, known: &[&str]) -> Result<(), String> {
        let mut named = self.feature_gates.iter().flat_map(BTreeMap::keys);
        match named.find(|name| !known.contains(&name.as_str())) {
            Some(unknown) => Err(format!(
                "feature-gate '{unknown}' not supported, must be one of: {}",
                known.join(", ")
            )),
            None => Ok(()),
        }
    }

    /// Checks that ServiceAccounts that flags name for objects that name none can be used: without the feature, none is (Flux: an
    /// inconsistent configuration).
    ///
    /// # Errors
    /// The first flag that would be passed over.
    pub fn check_accounts(&self, flags: &[(&str, &str)]) -> Result<(), String> {
        let named = flags.iter().find(|(_, account)| !account.is_empty());
        match named.filter(|_| !self.feature(OBJECT_LEVEL, false)) {
            Some((flag, _)) => Err(format!("{flag} needs --feature-gates={OBJECT_LEVEL}=true")),
            None => Ok(()),
        }
    }

    /// Whether a feature is on, given its default. What was said last counts.
    pub fn feature(&self, name: &str, default: bool) -> bool {
        let mut said = self
            .feature_gates
            .iter()
            .rev()
            .filter_map(|gates| gates.get(name));
        said.next().copied().unwrap_or(default)
    }
}

/// The feature by which objects name the ServiceAccounts whose workload identities are used.
const OBJECT_LEVEL: &str = "ObjectLevelWorkloadIdentity";

/// An address as Go's `net.Listen` takes it: `:8080` is port 8080 on all addresses, of both families.
///
/// # Errors
/// When the text is no host and port, or the host has no address.
pub fn address(text: &str) -> Result<SocketAddr, String> {
    let full = if text.starts_with(':') {
        format!("[::]{text}")
    } else {
        text.to_owned()
    };
    let mut found = full
        .to_socket_addrs()
        .map_err(|e| format!("'{text}' is not an address to listen on: {e}"))?;
    found.next().ok_or_else(|| format!("'{text}' has no address"))
}

/// A Go duration (`1h30m`, `750ms`).
///
/// # Errors
/// When the text is no Go duration.
pub fn duration(text: &str) -> Result<Duration, String> {
    crds::meta::parse_go(text).map_err(|e| e.to_string())
}

fn feature_gates(text: &str) -> Result<FeatureGates, String> {
    let mut gates = FeatureGates::new();
    for pair in text.split(',').filter(|p| !p.trim().is_empty()) {
        let (name, value) = pair
            .split_once('=')
            .ok_or_else(|| format!("'{pair}' is not of the form name=true|false"))?;
        let on = value
            .trim()
            .parse()
            .map_err(|_| format!("'{value}' of feature '{name}' is neither true nor false"))?;
        gates.insert(name.trim().to_owned(), on);
    }
    Ok(gates)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        common: CommonArgs,
    }

    fn parse(args: &[&str]) -> Result<CommonArgs, String> {
        Cli::try_parse_from(std::iter::once("x").chain(args.iter().copied()))
            .map(|c| c.common)
            .map_err(|e| e.to_string())
    }

    #[test]
    fn defaults_are_flux_defaults() {
        let args = parse(&[]).unwrap();
        assert_eq!(args.health_addr.to_string(), "[::]:9440");
        assert_eq!(
            (args.min_retry_delay, args.max_retry_delay),
            (Duration::from_millis(750), Duration::from_secs(900))
        );
        assert!(
            args.watch_all_namespaces
                && !args.enable_leader_election
                && args.leader_election_release_on_cancel
        );
    }

    #[test]
    fn flags_are_written_as_for_go_programs() {
        let args = parse(&[
            "--enable-leader-election",
            "--watch-all-namespaces=false",
            "--metrics-addr=127.0.0.1:1",
            "--feature-gates=A=true,B=false,C=true",
            "--feature-gates=C=false",
        ])
        .unwrap();
        assert!(args.enable_leader_election && !args.watch_all_namespaces);
        assert_eq!(args.metrics_addr.to_string(), "127.0.0.1:1");
        assert_eq!(
            (
                args.feature("A", false),
                args.feature("B", true),
                args.feature("C", true),
                args.feature("D", true),
            ),
            (true, false, false, true)
        );
        assert!(
            args.check_features(&["A"])
                .unwrap_err()
                .contains("'B' not supported")
        );
    }

    #[test]
    fn bad_values_are_refused_with_the_value() {
        for (arg, word) in [
            ("--interval-jitter-percentage=100", "100"),
            ("--metrics-addr=nowhere", "nowhere"),
            ("--max-retry-delay=soon", "soon"),
            ("--feature-gates=A", "name=true|false"),
            ("--concurrent=0", "0"),
        ] {
            assert!(parse(&[arg]).unwrap_err().contains(word), "{arg}");
        }
    }
}
