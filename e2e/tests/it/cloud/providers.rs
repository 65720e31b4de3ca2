//! Providers of notification-controller that have no Secret: they act as a ServiceAccount, or as the controller.

use super::peer::{GIT, HUB_TOKENS, NAMESPACE};
use anyhow::{Result, ensure};
use e2e::{
    app,
    flux::{ALERTING, SOURCE, alert, with},
    origin::Scripted,
    space::{LIMIT, Space},
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const SHA: &str = "221a93568e4c3e453a2bbde6b488ce3606e39b35";

/// A Provider with an Alert of the same name, about all GitRepositories.
async fn listen(space: &Space<'_>, name: &str, spec: &Value) -> Result<()> {
    let provider =
        json!({"apiVersion": ALERTING, "kind": "Provider", "metadata": {"name": name}, "spec": spec});
    space.apply(provider).await?;
    space.apply(alert(name, name, &["GitRepository"])).await
}

/// What a source's commit came to is told at Azure DevOps, Event Hubs and Pub/Sub, in the name of whom the API server vouches for.
/// `hubs` is Event Hubs, to which the proxy in the Secret `hubs` leads.
pub async fn are_told(space: &Space<'_>, peer: &Scripted, hubs: &Scripted) -> Result<()> {
    let devops = json!({"type": "azuredevops", "address": format!("{}/org/project/_git/app", peer.url())});
    let pubsub = json!({"type": "googlepubsub", "address": "project"});
    let hub = json!({
        "type": "azureeventhub", "address": "flux", "channel": "acme", "proxySecretRef": {"name": "hubs"},
    });
    let acting = |account: &str| json!({"serviceAccountName": account});
    let topic = |topic: &str| json!({"channel": topic});
    // What tells the statuses of one commit apart.
    let named = json!({"commitStatusExpr": "provider.metadata.name + '/' + alert.spec.providerRef.name"});
    let devops = with(devops, &named);
    listen(space, "devops", &devops).await?;
    listen(space, "devops-reader", &with(devops.clone(), &acting("reader"))).await?;
    listen(space, "hub", &hub).await?;
    listen(space, "hub-reader", &with(hub.clone(), &acting("reader"))).await?;
    listen(space, "hub-nobody", &with(hub.clone(), &acting("nobody"))).await?;
    // What the controller itself is granted is heard by nobody but Event Hubs.
    let elsewhere = json!({"channel": "acme.servicebus.evil.example"});
    listen(space, "hub-elsewhere", &with(hub, &elsewhere)).await?;
    listen(space, "pubsub", &with(pubsub.clone(), &topic("own"))).await?;
    let reader = with(pubsub.clone(), &topic("reader"));
    listen(space, "pubsub-reader", &with(reader, &acting("reader"))).await?;
    listen(space, "nobody", &with(devops, &acting("nobody"))).await?;
    listen(
        space,
        "absent",
        &with(with(pubsub, &topic("own")), &acting("absent")),
    )
    .await?;

    space.repo.commit(&[("a.yaml", &app::config_map("a", "told"))])?;
    let about = json!({"metadata": {"annotations": {"event.toolkit.fluxcd.io/commit": SHA}}});
    space.git_repository(about).await?;
    let expected = BTreeSet::from([
        format!("Bearer {GIT} devops/devops"),
        format!("Bearer {GIT} devops-reader/devops-reader"),
        format!("Bearer {} {NAMESPACE} GitRepository/app", HUB_TOKENS[0]),
        format!("Bearer {} {NAMESPACE} GitRepository/app", HUB_TOKENS[1]),
        "Bearer google-machine own".to_owned(),
        "Bearer google-federated reader".to_owned(),
    ]);
    let heard = || -> BTreeSet<String> {
        let mut asked = peer.asked();
        asked.extend(hubs.asked());
        let posts = asked.iter().filter(|asked| asked.method == "POST");
        posts
            .filter_map(|asked| {
                let who = asked.header("authorization");
                if asked.path.ends_with(":publish") {
                    let topic = asked.path.rsplit('/').next()?.trim_end_matches(":publish");
                    return Some(format!("{who} {topic}"));
                }
                if asked.path == "/flux/messages" {
                    let body: Value = serde_json::from_str(&asked.body).ok()?;
                    let about = &body["involvedObject"];
                    let (kind, name) = (about["kind"].as_str()?, about["name"].as_str()?);
                    return Some(format!("{who} {} {kind}/{name}", asked.header("host")));
                }
                let is_status = asked.path.starts_with("/org/project/_apis/git/") && asked.path.contains(SHA);
                let body: Value = serde_json::from_str(&asked.body).ok().filter(|_| is_status)?;
                Some(format!("{who} {}", body["context"]["name"].as_str()?))
            })
            .collect()
    };
    let all = async || Ok((heard() == expected).then_some(()));
    let told = space.until("all services are told", LIMIT, all).await;
    ensure!(told.is_ok(), "{told:?} {:?}", heard());
    for (name, part) in [
        (
            "nobody",
            "azure tenant ID is not set in the service account annotation",
        ),
        ("absent", "failed to get service account 'cloud/absent'"),
        (
            "hub-nobody",
            "azure tenant ID is not set in the service account annotation",
        ),
        ("hub-elsewhere", "is not of Azure's Event Hubs"),
    ] {
        let says = |alert: &Value| {
            let message = alert["status"]["lastFailure"]["message"].as_str();
            message.is_some_and(|message| message.contains(part))
        };
        let what = format!("the alert '{name}' says '{part}'");
        space.holds(&what, ALERTING, "Alert", name, says).await?;
        space.delete(ALERTING, "Alert", name).await?;
    }
    space.delete(SOURCE, "GitRepository", "app").await
}
