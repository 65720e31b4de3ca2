//! The flags of source-controller, with Flux's names and defaults.

use crate::{
    context::ChartLimits,
    git, helm_remote,
    storage::{self, Retention},
    verify,
};
use artifact::Algorithm;
use clap::Parser;
use runtime::args::{CommonArgs, address, duration};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Fetches sources and serves their artifacts.
#[derive(Debug, Clone, Parser)]
#[command(name = "source-controller", version, args_override_self = true)]
pub struct Args {
    /// Flags of all controllers.
    #[command(flatten)]
    pub common: CommonArgs,
    /// Where artifacts are kept; the folder must be there.
    #[arg(long, env = "STORAGE_PATH", default_value = "/data")]
    pub storage_path: PathBuf,
    /// Where artifacts are served.
    #[arg(long, env = "STORAGE_ADDRESS", default_value = ":9090", value_parser = address)]
    pub storage_addr: SocketAddr,
    /// How others reach the server; derived from its address if empty.
    #[arg(long, env = "STORAGE_ADV_ADDR", default_value = "")]
    pub storage_adv_addr: String,
    /// An object store that has all artifacts too, so that every replica serves them and an empty disk is no loss:
    /// s3://bucket/prefix?endpoint=host&region=name, gs://bucket/prefix or azblob://account/container/prefix. The login is the
    /// identity of this process.
    #[arg(long, env = "STORAGE_URL")]
    pub storage_url: Option<storage::Place>,
    /// How long an artifact stays after a newer one came.
    #[arg(long, default_value = "1m", value_parser = duration)]
    pub artifact_retention_ttl: Duration,
    /// How many artifacts of an object stay.
    #[arg(long, default_value = "2")]
    pub artifact_retention_records: usize,
    /// The algorithm of artifact digests.
    #[arg(long, default_value = "sha256", value_parser = algorithm)]
    pub artifact_digest_algo: Algorithm,
    /// The key exchanges to offer over ssh, in this order; the library's safe ones if empty.
    #[arg(long, value_delimiter = ',', value_parser = git::key_exchange)]
    pub ssh_kex_algos: Vec<git::KeyExchange>,
    /// The kinds of host keys to ask for over ssh, in this order; those of known_hosts if empty.
    #[arg(long, value_delimiter = ',', value_parser = git::host_key)]
    pub ssh_hostkey_algos: Vec<git::HostKey>,
    /// The largest index of a Helm repository, in bytes.
    #[arg(long, default_value = "52428800")]
    pub helm_index_max_size: u64,
    /// The largest archive of a Helm chart, in bytes.
    #[arg(long, default_value = "10485760")]
    pub helm_chart_max_size: u64,
    /// The largest file in a Helm chart, in bytes.
    #[arg(long, default_value = "5242880")]
    pub helm_chart_file_max_size: u64,
    /// How many tables of Helm indexes stay in memory; those on disk are read each time if none do.
    #[arg(long, default_value = "0")]
    pub helm_cache_max_size: usize,
    /// How long a table stays in memory after it was used.
    #[arg(long, default_value = "15m", value_parser = duration)]
    pub helm_cache_ttl: Duration,
    /// How often to look for tables that have been in memory for too long.
    #[arg(long, default_value = "1m", value_parser = duration)]
    pub helm_cache_purge_interval: Duration,
    /// The ServiceAccount that stands at a cloud provider for objects that name none.
    #[arg(long, default_value = "")]
    pub default_service_account: String,
    /// A folder for what is fetched from Sigstore's TUF repository, so that it outlives this process. A file
    /// targets/trusted_root.json in it is trusted as it is, and nothing is fetched.
    #[arg(long, env = "TUF_ROOT", default_value = "")]
    pub tuf_root: String,
    /// Another TUF repository than that of Sigstore's public instance.
    #[arg(long, env = "TUF_MIRROR", default_value = "")]
    pub tuf_mirror: String,
    /// The file with the root that the TUF repository is believed from.
    #[arg(long, env = "TUF_ROOT_JSON", default_value = "")]
    pub tuf_root_json: String,
}

impl Args {
    /// What of an object's artifacts is kept.
    pub fn retention(&self) -> Retention {
        Retention {
            ttl: self.artifact_retention_ttl,
            records: self.artifact_retention_records,
        }
    }

    /// What a Git remote may cost, and how it is spoken to.
    pub fn git_limits(&self) -> git::Limits {
        git::Limits {
            tokens: self.common.token_cache_max_size,
            token_life: self.common.token_cache_max_duration,
            ssh: git::SshAlgorithms {
                key_exchange: self.ssh_kex_algos.clone(),
                host_key: self.ssh_hostkey_algos.clone(),
            },
            ..git::Limits::default()
        }
    }

    /// What Helm indexes may cost.
    pub fn index_limits(&self) -> helm_remote::Limits {
        helm_remote::Limits::new(
            self.helm_index_max_size,
            self.helm_cache_max_size,
            self.helm_cache_ttl,
        )
    }

    /// What Helm charts may cost.
    pub fn chart_limits(&self) -> ChartLimits {
        ChartLimits {
            archive: self.helm_chart_max_size,
            file: self.helm_chart_file_max_size,
        }
    }

    /// Whose identities are used at cloud providers, and how long what they are exchanged for is kept.
    pub fn identities(&self) -> cloud::Settings {
        cloud::Settings::new(
            crate::NAMES.controller,
            &self.common,
            &self.default_service_account,
        )
    }

    /// Where Sigstore's trusted root comes from.
    pub fn sigstore(&self) -> verify::Place {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        verify::Place {
            folder: some(&self.tuf_root).map(PathBuf::from),
            mirror: some(&self.tuf_mirror),
            root: some(&self.tuf_root_json).map(PathBuf::from),
        }
    }

    /// The prefix of artifact URLs.
    pub fn advertised(&self) -> String {
        let given = self.storage_adv_addr.as_str();
        if given.starts_with("http://") || given.starts_with("https://") {
            return given.trim_end_matches('/').to_owned();
        }
        if !given.is_empty() {
            return format!("http://{given}");
        }
        let (ip, port) = (self.storage_addr.ip(), self.storage_addr.port());
        let host = if ip.is_unspecified() {
            std::env::var("HOSTNAME").unwrap_or_else(|_| "localhost".into())
        } else {
            ip.to_string()
        };
        format!("http://{host}:{port}")
    }
}

fn algorithm(name: &str) -> Result<Algorithm, String> {
    name.parse()
        .map_err(|_| format!("unsupported digest algorithm '{name}'"))
}
