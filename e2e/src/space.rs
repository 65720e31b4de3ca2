//! The room of one scenario: a namespace, a repository, and what a user does and sees there.

use anyhow::{Context as _, Result, bail, ensure};
use k8s_openapi::api::core::v1::Event;
use kube::{
    Api, ResourceExt as _,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

use crate::{
    cluster::Cluster,
    expect::{self, Condition, eventually},
    flux::{self, HELM, KUSTOMIZE, NOTIFICATION, SOURCE, with},
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

/// How long anything may take that needs no waiting by its nature; generous, for a busy machine.
pub const LIMIT: Duration = Duration::from_secs(30);
/// How long nothing may be written before a scenario counts as at rest.
const REST: Duration = Duration::from_secs(3);

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

    /// Waits until `probe` gives a value.
    ///
    /// # Errors
    /// When the time is over; with all that this namespace and the logs tell.
    pub async fn until<T>(
        &self,
        what: &str,
        limit: Duration,
        probe: impl AsyncFnMut() -> Result<Option<T>>,
    ) -> Result<T> {
        match eventually(what, limit, probe).await {
            Ok(value) => Ok(value),
            Err(error) => {
                let dump = self.dump().await.unwrap_or_else(|e| format!("(no dump: {e:#})"));
                Err(error.context(format!("in namespace {}\n{dump}", self.name)))
            }
        }
    }

    /// Waits until an object is there and is as `holds` says.
    ///
    /// # Errors
    /// As [`Space::until`].
    pub async fn holds(
        &self,
        what: &str,
        api_version: &str,
        kind: &str,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        self.until(what, LIMIT, async || {
            Ok(self.get(api_version, kind, name).await?.filter(&holds))
        })
        .await
    }

    /// Waits until an object is gone.
    ///
    /// # Errors
    /// As [`Space::until`].
    pub async fn gone(&self, api_version: &str, kind: &str, name: &str) -> Result<()> {
        let what = format!("{kind} {name} is gone");
        self.until(&what, LIMIT, async || {
            Ok(self.get(api_version, kind, name).await?.is_none().then_some(()))
        })
        .await
    }

    /// Waits until a Kustomization is ready at a commit of `main`.
    ///
    /// # Errors
    /// As [`Space::until`].
    pub async fn synced(&self, name: &str, commit: &str) -> Result<Value> {
        let revision = format!("main@sha1:{commit}");
        let what = format!("Kustomization {name} is ready at {revision}");
        let at = |object: &Value| {
            object["status"]["lastAppliedRevision"] == revision.as_str()
                && expect::verdict(object).is_some_and(|v| v.status == "True")
        };
        self.holds(&what, KUSTOMIZE, "Kustomization", name, at).await
    }

    /// Waits until an object's Ready condition has a verdict on its current spec with this reason and a message that
    /// contains `part`, and gives it.
    ///
    /// # Errors
    /// As [`Space::until`].
    pub async fn says(
        &self,
        api_version: &str,
        kind: &str,
        name: &str,
        reason: &str,
        part: &str,
    ) -> Result<Condition> {
        let what = format!("{kind} {name} says {reason}: {part}");
        let says = |object: &Value| {
            expect::verdict(object).is_some_and(|v| v.reason == reason && v.message.contains(part))
        };
        let object = self.holds(&what, api_version, kind, name, says).await?;
        expect::verdict(&object).context("a verdict that was just there")
    }

    /// As [`Space::says`], with any message.
    ///
    /// # Errors
    /// As [`Space::until`].
    pub async fn verdict(
        &self,
        api_version: &str,
        kind: &str,
        name: &str,
        reason: &str,
    ) -> Result<Condition> {
        self.says(api_version, kind, name, reason, "").await
    }

    /// The Kubernetes Events of this namespace.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn events(&self) -> Result<Vec<Event>> {
        let events: Api<Event> = Api::namespaced(self.cluster.client.clone(), &self.name);
        Ok(events.list(&ListParams::default()).await?.items)
    }

    /// Holds that nothing more is written: for three seconds no applied object, no Flux object changes its version.
    ///
    /// Before that, up to 15 seconds are given to the cluster's own controllers to finish what they do with the objects.
    ///
    /// # Errors
    /// When something keeps being written, with what it is.
    pub async fn at_rest(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(15);
        let mut before = self.versions().await?;
        loop {
            sleep(REST).await;
            let after = self.versions().await?;
            if before == after {
                return Ok(());
            }
            let restless: Vec<&String> = after
                .iter()
                .filter(|(k, v)| before.get(*k) != Some(*v))
                .map(|(k, _)| k)
                .collect();
            if Instant::now() > deadline {
                bail!("still written to: {restless:?}\n{}", self.dump().await?);
            }
            before = after;
        }
    }

    /// The resource versions of the namespace's Flux objects and of all that is in their inventories.
    async fn versions(&self) -> Result<BTreeMap<String, String>> {
        let mut versions = BTreeMap::new();
        for object in self.flux_objects().await? {
            let metadata = &object["metadata"];
            versions.insert(
                format!("{} {}", object["kind"], metadata["name"]),
                metadata["resourceVersion"].to_string(),
            );
            let entries = object["status"]["inventory"]["entries"]
                .as_array()
                .cloned()
                .unwrap_or_default();
            for entry in entries {
                let id: crds::meta::ObjectId = entry["id"].as_str().unwrap_or_default().parse()?;
                let version = entry["v"].as_str().unwrap_or_default();
                let api_version = if id.group.is_empty() {
                    version.to_owned()
                } else {
                    format!("{}/{version}", id.group)
                };
                let namespace = Some(id.namespace.as_str());
                let api = self.cluster.api(&api_version, &id.kind, namespace).await?;
                let live = api.get_opt(&id.name).await?;
                versions.insert(
                    id.to_string(),
                    live.and_then(|o| o.resource_version()).unwrap_or_default(),
                );
            }
        }
        Ok(versions)
    }

    async fn flux_objects(&self) -> Result<Vec<Value>> {
        let mut objects = Vec::new();
        for (api_version, kind) in [
            (SOURCE, "GitRepository"),
            (SOURCE, "OCIRepository"),
            (SOURCE, "HelmRepository"),
            (SOURCE, "HelmChart"),
            (SOURCE, "Bucket"),
            (KUSTOMIZE, "Kustomization"),
            (HELM, "HelmRelease"),
            (NOTIFICATION, "Receiver"),
        ] {
            for object in self
                .api(api_version, kind)
                .await?
                .list(&ListParams::default())
                .await?
            {
                let mut object = serde_json::to_value(object)?;
                object["kind"] = json!(kind);
                objects.push(object);
            }
        }
        Ok(objects)
    }

    /// What a person would look at first: objects with their conditions, events, the ends of the logs.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn dump(&self) -> Result<String> {
        let mut text = String::new();
        for object in self.flux_objects().await? {
            let status = &object["status"];
            text += &format!(
                "--- {} {} ---\nspec: {}\n",
                object["kind"], object["metadata"]["name"], object["spec"]
            );
            for condition in status["conditions"].as_array().into_iter().flatten() {
                let part = |key: &str| condition[key].as_str().unwrap_or_default().to_owned();
                text += &format!(
                    "{} {} {}: {}\n",
                    part("type"),
                    part("status"),
                    part("reason"),
                    part("message")
                );
            }
            for key in [
                "observedGeneration",
                "lastAppliedRevision",
                "lastAttemptedRevision",
                "artifact",
                "inventory",
            ] {
                if !status[key].is_null() {
                    text += &format!("{key}: {}\n", status[key]);
                }
            }
        }
        text += "--- events ---\n";
        for event in self.events().await? {
            let about = format!(
                "{}/{}",
                event.involved_object.kind.unwrap_or_default(),
                event.involved_object.name.unwrap_or_default()
            );
            let (reason, message) = (
                event.reason.unwrap_or_default(),
                event.message.unwrap_or_default(),
            );
            text += &format!("{about} {reason} ×{}: {message}\n", event.count.unwrap_or(1));
        }
        Ok(text + &self.world.suite.logs())
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
