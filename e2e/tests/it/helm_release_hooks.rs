//! HelmRelease: hooks and tests run as real Jobs and Pods, in their order, and are deleted as their policies say.

use anyhow::{Result, ensure};
use e2e::{
    charts::{Charts, helm},
    expect::condition,
    flux::HELM,
    world::World,
};
use serde_json::{Value, json};

fn job(name: &str, hook: &str, more: &str, ends: &str) -> String {
    format!(
        "apiVersion: batch/v1
kind: Job
metadata:
  name: {name}
  annotations: {{helm.sh/hook: {hook}{more}}}
spec:
  backoffLimit: 0
  template:
    metadata: {{annotations: {{e2e/ends: {ends}}}}}
    spec: {{restartPolicy: Never, containers: [{{name: c, image: busybox}}]}}
"
    )
}

const MAP: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: web}\n";

/// When the hooks of the last release ran, by name; and their phases.
async fn runs(space: &e2e::space::Space<'_>) -> Result<Vec<(String, String)>> {
    use base64::Engine as _;
    let object = space.get(HELM, "HelmRelease", "web").await?.unwrap_or_default();
    let version = object["status"]["history"][0]["version"]
        .as_i64()
        .unwrap_or_default();
    let secret = space
        .get("v1", "Secret", &format!("sh.helm.release.v1.web.v{version}"))
        .await?
        .unwrap_or_default();
    let data = secret["data"]["release"].as_str().unwrap_or_default();
    let text = base64::engine::general_purpose::STANDARD.decode(data)?;
    let record = helm_release(&String::from_utf8(text)?)?;
    let mut runs: Vec<(String, String, String)> = record["hooks"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|h| {
            let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
            (
                text(&h["last_run"]["started_at"]),
                text(&h["name"]),
                text(&h["last_run"]["phase"]),
            )
        })
        .collect();
    runs.sort();
    Ok(runs.into_iter().map(|(_, name, phase)| (name, phase)).collect())
}

fn helm_release(text: &str) -> Result<Value> {
    let record = ::helm::release::decode(text)?;
    Ok(serde_json::from_str(&record.to_json())?)
}

#[tokio::test]
async fn hooks_run_by_weight_and_go_as_their_policies_say() -> Result<()> {
    let space = World::shared().await?.space("hr-hooks").await?;
    let pre = |name: &str, weight: &str, policy: &str| {
        job(
            name,
            "pre-install",
            &format!(", helm.sh/hook-weight: \"{weight}\", helm.sh/hook-delete-policy: {policy}"),
            "well",
        )
    };
    let hooks = [
        pre("second", "5", "hook-succeeded"),
        pre("first", "-5", "before-hook-creation"),
        job("after", "\"post-install,post-upgrade\"", "", "well"),
        job("farewell", "post-delete", ", helm.sh/hook-delete-policy: hook-succeeded", "well"),
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: dropped, annotations: {helm.sh/hook: no-such-event}}\n".to_owned(),
    ];
    let _charts = Charts::offer(
        &space,
        &[
            ("templates/hooks.yaml", &hooks.join("---\n")),
            ("templates/map.yaml", MAP),
        ],
    )
    .await?;
    space.helm_release("web", json!({})).await?;
    space.released("web", 1).await?;
    let expected = [
        ("farewell", ""),
        ("first", "Succeeded"),
        ("second", "Succeeded"),
        ("after", "Succeeded"),
    ];
    let runs = runs(&space).await?;
    ensure!(
        runs == expected.map(|(n, p)| (n.to_owned(), p.to_owned())),
        "{runs:?}"
    );
    space
        .holds(
            "it stays until it is made again",
            "batch/v1",
            "Job",
            "first",
            |_| true,
        )
        .await?;
    ensure!(
        space.get("batch/v1", "Job", "second").await?.is_none(),
        "deleted when it succeeded"
    );
    ensure!(
        space.get("v1", "ConfigMap", "dropped").await?.is_none(),
        "of an event that nobody knows"
    );

    // Hooks are not of the release: they are made anew, and stay when it goes.
    let before = space
        .holds("it is there", "batch/v1", "Job", "after", |_| true)
        .await?;
    space
        .helm_release("web", json!({"spec": {"values": {"a": 1}}}))
        .await?;
    space.released("web", 2).await?;
    let after = space
        .holds("it is there", "batch/v1", "Job", "after", |_| true)
        .await?;
    ensure!(
        before["metadata"]["uid"] != after["metadata"]["uid"],
        "it ran again"
    );
    space.at_rest().await?;
    space.delete(HELM, "HelmRelease", "web").await?;
    space.gone(HELM, "HelmRelease", "web").await?;
    ensure!(
        space.get("batch/v1", "Job", "first").await?.is_some()
            && space.get("batch/v1", "Job", "farewell").await?.is_none()
    );
    Ok(())
}

