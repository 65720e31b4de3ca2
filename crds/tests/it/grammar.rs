//! Durations, digests, revisions and object ids: what is read, what is refused, and that nothing is lost.

use std::time::Duration as Std;

use crds::meta::{Digest, Duration, DurationError, ObjectId, Revision, format_go, parse_go};
use proptest::prelude::*;

#[test]
fn durations_are_those_of_go() {
    let check = |text: &str, nanos: u64, printed: &str| {
        let value = parse_go(text).unwrap();
        assert_eq!(value, Std::from_nanos(nanos), "{text}");
        assert_eq!(format_go(value), printed, "{text}");
        assert_eq!(Duration::from(text).to_string(), printed, "{text}");
    };
    check("0", 0, "0s");
    check("-0s", 0, "0s");
    check("+5s", 5_000_000_000, "5s");
    check("60s", 60_000_000_000, "1m0s");
    check("1h", 3_600_000_000_000, "1h0m0s");
    check("90m", 5_400_000_000_000, "1h30m0s");
    check("1h15m30.918s", 4_530_918_000_000, "1h15m30.918s");
    check("10m0.5s", 600_500_000_000, "10m0.5s");
    check("1.5s", 1_500_000_000, "1.5s");
    check(".5s", 500_000_000, "500ms");
    check("1.s", 1_000_000_000, "1s");
    check("300ms", 300_000_000, "300ms");
    check("1.1us", 1_100, "1.1µs");
    check("2µs", 2_000, "2µs");
    check("2μs", 2_000, "2µs");
    check("7ns", 7, "7ns");
    check(
        "0.3333333333333333333h",
        1_200_000_000_000 - 1,
        "19m59.999999999s",
    );
    check("0.100000000000000000000h", 360_000_000_000, "6m0s");
    check("240h", 864_000_000_000_000, "240h0m0s");
    check(
        "9223372036854775807ns",
        i64::MAX as u64,
        "2562047h47m16.854775807s",
    );
    check(
        "2562047h47m16.854775807s",
        i64::MAX as u64,
        "2562047h47m16.854775807s",
    );
}

#[test]
fn what_is_no_duration_is_told() {
    let check = |text: &str, error: fn(String) -> DurationError| {
        assert_eq!(parse_go(text), Err(error(text.to_owned())), "{text}");
    };
    check("", DurationError::Invalid);
    check("-", DurationError::Invalid);
    check("s", DurationError::Invalid);
    check(".s", DurationError::Invalid);
    check("m10", DurationError::Invalid);
    check(" 1s", DurationError::Invalid);
    check("--1s", DurationError::Invalid);
    check("3", DurationError::Unit);
    check("00", DurationError::Unit);
    check("1d", DurationError::Unit);
    check("1h 1m", DurationError::Unit);
    check("1h1", DurationError::Unit);
    check("-1m", DurationError::Negative);
    check("9223372036854775808ns", DurationError::OutOfRange);
    check("2562048h", DurationError::OutOfRange);
    check("99999999999999999999h", DurationError::OutOfRange);
    check("9223372036.854775807s1ns", DurationError::OutOfRange);
    let huge = parse_go(&"9".repeat(1 << 20)).unwrap_err().to_string();
    assert!(huge.len() < 200, "an error is not as long as its input");
}

#[test]
fn revisions_have_parts() {
    const SHA1: &str = "5394cb7f48332b2de7c17dd8b8384bbc84b7e738";
    let check = |text: &str, pointer: Option<&str>, algorithm: &str, hash: &str, printed: &str| {
        let revision: Revision = text.parse().unwrap();
        assert_eq!(
            (revision.pointer(), revision.algorithm(), revision.hash()),
            (pointer, algorithm, hash),
            "{text}"
        );
        assert_eq!(revision.to_string(), printed);
    };
    let same = |text: &str, pointer, algorithm, hash| check(text, pointer, algorithm, hash, text);
    same(&format!("main@sha1:{SHA1}"), Some("main"), "sha1", SHA1);
    same(&format!("feature/x@sha1:{SHA1}"), Some("feature/x"), "sha1", SHA1);
    same(&format!("a@b@sha1:{SHA1}"), Some("a@b"), "sha1", SHA1);
    same(
        &format!("refs/pull/1/head@sha1:{SHA1}"),
        Some("refs/pull/1/head"),
        "sha1",
        SHA1,
    );
    same(&format!("sha1:{SHA1}"), None, "sha1", SHA1);
    same("v1.2.3@sha256:00ff", Some("v1.2.3"), "sha256", "00ff");
    same("main@<unknown>:00ff", Some("main"), "<unknown>", "00ff");
    check(
        &format!("main/{SHA1}"),
        Some("main"),
        "sha1",
        SHA1,
        &format!("main@sha1:{SHA1}"),
    );
    check(
        &format!("feature/x/{SHA1}"),
        Some("feature/x"),
        "sha1",
        SHA1,
        &format!("feature/x@sha1:{SHA1}"),
    );
    check(
        &format!("HEAD/{SHA1}"),
        None,
        "sha1",
        SHA1,
        &format!("sha1:{SHA1}"),
    );
    check(SHA1, None, "sha1", SHA1, &format!("sha1:{SHA1}"));
}

