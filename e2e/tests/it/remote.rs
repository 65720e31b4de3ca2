//! `spec.kubeConfig`: what one cluster is told is done in another, in the name that the kubeconfig gives there.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app,
    charts::Charts,
    cluster::Cluster,
    control_plane::ControlPlane,
    expect::{self, eventually},
    flux::{HELM, KUSTOMIZE, with},
    space::{LIMIT, Space},
    tools::Tools,
    world::World,
};
use serde_json::{Value, json};

/// Another cluster, with a namespace of the space's name in which one ServiceAccount may edit.
struct Spoke {
    plane: ControlPlane,
    cluster: Cluster,
    namespace: String,
}

impl Spoke {
    async fn start(space: &Space<'_>) -> Result<Self> {
        let plane = ControlPlane::start(&Tools::control_plane()?).await?;
        let cluster = Cluster::new(plane.admin().await?);
        let namespace = space.name().to_owned();
        cluster.tenant(&namespace, "deployer", "edit").await?;
        Ok(Self {
            plane,
            cluster,
            namespace,
        })
    }

    /// A Secret with the deployer's kubeconfig, changed.
    async fn secret(&self, change: impl FnOnce(&mut Value)) -> Result<Value> {
        let token = self.cluster.token(&self.namespace, "deployer").await?;
        let mut config = self.plane.kubeconfig(&token)?;
        change(&mut config);
        Ok(json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {"name": "spoke", "labels": {"reconcile.fluxcd.io/watch": "Enabled"}},
            "stringData": {"value": config.to_string()},
        }))
    }

    async fn get(&self, api_version: &str, kind: &str, name: &str) -> Result<Option<Value>> {
        let api = self.cluster.api(api_version, kind, Some(&self.namespace)).await?;
        Ok(api.get_opt(name).await?.map(serde_json::to_value).transpose()?)
    }

    async fn holds(
        &self,
        what: &str,
        kind: (&str, &str),
        name: &str,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<()> {
        let seen = async || Ok(self.get(kind.0, kind.1, name).await?.filter(&holds).map(drop));
        eventually(what, LIMIT, seen).await
    }

    async fn gone(&self, kind: (&str, &str), name: &str) -> Result<()> {
        let gone = async || Ok(self.get(kind.0, kind.1, name).await?.is_none().then_some(()));
        eventually(&format!("{name} is gone"), LIMIT, gone).await
    }

    async fn set(&self, name: &str, value: &str) -> Result<()> {
        let namespace = &self.namespace;
        let change = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": {"value": value},
        });
        self.cluster.apply(&change).await.map(drop)
    }
}

const MAP: (&str, &str) = ("v1", "ConfigMap");
const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");

fn there() -> Value {
    json!({"spec": {"kubeConfig": {"secretRef": {"name": "spoke"}}, "wait": true}})
}

