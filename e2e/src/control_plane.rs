//! A real Kubernetes control plane on loopback: etcd, API server, controller manager, scheduler, and kwok as kubelet.

use crate::{
    process::{Janitor, Process, free_port},
    tools::Tools,
};
use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use serde_json::{Value, json};
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// The running control plane; everything ends and is removed when it is dropped.
#[derive(Debug)]
pub struct ControlPlane {
    kubelet: Option<Process>,
    scheduler: Option<Process>,
    manager: Option<Process>,
    apiserver: Mutex<Option<Process>>,
    etcd: Option<Process>,
    tools: Tools,
    ports: Ports,
    admin_token: String,
    /// Who is asked about tokens that the API server does not know itself.
    authenticator: Option<String>,
    _janitor: Janitor,
    dir: tempfile::TempDir,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    etcd: u16,
    peer: u16,
    api: u16,
    kubelet: u16,
}

const START: Duration = Duration::from_secs(300);

impl ControlPlane {
    /// Starts all five programs on free ports and waits until the API server and one node are ready.
    ///
    /// # Errors
    /// When a program ends early or is not ready within 90 seconds; the error carries the tail of its log.
    pub async fn start(tools: &Tools) -> Result<Self> {
        Self::start_asking(tools, None).await
    }

    /// As [`Self::start`]; who shows a token that the API server does not know is whoever this URL says (`TokenReview`), as
    /// at cloud providers.
    ///
    /// # Errors
    /// As there.
    pub async fn start_asking(tools: &Tools, authenticator: Option<&str>) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("sluice-").tempdir()?;
        let ports = Ports {
            etcd: free_port()?,
            peer: free_port()?,
            api: free_port()?,
            kubelet: free_port()?,
        };
        let admin_token = hex::encode(rand::random::<[u8; 16]>());
        let mut plane = Self {
            kubelet: None,
            scheduler: None,
            manager: None,
            apiserver: Mutex::default(),
            etcd: None,
            tools: tools.clone(),
            ports,
            admin_token,
            authenticator: authenticator.map(str::to_owned),
            _janitor: Janitor::of(dir.path())?,
            dir,
        };
        plane.write_keys()?;
        plane.start_etcd()?;
        plane.start_apiserver().await?;
        plane.write_kubeconfig("admin", &plane.admin_token.clone())?;
        plane.start_clients()?;
        plane.add_node("node-0").await?;
        Ok(plane)
    }

    /// A folder that lives as long as the control plane, for logs and data.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// The API server's address.
    pub fn url(&self) -> String {
        format!("https://127.0.0.1:{}", self.ports.api)
    }

    /// A kubeconfig with cluster-admin rights.
    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.dir().join("admin.kubeconfig")
    }

    /// A client with cluster-admin rights, bound to the runtime that calls.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read back.
    pub async fn admin(&self) -> Result<Client> {
        client(&self.admin_kubeconfig()).await
    }

    /// Writes a kubeconfig for a bearer token and returns its path.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_kubeconfig(&self, name: &str, token: &str) -> Result<PathBuf> {
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "sluice",
            "clusters": [{"name": "sluice", "cluster": {"server": self.url(), "certificate-authority": self.dir().join("pki/apiserver.crt")}}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": "sluice", "context": {"cluster": "sluice", "user": name}}],
        });
        let path = self.dir().join(format!("{name}.kubeconfig"));
        std::fs::write(&path, serde_json::to_vec_pretty(&config)?)?;
        Ok(path)
    }

    /// A kubeconfig for a bearer token that reads no file: what a Secret may hold.
    ///
    /// # Errors
    /// When the certificate cannot be read.
    pub fn kubeconfig(&self, token: &str) -> Result<Value> {
        let authority = std::fs::read(self.dir().join("pki/apiserver.crt"))?;
        Ok(json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "spoke",
            "clusters": [{"name": "spoke", "cluster": {
                "server": self.url(), "certificate-authority-data": STANDARD.encode(authority),
            }}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "spoke", "context": {"cluster": "spoke", "user": "user"}}],
        }))
    }

    /// Takes the API server away, as an outage does; everything else keeps running.
    pub fn stop_apiserver(&self) {
        if let Some(mut apiserver) = self.apiserver().take() {
            apiserver.kill();
        }
    }

    /// Brings the API server (back) up on the same port and waits until it is ready.
    ///
    /// # Errors
    /// When it does not become ready.
    pub async fn start_apiserver(&self) -> Result<()> {
        let pki = self.dir().join("pki");
        let at = |file: &str| pki.join(file).display().to_string();
        let mut args = vec![
            format!("--etcd-servers=http://127.0.0.1:{}", self.ports.etcd),
            format!("--cert-dir={}", pki.display()),
            format!("--secure-port={}", self.ports.api),
            "--bind-address=127.0.0.1".into(),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--service-account-key-file={}", at("sa.pub")),
            format!("--service-account-signing-key-file={}", at("sa.key")),
            format!("--token-auth-file={}", at("tokens.csv")),
            "--authorization-mode=RBAC".into(),
            "--service-cluster-ip-range=10.96.0.0/16".into(),
        ];
        if let Some(url) = &self.authenticator {
            let config = json!({
                "apiVersion": "v1", "kind": "Config", "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": url}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": ""}}],
            });
            let path = self.dir().join("authenticator.kubeconfig");
            std::fs::write(&path, config.to_string())?;
            args.extend([
                format!("--authentication-token-webhook-config-file={}", path.display()),
                "--authentication-token-webhook-version=v1".into(),
                "--authentication-token-webhook-cache-ttl=1s".into(),
            ]);
        }
        let process = self.spawn("kube-apiserver", args)?;
        let url = format!("{}/readyz", self.url());
        let token = self.admin_token.clone();
        // Readiness alone is asked without checking the certificate: the server has just made it.
        let http = reqwest::Client::builder()
            .tls_danger_accept_invalid_certs(true)
            .build()?;
        let deadline = tokio::time::Instant::now() + START;
        loop {
            let ready = http.get(&url).bearer_auth(&token).send().await;
            if ready.is_ok_and(|r| r.status().is_success()) {
                break;
            }
            anyhow::ensure!(
                process.alive(),
                "kube-apiserver ended early:\n{}",
                crate::process::tail(process.log())
            );
            anyhow::ensure!(
                tokio::time::Instant::now() < deadline,
                "kube-apiserver is not ready after {START:?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        *self.apiserver() = Some(process);
        Ok(())
    }

    /// Processor time and requests are read from here.
    fn apiserver(&self) -> MutexGuard<'_, Option<Process>> {
        self.apiserver.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write_keys(&self) -> Result<()> {
        let pki = self.dir().join("pki");
        std::fs::create_dir_all(&pki)?;
        let key = rcgen::KeyPair::generate().context("make the service account key")?;
        std::fs::write(pki.join("sa.key"), key.serialize_pem())?;
        std::fs::write(pki.join("sa.pub"), key.public_key_pem())?;
        std::fs::write(
            pki.join("tokens.csv"),
            format!("{},admin,admin,\"system:masters\"\n", self.admin_token),
        )?;
        // All pods print the same two lines, in the form in which a container runtime keeps them.
        let printed = self.dir().join("printed.log");
        let lines = ["stdout F hello from the container", "stderr F goodbye"];
        std::fs::write(
            &printed,
            lines.map(|l| format!("2026-01-01T00:00:00Z {l}\n")).concat(),
        )?;
        let stages = include_str!("stages.yaml").replace("PRINTED", &printed.display().to_string());
        std::fs::write(self.dir().join("stages.yaml"), stages)?;
        Ok(())
    }

    fn start_etcd(&mut self) -> Result<()> {
        let Ports { etcd, peer, .. } = self.ports;
        let process = self.spawn(
            "etcd",
            [
                format!("--data-dir={}", self.dir().join("etcd").display()),
                // The data lives as long as the test: no need to wait for the disk.
                "--unsafe-no-fsync".into(),
                format!("--listen-client-urls=http://127.0.0.1:{etcd}"),
                format!("--advertise-client-urls=http://127.0.0.1:{etcd}"),
                format!("--listen-peer-urls=http://127.0.0.1:{peer}"),
                format!("--initial-advertise-peer-urls=http://127.0.0.1:{peer}"),
                format!("--initial-cluster=default=http://127.0.0.1:{peer}"),
                "--log-level=warn".into(),
            ],
        )?;
        process.wait_until(START, || {
            std::net::TcpStream::connect(("127.0.0.1", etcd)).is_ok()
        })?;
        self.etcd = Some(process);
        Ok(())
    }

    fn start_clients(&mut self) -> Result<()> {
        let kubeconfig = format!("--kubeconfig={}", self.admin_kubeconfig().display());
        let pki = self.dir().join("pki");
        self.manager = Some(self.spawn(
            "kube-controller-manager",
            [
                kubeconfig.clone(),
                format!(
                    "--service-account-private-key-file={}",
                    pki.join("sa.key").display()
                ),
                format!("--root-ca-file={}", pki.join("apiserver.crt").display()),
                "--use-service-account-credentials".into(),
                "--leader-elect=false".into(),
                "--secure-port=0".into(),
                "--kube-api-qps=500".into(),
                "--kube-api-burst=1000".into(),
            ],
        )?);
        self.scheduler = Some(self.spawn(
            "kube-scheduler",
            [
                kubeconfig.clone(),
                "--leader-elect=false".into(),
                "--secure-port=0".into(),
            ],
        )?);
        self.kubelet = Some(self.spawn(
            "kwok",
            [
                kubeconfig,
                "--manage-all-nodes=true".into(),
                "--node-lease-duration-seconds=40".into(),
                // The kubelet's own port, for `logs`; with the certificate that the API server made itself.
                "--node-ip=127.0.0.1".into(),
                format!("--node-port={}", self.ports.kubelet),
                format!("--server-address=127.0.0.1:{}", self.ports.kubelet),
                format!(
                    "--tls-cert-file={}",
                    self.dir().join("pki/apiserver.crt").display()
                ),
                format!(
                    "--tls-private-key-file={}",
                    self.dir().join("pki/apiserver.key").display()
                ),
                format!("--config={}", self.dir().join("stages.yaml").display()),
            ],
        )?);
        Ok(())
    }

    async fn add_node(&self, name: &str) -> Result<()> {
        let nodes: kube::Api<k8s_openapi::api::core::v1::Node> = kube::Api::all(self.admin().await?);
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/os": "linux"}}});
        nodes
            .create(&Default::default(), &serde_json::from_value(node)?)
            .await?;
        Ok(())
    }

    fn spawn(&self, program: &str, args: impl IntoIterator<Item = String>) -> Result<Process> {
        Process::start(
            program,
            &self.tools.path(program),
            args,
            &[],
            &self.dir().join(format!("{program}.log")),
        )
    }
}

impl Drop for ControlPlane {
    /// Nothing is worth a polite end: the data goes too.
    fn drop(&mut self) {
        let apiserver = self.apiserver().take();
        let rest = [
            self.kubelet.take(),
            self.scheduler.take(),
            self.manager.take(),
            apiserver,
            self.etcd.take(),
        ];
        for mut process in rest.into_iter().flatten() {
            process.kill();
        }
    }
}

/// A client for a kubeconfig file, bound to the runtime that calls.
///
/// # Errors
/// When the file cannot be read or its certificate authority is not there.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    let config = Kubeconfig::read_from(kubeconfig)?;
    let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}
