//! The day itself: what a person does in Git or in the cluster, and what the controllers make of it.

use anyhow::{Context as _, Result};
use kube::{
    Api,
    api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams},
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

use super::account::Account;
use crate::{
    cluster::{Cluster, reborn},
    expect::{self, eventually},
    flux::{KUSTOMIZE, SOURCE, git_repository, kustomization, with},
    origin::Repo,
    suite::NAMESPACE,
    world::World,
};

/// The day with all it needs.
pub struct Day<'a> {
    pub(super) world: &'a World,
    pub(super) repo: &'a Repo,
    pub(super) account: &'a mut Account,
    pub(super) cluster: Cluster,
}

/// How long anything may take; a machine may be slow.
pub(super) const LIMIT: Duration = Duration::from_secs(300);
/// The apps, as their Kustomizations and namespaces are called.
pub(super) const APPS: [&str; 2] = ["guestbook", "wordpress"];
/// What GitRepository and root Kustomization are called, as `flux bootstrap` calls them.
pub(super) const ROOT: &str = "flux-system";

impl<'a> Day<'a> {
    /// A day in a world.
    pub async fn new(world: &'a World, repo: &'a Repo, account: &'a mut Account) -> Result<Self> {
        Ok(Self {
            world,
            repo,
            account,
            cluster: world.cluster().await?,
        })
    }

    /// Tells the whole day.
    pub async fn tell(mut self) -> Result<()> {
        self.account
            .title("A GitOps day, on a real Kubernetes API server with a fake node")?;
        self.bootstrap().await?;
        self.new_image().await?;
        self.edit_by_hand().await?;
        self.people().await?;
        self.removed_from_git().await?;
        self.deleted_by_hand().await?;
        self.namespace_deleted().await
    }

    async fn bootstrap(&mut self) -> Result<()> {
        let files = self
            .repo
            .git(&["ls-tree", "-r", "--name-only", "main"])?
            .lines()
            .count();
        self.account
            .step("The cluster is empty. It is told of a repository, and nothing else")?;
        self.account
            .note(&format!("{files} files at {}", self.world.git.url("demo")))?;
        let begin = Instant::now();
        // An interval so short that `git push` shows soon; the rest of the day does not wait for it.
        let source = with(
            git_repository(ROOT, &self.world.git.url("demo")),
            &json!({"spec": {"interval": "5s"}}),
        );
        let root = with(
            kustomization(ROOT, ROOT, "./clusters/demo"),
            &json!({"spec": {"wait": true}}),
        );
        for object in [source, root] {
            self.cluster
                .apply(&with(object, &json!({"metadata": {"namespace": NAMESPACE}})))
                .await?;
        }
        let commit = self.repo.head("main")?;
        for (name, what) in [
            ("infrastructure", "what all apps need is there"),
            (APPS[0], ""),
            (APPS[1], ""),
            (ROOT, "all is applied, and says so"),
        ] {
            let object = self.synced(name, &commit).await?;
            let applied = object["status"]["inventory"]["entries"]
                .as_array()
                .map_or(0, Vec::len);
            let text = if what.is_empty() {
                format!("{name} runs: {}", self.running(name).await?)
            } else {
                what.to_owned()
            };
            self.account.done(&format!("{text} ({applied} objects)"), begin)?;
        }
        Ok(())
    }

    async fn new_image(&mut self) -> Result<()> {
        self.account
            .step("A developer commits a new image of guestbook's frontend")?;
        let others = self.versions("wordpress").await?;
        let (begin, commit) = self.commit("apps/guestbook/kustomization.yaml", "frontend 1.1.0", |text| {
            text.replacen("newTag: 1.0.0", "newTag: 1.1.0", 1)
        })?;
        let rolled = |o: &Value| {
            let replicas = o["spec"]["replicas"].as_i64();
            let status = &o["status"];
            o["spec"]["template"]["spec"]["containers"][0]["image"] == "guestbook-frontend:1.1.0"
                && [
                    &status["updatedReplicas"],
                    &status["availableReplicas"],
                    &status["replicas"],
                ]
                .iter()
                .all(|n| n.as_i64() == replicas)
        };
        self.look().await?;
        self.holds(
            "the new frontend runs",
            "apps/v1",
            "Deployment",
            APPS[0],
            "frontend",
            rolled,
        )
        .await?;
        self.account
            .done("three pods run guestbook-frontend:1.1.0", begin)?;
        for name in ["infrastructure", APPS[0], APPS[1], ROOT] {
            self.synced(name, &commit).await?;
        }
        let untouched = if self.versions("wordpress").await? == others {
            "was not touched"
        } else {
            "was written to as well"
        };
        self.account.done(
            &format!(
                "every Kustomization is at {}; wordpress {untouched}",
                &commit[..7]
            ),
            begin,
        )
    }

