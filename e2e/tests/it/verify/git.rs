//! `spec.verify` of GitRepositories: commits and tags that the real gpg or ssh-keygen signed are accepted, and nothing else is.

use super::{secret, verified};
use anyhow::{Context as _, Result, ensure};
use e2e::{
    app, expect,
    flux::{SOURCE, git_repository, with},
    origin::{Change, GitSigner},
    space::{LIMIT, Space},
    world::World,
};
use serde_json::{Value, json};

const KIND: &str = "GitRepository";

/// A GitRepository of this space that verifies in a mode, with the keys of a Secret.
fn object(space: &Space<'_>, name: &str, reference: &Value, mode: &str, keys: &str) -> Value {
    // A merge would keep the branch beside a tag.
    let mut object = git_repository(name, &space.url());
    object["spec"]["ref"] = reference.clone();
    let verify = json!({"mode": mode, "secretRef": {"name": keys}});
    with(object, &json!({"spec": {"verify": verify}}))
}

/// The Secret with the keys of these.
async fn trust(space: &Space<'_>, name: &str, signers: &[&GitSigner]) -> Result<()> {
    let mut data = json!({});
    for signer in signers {
        let (entry, text) = signer.entry();
        data[entry] = json!(text);
    }
    space.apply(secret(name, &data)).await
}

/// Waits until an object is ready at a revision because this was signed, and gives it.
async fn accepted(space: &Space<'_>, name: &str, revision: &str, signed: &[String]) -> Result<Value> {
    let text = format!("verified signature of{}", signed.concat());
    let wanted = Some(("True".to_owned(), "Succeeded".to_owned(), text));
    let at = |o: &Value| {
        verified(o) == wanted
            && o["status"]["artifact"]["revision"] == revision
            && o["status"]["observedGeneration"] == o["metadata"]["generation"]
            && expect::verdict(o).is_some_and(|v| v.status == "True" && v.reason == "Succeeded")
    };
    let what = format!("{name} is verified at {revision}: {signed:?}");
    space.holds(&what, SOURCE, KIND, name, at).await
}

/// Waits until an object is not ready because of a signature, and gives it.
async fn refused(space: &Space<'_>, name: &str, reason: &str, part: &str) -> Result<Value> {
    let told = space.says(SOURCE, KIND, name, reason, part).await?;
    ensure!(told.status == "False", "{told:?}");
    let object = space.get(SOURCE, KIND, name).await?.context("it is there")?;
    let found = verified(&object).context("a condition")?;
    ensure!(
        found.0 == "False" && found.1 == reason && found.2.contains(part),
        "{found:?}"
    );
    ensure!(expect::condition(&object, "FetchFailed").is_none(), "{object}");
    Ok(object)
}

fn commit_line(commit: &str, signer: &GitSigner) -> String {
    format!("\n\t- commit '{commit}' with key '{}'", signer.key())
}

fn tag_line(name: &str, id: &str, signer: &GitSigner) -> String {
    format!("\n\t- tag '{name}@{id}' with key '{}'", signer.key())
}

/// A commit with the signature of another: only who wrote it differs.
fn altered(space: &Space<'_>, commit: &str) -> Result<String> {
    let signed = space.repo.git(&["cat-file", "commit", commit])?;
    let forged = signed.replace("author Dev", "author Eve");
    ensure!(forged != signed, "{signed}");
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), forged + "\n")?;
    let path = file.path().to_str().context("a path")?;
    space.repo.git(&["hash-object", "-t", "commit", "-w", path])
}

/// What is served of an object.
async fn served(object: &Value) -> Result<Vec<u8>> {
    let url = object["status"]["artifact"]["url"].as_str().context("a url")?;
    Ok(reqwest::get(url)
        .await?
        .error_for_status()?
        .bytes()
        .await?
        .to_vec())
}

