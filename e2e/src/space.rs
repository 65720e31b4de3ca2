//! The room of one scenario: a namespace, a repository, and what a user does and sees there.

mod dump;
mod wait;

use anyhow::{Context as _, Result, ensure};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, Patch, PatchParams},
};
use serde_json::{Value, json};
use std::time::Duration;

use crate::{
    cluster::Cluster,
    expect,
    flux::{self, HELM, SOURCE, with},
    origin::Repo,
    world::World,
};

/// A namespace in a world, with a Git repository of the same name.
#[derive(Debug)]
pub struct Space<'w> {
    /// The world that it is in.
    pub world: &'w World,
    /// The cluster, for this test's runtime.
    pub cluster: Cluster,
    /// The repository that [`Space::git_repository`] points to.
    pub repo: Repo,
    name: String,
}

/// How long anything may take that needs no waiting by its nature; generous: a machine may be ten times as slow
/// as another.
pub const LIMIT: Duration = Duration::from_secs(300);

impl<'w> Space<'w> {
    pub(crate) async fn new(world: &'w World, name: &str) -> Result<Self> {
        let cluster = world.cluster().await?;
        cluster.namespace(name).await?;
        let repo = Repo::create(&world.repositories(), name)?;
        Ok(Self {
            world,
            cluster,
            repo,
            name: name.to_owned(),
        })
    }

    /// The namespace's name, and the repository's.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The repository's address.
    pub fn url(&self) -> String {
        self.world.git.url(&self.name)
    }

    /// Applies the GitRepository `app`, changed by `change`.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn git_repository(&self, change: Value) -> Result<()> {
        self.apply(with(flux::git_repository("app", &self.url()), &change))
            .await
    }

    /// Applies a Kustomization of a path in the repository, changed by `change`; what it applies goes to this namespace.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn kustomization(&self, name: &str, path: &str, change: Value) -> Result<()> {
        let plain = json!({"spec": {"targetNamespace": self.name}});
        self.apply(with(
            with(flux::kustomization(name, "app", path), &plain),
            &change,
        ))
        .await
    }

    /// Applies a HelmRelease of the chart in the OCIRepository `chart`, changed by `change`.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn helm_release(&self, name: &str, change: Value) -> Result<()> {
        self.apply(with(flux::helm_release(name), &change)).await
    }

    /// Waits until a HelmRelease is ready at a revision of its release, and gives it.
    ///
    /// # Errors
    /// As [`Space::until`].
    pub async fn released(&self, name: &str, revision: i64) -> Result<Value> {
        let what = format!("HelmRelease {name} is ready at revision {revision}");
        let at = |object: &Value| {
            object["status"]["history"][0]["version"] == revision
                && expect::verdict(object).is_some_and(|v| v.status == "True")
        };
        self.holds(&what, HELM, "HelmRelease", name, at).await
    }

    /// Applies any object, in this namespace if it names none.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn apply(&self, mut object: Value) -> Result<()> {
        if object["metadata"]["namespace"].is_null() {
            object["metadata"]["namespace"] = json!(self.name);
        }
        self.cluster.apply(&object).await.map(drop)
    }

    /// Commits files to `main` and asks for them to be fetched, as `flux reconcile source git` does. The commit's id.
    ///
    /// # Errors
    /// When Git or the API server refuses.
    pub async fn push(&self, files: &[(&str, &str)]) -> Result<String> {
        let commit = self.repo.commit(files)?;
        self.request(SOURCE, "GitRepository", "app").await?;
        Ok(commit)
    }

    /// Asks for an object to be reconciled now.
    ///
    /// # Errors
    /// When the object is not there.
    pub async fn request(&self, api_version: &str, kind: &str, name: &str) -> Result<()> {
        let now = format!("{:?}", std::time::SystemTime::now());
        let change = json!({"metadata": {"annotations": {crds::meta::REQUESTED_AT: now}}});
        self.patch(api_version, kind, name, change).await
    }

    /// Asks for an object to be reconciled now, and waits until that was done.
    ///
    /// # Errors
    /// When the object is not there, and as [`Space::until`].
    pub async fn handled(&self, api_version: &str, kind: &str, name: &str) -> Result<Value> {
        self.request(api_version, kind, name).await?;
        let handled = |o: &Value| {
            o["status"]["lastHandledReconcileAt"] == o["metadata"]["annotations"][crds::meta::REQUESTED_AT]
        };
        let what = format!("the request to reconcile {kind} {name} is handled");
        self.holds(&what, api_version, kind, name, handled).await
    }

    /// Changes a live object by merge patch, as a person does with `kubectl`.
    ///
    /// # Errors
    /// When the object is not there, or the API server refuses.
    pub async fn patch(&self, api_version: &str, kind: &str, name: &str, change: Value) -> Result<()> {
        let params = PatchParams {
            field_manager: Some("kubectl-edit".to_owned()),
            ..PatchParams::default()
        };
        let patched = self
            .api(api_version, kind)
            .await?
            .patch(name, &params, &Patch::Merge(&change))
            .await;
        patched.map(drop).with_context(|| format!("change {kind} {name}"))
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When the object is not there.
    pub async fn delete(&self, api_version: &str, kind: &str, name: &str) -> Result<()> {
        let deleted = self
            .api(api_version, kind)
            .await?
            .delete(name, &DeleteParams::default())
            .await;
        deleted.map(drop).with_context(|| format!("delete {kind} {name}"))
    }

    /// An object of this namespace (or a cluster-wide one), if it is there.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn get(&self, api_version: &str, kind: &str, name: &str) -> Result<Option<Value>> {
        let found = self.api(api_version, kind).await?.get_opt(name).await?;
        Ok(found.map(serde_json::to_value).transpose()?)
    }

    /// The resource of a kind in this namespace.
    ///
    /// # Errors
    /// When the API server does not know the kind.
    pub async fn api(&self, api_version: &str, kind: &str) -> Result<Api<DynamicObject>> {
        self.cluster.api(api_version, kind, Some(&self.name)).await
    }

    /// Holds that a text contains another; tells both if not.
    ///
    /// # Errors
    /// When it does not.
    pub fn contains(&self, text: &str, part: &str) -> Result<()> {
        ensure!(text.contains(part), "{text:?} does not say {part:?}");
        Ok(())
    }
}
