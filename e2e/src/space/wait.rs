//! What a user waits for, bounded; and that nothing more happens.

use anyhow::{Context as _, Result, bail};
use kube::ResourceExt as _;
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};
use tokio::time::{Instant, sleep};

use super::{LIMIT, Space};
use crate::{
    expect::{self, Condition, eventually},
    flux::{KUSTOMIZE, SOURCE},
};

/// How long nothing may be written before a scenario counts as at rest.
const REST: Duration = Duration::from_secs(3);

impl Space<'_> {
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

    /// Waits until the GitRepository `app` has the artifact of a commit of `main`.
    ///
    /// # Errors
    /// As [`Space::until`].
    pub async fn fetched(&self, commit: &str) -> Result<Value> {
        let revision = format!("main@sha1:{commit}");
        let at = |object: &Value| object["status"]["artifact"]["revision"] == revision.as_str();
        let what = format!("{revision} is fetched");
        self.holds(&what, SOURCE, "GitRepository", "app", at).await
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

    /// Holds that nothing more is written: for three seconds no applied object, no Flux object changes its version.
    ///
    /// Before that, up to a minute are given to the cluster's own controllers to finish what they do with the objects.
    ///
    /// # Errors
    /// When something keeps being written, with what it is.
    pub async fn at_rest(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(60);
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
}