#[tokio::test]
async fn a_commit_that_is_signed_is_accepted_and_no_other() -> Result<()> {
    let space = World::shared().await?.space("git-signed").await?;
    let none = "unable to verify payload with any of the given keys";
    for (name, right, other) in [
        ("openpgp", GitSigner::openpgp()?, GitSigner::openpgp()?),
        ("ssh", GitSigner::ssh()?, GitSigner::ssh()?),
    ] {
        trust(&space, name, &[&right]).await?;
        let commit = |value: &str, signer: Option<&GitSigner>| {
            let file = Change::Write("a.yaml".into(), app::config_map("a", value).into());
            let plain = space.repo.commit_on(name, "change", &[file])?;
            signer.map_or(Ok(plain), |signer| space.repo.sign(name, signer))
        };
        let revision = |commit: &str| format!("{name}@sha1:{commit}");
        let again = async || space.request(SOURCE, KIND, name).await;
        let first = commit("1", Some(&right))?;
        let plain = object(&space, name, &json!({"branch": name}), "HEAD", name);
        space.apply(plain).await?;
        let signed = [commit_line(&first, &right)];
        let before = accepted(&space, name, &revision(&first), &signed).await?;
        ensure!(before["status"]["sourceVerificationMode"] == "HEAD", "{before}");
        let content = served(&before).await?;

        // What nobody signed, or somebody else, or what was signed and altered, is not taken; what there was is served.
        let unsigned = commit("2", None)?;
        let stranger = commit("3", Some(&other))?;
        let altered = altered(&space, &commit("4", Some(&right))?)?;
        for (commit, part) in [
            (
                &unsigned,
                "unable to verify payload as the provided signature is empty",
            ),
            (&stranger, none),
            (&altered, none),
        ] {
            space.repo.branch(name, commit)?;
            again().await?;
            let part = format!("signature verification of commit '{commit}' failed: {part}");
            let after = refused(&space, name, "InvalidCommitSignature", &part).await?;
            ensure!(
                after["status"]["artifact"] == before["status"]["artifact"],
                "{after}"
            );
            ensure!(served(&after).await? == content, "it is served still");
            let outdated = expect::condition(&after, "ArtifactOutdated").context("outdated")?;
            ensure!(outdated.message.contains(commit.as_str()), "{outdated:?}");
            let told = async || {
                let events = space.events().await?;
                let told = events.iter().any(|event| {
                    event.involved_object.name.as_deref() == Some(name)
                        && event.type_.as_deref() == Some("Warning")
                        && event.reason.as_deref() == Some("InvalidCommitSignature")
                        && event.message.as_ref().is_some_and(|m| m.contains(&part))
                });
                Ok(told.then_some(()))
            };
            space.until("an event tells of it", LIMIT, told).await?;
        }

        // Where it was good it is good again, and so it is with what is signed at last.
        space.repo.branch(name, &first)?;
        again().await?;
        accepted(&space, name, &revision(&first), &signed).await?;
        space.repo.branch(name, &unsigned)?;
        let last = space.repo.sign(name, &right)?;
        again().await?;
        let after = accepted(&space, name, &revision(&last), &[commit_line(&last, &right)]).await?;
        ensure!(served(&after).await? != content, "it is another one");
        ensure!(expect::condition(&after, "ArtifactOutdated").is_none(), "{after}");
    }
    space.at_rest().await
}

#[tokio::test]
async fn what_has_to_be_signed_is_what_the_mode_says() -> Result<()> {
    let space = World::shared().await?.space("git-modes").await?;
    let (dev, ssh) = (GitSigner::openpgp()?, GitSigner::ssh()?);
    trust(&space, "keys", &[&dev, &ssh]).await?;
    trust(&space, "openpgp", &[&dev]).await?;
    let unsigned = space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    // A commit that nobody signed, under a tag that somebody did.
    let v1 = space.repo.signed_tag("v1", &unsigned, &dev)?;
    space.repo.commit(&[("a.yaml", &app::config_map("a", "2"))])?;
    let signed = space.repo.sign("main", &ssh)?;
    let v2 = space.repo.signed_tag("v2.0.0", &signed, &dev)?;
    let v3 = space.repo.annotated_tag("v3", &signed, "unsigned")?;
    space.repo.tag("v4", &signed)?;
    let tag = |name: &str| json!({"tag": name});

    // As soon as the mode asks for more than was verified, the same revision is looked at again, and not believed.
    let mode = async |name: &str, mode: &str| {
        let change = json!({"spec": {"verify": {"mode": mode}}});
        space.patch(SOURCE, KIND, name, change).await
    };
    space
        .apply(object(&space, "one", &tag("v1"), "Tag", "keys"))
        .await?;
    let revision = format!("v1@sha1:{unsigned}");
    let line = [tag_line("v1", &v1, &dev)];
    let mut before = accepted(&space, "one", &revision, &line).await?;
    ensure!(before["status"]["sourceVerificationMode"] == "Tag", "{before}");
    for asked in ["HEAD", "TagAndHEAD"] {
        mode("one", asked).await?;
        let part =
            format!("signature verification of commit '{unsigned}' failed: unable to verify payload as");
        let after = refused(&space, "one", "InvalidCommitSignature", &part).await?;
        ensure!(
            after["status"]["artifact"] == before["status"]["artifact"],
            "{after}"
        );
        served(&after).await?;
        mode("one", "Tag").await?;
        before = accepted(&space, "one", &revision, &line).await?;
    }

    // Each mode has its own words. What covers it already is not looked at again.
    let (head, its_tag) = (commit_line(&signed, &ssh), tag_line("v2.0.0", &v2, &dev));
    let both = [its_tag.clone(), head.clone()];
    space
        .apply(object(&space, "two", &json!({"semver": "2.x"}), "HEAD", "keys"))
        .await?;
    let revision = format!("v2.0.0@sha1:{signed}");
    for (asked, lines, done) in [
        ("HEAD", std::slice::from_ref(&head), "HEAD"),
        ("Tag", std::slice::from_ref(&its_tag), "Tag"),
        ("head", std::slice::from_ref(&head), "HEAD"),
        ("TagAndHEAD", &both, "TagAndHEAD"),
        ("Tag", &both, "TagAndHEAD"),
        ("HEAD", &both, "TagAndHEAD"),
    ] {
        mode("two", asked).await?;
        let object = accepted(&space, "two", &revision, lines).await;
        let object = object.with_context(|| format!("mode {asked}"))?;
        ensure!(
            object["status"]["sourceVerificationMode"] == done,
            "{asked}: {object}"
        );
    }
    // With the keys of the tag alone, the commit is nobody's (G18).
    let keys = json!({"spec": {"verify": {"secretRef": {"name": "openpgp"}, "mode": "TagAndHEAD"}}});
    let fewer = with(object(&space, "three", &tag("v2.0.0"), "HEAD", "keys"), &keys);
    space.apply(fewer).await?;
    let part = "the signature was made with an SSH key, and the secret has no '.sshpub' entry";
    let refusal = refused(&space, "three", "InvalidCommitSignature", part).await?;
    ensure!(refusal["status"]["artifact"].is_null(), "{refusal}");
    ensure!(refusal["status"]["sourceVerificationMode"].is_null(), "{refusal}");

    // Tags without a signature, and no tags at all: the latter no time will mend.
    let no_tag = "cannot verify tag object's signature if a tag reference is not specified";
    for (name, reference, reason, part, stalls) in [
        (
            "unsigned-tag",
            tag("v3"),
            "InvalidGitObject",
            format!("cannot verify signature of tag 'v3@{v3}' since it is not signed"),
            false,
        ),
        (
            "light-tag",
            tag("v4"),
            "InvalidVerificationMode",
            no_tag.into(),
            true,
        ),
        (
            "no-tag",
            json!({"branch": "main"}),
            "InvalidVerificationMode",
            format!("{no_tag} (verification mode 'Tag')"),
            true,
        ),
    ] {
        space
            .apply(object(&space, name, &reference, "Tag", "keys"))
            .await?;
        let refusal = refused(&space, name, reason, &part).await?;
        let stalled = expect::condition(&refusal, "Stalled");
        ensure!(stalled.is_some() == stalls, "{refusal}");
        ensure!(
            stalled.is_none_or(|s| s.status == "True" && s.reason == reason),
            "{refusal}"
        );
    }
    let odd = object(&space, "odd", &tag("v1"), "Commit", "keys");
    let refusal = format!("{:#}", space.apply(odd).await.err().context("it is refused")?);
    ensure!(
        refusal.contains("spec.verify.mode: Unsupported value"),
        "{refusal}"
    );
    space.at_rest().await
}

