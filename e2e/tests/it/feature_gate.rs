//! Where the gate for it is shut, as it is unless somebody opens it, an object that wants an identity of its own says so.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::{SOURCE, git_repository, with},
    world::World,
};
use serde_json::json;

#[tokio::test]
async fn an_identity_of_its_own_needs_the_gate() -> Result<()> {
    let space = World::shared().await?.space("gate").await?;
    space
        .apply(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "app"}}))
        .await?;
    let plain = |kind: &str| {
        json!({
            "apiVersion": SOURCE, "kind": kind, "metadata": {"name": "app"},
            "spec": {"interval": "1h", "serviceAccountName": "app"},
        })
    };
    let git = git_repository(
        "app",
        "https://git-codecommit.eu-west-1.amazonaws.com/v1/repos/app",
    );
    let git = with(
        git,
        &json!({"spec": {"provider": "aws", "serviceAccountName": "app"}}),
    );
    let image = json!({"provider": "aws", "url": "oci://123456789012.dkr.ecr.eu-west-1.amazonaws.com/app"});
    let bucket = json!({"provider": "aws", "bucketName": "app", "endpoint": "s3.amazonaws.com"});
    // As in Flux, an OCIRepository tells it on no condition of its own.
    for (object, told_on_fetch) in [
        (git, true),
        (with(plain("OCIRepository"), &json!({"spec": image})), false),
        (with(plain("Bucket"), &json!({"spec": bucket})), true),
    ] {
        let kind = object["kind"].as_str().context("a kind")?.to_owned();
        space.apply(object).await?;
        let (reason, part) = ("FeatureGateDisabled", "ObjectLevelWorkloadIdentity");
        let told = space.says(SOURCE, &kind, "app", reason, part).await?;
        ensure!(told.status == "False", "{told:?}");
        let object = space.get(SOURCE, &kind, "app").await?.context("it is there")?;
        // Nothing but another spec, or another flag, can help.
        let stalled = expect::condition(&object, "Stalled").with_context(|| format!("{object}"))?;
        ensure!(
            stalled.status == "True" && stalled.reason == reason,
            "{stalled:?}"
        );
        ensure!(
            object["status"]["observedGeneration"] == object["metadata"]["generation"]
                && expect::condition(&object, "Reconciling").is_none(),
            "{object}"
        );
        let failed = expect::condition(&object, "FetchFailed").map(|failed| failed.reason);
        ensure!(failed == told_on_fetch.then(|| reason.to_owned()), "{object}");
    }
    space.at_rest().await
}
