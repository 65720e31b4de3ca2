//! One world: a cluster, the controllers in it, and a Git server outside; shared by tests, a namespace each.

use anyhow::{Context as _, Result};
use std::{path::Path, sync::OnceLock};

use crate::{
    cluster::Cluster,
    control_plane::{ControlPlane, client},
    origin::GitServer,
    space::Space,
    suite::{Options, Suite},
    tools::Tools,
};

/// A control plane, the suite and a Git server. Everything ends and is removed when it is dropped.
#[derive(Debug)]
pub struct World {
    // Ended in this order: clients before servers.
    /// The controllers.
    pub suite: Suite,
    /// The Git server.
    pub git: GitServer,
    /// The API server and its company.
    pub plane: ControlPlane,
}

impl World {
    /// A world of one's own, for what disturbs others. Its Git server runs on the runtime that calls.
    ///
    /// # Errors
    /// When anything cannot be built or started.
    pub async fn start(options: &Options) -> Result<Self> {
        let tools = tokio::task::spawn_blocking(Tools::control_plane).await??;
        let plane = ControlPlane::start(&tools).await?;
        let cluster = Cluster::new(plane.admin().await?);
        let suite = Suite::start(&plane, &cluster, options).await?;
        let repositories = plane.dir().join("repositories");
        std::fs::create_dir_all(&repositories)?;
        let git = GitServer::start(&repositories).await?;
        Ok(Self { suite, git, plane })
    }

    /// The world that all tests of a program share. Its servers run on a thread of their own and outlive each test;
    /// they end with the program.
    ///
    /// # Errors
    /// When it cannot be started; then for every test.
    pub async fn shared() -> Result<&'static Self> {
        static SHARED: OnceLock<Result<(World, tokio::runtime::Runtime), String>> = OnceLock::new();
        let begin = || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(1)
                .enable_all()
                .build()?;
            let world = runtime.block_on(Self::start(&Options::default()))?;
            anyhow::Ok((world, runtime))
        };
        let thread =
            std::thread::spawn(move || SHARED.get_or_init(|| begin().map_err(|error| format!("{error:?}"))));
        let shared = tokio::task::spawn_blocking(move || thread.join()).await?;
        match shared.map_err(|_| anyhow::Error::msg("starting the shared world panicked"))? {
            Ok((world, _)) => Ok(world),
            Err(error) => Err(anyhow::Error::msg(error.clone())),
        }
    }

    /// The cluster with an administrator's rights, for the runtime that calls.
    ///
    /// # Errors
    /// When the kubeconfig cannot be read back.
    pub async fn cluster(&self) -> Result<Cluster> {
        Ok(Cluster::new(client(&self.plane.admin_kubeconfig()).await?))
    }

    /// A namespace for one scenario, with an empty Git repository of the same name.
    ///
    /// # Errors
    /// When the API server or Git refuses, or the name was taken before.
    pub async fn space(&self, name: &str) -> Result<Space<'_>> {
        Space::new(self, name)
            .await
            .with_context(|| format!("make room for {name}"))
    }

    /// The folder with the repositories that the Git server serves.
    pub fn repositories(&self) -> std::path::PathBuf {
        self.plane.dir().join("repositories")
    }

    /// A folder that lives as long as the world.
    pub fn dir(&self) -> &Path {
        self.plane.dir()
    }
}
