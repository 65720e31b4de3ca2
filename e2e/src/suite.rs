//! The controllers under test: built, given the identity and the rights that we ship, started, ended and restarted.

mod build;
mod controller;

pub use build::binaries;
pub use controller::{Controller, sum};

use anyhow::{Context as _, Result};
use controller::START;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::Api;
use serde_json::Value;
use std::path::{Path, PathBuf};

use crate::{
    cluster::Cluster,
    control_plane::ControlPlane,
    expect::eventually,
    process::{free_port, tail},
};

/// Where Flux's controllers live, and so ours.
pub const NAMESPACE: &str = "flux-system";

/// What notification-controller makes last before it looks at any object.
const LAST_CURSORS: &str = "notification-controller-told-7";

/// The running controllers; they end when this is dropped.
#[derive(Debug)]
pub struct Suite {
    /// source-controller.
    pub source: Controller,
    /// kustomize-controller.
    pub kustomize: Controller,
    /// helm-controller.
    pub helm: Controller,
    /// notification-controller.
    pub notification: Controller,
    storage: PathBuf,
}

/// Flags beyond those that the suite needs itself.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// For source-controller.
    pub source: Vec<String>,
    /// For kustomize-controller.
    pub kustomize: Vec<String>,
    /// For helm-controller.
    pub helm: Vec<String>,
    /// For notification-controller.
    pub notification: Vec<String>,
    /// Variables of the environment of all controllers, which act at cloud providers.
    pub env: Vec<(&'static str, String)>,
}

impl Suite {
    /// Installs definitions, rights and identities, and starts the controllers.
    ///
    /// # Errors
    /// When they cannot be built, the API server refuses what we ship, or one is not ready after 30 seconds.
    pub async fn start(plane: &ControlPlane, cluster: &Cluster, options: &Options) -> Result<Self> {
        let folder = tokio::task::spawn_blocking(binaries).await??;
        let definitions = crds::all()
            .iter()
            .map(serde_json::to_value)
            .collect::<Result<Vec<Value>, _>>()?;
        cluster.define(&definitions).await?;
        cluster.namespace(NAMESPACE).await?;
        let storage = plane.dir().join("storage");
        std::fs::create_dir_all(&storage)?;
        let files = format!("127.0.0.1:{}", free_port()?);
        let mut source = vec![
            format!("--storage-path={}", storage.display()),
            format!("--storage-addr={files}"),
            format!("--storage-adv-addr={files}"),
        ];
        source.extend(options.source.iter().cloned());
        let mut source = Controller::new(plane, cluster, &folder, "source-controller", source).await?;
        // Nobody is there: no test asks Sigstore's public instance.
        source.env.push(("TUF_MIRROR", "http://127.0.0.1:9".to_owned()));
        let kustomize = options.kustomize.clone();
        let mut kustomize =
            Controller::new(plane, cluster, &folder, "kustomize-controller", kustomize).await?;
        let helm = options.helm.clone();
        let mut helm = Controller::new(plane, cluster, &folder, "helm-controller", helm).await?;
        let notification = options.notification.clone();
        let mut notification =
            Controller::new(plane, cluster, &folder, "notification-controller", notification).await?;
        for controller in [&mut source, &mut kustomize, &mut helm, &mut notification] {
            controller.env.extend(options.env.iter().cloned());
        }
        let suite = Self {
            source,
            kustomize,
            helm,
            notification,
            storage,
        };
        for controller in suite.controllers() {
            controller.start()?;
        }
        for controller in suite.controllers() {
            controller.ready().await?;
        }
        // From when this is there, whatever happens is news.
        let cursors: Api<ConfigMap> = Api::namespaced(cluster.client.clone(), NAMESPACE);
        let first = async || Ok(cursors.get_opt(LAST_CURSORS).await?.map(drop));
        eventually("notification-controller keeps cursors", START, first).await?;
        Ok(suite)
    }

    /// All controllers.
    pub fn controllers(&self) -> [&Controller; 4] {
        [&self.source, &self.kustomize, &self.helm, &self.notification]
    }

    /// The folder in which source-controller keeps artifacts.
    pub fn storage(&self) -> &Path {
        &self.storage
    }

    /// The ends of all logs, for a test that failed.
    pub fn logs(&self) -> String {
        let tails = self
            .controllers()
            .map(|c| format!("--- {} ---\n{}\n", c.name(), tail(c.log())));
        tails.concat()
    }
}

/// What a controller ships: the text of `<controller>/deploy/<file>`.
///
/// # Errors
/// When there is no such file.
pub fn deployed(controller: &str, file: &str) -> Result<String> {
    let path = workspace().join(controller).join("deploy").join(file);
    std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

/// The folder of the whole workspace.
pub fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}
