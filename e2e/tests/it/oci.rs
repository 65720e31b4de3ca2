//! OCIRepository: every reference and layer operation from a real registry, and each failure told on the object.

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app, expect,
    flux::{KUSTOMIZE, SOURCE, with},
    origin::{
        Artifact, Authority, Guard, Registry,
        oci::{FLUX, USER},
    },
    space::Space,
    world::World,
};
use serde_json::{Value, json};

const KIND: &str = "OCIRepository";

fn repository(url: &str, change: &Value) -> Value {
    let plain = json!({
        "apiVersion": SOURCE, "kind": KIND, "metadata": {"name": "app"},
        "spec": {"interval": "1h", "url": url},
    });
    with(plain, change)
}

async fn ready(space: &Space<'_>, revision: &str) -> Result<Value> {
    let at = |o: &Value| {
        o["status"]["artifact"]["revision"] == revision
            && expect::verdict(o).is_some_and(|v| v.status == "True")
    };
    space
        .holds(&format!("ready at {revision}"), SOURCE, KIND, "app", at)
        .await
}

async fn served(object: &Value, url: &str) -> Result<Vec<u8>> {
    let url = object["status"]
        .pointer(url)
        .and_then(Value::as_str)
        .context("no url")?;
    let answer = reqwest::get(url).await?;
    ensure!(answer.status().is_success(), "{url}: {}", answer.status());
    Ok(answer.bytes().await?.to_vec())
}

fn paths(archive: &[u8]) -> Result<Vec<String>> {
    let tree = artifact::unpack(archive, &artifact::Limits::default())?;
    Ok(tree.files().map(|(path, _)| path).collect())
}

#[tokio::test]
async fn references_and_layers_are_found() -> Result<()> {
    let space = World::shared().await?.space("oci").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let old = Artifact::of_files(&[("a.yaml", &app::config_map("a", "1")), ("docs/b.md", "text")])?;
    let new = Artifact::of_files(&[("a.yaml", &app::config_map("a", "2"))])?;
    let first = registry.push("apps/web", "1.0.0", &old).await?;
    let second = registry.push("apps/web", "v1.1.0", &new).await?;
    registry.push("apps/web", "2.0.0-rc.1", &old).await?;
    let bytes = b"not an archive at all".to_vec();
    let odd = Artifact {
        layers: vec![("text/plain".into(), bytes.clone()), old.layers[0].clone()],
        ..Artifact::default()
    };
    let odd = registry.push("apps/web", "odd", &odd).await?;
    let index = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [
            {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": odd, "size": 1, "platform": {"os": "linux", "architecture": "arm64"}},
            {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": first, "size": 1, "platform": {"os": "linux", "architecture": "amd64"}},
        ],
    });
    let index = registry.manifest("apps/web", "multi", &index).await?;

    let all = vec!["a.yaml".to_owned(), "docs/b.md".to_owned()];
    for (reference, more, revision, files) in [
        (
            json!({"tag": "1.0.0"}),
            json!({}),
            format!("1.0.0@{first}"),
            Some(all.clone()),
        ),
        (
            json!({"semver": ">=1.0.0"}),
            json!({}),
            format!("v1.1.0@{second}"),
            Some(vec!["a.yaml".to_owned()]),
        ),
        (
            json!({"semver": ">=1.0.0-0", "semverFilter": "rc"}),
            json!({}),
            format!("2.0.0-rc.1@{first}"),
            Some(all.clone()),
        ),
        (
            json!({"digest": second, "tag": "1.0.0"}),
            json!({}),
            second.clone(),
            Some(vec!["a.yaml".to_owned()]),
        ),
        (
            json!({"tag": "multi"}),
            json!({}),
            format!("multi@{index}"),
            Some(all.clone()),
        ),
        (
            json!({"tag": "1.0.0"}),
            json!({"ignore": "/docs"}),
            format!("1.0.0@{first}"),
            Some(vec!["a.yaml".to_owned()]),
        ),
        (
            json!({"tag": "odd"}),
            json!({"layerSelector": {"mediaType": FLUX.1}}),
            format!("odd@{odd}"),
            Some(all.clone()),
        ),
        (
            json!({"tag": "odd"}),
            json!({"layerSelector": {"mediaType": "text/plain", "operation": "copy"}}),
            format!("odd@{odd}"),
            None,
        ),
    ] {
        let change = with(json!({"spec": {"ref": reference}}), &json!({"spec": more}));
        space
            .apply(repository(&registry.url("apps/web"), &change))
            .await?;
        let object = ready(&space, &revision).await?;
        ensure!(
            object["status"]["artifact"]["digest"]
                .as_str()
                .is_some_and(|d| d.starts_with("sha256:")),
            "{object}"
        );
        let content = served(&object, "/artifact/url").await?;
        ensure!(
            content == served(&object, "/url").await?,
            "the link leads to the newest"
        );
        match files {
            Some(files) => ensure!(paths(&content)? == files, "{revision}: {:?}", paths(&content)?),
            None => ensure!(content == bytes, "a copied layer is as it was"),
        }
    }
    Ok(())
}

