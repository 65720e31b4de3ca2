//! What each kind of `spec.ref` leads to, and what is said when it leads nowhere.

use source_controller::git::{GitError, Reference};

use super::origin::{Origin, chain};

fn branch(name: &str) -> Reference {
    Reference::Branch(name.to_owned())
}

fn tag(name: &str) -> Reference {
    Reference::Tag(name.to_owned())
}

fn name(name: &str) -> Reference {
    Reference::Name(name.to_owned())
}

fn semver(range: &str) -> Reference {
    Reference::SemVer(range.to_owned())
}

fn commit(id: &str, branch: Option<&str>) -> Reference {
    Reference::Commit {
        id: id.to_owned(),
        branch: branch.map(str::to_owned),
    }
}

#[test]
fn found() {
    let origin = Origin::new();
    let work = origin.repository("r");
    let first = work.commit(&[("a", "1")]);
    work.git(&["tag", "v1.0.0"]);
    work.git(&["tag", "v1.1.0-rc.1"]);
    work.git(&["checkout", "-q", "-b", "feature/x"]);
    let side = work.commit(&[("side", "1")]);
    work.git(&["push", "-q", "origin", "HEAD:refs/pull/7/head"]);
    work.git(&["checkout", "-q", "main"]);
    let second = work.commit(&[("a", "2")]);
    work.git(&["tag", "-a", "-m", "annotated", "v1.1.0"]);
    let buried = work.commit(&[("a", "buried")]);
    let third = work.commit(&[("a", "3")]);

    let check_at = |name: &str, reference: Reference, revision: &str, id: &str| {
        let resolved = origin
            .mirrors
            .resolve(&origin.request(name, reference.clone()))
            .unwrap()
            .unwrap();
        let checkout = origin
            .fetch(name, reference.clone())
            .map_err(|error| chain(&error))
            .unwrap();
        assert_eq!(
            checkout.revision(),
            format!("{revision}sha1:{id}"),
            "{name} {reference:?}"
        );
        assert_eq!(checkout.resolved(), &resolved);
        assert_eq!(checkout.commit(), id);
        assert_eq!(checkout.short_message(), "change");
        let times = (checkout.author_seconds(), checkout.committer_seconds());
        assert_eq!(times, (1_767_225_600, 1_767_225_600));
        assert!(
            checkout
                .listing(&[])
                .unwrap()
                .paths()
                .any(|(path, _)| path == b"a")
        );
    };
    let check = |reference: Reference, revision: &str, id: &str| {
        check_at("r", reference.clone(), revision, id);
        // Azure DevOps and CodeCommit speak only the old protocol.
        check_at("old/r", reference, revision, id);
    };
    check(branch("main"), "main@", &third);
    check(branch("feature/x"), "feature/x@", &side);
    check(tag("v1.0.0"), "v1.0.0@", &first);
    check(tag("v1.1.0"), "v1.1.0@", &second);
    check(semver(">=1.0.0"), "v1.1.0@", &second);
    check(semver("<1.1.0"), "v1.0.0@", &first);
    check(semver(">=1.1.0-0 <1.1.0"), "v1.1.0-rc.1@", &first);
    check(name("refs/heads/main"), "refs/heads/main@", &third);
    check(name("refs/pull/7/head"), "refs/pull/7/head@", &side);
    check(name("refs/tags/v1.1.0"), "refs/tags/v1.1.0@", &second);
    check(commit(&second, None), "", &second);
    check(commit(&first, Some("main")), "main@", &first);
    check(commit(&third, Some("main")), "main@", &third);
    check(commit(&side, None), "", &side);
    check(commit(&buried, None), "", &buried);
}

#[test]
fn missing() {
    let origin = Origin::new();
    let work = origin.repository("r");
    work.commit(&[("a", "1")]);
    work.git(&["tag", "v1.0.0-rc.1"]);
    work.git(&["checkout", "-q", "-b", "side"]);
    let side = work.commit(&[("side", "1")]);
    origin.repository("empty");
    let url = format!("{}/r.git", origin.address);
    let check = |repository: &str, reference: Reference, reason: &str, expected: &str| {
        let error = origin.fetch(repository, reference.clone()).err().unwrap();
        assert_eq!(
            (error.reason(), chain(&error).as_str()),
            (reason, expected),
            "{reference:?}"
        );
        assert!(!error.stalls());
    };
    let failed = "failed to checkout and determine revision";
    let operation = "GitOperationFailed";
    for (reference, full) in [
        (branch("nope"), "refs/heads/nope"),
        (tag("nope"), "refs/tags/nope"),
        (branch("mai"), "refs/heads/mai"),
    ] {
        check(
            "r",
            reference,
            operation,
            &format!("{failed}: unable to clone '{url}': couldn't find remote ref \"{full}\""),
        );
    }
    check(
        "r",
        semver(">=9"),
        operation,
        &format!("{failed}: no match found for semver: >=9"),
    );
    check(
        "r",
        semver(">=1.0.0"),
        operation,
        &format!("{failed}: no match found for semver: >=1.0.0"),
    );
    check(
        "r",
        semver("what"),
        operation,
        &format!("{failed}: semver parse error: improper constraint: \"what\""),
    );
    check(
        "r",
        name("refs/pull/1/head"),
        operation,
        &format!("{failed}: unable to resolve ref 'refs/pull/1/head' to a specific commit"),
    );
    check(
        "r",
        name("refs/heads/"),
        operation,
        &format!("{failed}: unable to resolve ref 'refs/heads/' to a specific commit"),
    );
    let unknown = "0123456789012345678901234567890123456789";
    let no_commit =
        |id: &str| format!("{failed}: unable to resolve commit object for '{id}': object not found");
    check("r", commit(unknown, None), operation, &no_commit(unknown));
    check("old/r", commit(unknown, None), operation, &no_commit(unknown));
    check("r", commit(unknown, Some("main")), operation, &no_commit(unknown));
    check("r", commit(&side, Some("main")), operation, &no_commit(&side));
    check("r", commit("main", None), operation, &no_commit("main"));
    check(
        "empty",
        branch("main"),
        "EmptyGitRepository",
        "git repository is empty",
    );
    let gone = format!(
        "{failed}: unable to clone '{}/gone.git': repository not found: ",
        origin.address
    );
    check("gone", branch("main"), operation, &gone);
}

