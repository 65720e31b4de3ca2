//! Senders that sign with a shared key.

use super::*;

#[test]
fn generic_hmac() {
    let body = "payload";
    let signed = |algorithm: &str, token: &str| format!("{algorithm}={}", sign(algorithm, token, body));
    let (sha1, sha256, sha512) = (
        signed("sha1", TOKEN),
        signed("sha256", TOKEN),
        signed("sha512", TOKEN),
    );
    let (wrong, crossed) = (
        signed("sha256", "other"),
        format!("sha512={}", sign("sha256", TOKEN, body)),
    );
    let upper = sha256.to_uppercase().replace("SHA256", "sha256");
    let empty = format!("sha256={}", sign("sha256", "", body));
    rows(
        &receiver(ReceiverType::GenericHmac, &[]),
        &[
            ("SHA-1", vec![("x-signature", &sha1)], body, ""),
            ("SHA-256", vec![("x-signature", &sha256)], body, ""),
            ("SHA-512", vec![("x-signature", &sha512)], body, ""),
            ("capital digits", vec![("x-signature", &upper)], body, ""),
            ("none", vec![], body, "missing"),
            ("empty", vec![("x-signature", "")], body, "missing"),
            (
                "other body",
                vec![("x-signature", &sha256)],
                "payload ",
                "does not sign",
            ),
            (
                "other token",
                vec![("x-signature", &wrong)],
                body,
                "does not sign",
            ),
            (
                "of an empty token",
                vec![("x-signature", &empty)],
                body,
                "does not sign",
            ),
            (
                "cut",
                vec![("x-signature", &sha256[..sha256.len() - 2])],
                body,
                "does not sign",
            ),
            (
                "an odd length",
                vec![("x-signature", &sha256[..sha256.len() - 1])],
                body,
                "not hexadecimal",
            ),
            (
                "no digits",
                vec![("x-signature", "sha256=")],
                body,
                "does not sign",
            ),
            (
                "another length",
                vec![("x-signature", &crossed)],
                body,
                "does not sign",
            ),
            (
                "no algorithm",
                vec![("x-signature", &sha256[7..])],
                body,
                "names no algorithm",
            ),
            (
                "MD5",
                vec![("x-signature", "md5=d41d8cd98f00b204e9800998ecf8427e")],
                body,
                "names no algorithm",
            ),
            (
                "twice",
                vec![("x-signature", &wrong), ("x-signature", &sha256)],
                body,
                "more than once",
            ),
            (
                "not text",
                vec![("x-signature", "sha256=\u{e9}")],
                body,
                "no text",
            ),
        ],
    );
    let receiver = receiver(ReceiverType::GenericHmac, &[]);
    let refused = asked(&receiver, "", &[("x-signature", &empty)], body).unwrap_err();
    assert_eq!(refused.0, "an empty token signs nothing");
}