#[tokio::test]
async fn a_kustomization_applies_what_a_tag_points_to() -> Result<()> {
    let space = World::shared().await?.space("oci-apply").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let content = |value: &str| Artifact::of_files(&[("a.yaml", &app::config_map("a", value))]);
    let first = registry.push("app", "latest", &content("1")?).await?;
    space.apply(repository(&registry.url("app"), &json!({}))).await?;
    let source = json!({"spec": {"sourceRef": {"kind": KIND, "name": "app"}}});
    space.kustomization("app", "./", source).await?;
    let applied = |digest: String| {
        let revision = format!("latest@{digest}");
        move |o: &Value| o["status"]["lastAppliedRevision"] == revision.as_str()
    };
    let object = space
        .holds("applied", KUSTOMIZE, "Kustomization", "app", applied(first))
        .await?;
    ensure!(
        object["status"]["lastAppliedOriginRevision"] == "main@sha1:aaaa",
        "the origin is told: {object}"
    );

    // Nothing moved: one HEAD, nothing else.
    let count = || {
        anyhow::Ok((
            registry.requests("HEAD", "/v2/app/")?,
            registry.requests("GET", "/v2/app/")?,
        ))
    };
    let before = count()?;
    space.handled(SOURCE, KIND, "app").await?;
    let after = count()?;
    ensure!(
        (after.0 - before.0, after.1 - before.1) == (1, 0),
        "an unmoved tag costs one HEAD: {before:?} {after:?}"
    );

    let begin = std::time::Instant::now();
    let second = registry.push("app", "latest", &content("2")?).await?;
    space.request(SOURCE, KIND, "app").await?;
    space
        .holds("applied", KUSTOMIZE, "Kustomization", "app", applied(second))
        .await?;
    e2e::note!(
        "oci: a pushed tag is applied after {} ms",
        begin.elapsed().as_millis()
    );
    space.at_rest().await
}