#[test]
fn moved() {
    let origin = Origin::new();
    let work = origin.repository("r");
    work.commit(&[("a", "1")]);
    work.git(&["tag", "-a", "-m", "one", "v1"]);
    let second = work.commit(&[("a", "2")]);
    let before = origin.fetch("r", tag("v1")).unwrap();
    work.git(&["tag", "-a", "-f", "-m", "two", "v1"]);
    work.git(&["push", "-q", "-f", "--tags"]);
    let after = origin.fetch("r", tag("v1")).unwrap();
    assert_ne!(before.commit(), after.commit());
    assert_eq!(after.commit(), second);
    assert_ne!(before.resolved().tag, after.resolved().tag);

    // A branch that was rewritten, to content seen before and to new content.
    origin.branch("r").unwrap();
    work.git(&["reset", "-q", "--hard", "HEAD~1"]);
    let rewritten = work.commit(&[("a", "other")]);
    assert_eq!(origin.branch("r").unwrap().commit(), rewritten);

    // A branch in place of a directory of branches, and back: names that contradict each other on a disk.
    work.git(&["push", "-q", "origin", "HEAD:refs/heads/x/y"]);
    origin.fetch("r", branch("x/y")).unwrap();
    work.git(&["push", "-q", "origin", ":refs/heads/x/y"]);
    work.git(&["push", "-q", "origin", "HEAD:refs/heads/x"]);
    assert_eq!(origin.fetch("r", branch("x")).unwrap().commit(), rewritten);
    assert!(origin.fetch("r", branch("x/y")).is_err());
}

#[test]
fn equal_versions_are_told_apart_by_time() {
    let origin = Origin::new();
    let work = origin.repository("r");
    work.commit(&[("a", "1")]);
    let at = |time: &str, text: &str, tag: &str| {
        std::fs::write(work.dir.join("a"), text).unwrap();
        work.git(&["add", "-A"]);
        let tree = work.git(&["write-tree"]);
        let output = std::process::Command::new("git")
            .args([
                "-c",
                "user.name=dev",
                "-c",
                "user.email=dev@localhost",
                "commit-tree",
                "-m",
                "x",
                &tree,
            ])
            .env("GIT_COMMITTER_DATE", time)
            .current_dir(&work.dir)
            .output()
            .unwrap();
        let id = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        work.git(&["tag", tag, &id]);
        work.git(&["push", "-q", "origin", tag]);
        id
    };
    let newer = at("2026-03-01T00:00:00Z", "newer", "v1.0.0+a");
    at("2026-02-01T00:00:00Z", "older", "v1.0.0+b");
    let request = origin.request("r", semver("1.x"));
    assert!(origin.mirrors.resolve(&request).unwrap().is_none());
    let checkout = origin.mirrors.fetch(&request).unwrap();
    assert_eq!(checkout.revision(), format!("v1.0.0+a@sha1:{newer}"));
}

#[test]
fn urls() {
    let check = |text: &str, expected: &str| {
        let error = source_controller::git::parse_url(text).err().unwrap();
        assert!(matches!(error, GitError::Url { .. }) && error.stalls() && error.reason() == "URLInvalid");
        assert_eq!(chain(&error), expected);
    };
    check(
        "ftp://h/x",
        "failed to parse url 'ftp://h/x': unsupported scheme 'ftp'",
    );
    check(
        "ssh://-oProxyCommand=x/y",
        "failed to parse url 'ssh://-oProxyCommand=x/y': invalid host",
    );
    check(
        "ssh://-o@host/y",
        "failed to parse url 'ssh://host/y': invalid host",
    );
    check("http://", "failed to parse url 'http://': empty host");
}
