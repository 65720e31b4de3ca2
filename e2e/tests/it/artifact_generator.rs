//! ArtifactGenerator: parts of a repository become artifacts of their own, and only those that changed are made anew.

mod large;
mod peers;
mod sources;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app, expect,
    flux::{EXTENSIONS, SOURCE, with},
    space::Space,
    world::World,
};
use serde_json::{Value, json};

const KIND: &str = "ArtifactGenerator";
const MADE: &str = "ExternalArtifact";

fn generator(change: &Value) -> Value {
    let part = |name: &str| {
        json!({
            "name": name, "originRevision": "@repo",
            "copy": [{"from": format!("@repo/deploy/{name}/**"), "to": "@artifact/"}],
        })
    };
    let plain = json!({
        "apiVersion": EXTENSIONS, "kind": KIND, "metadata": {"name": "parts"},
        "spec": {
            "sources": [{"alias": "repo", "kind": "GitRepository", "name": "app"}],
            "artifacts": [part("backend"), part("frontend")],
        },
    });
    with(plain, change)
}

async fn push(space: &Space<'_>, version: &str) -> Result<String> {
    space
        .push(&[("deploy/frontend/all.yaml", &app::config_map("front", version))])
        .await
}

async fn start(name: &'static str) -> Result<Space<'static>> {
    let space = World::shared().await?.space(name).await?;
    space.repo.commit(&[
        ("deploy/backend/all.yaml", &app::config_map("back", "1")),
        ("deploy/frontend/all.yaml", &app::config_map("front", "1")),
        ("README.md", "text"),
    ])?;
    Ok(space)
}

async fn ready(space: &Space<'_>, made: usize) -> Result<Value> {
    let text = format!("reconciliation succeeded, generated {made} artifact(s)");
    space.says(EXTENSIONS, KIND, "parts", "Succeeded", &text).await?;
    space
        .get(EXTENSIONS, KIND, "parts")
        .await?
        .context("the generator")
}

async fn made(space: &Space<'_>, name: &str) -> Result<Value> {
    let there = |o: &Value| o["status"]["artifact"].is_object();
    space
        .holds(&format!("{name} is made"), SOURCE, MADE, name, there)
        .await
}

async fn files(object: &Value) -> Result<Vec<(String, String)>> {
    let url = object["status"]["artifact"]["url"].as_str().context("no url")?;
    let answer = reqwest::get(url).await?;
    ensure!(answer.status().is_success(), "{url}: {}", answer.status());
    let tree = artifact::unpack(&answer.bytes().await?[..], &artifact::Limits::default())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ok(tree
        .files()
        .map(|(path, file)| (path, text(file.bytes())))
        .collect())
}

#[tokio::test]
async fn a_repository_is_taken_apart() -> Result<()> {
    let space = start("parts").await?;
    // The generator is there first: the source's artifact starts it.
    space.apply(generator(&json!({}))).await?;
    space
        .says(
            EXTENSIONS,
            KIND,
            "parts",
            "SourceFetchFailed",
            "source 'GitRepository/parts/app' not found",
        )
        .await?;
    space.git_repository(json!({})).await?;
    let object = ready(&space, 2).await?;
    let (back, front) = (made(&space, "backend").await?, made(&space, "frontend").await?);
    let all = |version: &str, name: &str| vec![("all.yaml".to_owned(), app::config_map(name, version))];
    assert_eq!(files(&back).await?, all("1", "back"));
    assert_eq!(files(&front).await?, all("1", "front"));
    let head = format!("main@sha1:{}", space.repo.head("main")?);
    let artifact = &front["status"]["artifact"];
    assert_eq!(
        artifact["metadata"]["org.opencontainers.image.revision"],
        head.as_str()
    );
    let digest = artifact["digest"].as_str().context("no digest")?;
    assert_eq!(artifact["revision"], format!("latest@{digest}"));
    assert_eq!(front["spec"]["sourceRef"]["name"], "parts");
    assert_eq!(
        front["metadata"]["labels"]["source.extensions.fluxcd.io/generator"],
        object["metadata"]["uid"]
    );
    assert_eq!(object["status"]["inventory"][1]["digest"], digest);

    // Of two parts one changes. The other's file stays; that the repository moved on is all that is noted.
    push(&space, "2").await?;
    let digest = &front["status"]["artifact"]["digest"];
    let moved = |o: &Value| o["status"]["artifact"]["digest"] != *digest;
    let front = space
        .holds("the frontend moves", SOURCE, MADE, "frontend", moved)
        .await?;
    assert_eq!(files(&front).await?, all("2", "front"));
    ready(&space, 2).await?;
    let after = made(&space, "backend").await?;
    for field in ["digest", "url", "revision", "lastUpdateTime"] {
        assert_eq!(
            after["status"]["artifact"][field], back["status"]["artifact"][field],
            "{field}"
        );
    }
    space.at_rest().await
}

#[tokio::test]
async fn what_others_do_to_it_is_undone() -> Result<()> {
    let space = start("parts-drift").await?;
    space.git_repository(json!({})).await?;
    let metadata =
        json!({"spec": {"commonMetadata": {"labels": {"team": "a"}, "annotations": {"note": "b"}}}});
    space.apply(generator(&metadata)).await?;
    ready(&space, 2).await?;
    let old = made(&space, "backend").await?;
    space.delete(SOURCE, MADE, "backend").await?;
    let back =
        |o: &Value| o["metadata"]["uid"] != old["metadata"]["uid"] && o["status"]["artifact"].is_object();
    space
        .holds("backend is back", SOURCE, MADE, "backend", back)
        .await?;
    let edit = json!({"metadata": {"labels": {"team": "mine"}, "annotations": {"note": null}}});
    space.patch(SOURCE, MADE, "frontend", edit).await?;
    let undone =
        |o: &Value| o["metadata"]["labels"]["team"] == "a" && o["metadata"]["annotations"]["note"] == "b";
    space
        .holds("the edit is undone", SOURCE, MADE, "frontend", undone)
        .await?;

    // A part that is no longer asked for goes with its files; at the end all go.
    let left = json!({"spec": {"commonMetadata": null, "artifacts": [{
        "name": "frontend", "revision": "@repo", "copy": [{"from": "@repo/deploy/frontend/", "to": "@artifact/"}],
    }]}});
    space.patch(EXTENSIONS, KIND, "parts", left).await?;
    space.gone(SOURCE, MADE, "backend").await?;
    ready(&space, 1).await?;
    let head = format!("main@sha1:{}", space.repo.head("main")?);
    let front = made(&space, "frontend").await?;
    assert_eq!(front["status"]["artifact"]["revision"], head.as_str());
    assert_eq!(front["metadata"]["labels"]["team"], Value::Null);
    assert_eq!(files(&front).await?[0].0, "frontend/all.yaml");
    let folder = World::shared()
        .await?
        .suite
        .storage()
        .join("externalartifact/parts-drift");
    ensure!(!folder.join("backend").exists() && folder.join("frontend").exists());
    space.delete(EXTENSIONS, KIND, "parts").await?;
    space.gone(EXTENSIONS, KIND, "parts").await?;
    space.gone(SOURCE, MADE, "frontend").await?;
    ensure!(!folder.join("frontend").exists());
    Ok(())
}

#[tokio::test]
async fn each_directory_can_be_an_artifact() -> Result<()> {
    let space = start("parts-pattern").await?;
    space.git_repository(json!({})).await?;
    let artifacts =
        json!([{"name": "{app}-of-repo", "copy": [{"from": "@repo/deploy/{app}/**", "to": "@artifact/"}]}]);
    let pattern = json!({"spec": {"pathPattern": "@repo/deploy/{app}", "artifacts": artifacts}});
    space.apply(generator(&pattern)).await?;
    ready(&space, 2).await?;
    let front = made(&space, "frontend-of-repo").await?;
    assert_eq!(front["metadata"]["labels"]["app"], "frontend");
    space
        .push(&[("deploy/Third/all.yaml", &app::config_map("third", "1"))])
        .await?;
    let third = made(&space, "third-of-repo").await?;
    assert_eq!(files(&third).await?[0].0, "all.yaml");
    Ok(())
}

#[tokio::test]
async fn what_is_wrong_is_told() -> Result<()> {
    let space = start("parts-wrong").await?;
    space.git_repository(json!({})).await?;
    let copy = |from: &str, to: &str| json!({"spec": {"artifacts": [{"name": "one", "copy": [{"from": from, "to": to}]}]}});
    let repo = json!({"alias": "repo", "kind": "GitRepository", "name": "app"});
    for (change, reason, part) in [
        (
            copy("@repo/none/*", "@artifact/"),
            "BuildFailed",
            "no files match pattern 'none/*' in source 'repo'",
        ),
        (
            copy("@repo/../x", "@artifact/"),
            "BuildFailed",
            "leads outside the root",
        ),
        (
            copy("@repo/README.md", "@artifact/../../x"),
            "BuildFailed",
            "leads outside the root",
        ),
        (
            copy("@other/x", "@artifact/"),
            "BuildFailed",
            "source alias 'other' not found",
        ),
        (
            json!({"spec": {"sources": [repo, repo]}}),
            "ValidationFailed",
            "duplicate source alias 'repo' found",
        ),
        (
            json!({"spec": {"sources": [repo, {"alias": "self", "kind": MADE, "name": "backend"}]}}),
            "ValidationFailed",
            "circular dependency detected",
        ),
    ] {
        space.apply(generator(&change)).await?;
        space.says(EXTENSIONS, KIND, "parts", reason, part).await?;
        space.delete(EXTENSIONS, KIND, "parts").await?;
        space.gone(EXTENSIONS, KIND, "parts").await?;
    }
    // What can be bounded in a definition the API server refuses; what braces make of a pattern it cannot know.
    let but = |patterns: Vec<String>| {
        let copy = json!([{"from": "@repo/", "to": "@artifact/", "exclude": patterns}]);
        generator(&json!({"spec": {"artifacts": [{"name": "one", "copy": copy}]}}))
    };
    let refused = space.apply(but(vec!["x".repeat(1025)])).await;
    let refused = refused.err().context("a pattern without end is taken")?;
    ensure!(format!("{refused:#}").contains("Too long"), "{refused:#}");
    space
        .apply(but(vec!["{a,b}".repeat(7) + &"x".repeat(100); 100]))
        .await?;
    let part =
        "failed to apply copy operation from '@repo/' to '@artifact/': its patterns stand for too much";
    space.says(EXTENSIONS, KIND, "parts", "BuildFailed", part).await?;
    let stalled = space.get(EXTENSIONS, KIND, "parts").await?.context("parts")?;
    ensure!(expect::condition(&stalled, "Stalled").is_some_and(|c| c.status == "True"));
    Ok(())
}

/// A name that another has is not taken from it, and had as soon as it is free.
#[tokio::test]
async fn a_name_that_another_has_is_awaited() -> Result<()> {
    let space = start("parts-name").await?;
    space.git_repository(json!({})).await?;
    space
        .apply(json!({
            "apiVersion": SOURCE, "kind": MADE, "metadata": {"name": "frontend"},
            "spec": {"sourceRef": {"apiVersion": "example.org/v1", "kind": "Other", "name": "theirs"}},
        }))
        .await?;
    space.apply(generator(&json!({}))).await?;
    let owner = "belongs to Other/parts-name/theirs";
    space
        .says(EXTENSIONS, KIND, "parts", "ReconciliationFailed", owner)
        .await?;
    let object = space.get(EXTENSIONS, KIND, "parts").await?.context("parts")?;
    ensure!(
        expect::condition(&object, "Stalled").is_none(),
        "nobody has to change the spec: {object}"
    );
    ensure!(
        space.get(SOURCE, MADE, "backend").await?.is_none(),
        "nothing is made before all names are known to be free"
    );
    space.delete(SOURCE, MADE, "frontend").await?;
    ready(&space, 2).await?;
    // The same with one that another generator has made.
    let second = json!({"metadata": {"name": "second"}});
    space.apply(generator(&second)).await?;
    let owner = "belongs to ArtifactGenerator/parts-name/parts";
    space
        .says(EXTENSIONS, KIND, "second", "ReconciliationFailed", owner)
        .await?;
    space.delete(EXTENSIONS, KIND, "parts").await?;
    let text = "reconciliation succeeded, generated 2 artifact(s)";
    space.says(EXTENSIONS, KIND, "second", "Succeeded", text).await?;
    Ok(())
}

/// Two that are made of each other would make new revisions of each other for ever.
#[tokio::test]
async fn a_circle_is_refused_and_can_be_left() -> Result<()> {
    let space = start("parts-circle").await?;
    space.git_repository(json!({})).await?;
    space.apply(generator(&json!({}))).await?;
    ready(&space, 2).await?;
    let second = json!({
        "metadata": {"name": "second"},
        "spec": {
            "sources": [{"alias": "first", "kind": MADE, "name": "backend"}],
            "artifacts": [{"name": "derived", "copy": [{"from": "@first/", "to": "@artifact/"}]}],
        },
    });
    space.apply(generator(&second)).await?;
    let good = "reconciliation succeeded, generated 1 artifact(s)";
    space.says(EXTENSIONS, KIND, "second", "Succeeded", good).await?;
    let repo = json!({"alias": "repo", "kind": "GitRepository", "name": "app"});
    let back = json!({"alias": "back", "kind": MADE, "name": "derived"});
    space
        .patch(
            EXTENSIONS,
            KIND,
            "parts",
            json!({"spec": {"sources": [repo, back]}}),
        )
        .await?;
    for name in ["parts", "second"] {
        space.request(EXTENSIONS, KIND, name).await?;
        space
            .says(
                EXTENSIONS,
                KIND,
                name,
                "ValidationFailed",
                "circular dependency detected",
            )
            .await?;
    }
    space
        .patch(EXTENSIONS, KIND, "parts", json!({"spec": {"sources": [repo]}}))
        .await?;
    ready(&space, 2).await?;
    // Nothing tells the second one: its source is what it was.
    space.says(EXTENSIONS, KIND, "second", "Succeeded", good).await?;
    space.at_rest().await
}