#[tokio::test]
async fn what_cannot_be_pulled_says_why() -> Result<()> {
    let space = World::shared().await?.space("oci-bad").await?;
    let authority = Authority::new()?;
    let open = Registry::start(&Guard::default()).await?;
    let guarded = Registry::start(&Guard {
        login: true,
        ..Guard::default()
    })
    .await?;
    let tls = Some(authority.server(&["127.0.0.1"])?);
    let secure = Registry::start(&Guard {
        login: true,
        tls,
        ..Guard::default()
    })
    .await?;
    let good = Artifact::of_files(&[("a.yaml", &app::config_map("a", "1"))])?;
    for registry in [&open, &guarded, &secure] {
        registry.push("app", "latest", &good).await?;
    }
    let with_layer = |content: &[u8]| Artifact {
        layers: vec![(FLUX.1.to_owned(), content.to_vec())],
        ..Artifact::default()
    };
    open.push("app", "garbage", &with_layer(b"no gzip")).await?;
    open.push("app", "bomb", &with_layer(&bomb()?)).await?;
    open.push("app", "traversal", &with_layer(&traversal()?)).await?;
    let tampered = with_layer(b"tampered with");
    open.push("app", "tampered", &tampered).await?;
    open.tamper(&sha256(b"tampered with"), b"tampered wi7h")?;
    for (name, registry, password) in [
        ("wrong", &guarded, "wrong"),
        ("right", &guarded, "right"),
        ("secure", &secure, "right"),
    ] {
        let config = registry.docker_config(password);
        space.apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": config}})).await?;
    }
    space.apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "other"}, "stringData": {"a": "b"}})).await?;
    space.apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "authority"}, "stringData": {"ca.crt": authority.certificate()}})).await?;
    space.apply(json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "puller"}, "imagePullSecrets": [{"name": "right"}]})).await?;

    let tag = |tag: &str| json!({"ref": {"tag": tag}});
    let secret = |name: &str| json!({"secretRef": {"name": name}});
    for (registry, path, spec, reason, part) in [
        (
            &open,
            "app",
            tag("nope"),
            "OCIArtifactPullFailed",
            "MANIFEST_UNKNOWN",
        ),
        (
            &open,
            "nowhere",
            json!({}),
            "OCIArtifactPullFailed",
            "MANIFEST_UNKNOWN",
        ),
        (&open, "app:v1", json!({}), "URLInvalid", "remove ':v1'"),
        (
            &open,
            "app",
            json!({"ref": {"semver": "9.x"}}),
            "ReadOperationFailed",
            "no match found for semver: 9.x",
        ),
        (
            &open,
            "app",
            json!({"ref": {"semver": "<>"}}),
            "ReadOperationFailed",
            "'<>'",
        ),
        (
            &open,
            "app",
            json!({"layerSelector": {"mediaType": "application/none"}}),
            "OCIArtifactLayerOperationFailed",
            "application/none",
        ),
        (
            &open,
            "app",
            tag("garbage"),
            "OCIArtifactLayerOperationFailed",
            "failed to extract layer contents",
        ),
        (
            &open,
            "app",
            tag("bomb"),
            "OCIArtifactLayerOperationFailed",
            "when unpacked",
        ),
        (
            &open,
            "app",
            tag("traversal"),
            "OCIArtifactLayerOperationFailed",
            "forbidden name",
        ),
        (
            &open,
            "app",
            tag("tampered"),
            "OCIArtifactPullFailed",
            "not what its digest says",
        ),
        (
            &open,
            "app",
            json!({"ref": {"digest": format!("sha256:{}", "0".repeat(64))}}),
            "OCIArtifactPullFailed",
            "MANIFEST_UNKNOWN",
        ),
        (
            &open,
            "app",
            json!({"provider": "aws"}),
            "AuthenticationFailed",
            "invalid AWS registry",
        ),
        (
            &guarded,
            "app",
            json!({}),
            "OCIArtifactPullFailed",
            "UNAUTHORIZED",
        ),
        (
            &guarded,
            "app",
            secret("wrong"),
            "OCIArtifactPullFailed",
            "UNAUTHORIZED",
        ),
        (
            &guarded,
            "app",
            secret("absent"),
            "AuthenticationFailed",
            "oci-bad/absent",
        ),
        (
            &guarded,
            "app",
            secret("other"),
            "AuthenticationFailed",
            ".dockerconfigjson",
        ),
        (
            &guarded,
            "app",
            json!({"serviceAccountName": "absent"}),
            "AuthenticationFailed",
            "absent",
        ),
        (
            &secure,
            "app",
            secret("secure"),
            "OCIArtifactPullFailed",
            "certificate",
        ),
    ] {
        let url = registry.url(path);
        let _ = space.delete(SOURCE, KIND, "app").await;
        space.gone(SOURCE, KIND, "app").await?;
        space.apply(repository(&url, &json!({"spec": spec}))).await?;
        let told = space.says(SOURCE, KIND, "app", reason, part).await;
        let told = told.with_context(|| format!("case {spec} of {url}"))?;
        ensure!(told.status == "False", "{told:?}");
    }
    // Nobody is there.
    let _ = space.delete(SOURCE, KIND, "app").await;
    space.gone(SOURCE, KIND, "app").await?;
    space
        .apply(repository("oci://127.0.0.1:1/app", &json!({})))
        .await?;
    space
        .says(SOURCE, KIND, "app", "OCIArtifactPullFailed", "127.0.0.1:1")
        .await?;
    for (registry, spec) in [
        (&guarded, secret("right")),
        (&guarded, json!({"serviceAccountName": "puller"})),
        (
            &secure,
            json!({"secretRef": {"name": "secure"}, "certSecretRef": {"name": "authority"}}),
        ),
        (
            &secure,
            json!({"secretRef": {"name": "secure"}, "insecure": true}),
        ),
    ] {
        let _ = space.delete(SOURCE, KIND, "app").await;
        space.gone(SOURCE, KIND, "app").await?;
        space
            .apply(repository(&registry.url("app"), &json!({"spec": spec})))
            .await?;
        let good = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
        space
            .holds(&format!("ready with {spec}"), SOURCE, KIND, "app", good)
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_token_is_had_once_and_used_again() -> Result<()> {
    let space = World::shared().await?.space("oci-token").await?;
    let registry = Registry::start(&Guard {
        tokens: true,
        ..Guard::default()
    })
    .await?;
    let good = Artifact::of_files(&[("a.yaml", &app::config_map("a", "1"))])?;
    let digest = registry.push("team/app", "latest", &good).await?;
    for (name, password) in [("wrong", "wrong"), ("right", "right")] {
        let config = registry.docker_config(password);
        space.apply(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": config}})).await?;
    }
    let of = |secret: Value| {
        let change = json!({"spec": {"secretRef": secret}});
        repository(&registry.url("team/app"), &change)
    };
    let given = registry.tokens_given();
    for secret in [json!(null), json!({"name": "wrong"})] {
        space.apply(of(secret)).await?;
        let told = space
            .says(SOURCE, KIND, "app", "OCIArtifactPullFailed", "UNAUTHORIZED")
            .await?;
        ensure!(
            told.message.contains("/token"),
            "it says who refused: {}",
            told.message
        );
        ensure!(!told.message.contains("wrong"), "{}", told.message);
    }
    space.apply(of(json!({"name": "right"}))).await?;
    ready(&space, &format!("latest@{digest}")).await?;
    for _ in 0..3 {
        space.handled(SOURCE, KIND, "app").await?;
    }
    let given = registry.tokens_given() - given;
    ensure!(given == 1, "four passes, one token: {given}");
    Ok(())
}

#[tokio::test]
async fn what_vanishes_upstream_is_still_served() -> Result<()> {
    let space = World::shared().await?.space("oci-gone").await?;
    let registry = Registry::start(&Guard::default()).await?;
    let good = Artifact::of_files(&[("a.yaml", &app::config_map("a", "1"))])?;
    let digest = registry.push("app", "latest", &good).await?;
    space.apply(repository(&registry.url("app"), &json!({}))).await?;
    ready(&space, &format!("latest@{digest}")).await?;
    registry.delete("app", &digest).await?;
    space.request(SOURCE, KIND, "app").await?;
    space
        .says(SOURCE, KIND, "app", "OCIArtifactPullFailed", "MANIFEST_UNKNOWN")
        .await?;
    let object = space.get(SOURCE, KIND, "app").await?.context("it is there")?;
    served(&object, "/artifact/url").await?;
    registry.push("app", "latest", &good).await?;
    space.request(SOURCE, KIND, "app").await?;
    ready(&space, &format!("latest@{digest}")).await?;

    // Suspended, then deleted: nothing of it stays on the shelf.
    let path = object["status"]["artifact"]["path"].as_str().context("a path")?;
    let file = space.world.suite.storage().join(path);
    ensure!(file.exists(), "{}", file.display());
    space.delete(SOURCE, KIND, "app").await?;
    space.gone(SOURCE, KIND, "app").await?;
    ensure!(!file.exists(), "{}", file.display());
    Ok(())
}

fn sha256(content: &[u8]) -> String {
    use sha2::Digest as _;
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(content)))
}