#[tokio::test]
async fn a_hook_that_fails_fails_the_release_at_once() -> Result<()> {
    let space = World::shared().await?.space("hr-hook-fails").await?;
    let hook = job(
        "bad",
        "pre-install",
        ", helm.sh/hook-delete-policy: hook-failed",
        "badly",
    );
    let never = job("never", "pre-install", ", helm.sh/hook-weight: \"9\"", "well");
    let _charts = Charts::offer(
        &space,
        &[
            ("templates/hooks.yaml", &format!("{hook}---\n{never}")),
            ("templates/map.yaml", MAP),
        ],
    )
    .await?;
    let begin = std::time::Instant::now();
    space
        .helm_release("web", json!({"spec": {"timeout": "5m"}}))
        .await?;
    space
        .says(
            HELM,
            "HelmRelease",
            "web",
            "InstallFailed",
            "failed pre-install: ",
        )
        .await?;
    ensure!(
        begin.elapsed().as_secs() < 120,
        "it does not wait for the time to be over"
    );
    ensure!(
        space.get("v1", "ConfigMap", "web").await?.is_none(),
        "nothing was installed"
    );
    space.gone("batch/v1", "Job", "bad").await?;
    ensure!(space.get("batch/v1", "Job", "never").await?.is_none());
    // Without hooks it goes.
    space.helm_release("web", json!({"spec": {"timeout": "5m", "install": {"disableHooks": true}, "upgrade": {"disableHooks": true}}})).await?;
    space.released("web", 2).await?;
    Ok(())
}

#[tokio::test]
async fn tests_run_and_decide() -> Result<()> {
    let space = World::shared().await?.space("hr-tests").await?;
    let test = |name: &str, ends: &str| {
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, annotations: {{helm.sh/hook: test, e2e/ends: {ends}}}}}\nspec: {{restartPolicy: Never, containers: [{{name: c, image: busybox}}]}}\n"
        )
    };
    let tests = [test("good", "well"), test("bad", "{{ .Values.ends }}")].join("---\n");
    let files = [
        ("templates/tests.yaml", tests.as_str()),
        ("templates/map.yaml", MAP),
        ("values.yaml", "ends: well\n"),
    ];
    let _charts = Charts::offer(&space, &files).await?;
    let spec = |ends: &str, test: Value| json!({"spec": {"values": {"ends": ends}, "test": test, "upgrade": {"remediation": {"retries": 0, "remediateLastFailure": true}}}});
    space
        .helm_release("web", spec("well", json!({"enable": true})))
        .await?;
    let object = space.released("web", 1).await?;
    let told = condition(&object, "TestSuccess");
    ensure!(
        told.as_ref()
            .is_some_and(|c| c.message.ends_with("2 test hooks completed successfully")),
        "{told:?}"
    );
    ensure!(
        object["status"]["history"][0]["testHooks"]["good"]["phase"] == "Succeeded",
        "{object}"
    );
    space.at_rest().await?;

    // A test that fails is a failed upgrade, and undone.
    space
        .helm_release("web", spec("badly", json!({"enable": true})))
        .await?;
    let back = |o: &Value| condition(o, "Remediated").is_some_and(|c| c.reason == "RollbackSucceeded");
    let object = space
        .holds("it was rolled back", HELM, "HelmRelease", "web", back)
        .await?;
    ensure!(
        condition(&object, "TestSuccess").is_some_and(|c| c.reason == "TestFailed"),
        "{object}"
    );
    ensure!(object["status"]["history"][0]["version"] == 3, "{object}");

    // A filter leaves it out; real Helm may test, too, and nobody minds.
    space
        .helm_release(
            "web",
            spec(
                "badly",
                json!({"enable": true, "filters": [{"name": "bad", "exclude": true}]}),
            ),
        )
        .await?;
    let object = space.released("web", 4).await?;
    ensure!(
        object["status"]["history"][0]["testHooks"]
            .as_object()
            .is_some_and(|t| t.len() == 1),
        "{object}"
    );
    let _ = helm(&space, &["test", "web", "--timeout", "20s"]).await;
    space.request(HELM, "HelmRelease", "web").await?;
    space.at_rest().await?;
    space.released("web", 4).await?;
    // Tests that are not wanted leave no trace in the conditions.
    space.helm_release("web", json!({"spec": {"test": null}})).await?;
    Ok(())
}

