//! PURE: what `spec.ref` asks for, and how a revision is written.

/// What to check out, in Flux's order of precedence: commit, name, tag, semver, branch.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Reference {
    /// A commit; it must be reachable from the branch if one is given.
    Commit {
        /// 40 hexadecimal digits.
        id: String,
        /// `spec.ref.branch`, which the revision then carries.
        branch: Option<String>,
    },
    /// Any reference by its full name, such as `refs/pull/420/head`.
    Name(String),
    /// A tag by its short name.
    Tag(String),
    /// The highest tag in a range.
    SemVer(String),
    /// A branch by its short name.
    Branch(String),
}

/// `spec.ref` of a GitRepository, as it stands there. Empty strings count as absent.
#[derive(Debug, Clone, Copy, Default)]
pub struct ReferenceSpec<'a> {
    /// `spec.ref.branch`
    pub branch: Option<&'a str>,
    /// `spec.ref.tag`
    pub tag: Option<&'a str>,
    /// `spec.ref.semver`
    pub semver: Option<&'a str>,
    /// `spec.ref.name`
    pub name: Option<&'a str>,
    /// `spec.ref.commit`
    pub commit: Option<&'a str>,
}

impl Reference {
    /// The one reference that counts. Without any it is the branch `master`, whatever the remote's HEAD says.
    #[must_use]
    pub fn from_spec(spec: ReferenceSpec<'_>) -> Reference {
        let given = |value: Option<&str>| value.filter(|value| !value.is_empty()).map(str::to_owned);
        let branch = given(spec.branch);
        if let Some(id) = given(spec.commit) {
            return Reference::Commit { id, branch };
        }
        let name = given(spec.name).map(Reference::Name);
        let tag = || given(spec.tag).map(Reference::Tag);
        let semver = || given(spec.semver).map(Reference::SemVer);
        name.or_else(tag)
            .or_else(semver)
            .unwrap_or_else(|| Reference::Branch(branch.unwrap_or_else(|| "master".to_owned())))
    }
}

/// The revision of a commit found under a full reference name: `main@sha1:…`, or `sha1:…` with an empty name.
///
/// `refs/heads/` and `refs/tags/` are cut off, unless the name was asked for as such (`full`).
#[must_use]
pub fn revision(name: &str, full: bool, commit: &str) -> String {
    let short = match full {
        true => name,
        false => name.splitn(3, '/').nth(2).unwrap_or(name),
    };
    if short.is_empty() {
        format!("sha1:{commit}")
    } else {
        format!("{short}@sha1:{commit}")
    }
}

/// Whether two revisions are the same, one perhaps in the form that Flux wrote before 2.0 (`main/<commit>`).
#[must_use]
pub fn same_revision(a: &str, b: &str) -> bool {
    fn modern(revision: &str) -> String {
        let is_commit = |text: &str| text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        match revision.rsplit_once('/') {
            _ if revision.contains("@sha1:") => revision.to_owned(),
            Some((name, commit)) if is_commit(commit) => {
                format!("{}@sha1:{commit}", name.trim_start_matches("refs/heads/"))
            }
            None if is_commit(revision) => format!("sha1:{revision}"),
            _ => revision.to_owned(),
        }
    }
    modern(a) == modern(b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn precedence() {
        let all = ReferenceSpec {
            branch: Some("b"),
            tag: Some("t"),
            semver: Some("*"),
            name: Some("refs/heads/n"),
            commit: Some("c"),
        };
        let check = |spec, expected: Reference| assert_eq!(Reference::from_spec(spec), expected);
        check(
            all,
            Reference::Commit {
                id: "c".into(),
                branch: Some("b".into()),
            },
        );
        let all = ReferenceSpec {
            commit: Some(""),
            ..all
        };
        check(all, Reference::Name("refs/heads/n".into()));
        let all = ReferenceSpec { name: None, ..all };
        check(all, Reference::Tag("t".into()));
        let all = ReferenceSpec { tag: None, ..all };
        check(all, Reference::SemVer("*".into()));
        let all = ReferenceSpec { semver: None, ..all };
        check(all, Reference::Branch("b".into()));
        check(ReferenceSpec::default(), Reference::Branch("master".into()));
    }

    #[test]
    fn revisions() {
        assert_eq!(
            revision("refs/heads/feature/x", false, "abc"),
            "feature/x@sha1:abc"
        );
        assert_eq!(revision("refs/tags/v1", false, "abc"), "v1@sha1:abc");
        assert_eq!(
            revision("refs/heads/main", true, "abc"),
            "refs/heads/main@sha1:abc"
        );
        assert_eq!(revision("", false, "abc"), "sha1:abc");
        let commit = "a".repeat(40);
        assert!(same_revision(
            &format!("main/{commit}"),
            &format!("main@sha1:{commit}")
        ));
        assert!(same_revision(&commit, &format!("sha1:{commit}")));
        assert!(!same_revision(
            &format!("main/{commit}"),
            &format!("dev@sha1:{commit}")
        ));
        assert!(!same_revision("v1@sha1:a", "v2@sha1:a"));
    }
}
