//! PURE: what a registry asks for when it refuses (RFC 9110 §11.6.1, RFC 6750 §3, the Docker token protocol).

/// What a registry wants in order to let somebody in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// Name and password with each request.
    Basic,
    /// A token, which is had elsewhere.
    Bearer {
        /// Where it is had.
        realm: String,
        /// For whom.
        service: String,
        /// For what, if the registry says.
        scope: Option<String>,
    },
}

impl Challenge {
    /// Reads the header `WWW-Authenticate`. A token is preferred where both would do.
    pub(super) fn parse(header: &str) -> Option<Self> {
        let lower = header.to_ascii_lowercase();
        if let Some(at) = lower.find("bearer ") {
            let value = |key: &str| parameter(&header[at + "bearer ".len()..], key);
            return Some(Self::Bearer {
                realm: value("realm")?,
                service: value("service").unwrap_or_default(),
                scope: value("scope").filter(|scope| !scope.is_empty()),
            });
        }
        lower.starts_with("basic").then_some(Self::Basic)
    }
}

/// The value of a parameter: `key="value"` or `key=value`.
fn parameter(text: &str, key: &str) -> Option<String> {
    let mut rest = text;
    while let Some((name, after)) = rest.split_once('=') {
        let name = name.trim_start_matches([' ', ',']).trim();
        let (value, more) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_once(',').unwrap_or((after, "")),
        };
        if name.eq_ignore_ascii_case(key) {
            return Some(value.trim().to_owned());
        }
        rest = more;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenges_are_read_as_registries_write_them() {
        let bearer = |realm: &str, service: &str, scope: Option<&str>| {
            Some(Challenge::Bearer {
                realm: realm.into(),
                service: service.into(),
                scope: scope.map(Into::into),
            })
        };
        for (header, expected) in [
            (
                r#"Bearer realm="https://auth.io/token",service="reg",scope="repository:a/b:pull,push""#,
                bearer("https://auth.io/token", "reg", Some("repository:a/b:pull,push")),
            ),
            (
                "bearer realm=https://a.io/t, service=x",
                bearer("https://a.io/t", "x", None),
            ),
            (r#"Bearer service="x""#, None),
            (r#"Basic realm="reg""#, Some(Challenge::Basic)),
            ("Negotiate", None),
            (r#"Bearer realm="unterminated"#, None),
        ] {
            assert_eq!(Challenge::parse(header), expected, "{header}");
        }
    }
}
