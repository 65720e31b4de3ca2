//! `spec.include`: repositories inside a repository, each failure told on the one that includes, and no circle goes round.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    expect,
    flux::{self, SOURCE, with},
    origin::Repo,
    space::Space,
    world::World,
};
use serde_json::{Value, json};

const KIND: &str = "GitRepository";

/// A repository of this space with one file, and its GitRepository.
struct Source<'a> {
    space: &'a Space<'a>,
    name: String,
    repository: Repo,
}

impl<'a> Source<'a> {
    async fn new(space: &'a Space<'a>, world: &World, name: &str, spec: &Value) -> Result<Self> {
        let full = format!("{}-{name}", space.name());
        let repository = Repo::create(&world.repositories(), &full)?;
        repository.commit(&[(&format!("{name}/file"), "1")])?;
        let object = flux::git_repository(name, &world.git.url(&full));
        space.apply(with(object, &json!({"spec": spec}))).await?;
        Ok(Self {
            space,
            name: name.to_owned(),
            repository,
        })
    }

    /// The paths and texts of its artifact, once `holds` is true of them.
    async fn has(&self, what: &str, holds: impl Fn(&[(String, String)]) -> bool) -> Result<()> {
        let probe = async || {
            let object = self.space.get(SOURCE, KIND, &self.name).await?;
            let object = object.context("it is there")?;
            let Some(url) = object["status"]["artifact"]["url"].as_str() else {
                return Ok(None);
            };
            let ready = expect::verdict(&object).is_some_and(|v| v.status == "True");
            let answer = reqwest::get(url).await?;
            // It may have been replaced since.
            if !ready || !answer.status().is_success() {
                return Ok(None);
            }
            let found = unpacked(&answer.bytes().await?)?;
            Ok(holds(&found).then_some(()))
        };
        self.space
            .until(&format!("{}: {what}", self.name), e2e::space::LIMIT, probe)
            .await
    }
}

fn unpacked(archive: &[u8]) -> Result<Vec<(String, String)>> {
    let tree = artifact::unpack(archive, &artifact::Limits::default())?;
    let files = tree.walk().filter_map(|(path, node)| match node {
        artifact::Node::File(file) => Some((path, String::from_utf8_lossy(file.bytes()).into_owned())),
        artifact::Node::Directory => None,
    });
    Ok(files.collect())
}

fn file(path: &str, text: &str) -> (String, String) {
    (path.to_owned(), text.to_owned())
}

fn including(name: &str, from: &str, to: &str) -> Value {
    json!({"include": [{"repository": {"name": name}, "fromPath": from, "toPath": to}]})
}

#[tokio::test]
async fn what_is_included_is_in_the_artifact_and_follows() -> Result<()> {
    let world = World::shared().await?;
    let space = world.space("include").await?;
    let top = Source::new(&space, world, "top", &including("inner", "", "vendor/inner")).await?;
    // It waits for what it includes.
    space
        .says(
            SOURCE,
            KIND,
            "top",
            "NotFound",
            "could not get resource for include 'inner'",
        )
        .await?;
    let object = space.get(SOURCE, KIND, "top").await?.context("it is there")?;
    let told = expect::condition(&object, "IncludeUnavailable").context("told on its own condition")?;
    ensure!(told.status == "True" && told.reason == "NotFound", "{told:?}");

    let inner = Source::new(&space, world, "inner", &json!({})).await?;
    let merged = |text: &'static str| {
        move |found: &[(String, String)]| {
            found.contains(&file("top/file", "1")) && found.contains(&file("vendor/inner/inner/file", text))
        }
    };
    top.has("both are in it", merged("1")).await?;
    let object = space.get(SOURCE, KIND, "top").await?.context("it is there")?;
    ensure!(
        expect::condition(&object, "IncludeUnavailable").is_none()
            && object["status"]["includedArtifacts"].as_array().map(Vec::len) == Some(1)
            && object["status"]["observedInclude"][0]["repository"]["name"] == "inner",
        "{object}"
    );

    // A change of what is included is a change of the whole, at once; it is asked for with the included one only.
    inner.repository.commit(&[("inner/file", "2")])?;
    space.request(SOURCE, KIND, "inner").await?;
    top.has("the change is in it", merged("2")).await
}

