//! `spec.kubeConfig.configMapRef` with a cloud provider: where a cluster is, and who is let in there, is the provider's word.

pub mod peer;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app,
    charts::Charts,
    cluster::Cluster,
    control_plane::ControlPlane,
    expect::eventually,
    flux::{KUSTOMIZE, with},
    origin::{Authority, Scripted},
    space::{LIMIT, Space},
    suite::Options,
    tools::Tools,
    world::World,
};
use peer::{AKS, EKS, GKE, NAMESPACE, Providers, secret};
use serde_json::{Value, json};
use std::sync::Arc;

const MAP: (&str, &str) = ("v1", "ConfigMap");

struct Stage<'a> {
    space: Space<'a>,
    /// The providers' cluster.
    cluster: Cluster,
    providers: Arc<Providers>,
}

impl Stage<'_> {
    /// The ConfigMap that the Kustomization names.
    async fn says(&self, data: &Value) -> Result<()> {
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": {"name": "cluster", "labels": {"reconcile.fluxcd.io/watch": "Enabled"}},
            "data": data,
        });
        // What another case has said goes.
        self.space.delete(MAP.0, MAP.1, "cluster").await?;
        self.space.apply(map).await
    }

    async fn there(&self, name: &str) -> Result<Value> {
        let api = self.cluster.api(MAP.0, MAP.1, Some(NAMESPACE)).await?;
        let found = api.get_opt(name).await?;
        Ok(found.map(serde_json::to_value).transpose()?.unwrap_or_default()["data"]["value"].clone())
    }

    /// Somebody changes at the cluster what Git says, and it is undone; until more tokens were given to `who` than before.
    async fn edited_until_renewed(&self, who: &str) -> Result<()> {
        let before = self.providers.issued(who);
        let renewed = async || {
            let hand = json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": NAMESPACE},
                "data": {"value": "hand"},
            });
            self.cluster.apply(&hand).await?;
            let undone = async || Ok((self.there("a").await? != "hand").then_some(()));
            eventually("an edit is undone", LIMIT, undone).await?;
            Ok((self.providers.issued(who) > before).then_some(()))
        };
        eventually(&format!("{who} has a new token"), LIMIT, renewed).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_vouches_for_whom_its_cluster_lets_in() -> Result<()> {
    let providers = Arc::new(Providers::default());
    let played = providers.clone();
    let peer = Scripted::start(move |asked| played.answer(asked)).await?;
    let url = peer.url();
    let plane = ControlPlane::start_asking(&Tools::control_plane()?, Some(&format!("{url}/tokens"))).await?;
    let authority = std::fs::read_to_string(plane.dir().join("pki/apiserver.crt"))?;
    ensure!(providers.server.set((plane.url(), authority.clone())).is_ok());
    let cluster = Cluster::new(plane.admin().await?);
    cluster.namespace(NAMESPACE).await?;
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "in", "namespace": NAMESPACE},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "deployers"}],
    });
    cluster.apply(&binding).await?;

    let environment = tempfile::NamedTempFile::new()?;
    let own = json!({"resourceManagerEndpoint": format!("{url}/"), "tokenAudience": "https://management.example.com"});
    std::fs::write(environment.path(), own.to_string())?;
    let flags = vec![
        "--feature-gates=ObjectLevelWorkloadIdentity=true".to_owned(),
        "--log-level=trace".to_owned(),
    ];
    let world = World::start(&Options {
        kustomize: flags.clone(),
        helm: flags,
        env: vec![
            ("AWS_REGION", "us-east-1".into()),
            ("AWS_EC2_METADATA_SERVICE_ENDPOINT", url.clone()),
            ("AWS_ENDPOINT_URL_STS", format!("{url}/sts")),
            ("AWS_ENDPOINT_URL_EKS", format!("{url}/eks")),
            ("AZURE_POD_IDENTITY_AUTHORITY_HOST", url.clone()),
            ("AZURE_AUTHORITY_HOST", url.clone()),
            (
                "AZURE_ENVIRONMENT_FILEPATH",
                environment.path().display().to_string(),
            ),
            ("GCE_METADATA_HOST", peer.address()),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_STS", format!("{url}/gcpsts/")),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_IAMCREDENTIALS", url.clone()),
            ("CLOUDSDK_API_ENDPOINT_OVERRIDES_CONTAINER", format!("{url}/gke/")),
        ],
        ..Options::default()
    })
    .await?;
    let stage = Stage {
        space: world.space(NAMESPACE).await?,
        cluster,
        providers,
    };
    let space = &stage.space;
    for name in ["reader", "stranger", "outsider"] {
        space
            .apply(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "annotations": {
                "eks.amazonaws.com/role-arn": format!("arn:aws:iam::123456789012:role/{name}"),
                "azure.workload.identity/tenant-id": "tenant", "azure.workload.identity/client-id": name,
                "gcp.auth.fluxcd.io/workload-identity-provider": "projects/1/locations/global/workloadIdentityPools/p/providers/q",
                "iam.gke.io/gcp-service-account": format!("{name}@app.iam.gserviceaccount.com"),
            }}}))
            .await?;
    }
    space
        .apply(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "nobody"}}))
        .await?;

    let aws = json!({"provider": "aws", "cluster": EKS});
    let azure = json!({"provider": "azure", "cluster": AKS});
    let gcp = json!({"provider": "gcp", "cluster": GKE});
    let acting = |name: &str| json!({"serviceAccountName": name});
    let told = json!({"address": plane.url(), "ca.crt": authority});
    space.repo.commit(&[("a.yaml", &app::config_map("a", "0"))])?;
    space.git_repository(json!({})).await?;
    space
        .apply(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cluster"}}))
        .await?;
    let by_map = json!({"spec": {"kubeConfig": {"configMapRef": {"name": "cluster"}}}});
    space.kustomization("app", "./", by_map.clone()).await?;
    let looked_up = || {
        let asked = peer.asked();
        let place = |path: &str| {
            path.starts_with("/eks/") || path.contains("/clusters/") || path.contains("managedClusters")
        };
        asked.iter().filter(|asked| place(&asked.path)).count()
    };
    let cases = [
        (&aws, json!({}), "eks-own"),
        (&aws, acting("reader"), "eks-reader"),
        // An address that is the cluster's is no other place.
        (&azure, json!({"address": plane.url()}), "aks-own"),
        (&gcp, told.clone(), "gcp-own"),
        (&gcp, acting("reader"), "gcp-reader"),
        (&azure, acting("reader"), "aks-reader"),
    ];
    for (number, (what, more, who)) in cases.iter().enumerate() {
        let data = with((*what).clone(), more);
        stage.says(&data).await?;
        let change = app::config_map("a", &format!("{}", number + 1));
        let commit = space.push(&[("a.yaml", &change)]).await?;
        space
            .synced("app", &commit)
            .await
            .with_context(|| data.to_string())?;
        ensure!(stage.there("a").await? == format!("{}", number + 1), "{data}");
        ensure!(stage.providers.has_entered(who), "{who} was let in: {data}");
    }
    ensure!(
        space.get(MAP.0, MAP.1, "a").await?.is_none(),
        "nothing of it is here"
    );

    // Azure's tokens are short-lived here: before one ends there is another.
    stage.edited_until_renewed("aks-reader").await?;
    // Who says all of it needs nobody to look it up.
    let before = looked_up();
    stage
        .says(&with(with(gcp.clone(), &told), &acting("reader")))
        .await?;
    let commit = space.push(&[("a.yaml", &app::config_map("a", "7"))]).await?;
    space.synced("app", &commit).await?;
    ensure!(looked_up() == before, "the provider is not asked where it is");
    // What was had is kept: neither another pass nor another object asks again.
    let tokens = stage.providers.issued("gcp-reader");
    space.kustomization("second", "./", by_map).await?;
    space.synced("second", &commit).await?;
    space.handled(KUSTOMIZE, "Kustomization", "app").await?;
    ensure!(
        stage.providers.issued("gcp-reader") == tokens,
        "one token is enough for many"
    );
    space.delete(KUSTOMIZE, "Kustomization", "second").await?;
    space.gone(KUSTOMIZE, "Kustomization", "second").await?;
    // What the cluster no longer takes is exchanged, once.
    let commit = space.push(&[("a.yaml", &app::config_map("a", "8"))]).await?;
    space.synced("app", &commit).await?;
    stage.providers.revoke("gcp-reader");
    stage.edited_until_renewed("gcp-reader").await?;
    ensure!(
        stage.providers.issued("gcp-reader") == tokens + 1,
        "one new token"
    );

    refused(&stage, &aws, &azure, &gcp).await?;
    release(&stage, &aws).await?;

    let logs = [world.suite.kustomize.log(), world.suite.helm.log()];
    let log = logs
        .map(std::fs::read_to_string)
        .into_iter()
        .collect::<Result<String, _>>()?;
    for word in ["canary-", "k8s-aws-v1", "session/+=", &secret("own")] {
        ensure!(!log.contains(word), "the log tells '{word}'");
    }
    Ok(())
}

