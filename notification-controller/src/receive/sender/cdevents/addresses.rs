//! PURE: addresses in events, as Go's packages read them: URI references (RFC 3986, `net/url`) and package URLs (purl).

use percent_encoding::percent_decode_str;

/// Whether Go can read a text as a URI reference.
pub fn is_reference(text: &str) -> bool {
    if text.bytes().any(|b| b < b' ' || b == 0x7f) {
        return false;
    }
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    if !is_escaped(fragment) {
        return false;
    }
    let Some((scheme, rest)) = scheme(text) else {
        return false;
    };
    let rest = rest.split_once('?').map_or(rest, |(path, _)| path);
    if !rest.starts_with('/') {
        let first = rest.split('/').next().unwrap_or_default();
        // With a scheme this is opaque; without, a colon would make one of what stands before it.
        return scheme || !first.contains(':') && is_escaped(rest);
    }
    match rest.strip_prefix("//") {
        Some(rest) if scheme || !rest.starts_with('/') => {
            let end = rest.find('/').unwrap_or(rest.len());
            is_authority(&rest[..end]) && is_escaped(&rest[end..])
        }
        _ => is_escaped(rest),
    }
}

/// Whether a text begins with a scheme, and what is behind it; nothing if it begins with the mark that ends one.
fn scheme(text: &str) -> Option<(bool, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.')));
    match end {
        Some(0) if text.starts_with(':') => None,
        Some(end) if text[end..].starts_with(':') && text.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            Some((true, &text[end + 1..]))
        }
        _ => Some((false, text)),
    }
}

fn is_authority(text: &str) -> bool {
    let (user, host) = text.rsplit_once('@').unwrap_or(("", text));
    let may_be_user = |b: u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&b);
    user.bytes().all(may_be_user) && is_escaped(user) && is_host(host)
}

fn is_host(text: &str) -> bool {
    if let Some(rest) = text.strip_prefix('[') {
        let Some((address, port)) = rest.rsplit_once(']') else {
            return false;
        };
        let address = address.split_once("%25").map_or(address, |(address, _)| address);
        return address.parse::<std::net::Ipv6Addr>().is_ok() && is_port(port);
    }
    let (name, port) = match text.find(':') {
        Some(at) => text.split_at(at),
        None => (text, ""),
    };
    let may_stand =
        |b: u8| !b.is_ascii() || b.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&b);
    name.bytes().all(may_stand) && is_escaped(name) && !escapes_ascii(name) && is_port(port)
}

/// Whether an escape stands for a character that needs none in a host.
fn escapes_ascii(text: &str) -> bool {
    let escapes = text.match_indices('%').map(|(at, _)| &text[at + 1..]);
    let mut of_ascii = escapes.filter(|rest| !rest.starts_with("25"));
    of_ascii.any(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit() && digit < '8'))
}

fn is_port(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    text.is_empty() || text.strip_prefix(':').is_some_and(digits)
}

/// Whether each `%` begins an escape.
fn is_escaped(text: &str) -> bool {
    let is_escape = |at: usize| {
        let digits = text.as_bytes().get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    text.match_indices('%').all(|(at, _)| is_escape(at))
}

/// Whether a text is a package URL (purl: `pkg:type/namespace/name@version?qualifiers#subpath`).
pub fn is_package(text: &str) -> bool {
    let (text, path) = text.split_once('#').unwrap_or((text, ""));
    // Dots are taken out of a part before it is read.
    let is_path = path.split('/').all(|part| is_escaped(&part.replace('.', "")));
    let (text, qualifiers) = text.rsplit_once('?').map_or((text, None), |(t, q)| (t, Some(q)));
    let mut channel = None;
    for qualifier in qualifiers.iter().flat_map(|text| text.split('&')) {
        let Some((key, value)) = qualifier.split_once('=') else {
            return false;
        };
        let value = value.split('=').next().unwrap_or_default();
        let is_read = is_escaped(key) && is_escaped(value);
        let key = percent_decode_str(key).decode_utf8_lossy();
        if !is_read || !is_qualifier(&key) {
            return false;
        }
        if key.eq_ignore_ascii_case("channel") && !value.is_empty() {
            channel = Some(value);
        }
    }
    let Some((kind, rest)) = text
        .strip_prefix("pkg:")
        .and_then(|rest| rest.trim_start_matches('/').split_once('/'))
    else {
        return false;
    };
    let (namespace, name) = rest.rsplit_once('/').unwrap_or(("", rest));
    let (name, version) = name
        .split_once('@')
        .map_or((name, None), |(name, version)| (name, Some(version)));
    let has_namespace = namespace.split('/').any(|part| !part.is_empty());
    let has_version = version.is_some_and(|version| !version.is_empty());
    // Rules of these types alone.
    let fits = match kind.to_ascii_lowercase().as_str() {
        "conan" => has_namespace == channel.is_some(),
        "swift" => has_namespace && has_version,
        "cran" => has_version,
        _ => true,
    };
    let is_read =
        version.is_none_or(|version| is_escaped(version) && is_escaped(name)) && is_escaped(namespace);
    is_path && !name.is_empty() && is_read && fits
}

fn is_qualifier(key: &str) -> bool {
    let letter = |b: u8| b.is_ascii_alphabetic() || matches!(b, b'.' | b'-' | b'_');
    key.bytes().next().is_some_and(letter) && key.bytes().all(|b| letter(b) || b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_those_that_go_reads() {
        for good in [
            "",
            "/ci",
            "ci",
            "a/b:c",
            "https://ci.example.com/a?b=%zz",
            "urn:x:%zz",
            "//host/a",
            "///a",
            "./a:b",
            "https://u:p@h:80/",
            "https://[::1]:80/",
            "https://h:/",
            "é",
            "#a%20b",
            "https://%C3%A9/",
        ] {
            assert!(is_reference(good), "{good}");
        }
        for bad in [
            ":a",
            "a b:c",
            "1:2",
            "/%zz",
            "a\tb",
            "#%",
            "https://h:x/",
            "https://[::1/",
            "https://a b/",
            "https://%41/",
            "https://::1/",
            "https://u ser@h/",
            "%",
        ] {
            assert!(!is_reference(bad), "{bad}");
        }
    }

    #[test]
    fn packages_are_those_that_the_sdk_reads() {
        for good in [
            "pkg:golang/mygit.com/myorg/myapp@234fd47e07d1004f0aed9c",
            "pkg:oci/app@sha256%3Aabc?repository_url=ghcr.io/org/app&tag=1",
            "pkg://npm/%40scope/name",
            "pkg:NPM/name#a/b",
            "pkg:conan/name",
            "pkg:conan/ns/name?channel=x",
            "pkg:swift/a/b@1",
            "pkg:a/%zz",
        ] {
            assert!(is_package(good), "{good}");
        }
        for bad in [
            "",
            "golang/x",
            "pkg:golang",
            "pkg:golang/",
            "pkg:a/b@%zz",
            "pkg:a/b?1=2",
            "pkg:a/b?x",
            "pkg:a/b#%zz",
            "pkg:cran/a",
            "pkg:swift/b@1",
            "pkg:conan/ns/name",
            "pkg:conan/name?channel=x",
            "pkg:a/%z/b",
            "PKG:a/b",
        ] {
            assert!(!is_package(bad), "{bad}");
        }
    }
}