#[tokio::test]
async fn a_kubeconfig_leads_to_another_cluster() -> Result<()> {
    let space = World::shared().await?.space("remote").await?;
    let spoke = Spoke::start(&space).await?;
    let files = [
        ("app/web.yaml", app::deployment("web", "nginx:1.27", 1)),
        ("app/a.yaml", app::config_map("a", "git")),
        ("app/b.yaml", app::config_map("b", "git")),
        ("own/own.yaml", app::config_map("own", "1")),
        (
            "role/role.yaml",
            "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: remote-made}\n"
                .to_owned(),
        ),
    ];
    let commit = space
        .repo
        .commit(&files.each_ref().map(|(path, text)| (*path, text.as_str())))?;
    space.git_repository(json!({})).await?;
    space.apply(spoke.secret(|_| ()).await?).await?;
    space.kustomization("app", "./app", there()).await?;
    space.synced("app", &commit).await?;
    spoke
        .holds("it runs there", DEPLOYMENT, "web", |o| {
            o["status"]["readyReplicas"] == 1
        })
        .await?;
    ensure!(space.get(MAP.0, MAP.1, "a").await?.is_none(), "and not here");

    // It is watched there: an edit and a deletion are undone at once; what Git no longer has goes.
    spoke.set("a", "hand").await?;
    spoke
        .holds("it is undone", MAP, "a", |o| o["data"]["value"] == "git")
        .await?;
    let api = spoke.cluster.api(MAP.0, MAP.1, Some(space.name())).await?;
    api.delete("b", &Default::default()).await?;
    spoke
        .holds("it is back", MAP, "b", |o| {
            o["metadata"]["deletionTimestamp"].is_null()
        })
        .await?;
    space.repo.remove(&["app/b.yaml"])?;
    let commit = space.push(&[("app/a.yaml", &app::config_map("a", "2"))]).await?;
    space.synced("app", &commit).await?;
    spoke.gone(MAP, "b").await?;

    // Whoever the kubeconfig says has the rights that it has there.
    space.kustomization("role", "./role", there()).await?;
    space
        .says(
            KUSTOMIZE,
            "Kustomization",
            "role",
            "ReconciliationFailed",
            "is forbidden",
        )
        .await?;

    // While it is away, it is said so, and what is to be done here goes on.
    spoke.plane.stop_apiserver();
    space.kustomization("own", "./own", json!({})).await?;
    space.synced("own", &commit).await?;
    let next = space.push(&[("app/a.yaml", &app::config_map("a", "3"))]).await?;
    let away = |o: &Value| {
        expect::verdict(o)
            .is_some_and(|v| v.status == "False" && v.message.contains("does not answer, and is asked again"))
    };
    space
        .holds("it is said", KUSTOMIZE, "Kustomization", "app", away)
        .await?;
    space.synced("own", &next).await?;
    spoke.plane.start_apiserver().await?;
    space.request(KUSTOMIZE, "Kustomization", "app").await?;
    space.synced("app", &next).await?;
    spoke
        .holds("the new state is there", MAP, "a", |o| o["data"]["value"] == "3")
        .await?;

    refused(&space, &spoke).await?;

    // Good again; and with the Kustomization all of it goes.
    space.apply(spoke.secret(|_| ()).await?).await?;
    space.synced("app", &next).await?;
    space.delete(KUSTOMIZE, "Kustomization", "app").await?;
    space.gone(KUSTOMIZE, "Kustomization", "app").await?;
    spoke.gone(DEPLOYMENT, "web").await?;

    // Without the Secret nobody knows where to; the object goes, and it is told what stays.
    space.kustomization("own", "./own", there()).await?;
    spoke.holds("it is there", MAP, "own", |_| true).await?;
    space.synced("own", &next).await?;
    space.delete("v1", "Secret", "spoke").await?;
    space.delete(KUSTOMIZE, "Kustomization", "own").await?;
    space.gone(KUSTOMIZE, "Kustomization", "own").await?;
    ensure!(spoke.get(MAP.0, MAP.1, "own").await?.is_some(), "it stays");
    Ok(())
}

/// What a Secret may not say is refused by the name of the field; a change of it is acted on at once.
async fn refused(space: &Space<'_>, spoke: &Spoke) -> Result<()> {
    let mark = tempfile::tempdir()?;
    let made = mark.path().join("made");
    let program = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch", "args": [made]}});
    let user = |user: Value| move |config: &mut Value| config["users"][0]["user"] = user;
    for (secret, part) in [
        (spoke.secret(user(program)).await?, "user.exec is not allowed"),
        (
            spoke.secret(user(json!({"tokenFile": "/etc/hostname"}))).await?,
            "user.tokenFile is not allowed",
        ),
        (
            spoke
                .secret(|c| c["clusters"][0]["cluster"]["insecure-skip-tls-verify"] = json!(true))
                .await?,
            "cluster.insecure-skip-tls-verify is not allowed",
        ),
        (
            with(
                spoke.secret(|_| ()).await?,
                &json!({"stringData": {"value": null, "other": "x"}}),
            ),
            "does not contain a 'value' key",
        ),
        (
            spoke
                .secret(|c| c["clusters"][0]["cluster"]["certificate-authority-data"] = Value::Null)
                .await?,
            "certificate",
        ),
    ] {
        space.delete("v1", "Secret", "spoke").await?;
        space.apply(secret).await?;
        space
            .says(KUSTOMIZE, "Kustomization", "app", "ReconciliationFailed", part)
            .await?;
    }
    ensure!(!made.exists(), "no program is run");
    Ok(())
}