/// A few hundred kilobytes that become more than a gigabyte.
fn bomb() -> Result<Vec<u8>> {
    let file = artifact::Entry {
        path: b"zeros".to_vec(),
        kind: artifact::EntryKind::File {
            size: 1 << 30,
            executable: false,
            content: std::io::Read::take(std::io::repeat(0), 1 << 30),
        },
    };
    Ok(artifact::pack(
        [Ok::<_, std::convert::Infallible>(file)],
        Vec::new(),
    )?)
}

/// An archive whose one file wants to be elsewhere, made by a program that lets it.
fn traversal() -> Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    std::fs::write(folder.path().join("x"), "x")?;
    let output = std::process::Command::new("tar")
        .current_dir(folder.path())
        .args(["-czPf", "-", "--transform", "s,^,../../,", "x"])
        .output()?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(output.stdout)
}

/// What many want is brought once; whoever has another login brings it himself.
#[tokio::test]
async fn a_layer_that_many_want_is_downloaded_once() -> Result<()> {
    let space = World::shared().await?.space("oci-shared").await?;
    let guard = Guard {
        login: true,
        ..Guard::default()
    };
    let registry = Registry::start(&guard).await?;
    let artifact = Artifact::of_files(&[("a.yaml", &app::config_map("a", "1")), ("b.md", "text")])?;
    let digest = registry.push("apps/one", "1", &artifact).await?;
    for (name, password) in [("login", USER.1), ("other", "wrong")] {
        let config = registry.docker_config(password);
        let secret = json!({
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": config},
        });
        space.apply(secret).await?;
    }
    let object = |name: String, login: &str, more: &Value| {
        let change = json!({
            "metadata": {"name": name},
            "spec": {"ref": {"tag": "1"}, "secretRef": {"name": login}},
        });
        with(repository(&registry.url("apps/one"), &change), more)
    };
    for number in 0..6 {
        // Each makes an artifact of its own of it.
        let more = json!({"spec": {"ignore": if number % 2 == 0 { "" } else { "*.md" }}});
        space
            .apply(object(format!("app-{number}"), "login", &more))
            .await?;
    }
    let is_ready = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "True");
    for number in 0..6 {
        let name = format!("app-{number}");
        let object = space.holds("ready", SOURCE, KIND, &name, is_ready).await?;
        ensure!(
            object["status"]["artifact"]["revision"] == format!("1@{digest}"),
            "{object}"
        );
        let files: &[&str] = if number % 2 == 0 {
            &["a.yaml", "b.md"]
        } else {
            &["a.yaml"]
        };
        ensure!(
            paths(&served(&object, "/artifact/url").await?)? == files,
            "{name}"
        );
    }
    let blobs = registry.requests("GET", "/v2/apps/one/blobs/")?;
    ensure!(blobs == 1, "one download for six: {blobs}");

    space
        .apply(object("stranger".into(), "other", &json!({})))
        .await?;
    let refused = |o: &Value| expect::verdict(o).is_some_and(|v| v.status == "False");
    let stranger = space.holds("refused", SOURCE, KIND, "stranger", refused).await?;
    ensure!(stranger["status"]["artifact"].is_null(), "{stranger}");
    Ok(())
}