    async fn edit_by_hand(&mut self) -> Result<()> {
        self.account
            .step("Somebody scales guestbook's frontend to zero, by hand")?;
        let api = self.api("apps/v1", "Deployment", APPS[0]).await?;
        let by_hand = PatchParams {
            field_manager: Some("kubectl-scale".to_owned()),
            ..PatchParams::default()
        };
        let begin = Instant::now();
        api.patch(
            "frontend",
            &by_hand,
            &Patch::Merge(json!({"spec": {"replicas": 0}})),
        )
        .await?;
        self.holds(
            "it is undone",
            "apps/v1",
            "Deployment",
            APPS[0],
            "frontend",
            |o| o["spec"]["replicas"] == 3,
        )
        .await?;
        self.account.done("the edit is undone", begin)?;
        self.holds("it runs", "apps/v1", "Deployment", APPS[0], "frontend", |o| {
            o["status"]["availableReplicas"] == 3
        })
        .await?;
        self.account.done("three pods run", begin)
    }

    async fn removed_from_git(&mut self) -> Result<()> {
        self.account
            .step("The guestbook needs no cache any more: its file leaves Git")?;
        let kustomization = "apps/guestbook/kustomization.yaml";
        self.commit(kustomization, "no cache", |text| {
            text.replace("  - cache.yaml\n", "")
        })?;
        let begin = Instant::now();
        let commit = self.repo.remove(&["apps/guestbook/cache.yaml"])?;
        self.look().await?;
        for (api_version, kind) in [("apps/v1", "Deployment"), ("v1", "Service")] {
            let api = self.api(api_version, kind, APPS[0]).await?;
            eventually("the cache is gone", LIMIT, async || {
                Ok(api.get_opt("cache").await?.is_none().then_some(()))
            })
            .await?;
        }
        self.account.done(
            "Deployment and Service of the cache are gone from the cluster",
            begin,
        )?;
        for name in [APPS[0], APPS[1], ROOT] {
            self.synced(name, &commit).await?;
        }
        self.account.done(
            &format!("guestbook is ready: {}", self.running(APPS[0]).await?),
            begin,
        )
    }

    async fn deleted_by_hand(&mut self) -> Result<()> {
        self.account
            .step("Somebody deletes WordPress' database, by hand")?;
        let api = self.api("apps/v1", "StatefulSet", APPS[1]).await?;
        let uid = api.get("mysql").await?.metadata.uid;
        let begin = Instant::now();
        api.delete("mysql", &DeleteParams::default()).await?;
        let fresh = |o: &Value| o["metadata"]["uid"].as_str() != uid.as_deref();
        self.holds("it is back", "apps/v1", "StatefulSet", APPS[1], "mysql", fresh)
            .await?;
        self.account.done("the StatefulSet is back", begin)?;
        self.holds("it runs", "apps/v1", "StatefulSet", APPS[1], "mysql", |o| {
            o["status"]["availableReplicas"] == 1
        })
        .await?;
        self.account.done("its pod runs", begin)
    }