#[tokio::test]
async fn what_a_hook_prints_is_logged_where_it_is_asked_for() -> Result<()> {
    let world = World::shared().await?;
    let space = world.space("hr-hook-output").await?;
    let policy = |policy: &str| {
        format!(
            ", helm.sh/hook-delete-policy: \"hook-succeeded,hook-failed\", helm.sh/hook-output-log-policy: {policy}"
        )
    };
    let pod = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: told-pod, annotations: {{helm.sh/hook: pre-install, e2e/ends: well{}}}}}\n\
         spec: {{restartPolicy: Never, containers: [{{name: c, image: busybox}}]}}\n",
        policy("hook-succeeded")
    );
    let hooks = [
        (
            "templates/told.yaml",
            job("told", "pre-install", &policy("hook-succeeded"), "well"),
        ),
        ("templates/told-pod.yaml", pod),
        (
            "templates/silent.yaml",
            job("silent", "pre-install", &policy("hook-failed"), "well"),
        ),
        ("templates/plain.yaml", job("plain", "pre-install", "", "well")),
        (
            "templates/bad.yaml",
            job("bad", "post-install", &policy("hook-failed"), "badly"),
        ),
    ];
    let files: Vec<(&str, &str)> = hooks.iter().map(|(path, text)| (*path, text.as_str())).collect();
    let _charts = Charts::offer(&space, &files).await?;
    space.helm_release("web", json!({})).await?;
    space
        .says(
            HELM,
            "HelmRelease",
            "web",
            "InstallFailed",
            "failed post-install: ",
        )
        .await?;
    let mut told = std::collections::BTreeMap::new();
    for controller in world.suite.controllers() {
        let log = std::fs::read_to_string(controller.log())?;
        for line in log
            .lines()
            .filter(|l| l.contains("hr-hook-output") && l.contains("the hook"))
        {
            ensure!(!line.contains("no output of the hook"), "{line}");
        }
        for line in log
            .lines()
            .filter(|l| l.contains("hr-hook-output") && l.contains("hook output: "))
        {
            let line: Value = serde_json::from_str(line)?;
            let hook = line["hook"].as_str().unwrap_or_default().to_owned();
            told.entry(hook)
                .or_insert_with(Vec::new)
                .push(line["msg"].as_str().unwrap_or_default().to_owned());
        }
    }
    let lines = ["hook output: hello from the container", "hook output: goodbye"]
        .map(str::to_owned)
        .to_vec();
    let expected = [
        "web/templates/bad.yaml",
        "web/templates/told-pod.yaml",
        "web/templates/told.yaml",
    ]
    .map(|hook| (hook.to_owned(), lines.clone()));
    ensure!(told == expected.clone().into(), "{told:?}");
    let events = serde_json::to_string(&space.events().await?)?;
    ensure!(!events.contains("hello from the container"), "{events}");
    Ok(())
}