#[test]
fn what_is_no_revision_is_told() {
    for text in [
        "",
        "6.5.3",
        "1.0.0+12",
        "main",
        "main@",
        "@sha1:00",
        "main@:00",
        "main@sha1:",
        "main@SHA1:00",
        "a/b",
    ] {
        assert!(text.parse::<Revision>().is_err(), "{text:?}");
    }
}

#[test]
fn object_ids_are_those_of_inventories() {
    let check = |text: &str, namespace: &str, name: &str, group: &str, kind: &str| {
        let id = ObjectId {
            namespace: namespace.into(),
            name: name.into(),
            group: group.into(),
            kind: kind.into(),
        };
        assert_eq!(text.parse(), Ok(id.clone()), "{text}");
        assert_eq!(id.to_string(), text);
    };
    check("_apps__Namespace", "", "apps", "", "Namespace");
    check("default_podinfo__Service", "default", "podinfo", "", "Service");
    check(
        "default_podinfo_apps_Deployment",
        "default",
        "podinfo",
        "apps",
        "Deployment",
    );
    check(
        "a_under_score_example.com_Thing",
        "a",
        "under_score",
        "example.com",
        "Thing",
    );
    check("a_two__apart__Thing", "a", "two__apart", "", "Thing");
    let rbac = "rbac.authorization.k8s.io";
    check(
        "_system__x__y_rbac.authorization.k8s.io_ClusterRole",
        "",
        "system:x:y",
        rbac,
        "ClusterRole",
    );
    check(
        "a_b__c_rbac.authorization.k8s.io_RoleBinding",
        "a",
        "b:c",
        rbac,
        "RoleBinding",
    );
    check(
        "_a__b_example.com_ClusterRole",
        "",
        "a__b",
        "example.com",
        "ClusterRole",
    );
}

#[test]
fn what_is_no_object_id_is_told() {
    for text in [
        "",
        "a",
        "a_b",
        "a_b_c",
        "___",
        "a___Pod",
        "a_b__",
        "__apps_Deployment",
    ] {
        assert!(text.parse::<ObjectId>().is_err(), "{text:?}");
    }
}

#[test]
fn digests_have_an_algorithm() {
    for text in ["sha256:00ff", "sha512-256:Az_=-", "blake3:0", "a+b.c_d-e:0"] {
        assert_eq!(text.parse::<Digest>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "00ff",
        ":00",
        "sha256:",
        "SHA256:00",
        "sha256:0 0",
        "-a:0",
        "a--b:0",
        "sha256:00:11",
    ] {
        assert!(text.parse::<Digest>().is_err(), "{text:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn durations_come_back(nanos in 0..=i64::MAX as u64) {
        let value = Std::from_nanos(nanos);
        prop_assert_eq!(parse_go(&format_go(value)), Ok(value));
        prop_assert_eq!(Duration::new(value).get(), Ok(value));
    }

    #[test]
    fn durations_of_any_text_do_no_harm(text in "(\\PC{0,20}|[-+]?([0-9]{0,22}(\\.[0-9]{0,40})?(ns|us|µs|ms|s|m|h|d)?){0,4})") {
        if let Ok(value) = parse_go(&text) {
            prop_assert_eq!(parse_go(&format_go(value)), Ok(value));
        }
        let kept: Duration = serde_json::from_value(text.clone().into()).unwrap();
        prop_assert_eq!(kept.as_str(), text);
    }

    #[test]
    fn revisions_come_back(text in "(\\PC{0,60}|([a-zA-Z/@.-]{1,9}@)?(sha1|sha256):[0-9a-f]{1,64}|([a-z/]{1,9}/)?[0-9a-f]{40})") {
        if let Ok(revision) = text.parse::<Revision>() {
            prop_assert_eq!(revision.to_string().parse(), Ok(revision));
        }
    }

    #[test]
    fn digests_come_back(text in "(\\PC{0,60}|[a-z0-9+._-]{0,9}:[a-zA-Z0-9=_-]{0,64})") {
        if let Ok(digest) = text.parse::<Digest>() {
            prop_assert_eq!(digest.to_string(), text);
        }
    }

    #[test]
    fn object_ids_of_any_text_do_no_harm(text in "(\\PC{0,60}|[a-z_:.]{0,30}_[a-zA-Z_:.]{0,30})") {
        if let Ok(id) = text.parse::<ObjectId>() {
            prop_assert_eq!(id.to_string(), text);
        }
    }

    /// A colon only where the API server allows one, and there no underscore, which could not be told from it.
    #[test]
    fn object_ids_come_back(
        namespace in "[a-z0-9-]{0,20}",
        (name, group, kind) in prop_oneof![
            ("[a-zA-Z0-9._-]{1,30}", "[a-z0-9.-]{0,20}", "[A-Z][a-zA-Z0-9]{0,20}"),
            ("[a-zA-Z0-9.:-]{1,30}", "rbac\\.authorization\\.k8s\\.io", "(Cluster)?Role(Binding)?"),
        ],
    ) {
        let id = ObjectId { namespace, name, group, kind };
        prop_assert_eq!(id.to_string().parse(), Ok(id));
    }
}
