//! Secrets stay where they were put (CVE-2024-31216 and its like): a canary in each is looked for in all that we write.

mod notifications;

use anyhow::{Result, ensure};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use e2e::{
    app,
    charts::Charts,
    flux::{ALERTING, HELM, KUSTOMIZE, NOTIFICATION, SOURCE},
    origin::{Auth, GitServer, Sink},
    suite::Options,
    world::World,
};
use notifications::{ADDRESS, HEADER, HOOK, LOGIN, PROVIDERS, PROXY, STRANGER, TOKEN};
use serde_json::json;

/// Each canary is distinct, so that a leak tells whose it is.
const PASSWORD: &str = "canary-password-7f3a9";
const WRONG: &str = "canary-wrong-51d0e";
const VARIABLE: &str = "canary-variable-c2b81";
const MANIFEST: &str = "canary-manifest-99e4d";
const VALUE: &str = "canary-value-0b64c";

/// A chart that puts a value into a Secret, rightly or not.
const CHART: [(&str, &str); 1] = [(
    "templates/all.yaml",
    "{{ with .Values.broken }}a: [{{ $.Values.token }}\n{{ end -}}\napiVersion: v1\nkind: Secret\n\
     metadata: {name: {{ .Release.Name }}}\n{{ with .Values.refused }}immutable: 5\n{{ end -}}\n\
     stringData: {a: \"{{ .Values.token }}\", b: \"{{ with .Values.fails }}{{ nindent $.Values.token `x` }}{{ end }}\"}\n",
)];

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn no_secret_is_told_to_anybody() -> Result<()> {
    let chatty = vec!["--log-level=trace".to_owned()];
    let world = World::start(&Options {
        source: chatty.clone(),
        kustomize: chatty.clone(),
        helm: chatty.clone(),
        notification: chatty,
        ..Options::default()
    })
    .await?;
    let space = world.space("canary").await?;
    let guarded = GitServer::start(&world.repositories()).await?;
    guarded.set_auth(Auth::Basic {
        username: "me".into(),
        password: PASSWORD.into(),
    });
    for (name, password) in [("right", PASSWORD), ("wrong", WRONG)] {
        space
            .apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": {"username": "me", "password": password}}))
            .await?;
    }
    space
        .apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "values"}, "stringData": {"token": VARIABLE}}))
        .await?;
    let sink = Sink::start().await?;
    notifications::tell(&space, &sink).await?;
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: app}\nstringData: {a: \"${token}\", b: ";
    let commit = space.repo.commit(&[
        ("good/a.yaml", &format!("{secret}{MANIFEST}}}\n")),
        (
            "bad/a.yaml",
            &app::all(&[
                format!("{secret}{MANIFEST}}}\n"),
                app::config_map("x", "1").replace("metadata:", "immutable: 5\nmetadata:"),
            ]),
        ),
        ("unset/a.yaml", &format!("{secret}\"${{nowhere}}\"}}\n")),
    ])?;

    // Wrong first, so that a refusal is told; then right.
    let change = |secret| json!({"spec": {"url": guarded.url("canary"), "secretRef": {"name": secret}}});
    space.git_repository(change("wrong")).await?;
    space
        .says(
            SOURCE,
            "GitRepository",
            "app",
            "GitOperationFailed",
            "authentication",
        )
        .await?;
    space.git_repository(change("right")).await?;
    let values = json!({"spec": {"postBuild": {"substituteFrom": [{"kind": "Secret", "name": "values"}]}}});
    for name in ["good", "bad", "unset"] {
        space
            .kustomization(name, &format!("./{name}"), values.clone())
            .await?;
    }
    space.synced("good", &commit).await?;
    space
        .says(KUSTOMIZE, "Kustomization", "bad", "ReconciliationFailed", "")
        .await?;
    space
        .says(KUSTOMIZE, "Kustomization", "unset", "BuildFailed", "nowhere")
        .await?;
    let _charts = Charts::offer(&space, &CHART).await?;
    space
        .apply(
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "chart-values"}, "stringData": {
                "right": format!("token: {VALUE}\n"),
                "wrong": format!("token: {VALUE}\n  x: {VALUE}: [\n"),
            }}),
        )
        .await?;
    for (name, key, values, reason) in [
        ("hr-good", "right", json!({}), "InstallSucceeded"),
        ("hr-wrong", "wrong", json!({}), "ValuesError"),
        ("hr-broken", "right", json!({"broken": true}), "InstallFailed"),
        ("hr-refused", "right", json!({"refused": true}), "InstallFailed"),
        ("hr-fails", "right", json!({"fails": true}), "InstallFailed"),
    ] {
        let from = json!([{"kind": "Secret", "name": "chart-values", "valuesKey": key}]);
        let spec = json!({"values": values, "valuesFrom": from, "driftDetection": {"mode": "enabled"}});
        space.helm_release(name, json!({"spec": spec})).await?;
        space.says(HELM, "HelmRelease", name, reason, "").await?;
    }

    notifications::heard(&space, &sink).await?;
    notifications::webhooks(&space).await?;

    let mut told = space.dump().await?;
    for letter in sink.letters().iter().filter(|letter| letter.path == "/plain") {
        told += &letter.body.to_string();
    }
    for controller in world.suite.controllers() {
        told += &std::fs::read_to_string(controller.log())?;
        told += &controller.metrics().await?;
    }
    for (api_version, kind, names) in [
        (SOURCE, "GitRepository", vec!["app"]),
        (KUSTOMIZE, "Kustomization", vec!["good", "bad", "unset"]),
        (
            HELM,
            "HelmRelease",
            vec!["hr-good", "hr-wrong", "hr-broken", "hr-refused", "hr-fails"],
        ),
        (ALERTING, "Provider", PROVIDERS.to_vec()),
        (ALERTING, "Alert", PROVIDERS.to_vec()),
        (NOTIFICATION, "Receiver", vec!["hmac", "harbor"]),
    ] {
        for name in names {
            told += &space
                .get(api_version, kind, name)
                .await?
                .unwrap_or_default()
                .to_string();
        }
    }
    ensure!(
        told.contains("authentication required"),
        "what is searched holds what was told"
    );
    for part in [
        "answered 500",
        "resource 'GitRepository/app.canary' annotated",
        "webhook not acted on",
    ] {
        ensure!(told.contains(part), "what is searched holds '{part}'");
    }
    for map in notifications::state(&space).await? {
        told += &map;
    }
    for canary in [
        PASSWORD, WRONG, VARIABLE, MANIFEST, VALUE, TOKEN, ADDRESS, HEADER, LOGIN, PROXY, HOOK, STRANGER,
    ] {
        for shape in [
            canary.to_owned(),
            STANDARD.encode(canary),
            STANDARD.encode(format!("me:{canary}")),
        ] {
            ensure!(
                !told.contains(&shape),
                "{canary} was told: {}",
                around(&told, &shape)
            );
        }
    }
    Ok(())
}

/// What stands around a find.
fn around<'t>(text: &'t str, find: &str) -> &'t str {
    text.lines().find(|line| line.contains(find)).unwrap_or_default()
}