#[tokio::test]
async fn without_keys_nothing_is_taken_and_without_verify_anything() -> Result<()> {
    let space = World::shared().await?.space("git-keys").await?;
    let signer = GitSigner::openpgp()?;
    space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    let first = space.repo.sign("main", &signer)?;
    let plain = object(&space, "app", &json!({"branch": "main"}), "HEAD", "keys");
    space.apply(plain).await?;
    let part = "PGP public keys secret error: failed to get secret 'git-keys/keys'";
    let refusal = refused(&space, "app", "VerificationError", part).await?;
    ensure!(refusal["status"]["artifact"].is_null(), "{refusal}");
    // Keys that are none are no keys.
    space.apply(secret("keys", &json!({"dev.asc": "no key"}))).await?;
    let part = "the secret has no readable armored key ring";
    refused(&space, "app", "InvalidCommitSignature", part).await?;
    // As soon as they are there it goes on by itself.
    trust(&space, "keys", &[&signer]).await?;
    let line = [commit_line(&first, &signer)];
    let before = accepted(&space, "app", &format!("main@sha1:{first}"), &line).await?;

    // Without `verify` there is no word about signatures, and the artifact is as it was.
    let verify = async |verify: Value| {
        let change = json!({"spec": {"verify": verify}});
        space.patch(SOURCE, KIND, "app", change).await
    };
    let silent = |revision: String| {
        move |o: &Value| {
            verified(o).is_none()
                && o["status"]["sourceVerificationMode"].is_null()
                && o["status"]["artifact"]["revision"] == revision
                && o["status"]["observedGeneration"] == o["metadata"]["generation"]
                && expect::verdict(o).is_some_and(|v| v.status == "True")
        }
    };
    verify(json!(null)).await?;
    let at_first = silent(format!("main@sha1:{first}"));
    let what = "no word about signatures";
    let after = space.holds(what, SOURCE, KIND, "app", at_first).await?;
    ensure!(
        after["status"]["artifact"] == before["status"]["artifact"],
        "{after}"
    );

    // What was refused is taken then, too.
    verify(json!({"mode": "HEAD", "secretRef": {"name": "keys"}})).await?;
    accepted(&space, "app", &format!("main@sha1:{first}"), &line).await?;
    let second = space.push(&[("a.yaml", &app::config_map("a", "2"))]).await?;
    refused(&space, "app", "InvalidCommitSignature", &second).await?;
    verify(json!(null)).await?;
    let at_second = silent(format!("main@sha1:{second}"));
    space.holds(what, SOURCE, KIND, "app", at_second).await?;
    space.at_rest().await
}