#[tokio::test]
async fn what_cannot_be_included_says_why() -> Result<()> {
    let world = World::shared().await?;
    let space = world.space("include-bad").await?;
    let _inner = Source::new(&space, world, "inner", &json!({})).await?;
    let away = json!({"url": world.git.url("include-bad-nowhere")});
    let _away = Source::new(&space, world, "away", &away).await?;
    for (name, spec, condition, reason, part) in [
        (
            "no-artifact",
            including("away", "", "a"),
            "IncludeUnavailable",
            "NoArtifact",
            "no artifact available for include 'away'",
        ),
        (
            "no-path",
            including("inner", "nope", "a"),
            "StorageOperationFailed",
            "CopyFailure",
            "failed to copy 'inner' include from nope to a",
        ),
        (
            "too-many",
            json!({"include": (0..65).map(|n| json!({"repository": {"name": "inner"}, "toPath": format!("{n}")})).collect::<Vec<_>>()}),
            "IncludeUnavailable",
            "CopyFailure",
            "spec.include has more than 64 repositories",
        ),
        (
            "itself",
            including("itself", "", "a"),
            "IncludeUnavailable",
            "CopyFailure",
            "spec.include leads back to this repository: itself -> itself",
        ),
    ] {
        Source::new(&space, world, name, &spec).await?;
        space.says(SOURCE, KIND, name, reason, part).await?;
        let object = space.get(SOURCE, KIND, name).await?.context("it is there")?;
        let told = expect::condition(&object, condition).with_context(|| format!("{name}: {object}"))?;
        ensure!(told.status == "True" && told.reason == reason, "{name}: {told:?}");
    }
    // A path that would lead outside stays inside, as in Flux.
    let outside = Source::new(&space, world, "outside", &including("inner", "", "../../etc")).await?;
    outside
        .has("it is inside", |found| {
            found.contains(&file("etc/inner/file", "1"))
        })
        .await
}

#[tokio::test]
async fn a_change_that_cannot_be_included_leaves_what_there_was() -> Result<()> {
    let world = World::shared().await?;
    let space = world.space("include-change").await?;
    let inner = Source::new(&space, world, "inner", &json!({})).await?;
    let top = Source::new(&space, world, "top", &including("inner", "inner", "of-inner")).await?;
    let merged =
        |text: &'static str| move |found: &[(String, String)]| found.contains(&file("of-inner/file", text));
    top.has("both are in it", merged("1")).await?;
    let before = space.get(SOURCE, KIND, "top").await?.context("it is there")?;

    // What is included is no longer there: its own commit is the same, and yet it is outdated.
    inner.repository.remove(&["inner"])?;
    inner.repository.commit(&[("other", "2")])?;
    space.request(SOURCE, KIND, "inner").await?;
    let part = "failed to copy 'inner' include from inner to of-inner: no such file or directory";
    space.says(SOURCE, KIND, "top", "CopyFailure", part).await?;
    let after = space.get(SOURCE, KIND, "top").await?.context("it is there")?;
    let outdated = expect::condition(&after, "ArtifactOutdated").context("outdated")?;
    ensure!(
        (outdated.status.as_str(), outdated.reason.as_str()) == ("True", "IncludeChange")
            && outdated.message == "included artifacts differ from last observed includes",
        "{outdated:?}"
    );
    for part in ["artifact", "includedArtifacts"] {
        ensure!(after["status"][part] == before["status"][part], "{part}: {after}");
    }
    inner.repository.commit(&[("inner/file", "3")])?;
    space.request(SOURCE, KIND, "inner").await?;
    top.has("the change is in it", merged("3")).await?;
    let after = space.get(SOURCE, KIND, "top").await?.context("it is there")?;
    ensure!(expect::condition(&after, "ArtifactOutdated").is_none(), "{after}");
    Ok(())
}

/// Two that include each other would make new revisions of each other for ever.
#[tokio::test]
async fn a_circle_is_refused_and_can_be_left() -> Result<()> {
    let world = World::shared().await?;
    let space = world.space("include-circle").await?;
    let a = Source::new(&space, world, "a", &json!({})).await?;
    let b = Source::new(&space, world, "b", &including("a", "", "of-a")).await?;
    b.has("what a has is in it", |found| {
        found.contains(&file("of-a/a/file", "1"))
    })
    .await?;
    space
        .patch(SOURCE, KIND, "a", json!({"spec": including("b", "", "of-b")}))
        .await?;
    for (name, path) in [("a", "a -> b -> a"), ("b", "b -> a -> b")] {
        space.request(SOURCE, KIND, name).await?;
        space.says(SOURCE, KIND, name, "CopyFailure", path).await?;
    }
    space.at_rest().await?;
    space
        .patch(SOURCE, KIND, "a", json!({"spec": {"include": null}}))
        .await?;
    a.has("it is alone again", |found| found == [file("a/file", "1")])
        .await?;
    space.request(SOURCE, KIND, "b").await?;
    b.has("it goes on", |found| found.contains(&file("of-a/a/file", "1")))
        .await
}