#[test]
fn github_and_bitbucket() {
    let body = "{\"ref\":\"refs/heads/main\"}";
    let form = "payload=%7B%7D";
    let signed = |body: &str| format!("sha256={}", sign("sha256", TOKEN, body));
    let (new, old, of_form) = (
        signed(body),
        format!("sha1={}", sign("sha1", TOKEN, body)),
        signed(form),
    );
    let wrong = format!("sha256={}", sign("sha256", "other", body));
    let json = ("content-type", "application/json");
    for (type_, event) in [
        (ReceiverType::GitHub, "x-github-event"),
        (ReceiverType::Bitbucket, "x-event-key"),
    ] {
        rows(
            &receiver(type_, &["push", "ping"]),
            &[
                (
                    "signed",
                    vec![json, ("x-hub-signature-256", &new), (event, "push")],
                    body,
                    "",
                ),
                (
                    "signed as long ago",
                    vec![json, ("x-hub-signature", &old), (event, "PUSH")],
                    body,
                    "",
                ),
                (
                    "a form",
                    vec![
                        ("content-type", "application/x-www-form-urlencoded"),
                        ("x-hub-signature-256", &of_form),
                        (event, "ping"),
                    ],
                    form,
                    "",
                ),
                (
                    "with a charset",
                    vec![
                        ("content-type", "application/json; charset=utf-8"),
                        ("x-hub-signature-256", &new),
                        (event, "push"),
                    ],
                    body,
                    "",
                ),
                (
                    "the better signature counts",
                    vec![
                        json,
                        ("x-hub-signature-256", &wrong),
                        ("x-hub-signature", &old),
                        (event, "push"),
                    ],
                    body,
                    "does not sign",
                ),
                ("unsigned", vec![json, (event, "push")], body, "missing"),
                (
                    "no digits",
                    vec![json, ("x-hub-signature-256", "sha256=zz"), (event, "push")],
                    body,
                    "not hexadecimal",
                ),
                (
                    "cut",
                    vec![
                        json,
                        ("x-hub-signature-256", &new[..new.len() - 2]),
                        (event, "push"),
                    ],
                    body,
                    "does not sign",
                ),
                (
                    "no algorithm",
                    vec![json, ("x-hub-signature-256", &new[7..]), (event, "push")],
                    body,
                    "names no algorithm",
                ),
                (
                    "malformed as long ago",
                    vec![json, ("x-hub-signature", "sha1="), (event, "push")],
                    body,
                    "does not sign",
                ),
                (
                    "wrong",
                    vec![json, ("x-hub-signature-256", &wrong), (event, "push")],
                    body,
                    "does not sign",
                ),
                (
                    "other event",
                    vec![json, ("x-hub-signature-256", &new), (event, "issues")],
                    body,
                    "none of spec.events",
                ),
                (
                    "no event",
                    vec![json, ("x-hub-signature-256", &new)],
                    body,
                    "none of spec.events",
                ),
                (
                    "text",
                    vec![
                        ("content-type", "text/plain"),
                        ("x-hub-signature-256", &new),
                        (event, "push"),
                    ],
                    body,
                    "content type",
                ),
                (
                    "no type",
                    vec![("x-hub-signature-256", &new), (event, "push")],
                    body,
                    "content type",
                ),
            ],
        );
        // No list takes all.
        rows(
            &receiver(type_, &[]),
            &[(
                "any event",
                vec![json, ("x-hub-signature-256", &new), (event, "issues")],
                body,
                "",
            )],
        );
    }
    let numbered = asked(
        &receiver(ReceiverType::GitHub, &[]),
        TOKEN,
        &[
            json,
            ("x-hub-signature-256", &new),
            ("x-github-delivery", "72d3162e"),
        ],
        body,
    );
    assert_eq!(numbered.unwrap().delivery.as_deref(), Some("72d3162e"));
}

#[test]
fn nexus() {
    let body = r#"{"action":"CREATED","repositoryName":"a"}"#;
    let (signed, prefixed) = (
        sign("sha1", TOKEN, body),
        format!("sha1={}", sign("sha1", TOKEN, body)),
    );
    let (junk, wrong) = (sign("sha1", TOKEN, "junk"), sign("sha1", "other", body));
    rows(
        &receiver(ReceiverType::Nexus, &[]),
        &[
            ("signed", vec![("x-nexus-webhook-signature", &signed)], body, ""),
            ("unsigned", vec![], body, "missing"),
            (
                "other body",
                vec![("x-nexus-webhook-signature", &signed)],
                "{}",
                "does not sign",
            ),
            (
                "other token",
                vec![("x-nexus-webhook-signature", &wrong)],
                body,
                "does not sign",
            ),
            (
                "cut",
                vec![("x-nexus-webhook-signature", &signed[..signed.len() - 2])],
                body,
                "does not sign",
            ),
            (
                "with a prefix",
                vec![("x-nexus-webhook-signature", &prefixed)],
                body,
                "not hexadecimal",
            ),
            (
                "signed junk",
                vec![("x-nexus-webhook-signature", &junk)],
                "junk",
                "none of Nexus'",
            ),
        ],
    );
}