/// What is wrong is said of the object, with the key at fault.
async fn refused(stage: &Stage<'_>, aws: &Value, azure: &Value, gcp: &Value) -> Result<()> {
    let acting = |name: &str| json!({"serviceAccountName": name});
    let elsewhere = json!({"address": "https://evil.example.com"});
    let trusting = json!({"ca.crt": Authority::new()?.certificate()});
    for (what, more, part) in [
        // Whoever names the place, or whom to trust there, would hear the controller's own token.
        (
            aws,
            elsewhere.clone(),
            "address: 'https://evil.example.com' is none of cluster",
        ),
        (
            azure,
            elsewhere.clone(),
            "address: 'https://evil.example.com' is none of cluster",
        ),
        (
            gcp,
            elsewhere.clone(),
            "address: 'https://evil.example.com' is none of cluster",
        ),
        (
            gcp,
            with(elsewhere.clone(), &trusting),
            "address: 'https://evil.example.com' is none of cluster",
        ),
        (aws, trusting.clone(), "ca.crt: is not the authority of cluster"),
        (azure, trusting.clone(), "ca.crt: is not the authority of cluster"),
        (gcp, trusting, "ca.crt: is not the authority of cluster"),
        (
            azure,
            with(elsewhere, &acting("reader")),
            "address: 'https://evil.example.com' is none of cluster",
        ),
        (
            aws,
            json!({"cluster": EKS.replace("123456789012", "1")}),
            "cluster: the identity's account has",
        ),
        (
            aws,
            json!({"cluster": EKS.replace("eu-west-1", "evil.org/")}),
            "cluster: invalid EKS cluster ARN",
        ),
        (
            aws,
            json!({"cluster": EKS.replace("prod", "absent")}),
            "/eks/clusters/absent: refused",
        ),
        (
            azure,
            json!({"cluster": AKS.replace("/prod", "/plain")}),
            "does not let in identities of Microsoft Entra ID",
        ),
        (
            azure,
            json!({"cluster": AKS.replace("/prod", "/absent")}),
            "/absent: refused",
        ),
        (
            azure,
            json!({"cluster": "prod"}),
            "cluster: invalid AKS cluster ID",
        ),
        (
            gcp,
            json!({"cluster": GKE.replace("prod", "absent")}),
            "/clusters/absent: refused",
        ),
        (
            gcp,
            json!({"cluster": GKE.replace("app", "..")}),
            "cluster: invalid GKE cluster ID",
        ),
        (
            aws,
            acting("absent"),
            "failed to get service account 'remote-cloud/absent'",
        ),
        (
            aws,
            acting("nobody"),
            "invalid eks.amazonaws.com/role-arn annotation",
        ),
        (azure, acting("nobody"), "azure tenant ID is not set"),
        (aws, acting("stranger"), "/sts: refused"),
        (azure, acting("stranger"), "/oauth2/v2.0/token: refused"),
        (gcp, acting("stranger"), "/gcpsts/v1/token: refused"),
        (
            aws,
            with(acting("reader"), &json!({"audiences": "somebody-else"})),
            "/sts: refused",
        ),
        // The provider knows them, and the cluster does not.
        (aws, acting("outsider"), "Unauthorized"),
        (azure, acting("outsider"), "Unauthorized"),
        (gcp, acting("outsider"), "Unauthorized"),
    ] {
        let data = with(what.clone(), &more);
        stage.says(&data).await?;
        let said = stage
            .space
            .says(KUSTOMIZE, "Kustomization", "app", "ReconciliationFailed", part)
            .await;
        said.with_context(|| data.to_string())?;
    }
    Ok(())
}

/// A HelmRelease is let in the same way.
async fn release(stage: &Stage<'_>, aws: &Value) -> Result<()> {
    const CHART: [(&str, &str); 1] = [(
        "templates/a.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: chart}\ndata: {value: made}\n",
    )];
    let _charts = Charts::offer(&stage.space, &CHART).await?;
    stage
        .says(&with(aws.clone(), &json!({"serviceAccountName": "reader"})))
        .await?;
    let spec = json!({"spec": {"kubeConfig": {"configMapRef": {"name": "cluster"}}}});
    stage.space.helm_release("web", spec).await?;
    stage.space.released("web", 1).await?;
    ensure!(stage.there("chart").await? == "made");
    Ok(())
}
