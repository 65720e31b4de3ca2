//! What we ship for a cluster is accepted by it, under its strictest rules, and grants no more than is needed.

use anyhow::{Result, ensure};
use e2e::{suite, world::World};
use k8s_openapi::api::authorization::v1::SubjectAccessReview;
use kube::Api;
use serde_json::json;

#[tokio::test]
async fn deployments_run_where_pods_must_be_restricted() -> Result<()> {
    let space = World::shared().await?.space("deploy").await?;
    let restricted = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {
        "name": suite::NAMESPACE, "labels": {"pod-security.kubernetes.io/enforce": "restricted"},
    }});
    space.cluster.apply(&restricted).await?;
    for name in [
        "source-controller",
        "kustomize-controller",
        "helm-controller",
        "notification-controller",
    ] {
        space
            .cluster
            .apply_yaml(&suite::deployed(name, "deployment.yaml")?)
            .await?;
        let api = space
            .cluster
            .api("apps/v1", "Deployment", Some(suite::NAMESPACE))
            .await?;
        let available = async || {
            Ok(api
                .get_opt(name)
                .await?
                .filter(|o| o.data["status"]["availableReplicas"] == 1)
                .map(drop))
        };
        space
            .until(&format!("{name} is available"), e2e::space::LIMIT, available)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn source_controller_has_the_rights_it_needs_and_no_others() -> Result<()> {
    let space = World::shared().await?.space("deploy-rights").await?;
    let reviews: Api<SubjectAccessReview> = Api::all(space.cluster.client.clone());
    for (verb, group, resource, namespace, expected) in [
        ("watch", "source.toolkit.fluxcd.io", "gitrepositories", "", true),
        (
            "patch",
            "source.toolkit.fluxcd.io",
            "gitrepositories/status",
            "team",
            true,
        ),
        ("get", "", "secrets", "team", true),
        ("create", "", "serviceaccounts/token", "team", true),
        ("create", "", "events", "team", true),
        ("update", "coordination.k8s.io", "leases", suite::NAMESPACE, true),
        ("update", "coordination.k8s.io", "leases", "kube-system", false),
        ("list", "", "secrets", "", false),
        ("create", "", "secrets", "team", false),
        (
            "create",
            "source.toolkit.fluxcd.io",
            "gitrepositories",
            "team",
            false,
        ),
        (
            "delete",
            "source.toolkit.fluxcd.io",
            "gitrepositories",
            "team",
            false,
        ),
        (
            "get",
            "kustomize.toolkit.fluxcd.io",
            "kustomizations",
            "team",
            false,
        ),
        ("impersonate", "", "serviceaccounts", "team", false),
        ("create", "apps", "deployments", "team", false),
        ("escalate", "rbac.authorization.k8s.io", "clusterroles", "", false),
    ] {
        let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
        let review = serde_json::from_value(json!({"spec": {
            "user": format!("system:serviceaccount:{}:source-controller", suite::NAMESPACE),
            "resourceAttributes": {"verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": namespace},
        }}))?;
        let answer = reviews.create(&Default::default(), &review).await?;
        let allowed = answer.status.is_some_and(|s| s.allowed);
        ensure!(
            allowed == expected,
            "{verb} {group}/{resource}/{subresource} in {namespace:?}: allowed is {allowed}"
        );
    }
    Ok(())
}
