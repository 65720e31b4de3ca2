//! Bucket: objects from a real S3 server, only what changed is fetched, and each failure and each odd store told on the object.

pub mod dialect;
mod hostile;
mod odd;

use anyhow::{Context as _, Result, ensure};
use e2e::{
    app, expect,
    flux::{KUSTOMIZE, SOURCE, with},
    origin::{
        Authority, AzureServer, S3Server,
        objects::{ACCOUNT_KEY, KEYS, REGION},
    },
    space::Space,
    world::World,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const KIND: &str = "Bucket";

fn bucket(endpoint: &str, change: &Value) -> Value {
    let plain = json!({
        "apiVersion": SOURCE, "kind": KIND, "metadata": {"name": "app"},
        "spec": {"interval": "1h", "bucketName": "app", "endpoint": endpoint, "insecure": true},
    });
    with(plain, change)
}

fn secret(name: &str, data: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": data})
}

async fn ready(space: &Space<'_>, revision: &str) -> Result<Value> {
    let at = |o: &Value| {
        o["status"]["artifact"]["revision"]
            .as_str()
            .is_some_and(|r| r.starts_with(revision))
            && expect::verdict(o).is_some_and(|v| v.status == "True")
    };
    space
        .holds(&format!("ready at {revision}"), SOURCE, KIND, "app", at)
        .await
}

async fn again(space: &Space<'_>, object: Value) -> Result<()> {
    let _ = space.delete(SOURCE, KIND, "app").await;
    space.gone(SOURCE, KIND, "app").await?;
    space.apply(object).await
}

pub async fn files(object: &Value) -> Result<Vec<(String, String)>> {
    let url = object["status"]["artifact"]["url"].as_str().context("no url")?;
    let archive = reqwest::get(url).await?.error_for_status()?.bytes().await?;
    let latest = object["status"]["url"].as_str().context("no link")?;
    let linked = reqwest::get(latest).await?.error_for_status()?.bytes().await?;
    ensure!(archive == linked, "the link leads to the newest");
    let tree = artifact::unpack(&archive[..], &artifact::Limits::default())?;
    let text = |file: &artifact::File| String::from_utf8_lossy(file.bytes()).into_owned();
    Ok(tree.files().map(|(path, file)| (path, text(file))).collect())
}

fn paths(files: &[(String, String)]) -> Vec<&str> {
    files.iter().map(|(path, _)| path.as_str()).collect()
}

/// The revision as Flux makes it: a digest of sorted lines of keys and etags.
async fn revision(server: &S3Server, bucket: &str, keys: &[&str]) -> Result<String> {
    let mut keys = keys.to_vec();
    keys.sort_unstable();
    let mut lines = String::new();
    for key in keys {
        lines += &format!("{key} {}\n", server.etag(bucket, key).await?);
    }
    Ok(format!("sha256:{}", hex::encode(Sha256::digest(lines))))
}

#[tokio::test]
async fn objects_become_an_artifact_and_only_what_changed_is_fetched_again() -> Result<()> {
    let space = World::shared().await?.space("bucket").await?;
    let server = S3Server::start(None).await?;
    server.create("app").await?;
    for (key, content) in [
        ("a.yaml", app::config_map("a", "1")),
        ("deploy/b c+ü.yaml", app::config_map("b", "1")),
        ("deploy/notes.txt", "text".into()),
        ("image.png", "png".into()),
        (".sourceignore", "*.txt\n".into()),
    ] {
        server.put("app", key, content).await?;
    }
    space
        .apply(secret("keys", &json!({"accesskey": KEYS.0, "secretkey": KEYS.1})))
        .await?;
    let spec = json!({"spec": {"secretRef": {"name": "keys"}, "region": REGION}});
    space.apply(bucket(&server.endpoint(), &spec)).await?;
    let kept = ["a.yaml", "deploy/b c+ü.yaml", "image.png"];
    let first = revision(&server, "app", &kept).await?;
    let object = ready(&space, &first).await?;
    let told = expect::verdict(&object).context("a verdict")?;
    ensure!(
        told.reason == "Succeeded" && told.message == format!("stored artifact: revision '{first}'"),
        "{told:?}"
    );
    let found = files(&object).await?;
    ensure!(
        paths(&found) == [".sourceignore", "a.yaml", "deploy/b c+ü.yaml", "image.png"],
        "{found:?}"
    );
    let events = space.dump().await?;
    space.contains(
        &events,
        "NewArtifact ×1: stored artifact with 3 fetched files from 'app' bucket",
    )?;

    let reads = || server.reads("app", "");
    // Nothing moved: no object but the rules is read.
    let before = reads()?;
    space.handled(SOURCE, KIND, "app").await?;
    ensure!(
        reads()? - before == 1,
        "at rest only the rules are read: {before} {}",
        reads()?
    );

    // One object changes, one comes, one goes: two are read.
    server.put("app", "a.yaml", app::config_map("a", "2")).await?;
    server.put("app", "new.yaml", app::config_map("new", "1")).await?;
    server.delete("app", "image.png").await?;
    let second = revision(&server, "app", &["a.yaml", "deploy/b c+ü.yaml", "new.yaml"]).await?;
    let before = reads()?;
    let begin = std::time::Instant::now();
    space.request(SOURCE, KIND, "app").await?;
    let object = ready(&space, &second).await?;
    e2e::note!(
        "bucket: a changed object is in the artifact after {} ms",
        begin.elapsed().as_millis()
    );
    ensure!(
        reads()? - before == 3,
        "two objects and the rules: {before} {}",
        reads()?
    );
    let found = files(&object).await?;
    ensure!(
        paths(&found) == [".sourceignore", "a.yaml", "deploy/b c+ü.yaml", "new.yaml"],
        "{found:?}"
    );
    ensure!(
        found[1].1.contains('2') && found[2].1.contains("name: b"),
        "{found:?}"
    );

    // The artifact is lost: it is made anew, and is the same.
    let digest = object["status"]["artifact"]["digest"].clone();
    let path = object["status"]["artifact"]["path"].as_str().context("no path")?;
    std::fs::remove_file(space.world.suite.storage().join(path))?;
    let object = space.handled(SOURCE, KIND, "app").await?;
    ensure!(object["status"]["artifact"]["digest"] == digest, "{object}");

    // What is meant may be narrowed; the rules at the root count all the same.
    let narrow = json!({"spec": {"prefix": "deploy/", "ignore": "!*.txt\n"}});
    space
        .apply(bucket(&server.endpoint(), &with(spec.clone(), &narrow)))
        .await?;
    let narrowed = revision(&server, "app", &["deploy/b c+ü.yaml", "deploy/notes.txt"]).await?;
    let found = files(&ready(&space, &narrowed).await?).await?;
    ensure!(
        paths(&found) == [".sourceignore", "deploy/b c+ü.yaml", "deploy/notes.txt"],
        "{found:?}"
    );

    // A Kustomization applies it.
    let source = json!({"spec": {"sourceRef": {"kind": KIND, "name": "app"}, "path": "./deploy"}});
    space.kustomization("app", "./deploy", source).await?;
    let applied = |o: &Value| o["status"]["lastAppliedRevision"] == narrowed.as_str();
    space
        .holds("applied", KUSTOMIZE, "Kustomization", "app", applied)
        .await?;
    space.at_rest().await
}

#[tokio::test]
async fn what_cannot_be_read_says_why() -> Result<()> {
    let space = World::shared().await?.space("bucket-bad").await?;
    let authority = Authority::new()?;
    let open = S3Server::start(None).await?;
    let secure = S3Server::start(Some(&authority.server(&["127.0.0.1"])?)).await?;
    for server in [&open, &secure] {
        server.create("app").await?;
        server.put("app", "a.yaml", app::config_map("a", "1")).await?;
    }
    for (name, data) in [
        ("keys", json!({"accesskey": KEYS.0, "secretkey": KEYS.1})),
        ("wrong", json!({"accesskey": KEYS.0, "secretkey": "wrong"})),
        (
            "stranger",
            json!({"accesskey": "AKIDNOBODY000001", "secretkey": KEYS.1}),
        ),
        ("half", json!({"accesskey": KEYS.0})),
        ("authority", json!({"ca.crt": authority.certificate()})),
        ("proxy", json!({"address": "ftp://127.0.0.1"})),
    ] {
        space.apply(secret(name, &data)).await?;
    }
    let named = |name: &str| json!({"secretRef": {"name": name}, "region": REGION});
    let (open_at, secure_at) = (open.endpoint(), secure.endpoint());
    let failed = "BucketOperationFailed";
    let refused = "AuthenticationFailed";
    for (endpoint, spec, reason, part) in [
        (
            &open_at,
            with(named("keys"), &json!({"bucketName": "nowhere"})),
            failed,
            "bucket 'nowhere' not found",
        ),
        (
            &open_at,
            named("wrong"),
            failed,
            "failed to confirm existence of 'app' bucket",
        ),
        (
            &open_at,
            named("stranger"),
            failed,
            "failed to confirm existence of 'app' bucket",
        ),
        (
            &open_at,
            json!({}),
            failed,
            "failed to confirm existence of 'app' bucket",
        ),
        (
            &open_at,
            named("half"),
            refused,
            "invalid 'half' secret data: required fields 'accesskey' and 'secretkey'",
        ),
        (
            &open_at,
            named("absent"),
            refused,
            "failed to get secret 'bucket-bad/absent'",
        ),
        (
            &open_at,
            with(named("keys"), &json!({"certSecretRef": {"name": "absent"}})),
            refused,
            "absent",
        ),
        (
            &open_at,
            with(named("keys"), &json!({"proxySecretRef": {"name": "proxy"}})),
            refused,
            "http, https or socks5",
        ),
        (
            &open_at,
            with(named("keys"), &json!({"region": "us-west-7"})),
            failed,
            "us-west-7",
        ),
        (
            &"http://127.0.0.1:1".to_owned(),
            named("keys"),
            refused,
            "is no address of an object store",
        ),
        (&"127.0.0.1:1".to_owned(), named("keys"), failed, "127.0.0.1:1"),
        (
            &secure_at,
            with(named("keys"), &json!({"insecure": false})),
            failed,
            "certificate",
        ),
        (
            &open_at,
            json!({"provider": "aws", "serviceAccountName": "x"}),
            "FeatureGateDisabled",
            "ObjectLevelWorkloadIdentity",
        ),
        (
            &open_at,
            with(named("half"), &json!({"provider": "gcp"})),
            refused,
            "required fields 'serviceaccount'",
        ),
        (
            &format!("http://{open_at}"),
            with(named("half"), &json!({"provider": "azure"})),
            refused,
            "requires a 'clientId' or 'accountKey' field",
        ),
    ] {
        again(&space, bucket(endpoint, &json!({"spec": spec}))).await?;
        let told = space.says(SOURCE, KIND, "app", reason, part).await;
        let told = told.with_context(|| format!("case {spec} of {endpoint}"))?;
        ensure!(told.status == "False", "{told:?}");
    }
    // Right in each way; the region is learnt where the spec does not say it.
    for (endpoint, spec) in [
        (&open_at, named("keys")),
        (&open_at, json!({"secretRef": {"name": "keys"}})),
        (
            &secure_at,
            with(
                named("keys"),
                &json!({"insecure": false, "certSecretRef": {"name": "authority"}}),
            ),
        ),
    ] {
        again(&space, bucket(endpoint, &json!({"spec": spec}))).await?;
        ready(&space, "sha256:")
            .await
            .with_context(|| format!("case {spec}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn blobs_are_read_with_a_key_and_with_a_signature() -> Result<()> {
    let space = World::shared().await?.space("bucket-azure").await?;
    let server = AzureServer::start().await?;
    server.create("app").await?;
    for (name, content) in [
        ("a.yaml", app::config_map("a", "1")),
        ("deploy/b%20c%2B%C3%BC.yaml", app::config_map("b", "1")),
        (".sourceignore", "*.txt\n".into()),
        ("x.txt", "text".into()),
    ] {
        server.put("app", name, &content).await?;
    }
    for (name, data) in [
        ("key", json!({"accountKey": ACCOUNT_KEY})),
        ("wrong", json!({"accountKey": "d3Jvbmc="})),
        ("sas", json!({"sasKey": server.signature()})),
        (
            "forged",
            json!({"sasKey": server.signature().replace("2099", "2098")}),
        ),
    ] {
        space.apply(secret(name, &data)).await?;
    }
    let with_secret = |name: &str, bucket_name: &str| {
        let spec = json!({"provider": "azure", "bucketName": bucket_name, "secretRef": {"name": name}});
        bucket(&server.endpoint(), &json!({"spec": spec}))
    };
    let digest = |lines: &str| format!("sha256:{}", hex::encode(Sha256::digest(lines)));
    // Etags have their quotes, as in what Flux stores.
    let (a, b) = (
        server.etag("app", "a.yaml").await?,
        server.etag("app", "deploy/b%20c%2B%C3%BC.yaml").await?,
    );
    let revision = digest(&format!("a.yaml {a}\ndeploy/b c+ü.yaml {b}\n"));
    for name in ["key", "sas"] {
        again(&space, with_secret(name, "app")).await?;
        let found = files(&ready(&space, &revision).await?).await?;
        ensure!(
            paths(&found) == [".sourceignore", "a.yaml", "deploy/b c+ü.yaml"],
            "{found:?}"
        );
        // What is listed is what is stored: nothing is fetched again.
        let before = space.get(SOURCE, KIND, "app").await?.context("it is there")?;
        let after = space.handled(SOURCE, KIND, "app").await?;
        ensure!(
            before["status"]["artifact"] == after["status"]["artifact"],
            "{after}"
        );
    }
    for (name, bucket_name, part) in [
        ("wrong", "app", "failed to confirm existence of 'app' bucket"),
        ("forged", "app", "failed to confirm existence of 'app' bucket"),
        ("key", "nowhere", "bucket 'nowhere' not found"),
    ] {
        again(&space, with_secret(name, bucket_name)).await?;
        space
            .says(SOURCE, KIND, "app", "BucketOperationFailed", part)
            .await
            .with_context(|| name.to_owned())?;
    }
    Ok(())
}
