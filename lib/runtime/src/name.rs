//! PURE: what Kubernetes takes for a name.

/// A name has at most so many characters.
const MAX_NAME: usize = 253;

/// Whether a text can be the name of an object: a subdomain as RFC 1123 has it. Other texts may be another path at the API server.
pub fn is_object_name(text: &str) -> bool {
    let part = |part: &str| {
        let edge = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.chars().all(|c| edge(c) || c == '-') && part.starts_with(edge) && part.ends_with(edge)
    };
    text.len() <= MAX_NAME && text.split('.').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subdomains_are_names() {
        for (text, is_name) in [
            ("a", true),
            ("web-1.example.com", true),
            ("0", true),
            ("", false),
            ("A", false),
            ("-a", false),
            ("a-", false),
            ("a..b", false),
            ("a.-b", false),
            (".a", false),
            ("a/b", false),
            ("a\u{e9}", false),
            ("a%2fb", false),
        ] {
            assert_eq!(is_object_name(text), is_name, "{text}");
        }
        assert!(is_object_name(&"a".repeat(253)) && !is_object_name(&"a".repeat(254)));
    }
}
