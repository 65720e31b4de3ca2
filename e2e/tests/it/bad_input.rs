//! Bad input of every sort is told on the object that has it: condition, reason and message; and a fix is taken up.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app, expect,
    flux::{KUSTOMIZE, SOURCE},
    origin::{Auth, GitServer, SshKey, SshServer},
    space::Space,
    world::World,
};
use serde_json::{Value, json};

/// What a source says that cannot be fetched: (case, change of the GitRepository, reason, part of the message).
async fn source_says(space: &Space<'_>, change: Value, reason: &str, part: &str) -> Result<()> {
    space.git_repository(change).await?;
    let told = space.says(SOURCE, "GitRepository", "app", reason, part).await?;
    ensure!(told.status == "False", "{told:?}");
    let object = space
        .get(SOURCE, "GitRepository", "app")
        .await?
        .context("no GitRepository")?;
    let failed = expect::condition(&object, "FetchFailed").context("no FetchFailed")?;
    ensure!(failed.status == "True" && failed.reason == reason, "{failed:?}");
    ensure!(
        object["status"]["artifact"].is_null(),
        "there is nothing to store"
    );
    Ok(())
}

#[tokio::test]
async fn a_source_that_cannot_be_fetched_says_why() -> Result<()> {
    let world = World::shared().await?;
    let guarded = GitServer::start(&world.repositories()).await?;
    guarded.set_auth(Auth::Basic {
        username: "me".into(),
        password: "right".into(),
    });
    let key = SshKey::generate("")?;
    let sshd = SshServer::start(&world.repositories(), &[&key])?;
    let wrong = json!({"username": "me", "password": "wrong"});
    let stranger = SshKey::generate("")?;
    let impostor = json!({"identity": key.private, "identity.pub": key.public, "known_hosts": sshd.known_hosts_with(&stranger)});
    let not_let_in = json!({"identity": stranger.private, "identity.pub": stranger.public, "known_hosts": sshd.known_hosts()});
    let with_secret = |url: String| json!({"spec": {"url": url, "secretRef": {"name": "credentials"}}});
    for (name, secret, change, reason, part) in [
        (
            "bad-repository",
            json!({}),
            json!({"spec": {"url": world.git.url("nowhere")}}),
            "GitOperationFailed",
            "repository not found",
        ),
        (
            "bad-branch",
            json!({}),
            json!({"spec": {"ref": {"branch": "nope"}}}),
            "GitOperationFailed",
            "nope",
        ),
        (
            "bad-password",
            wrong,
            with_secret(guarded.url("bad-password")),
            "GitOperationFailed",
            "authentication required",
        ),
        (
            "no-password",
            json!({}),
            json!({"spec": {"url": guarded.url("no-password")}}),
            "GitOperationFailed",
            "authentication required",
        ),
        (
            "no-secret",
            json!({}),
            json!({"spec": {"secretRef": {"name": "absent"}}}),
            "AuthenticationFailed",
            "absent",
        ),
        (
            "bad-host-key",
            impostor,
            with_secret(sshd.url("bad-host-key")),
            "GitOperationFailed",
            "key mismatch",
        ),
        (
            "bad-ssh-key",
            not_let_in,
            with_secret(sshd.url("bad-ssh-key")),
            "GitOperationFailed",
            "unable to authenticate",
        ),
        (
            "nobody-there",
            json!({}),
            json!({"spec": {"url": "http://127.0.0.1:1/a.git"}}),
            "GitOperationFailed",
            "127.0.0.1:1",
        ),
    ] {
        let space = world.space(name).await?;
        space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
        if secret != json!({}) {
            let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "credentials"}, "stringData": secret});
            space.apply(secret).await?;
        }
        source_says(&space, change, reason, part)
            .await
            .with_context(|| format!("case {name}"))?;
    }
    Ok(())
}