#[tokio::test]
async fn a_config_map_leads_to_a_cluster_by_a_token_of_ones_own() -> Result<()> {
    let world = World::shared().await?;
    let space = world.space("remote-token").await?;
    space.cluster.tenant(space.name(), "deployer", "edit").await?;
    let commit = space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    let authority =
        world.plane.kubeconfig("")?["clusters"][0]["cluster"]["certificate-authority-data"].clone();
    let authority = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        authority.as_str().context("an authority")?,
    )?;
    let map = |change: Value| {
        let plain = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "cluster", "labels": {"reconcile.fluxcd.io/watch": "Enabled"}},
            "data": {
                "provider": "generic", "address": world.plane.url(), "ca.crt": String::from_utf8_lossy(&authority),
                "audiences": "https://kubernetes.default.svc", "serviceAccountName": "deployer",
            },
        });
        with(plain, &json!({"data": change}))
    };
    space.apply(map(json!({"serviceAccountName": ""}))).await?;
    let by_map = json!({"spec": {"kubeConfig": {"configMapRef": {"name": "cluster"}}}});
    space.kustomization("app", "./", by_map).await?;
    for (change, part) in [
        (json!({"serviceAccountName": ""}), "'serviceAccountName'"),
        (
            json!({"address": "http://127.0.0.1:1"}),
            "is no address of an API server",
        ),
        (json!({"provider": "aws"}), "'cluster'"),
        (json!({"provider": "gcp"}), "ObjectLevelWorkloadIdentity"),
        (json!({"audiences": "somebody-else"}), "Unauthorized"),
        (
            json!({"serviceAccountName": "nobody"}),
            "no token of ServiceAccount 'nobody'",
        ),
    ] {
        space.apply(map(change)).await?;
        space
            .says(KUSTOMIZE, "Kustomization", "app", "ReconciliationFailed", part)
            .await?;
    }
    space.apply(map(json!({}))).await?;
    space.synced("app", &commit).await?;
    Ok(())
}

const CHART: [(&str, &str); 2] = [
    ("values.yaml", "value: default\n"),
    (
        "templates/a.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: chart}\n\
         data: {value: {{ .Values.value | quote }}, kube: {{ .Capabilities.KubeVersion.Version | quote }}}\n",
    ),
];

#[tokio::test]
async fn a_release_is_made_in_another_cluster() -> Result<()> {
    let space = World::shared().await?.space("remote-helm").await?;
    let spoke = Spoke::start(&space).await?;
    let _charts = Charts::offer(&space, &CHART).await?;
    space.apply(spoke.secret(|_| ()).await?).await?;
    let release = |value: &str| {
        json!({"spec": {
            "kubeConfig": {"secretRef": {"name": "spoke"}}, "values": {"value": value}, "driftDetection": {"mode": "enabled"},
        }})
    };
    space.helm_release("web", release("1")).await?;
    space.released("web", 1).await?;
    spoke
        .holds("it is there", MAP, "chart", |o| o["data"]["value"] == "1")
        .await?;
    let record = ("v1", "Secret");
    spoke
        .holds("so is its record", record, "sh.helm.release.v1.web.v1", |_| true)
        .await?;
    ensure!(
        space
            .get("v1", "Secret", "sh.helm.release.v1.web.v1")
            .await?
            .is_none(),
        "and not here"
    );

    spoke.set("chart", "hand").await?;
    spoke
        .holds("drift is undone", MAP, "chart", |o| o["data"]["value"] == "1")
        .await?;
    space.helm_release("web", release("2")).await?;
    space.released("web", 2).await?;
    spoke
        .holds("it is upgraded", MAP, "chart", |o| o["data"]["value"] == "2")
        .await?;

    space.delete(HELM, "HelmRelease", "web").await?;
    space.gone(HELM, "HelmRelease", "web").await?;
    spoke.gone(MAP, "chart").await?;
    spoke.gone(record, "sh.helm.release.v1.web.v2").await?;

    // Without the Secret there is nothing to uninstall with.
    space.helm_release("web", release("3")).await?;
    space.released("web", 1).await?;
    space.delete("v1", "Secret", "spoke").await?;
    space
        .says(
            HELM,
            "HelmRelease",
            "web",
            "RESTClientError",
            "unable to read KubeConfig secret",
        )
        .await?;
    space.delete(HELM, "HelmRelease", "web").await?;
    space.gone(HELM, "HelmRelease", "web").await?;
    spoke.holds("it stays", MAP, "chart", |_| true).await
}