    async fn namespace_deleted(&mut self) -> Result<()> {
        self.account
            .step("Somebody deletes WordPress' namespace, with all that is in it")?;
        let namespaces = self.cluster.api("v1", "Namespace", None).await?;
        let version = namespaces
            .get(APPS[1])
            .await?
            .metadata
            .resource_version
            .unwrap_or_default();
        let begin = Instant::now();
        namespaces.delete(APPS[1], &DeleteParams::default()).await?;
        let (gone, back) = reborn(&namespaces, APPS[1], &version, LIMIT).await?;
        self.account.took(
            "the old namespace has ended: Kubernetes takes its time for that",
            gone - begin,
        )?;
        self.account.took(
            "the new namespace is there, so long after the end of the old one",
            back - gone,
        )?;
        for (kind, name, ready) in [("Deployment", "wordpress", 2), ("StatefulSet", "mysql", 1)] {
            self.holds("it runs", "apps/v1", kind, APPS[1], name, |o| {
                o["status"]["availableReplicas"] == ready
            })
            .await?;
        }
        let running = self.running(APPS[1]).await?;
        self.account.done(
            &format!("wordpress runs again, counted likewise: {running}"),
            gone,
        )?;
        self.synced(APPS[1], &self.repo.head("main")?).await.map(drop)
    }

    /// Commits a change of one file; gives when, and the commit's id.
    pub(super) fn commit(
        &self,
        path: &str,
        message: &str,
        change: impl Fn(&str) -> String,
    ) -> Result<(Instant, String)> {
        let old = self.repo.git(&["show", &format!("main:{path}")])?;
        let change = crate::origin::Change::Write(path.to_owned(), (change(&old) + "\n").into_bytes());
        let begin = Instant::now();
        Ok((begin, self.repo.commit_on("main", message, &[change])?))
    }

    /// Asks for the repository to be looked at now, as a webhook does.
    async fn look(&self) -> Result<()> {
        let now = format!("{:?}", std::time::SystemTime::now());
        let change = json!({"metadata": {"annotations": {crds::meta::REQUESTED_AT: now}}});
        let sources = self.api(SOURCE, "GitRepository", NAMESPACE).await?;
        sources
            .patch(ROOT, &PatchParams::default(), &Patch::Merge(change))
            .await?;
        Ok(())
    }

    pub(super) async fn synced(&self, name: &str, commit: &str) -> Result<Value> {
        let revision = format!("main@sha1:{commit}");
        let at = |o: &Value| {
            o["status"]["lastAppliedRevision"] == revision.as_str()
                && expect::verdict(o).is_some_and(|v| v.status == "True")
        };
        self.holds(
            &format!("{name} is ready at {revision}"),
            KUSTOMIZE,
            "Kustomization",
            NAMESPACE,
            name,
            at,
        )
        .await
    }

    pub(super) async fn holds(
        &self,
        what: &str,
        api_version: &str,
        kind: &str,
        namespace: &str,
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value> {
        let api = self.api(api_version, kind, namespace).await?;
        let what = format!("{kind} {name}: {what}");
        let found = eventually(&what, LIMIT, async || {
            let object = api.get_opt(name).await?.map(serde_json::to_value).transpose()?;
            Ok(object.filter(&holds))
        });
        found.await.with_context(|| self.world.suite.logs())
    }

    /// Pods that are ready, by Deployment and StatefulSet.
    async fn running(&self, namespace: &str) -> Result<String> {
        let mut parts = Vec::new();
        for kind in ["Deployment", "StatefulSet"] {
            for object in self
                .api("apps/v1", kind, namespace)
                .await?
                .list(&ListParams::default())
                .await?
            {
                let ready = object.data["status"]["availableReplicas"]
                    .as_i64()
                    .unwrap_or_default();
                parts.push(format!("{ready}× {}", object.metadata.name.unwrap_or_default()));
            }
        }
        Ok(parts.join(", "))
    }

    /// Generations and versions of what Git says of an app, to see whether it was written to.
    async fn versions(&self, namespace: &str) -> Result<Vec<Option<String>>> {
        let mut versions = Vec::new();
        for (api_version, kind) in [
            ("apps/v1", "Deployment"),
            ("apps/v1", "StatefulSet"),
            ("v1", "Service"),
            ("v1", "Secret"),
        ] {
            let objects = self
                .api(api_version, kind, namespace)
                .await?
                .list(&ListParams::default())
                .await?;
            versions.extend(objects.into_iter().map(|o| o.metadata.resource_version));
        }
        Ok(versions)
    }

    pub(super) async fn api(
        &self,
        api_version: &str,
        kind: &str,
        namespace: &str,
    ) -> Result<Api<DynamicObject>> {
        self.cluster.api(api_version, kind, Some(namespace)).await
    }
}