/// What cannot be applied: files, what the Kustomization says beside, and what it is told.
struct Case {
    name: &'static str,
    files: Vec<(&'static str, String)>,
    change: Value,
    reason: &'static str,
    part: &'static str,
}

fn cases() -> Vec<Case> {
    let case = |name, files, change, reason, part| Case {
        name,
        files,
        change,
        reason,
        part,
    };
    let map = || ("a.yaml", app::config_map("a", "1"));
    let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata:\n  name: w\n".to_owned();
    let nowhere =
        app::config_map("a", "1").replace("metadata:\n", "metadata:\n  namespace: nowhere-at-all\n");
    vec![
        case(
            "bad-path",
            vec![map()],
            json!({"spec": {"path": "./nope"}}),
            "ArtifactFailed",
            "kustomization path not found",
        ),
        case(
            "bad-path-outside",
            vec![map()],
            json!({"spec": {"path": "../../etc"}}),
            "ArtifactFailed",
            "path",
        ),
        case(
            "bad-yaml",
            vec![("a.yaml", "kind: ConfigMap\n data: [\n".into())],
            json!({}),
            "BuildFailed",
            "a.yaml",
        ),
        case(
            "bad-kustomization",
            vec![("kustomization.yaml", "resources: [missing.yaml]\n".into())],
            json!({}),
            "BuildFailed",
            "missing.yaml",
        ),
        case(
            "bad-kind",
            vec![("a.yaml", widget), ("b.yaml", app::config_map("b", "1"))],
            json!({}),
            "ReconciliationFailed",
            "no matches for kind \"Widget\"",
        ),
        case(
            "bad-field",
            vec![(
                "a.yaml",
                app::deployment("a", "i", 1).replace("replicas: 1", "replicas: many"),
            )],
            json!({}),
            "ReconciliationFailed",
            "spec.replicas",
        ),
        case(
            "bad-namespace",
            vec![("a.yaml", nowhere)],
            json!({"spec": {"targetNamespace": null}}),
            "ReconciliationFailed",
            "nowhere-at-all",
        ),
        case(
            "no-namespace",
            vec![map()],
            json!({"spec": {"targetNamespace": null}}),
            "ReconciliationFailed",
            "namespace not specified",
        ),
        case(
            "bad-variable",
            vec![("a.yaml", app::config_map("a", "${unset}"))],
            json!({"spec": {"postBuild": {"substitute": {"x": "y"}}}}),
            "BuildFailed",
            "unset",
        ),
        case(
            "bad-patch",
            vec![map()],
            json!({"spec": {"patches": [{"patch": "- op: nothing\n  path: /a\n", "target": {"kind": "ConfigMap"}}]}}),
            "BuildFailed",
            "",
        ),
        case(
            "bad-account",
            vec![map()],
            json!({"spec": {"serviceAccountName": "nobody"}}),
            "ReconciliationFailed",
            "system:serviceaccount:bad-account:nobody",
        ),
        case(
            "bad-source",
            vec![map()],
            json!({"spec": {"sourceRef": {"name": "absent"}}}),
            "ArtifactFailed",
            "not found",
        ),
    ]
}

#[tokio::test]
async fn a_branch_that_vanishes_leaves_its_artifact() -> Result<()> {
    let space = World::shared().await?.space("branch-gone").await?;
    let commit = space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space.repo.branch("feature", &commit)?;
    space
        .git_repository(json!({"spec": {"ref": {"branch": "feature"}}}))
        .await?;
    let ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    let before = space
        .holds("ready", SOURCE, "GitRepository", "app", ready)
        .await?;
    space.repo.delete("refs/heads/feature")?;
    space.request(SOURCE, "GitRepository", "app").await?;
    let part = "couldn't find remote ref";
    space
        .says(SOURCE, "GitRepository", "app", "GitOperationFailed", part)
        .await?;
    let after = space.get(SOURCE, "GitRepository", "app").await?;
    let artifact = &after.context("it is there")?["status"]["artifact"];
    ensure!(*artifact == before["status"]["artifact"], "{artifact}");
    let url = artifact["url"].as_str().context("a url")?;
    ensure!(reqwest::get(url).await?.status().is_success(), "it is served");
    space.repo.branch("feature", &commit)?;
    space.request(SOURCE, "GitRepository", "app").await?;
    space
        .holds("ready", SOURCE, "GitRepository", "app", ready)
        .await?;
    Ok(())
}

#[tokio::test]
async fn a_kustomization_that_cannot_be_applied_says_why() -> Result<()> {
    let world = World::shared().await?;
    for case in cases() {
        let space = world.space(case.name).await?;
        space.repo.commit(
            &case
                .files
                .iter()
                .map(|(p, t)| (*p, t.as_str()))
                .collect::<Vec<_>>(),
        )?;
        space.git_repository(json!({})).await?;
        space.kustomization("app", "./", case.change).await?;
        let told = space
            .says(KUSTOMIZE, "Kustomization", "app", case.reason, case.part)
            .await;
        let told = told.with_context(|| case.name)?;
        ensure!(told.status == "False", "case {}: {told:?}", case.name);
        for name in ["a", "b"] {
            ensure!(
                space.get("v1", "ConfigMap", name).await?.is_none(),
                "case {}: {name} was applied",
                case.name
            );
        }
    }
    Ok(())
}

#[tokio::test]
async fn an_immutable_field_is_refused_and_forced_on_demand() -> Result<()> {
    let space = World::shared().await?.space("immutable").await?;
    let frozen =
        |value: &str| app::config_map("frozen", value).replace("\ndata:", "\nimmutable: true\ndata:");
    let first = space.repo.commit(&[("a.yaml", &frozen("1"))])?;
    space.git_repository(json!({})).await?;
    space.kustomization("app", "./", json!({})).await?;
    space.synced("app", &first).await?;
    let second = space.push(&[("a.yaml", &frozen("2"))]).await?;
    let told = space
        .verdict(KUSTOMIZE, "Kustomization", "app", "ReconciliationFailed")
        .await?;
    space.contains(&told.message, "field is immutable when `immutable` is set")?;
    let old = space
        .holds("it is as it was", "v1", "ConfigMap", "frozen", |o| {
            o["data"]["value"] == "1"
        })
        .await?;
    space.at_rest().await?;
    space
        .patch(
            KUSTOMIZE,
            "Kustomization",
            "app",
            json!({"spec": {"force": true}}),
        )
        .await?;
    space.synced("app", &second).await?;
    let new = space
        .holds("it is a new one", "v1", "ConfigMap", "frozen", |o| {
            o["data"]["value"] == "2"
        })
        .await?;
    ensure!(
        new["metadata"]["uid"] != old["metadata"]["uid"],
        "it was made anew"
    );
    space.at_rest().await
}

/// What is replaced may take its time to go: the pass ends, and goes on when it is gone.
#[tokio::test]
async fn a_replaced_object_may_take_its_time() -> Result<()> {
    let space = World::shared().await?.space("replaced-slowly").await?;
    let frozen =
        |value: &str| app::config_map("frozen", value).replace("\ndata:", "\nimmutable: true\ndata:");
    let first = space.repo.commit(&[("a.yaml", &frozen("1"))])?;
    space.git_repository(json!({})).await?;
    space
        .kustomization("app", "./", json!({"spec": {"force": true}}))
        .await?;
    space.synced("app", &first).await?;
    // Of somebody whose fields are not taken over.
    let holds = async |finalizers: Value| {
        let params = kube::api::PatchParams {
            field_manager: Some("storage".to_owned()),
            ..Default::default()
        };
        let change = kube::api::Patch::Merge(json!({"metadata": {"finalizers": finalizers}}));
        let api = space.api("v1", "ConfigMap").await?;
        anyhow::Ok(api.patch("frozen", &params, &change).await.map(drop)?)
    };
    holds(json!(["example.com/slow"])).await?;
    let second = space.push(&[("a.yaml", &frozen("2"))]).await?;
    let waits = |o: &Value| {
        let reconciling = expect::condition(o, "Reconciling");
        reconciling.is_some_and(|c| c.message.contains("waiting for it to be gone"))
    };
    space
        .holds(
            "it says what it waits for",
            KUSTOMIZE,
            "Kustomization",
            "app",
            waits,
        )
        .await?;
    let old = |o: &Value| o["data"]["value"] == "1" && !o["metadata"]["deletionTimestamp"].is_null();
    space
        .holds("the old one is going", "v1", "ConfigMap", "frozen", old)
        .await?;
    holds(json!(null)).await?;
    space.synced("app", &second).await?;
    space
        .holds("a new one is there", "v1", "ConfigMap", "frozen", |o| {
            o["data"]["value"] == "2"
        })
        .await?;
    space.at_rest().await
}

#[tokio::test]
async fn a_definition_and_its_objects_come_in_one_set() -> Result<()> {
    let space = World::shared().await?.space("crd-and-cr").await?;
    let commit = space
        .repo
        .commit(&[("a-gadget.yaml", GADGET), ("definition.yaml", DEFINITION)])?;
    space.git_repository(json!({})).await?;
    space
        .kustomization("app", "./", json!({"spec": {"wait": true}}))
        .await?;
    space.synced("app", &commit).await?;
    let gadget = space
        .get("e2e.example.com/v1", "Gadget", "g")
        .await?
        .context("no Gadget")?;
    ensure!(gadget["spec"]["size"] == 3, "{gadget}");
    // A kind that came with the set is watched as any other.
    space
        .patch("e2e.example.com/v1", "Gadget", "g", json!({"spec": {"size": 4}}))
        .await?;
    space
        .holds("it is undone", "e2e.example.com/v1", "Gadget", "g", |o| {
            o["spec"]["size"] == 3
        })
        .await?;
    space.at_rest().await?;
    space.delete(KUSTOMIZE, "Kustomization", "app").await?;
    space.gone(KUSTOMIZE, "Kustomization", "app").await?;
    space
        .gone(
            "apiextensions.k8s.io/v1",
            "CustomResourceDefinition",
            "gadgets.e2e.example.com",
        )
        .await
}

/// One object that is broken keeps no other from being reconciled, and its repair is taken up.
#[tokio::test]
async fn a_repair_is_taken_up_with_the_commit() -> Result<()> {
    let space = World::shared().await?.space("repair").await?;
    space.repo.commit(&[
        ("bad/a.yaml", "kind: [\n"),
        ("good/b.yaml", &app::config_map("b", "1")),
    ])?;
    space.git_repository(json!({})).await?;
    space.kustomization("bad", "./bad", json!({})).await?;
    space.kustomization("good", "./good", json!({})).await?;
    space
        .verdict(KUSTOMIZE, "Kustomization", "bad", "BuildFailed")
        .await?;
    space
        .verdict(KUSTOMIZE, "Kustomization", "good", "ReconciliationSucceeded")
        .await?;
    space.at_rest().await?;
    let commit = space.push(&[("bad/a.yaml", &app::config_map("a", "1"))]).await?;
    for name in ["bad", "good"] {
        space.synced(name, &commit).await?;
    }
    space.at_rest().await
}

const GADGET: &str = "apiVersion: e2e.example.com/v1
kind: Gadget
metadata:
  name: g
spec:
  size: 3
";

const DEFINITION: &str = "apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: gadgets.e2e.example.com
spec:
  group: e2e.example.com
  scope: Namespaced
  names:
    kind: Gadget
    plural: gadgets
    singular: gadget
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              properties:
                size:
                  type: integer
";
