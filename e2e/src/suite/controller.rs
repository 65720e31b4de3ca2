//! A controller as a process: started, asked, killed and started again.

use anyhow::{Context as _, Result, ensure};
use std::{
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{NAMESPACE, deployed};
use crate::{
    cluster::Cluster,
    control_plane::ControlPlane,
    expect::eventually,
    process::{Process, free_port, tail},
};

/// A controller as a process under its own ServiceAccount.
#[derive(Debug)]
pub struct Controller {
    name: &'static str,
    binary: PathBuf,
    args: Vec<String>,
    pub(super) env: Vec<(&'static str, String)>,
    log: PathBuf,
    ports: Ports,
    process: Mutex<Option<Process>>,
}

/// Where a controller listens on loopback.
#[derive(Debug, Clone, Copy)]
struct Ports {
    health: u16,
    metrics: u16,
    /// Of notification-controller, which takes webhooks.
    webhooks: Option<u16>,
}

/// How long a controller may take until it is ready, and until it has ended.
pub(super) const START: Duration = Duration::from_secs(300);
const GRACE: Duration = Duration::from_secs(30);

impl Controller {
    pub(super) async fn new(
        plane: &ControlPlane,
        cluster: &Cluster,
        folder: &Path,
        name: &'static str,
        mut args: Vec<String>,
    ) -> Result<Self> {
        cluster.apply_yaml(&deployed(name, "rbac.yaml")?).await?;
        let token = cluster.token(NAMESPACE, name).await?;
        let kubeconfig = plane.write_kubeconfig(name, &token)?;
        let ports = Ports::free(name)?;
        args.extend(ports.flags());
        let env = vec![
            ("KUBECONFIG", kubeconfig.display().to_string()),
            ("RUNTIME_NAMESPACE", NAMESPACE.to_owned()),
            ("NO_PROXY", "127.0.0.1".to_owned()),
        ];
        let log = plane.dir().join(format!("{name}.log"));
        Ok(Self {
            name,
            binary: folder.join(name),
            args,
            env,
            log,
            ports,
            process: Mutex::default(),
        })
    }

    /// The controller's name, which is also its ServiceAccount's.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its log.
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Another replica with the same identity and flags, and some more; `name` is for its log. It is not started.
    ///
    /// # Errors
    /// When no port is free.
    pub fn replica(&self, name: &str, more: &[&str]) -> Result<Self> {
        let ports = Ports::free(self.name)?;
        let mut args = self.args.clone();
        args.extend(more.iter().map(|flag| (*flag).to_owned()));
        // What is said last counts.
        args.extend(ports.flags());
        Ok(Self {
            name: self.name,
            binary: self.binary.clone(),
            args,
            env: self.env.clone(),
            log: self.log.with_file_name(format!("{}-{name}.log", self.name)),
            ports,
            process: Mutex::default(),
        })
    }

    /// With some more variables in its environment; of two with one name the last counts.
    #[must_use]
    pub fn with_env(mut self, more: &[(&'static str, String)]) -> Self {
        self.env.extend(more.iter().cloned());
        self
    }

    /// Whether it runs.
    pub fn alive(&self) -> bool {
        self.process().as_ref().is_some_and(Process::alive)
    }

    /// Starts it; it is ready some time later, see [`Controller::ready`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(&self) -> Result<()> {
        let process = Process::start(self.name, &self.binary, &self.args, &self.env, &self.log)?;
        *self.process() = Some(process);
        Ok(())
    }

    /// Waits until `/readyz` says yes.
    ///
    /// # Errors
    /// When it ends or is not ready after 30 seconds; with the end of its log.
    pub async fn ready(&self) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/readyz", self.ports.health);
        let http = http()?;
        let what = format!("{} is ready", self.name);
        let ready = eventually(&what, START, async || {
            ensure!(self.alive(), "{} has ended", self.name);
            Ok(http.get(&url).send().await?.status().is_success().then_some(()))
        });
        ready
            .await
            .with_context(|| format!("the log of {} ends so:\n{}", self.name, tail(&self.log)))
    }

    /// Ends it at once, as `kill -9` does.
    pub fn kill(&self) {
        if let Some(mut process) = self.process().take() {
            process.kill();
        }
    }

    /// Ends it in order; returns how long that took.
    pub fn stop(&self) -> Duration {
        let begin = Instant::now();
        if let Some(mut process) = self.process().take() {
            process.stop(GRACE);
        }
        begin.elapsed()
    }

    /// The address of a webhook of notification-controller whose path is `path`, as a Receiver's status tells it.
    ///
    /// # Errors
    /// When this controller takes no webhooks.
    pub fn webhook(&self, path: &str) -> Result<String> {
        let port = self
            .ports
            .webhooks
            .context("only notification-controller takes webhooks")?;
        Ok(format!("http://127.0.0.1:{port}{path}"))
    }

    /// Peak resident memory in bytes since it was started.
    pub fn peak_memory(&self) -> Option<u64> {
        self.process().as_ref()?.peak_memory()
    }

    /// The memory it has resident now, in bytes; `None` while it is stopped.
    pub fn resident_memory(&self) -> Option<u64> {
        self.process().as_ref()?.resident_memory()
    }

    /// Processor time used since it was started.
    pub fn cpu(&self) -> Option<Duration> {
        self.process().as_ref()?.cpu()
    }

    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.process().as_ref().map(Process::pid)
    }

    /// The sum of a metric over all series that contain `label`, such as `method="PATCH"`; an empty one takes all.
    ///
    /// # Errors
    /// When the metrics port does not answer.
    pub async fn metric(&self, name: &str, label: &str) -> Result<f64> {
        Ok(sum(&self.metrics().await?, name, label))
    }

    /// All metrics, in Prometheus' text format.
    ///
    /// # Errors
    /// When the metrics port does not answer.
    pub async fn metrics(&self) -> Result<String> {
        let url = format!("http://127.0.0.1:{}/metrics", self.ports.metrics);
        Ok(http()?.get(url).send().await?.text().await?)
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ports {
    fn free(controller: &str) -> Result<Self> {
        let webhooks = controller == "notification-controller";
        Ok(Self {
            health: free_port()?,
            metrics: free_port()?,
            webhooks: webhooks.then(free_port).transpose()?,
        })
    }

    fn flags(&self) -> impl Iterator<Item = String> {
        let named = [
            ("health-addr", Some(self.health)),
            ("metrics-addr", Some(self.metrics)),
            ("receiverAddr", self.webhooks),
        ];
        let used = named.into_iter().filter_map(|(name, port)| Some((name, port?)));
        used.map(|(name, port)| format!("--{name}=127.0.0.1:{port}"))
    }
}

/// The sum of a metric's series that contain `label`, in Prometheus' text format.
pub fn sum(text: &str, name: &str, label: &str) -> f64 {
    let series = text.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let (labels, value) = rest.rsplit_once(' ')?;
        ((labels.is_empty() || labels.starts_with('{')) && labels.contains(label))
            .then(|| value.parse::<f64>().ok())?
    });
    series.sum()
}

fn http() -> Result<reqwest::Client> {
    Ok(reqwest::Client::builder()
        .no_proxy()
        .timeout(Duration::from_secs(30))
        .build()?)
}

#[cfg(test)]
mod tests {
    use super::sum;

    #[test]
    fn metrics_are_summed_by_name_and_label() {
        let text = "# TYPE a counter\na_total{m=\"GET\",c=\"200\"} 2\na_total{m=\"PATCH\",c=\"200\"} 3\na_total_x 9\nb 1.5\n";
        for (name, label, expected) in [
            ("a_total", "", 5.0),
            ("a_total", "m=\"GET\"", 2.0),
            ("b", "", 1.5),
            ("c", "", 0.0),
        ] {
            assert_eq!(sum(text, name, label), expected, "{name} {label}");
        }
    }
}
