//! Texts of others that may hold secrets.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::fmt;

/// What stands where a secret was.
const MASK: &str = "*****";
/// What is shorter is found in any text, and its being hidden says where it stands. In bytes.
const SHORTEST: usize = 4;

/// What must not be in a text for people: the secrets of a service, in the spellings in which a peer may repeat them.
#[derive(Clone, Default)]
pub struct Mask(Vec<String>);

impl Mask {
    /// Adds a secret: as it is, without white space around it, in base64, as a part of a URL, and inside a JSON text.
    pub fn hide(&mut self, secret: &[u8]) {
        let trimmed = secret.trim_ascii();
        if trimmed.len() < SHORTEST {
            return;
        }
        self.add(STANDARD.encode(trimmed));
        self.add(percent_encoding::percent_encode(trimmed, percent_encoding::NON_ALPHANUMERIC).to_string());
        self.add(url::form_urlencoded::byte_serialize(trimmed).collect());
        let text = String::from_utf8_lossy(trimmed);
        let quoted = serde_json::Value::from(text.as_ref()).to_string();
        self.add(quoted[1..quoted.len() - 1].to_owned());
        // What is in several lines may be repeated in part.
        for line in text.lines().map(str::trim).filter(|line| line.len() >= 16) {
            self.add(line.to_owned());
        }
        self.add(text.into_owned());
    }

    /// Adds what in an address may be a key to it: the login, the path and query as a whole, and long parts of them. Scheme, host
    /// and port may be told.
    pub fn hide_address(&mut self, address: &[u8]) {
        let url = std::str::from_utf8(address)
            .ok()
            .and_then(|text| url::Url::parse(text.trim()).ok())
            .filter(url::Url::has_host);
        let Some(url) = url else {
            self.hide(address);
            return;
        };
        let is_ssh = ["ssh", "git+ssh", "ssh+git"].contains(&url.scheme());
        // There, the user is no secret: `git` nearly always.
        for part in [(!is_ssh).then_some(url.username()), url.password()]
            .into_iter()
            .flatten()
        {
            self.hide(part.as_bytes());
            self.hide(&percent_encoding::percent_decode_str(part).collect::<Vec<u8>>());
        }
        if !matches!(&url[url::Position::BeforePath..], "" | "/") {
            self.hide(address);
        }
        let tail = &url[url::Position::BeforePath..url::Position::AfterQuery];
        if tail.len() >= 8 {
            self.hide(tail.as_bytes());
        }
        for segment in url
            .path_segments()
            .into_iter()
            .flatten()
            .filter(|segment| segment.len() >= 16)
        {
            self.hide(segment.as_bytes());
        }
        for (_, value) in url.query_pairs().filter(|(_, value)| value.len() >= 8) {
            self.hide(value.as_bytes());
        }
    }

    /// As [`Mask::hide_address`], of a server whose address may be without a scheme.
    pub fn hide_server(&mut self, address: &[u8]) {
        match String::from_utf8_lossy(address).trim() {
            text if text.contains("://") => self.hide_address(text.as_bytes()),
            text => self.hide_address(format!("nats://{text}").as_bytes()),
        }
    }

    /// The text without the secrets.
    pub fn apply(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            match text.contains(secret.as_str()) {
                true => text.replace(secret.as_str(), MASK),
                false => text,
            }
        })
    }

    /// Longest first, so that no part of a secret is left over when another part of it is hidden.
    fn add(&mut self, secret: String) {
        if secret.is_empty() || secret.bytes().all(|byte| byte == b'*') || self.0.contains(&secret) {
            return;
        }
        let at = self.0.partition_point(|other| other.len() >= secret.len());
        self.0.insert(at, secret);
    }
}

impl fmt::Debug for Mask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mask({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_spelling_of_a_secret_is_left() {
        let mut mask = Mask::default();
        mask.hide(b" to/ken+\"x\"\r\n");
        mask.hide(b"to/ken+\"x\"-longer");
        for (text, expected) in [
            ("bad to/ken+\"x\" here", "bad ***** here"),
            ("bad to/ken+\"x\"-longer here", "bad ***** here"),
            (r#"{"got":"to/ken+\"x\""}"#, r#"{"got":"*****"}"#),
            ("?token=to%2Fken%2B%22x%22&a=b", "?token=*****&a=b"),
            ("Basic dG8va2VuKyJ4Ig==", "Basic *****"),
            ("nothing", "nothing"),
        ] {
            assert_eq!(mask.apply(text), expected);
        }
    }

    #[test]
    fn an_address_gives_away_its_host_only() {
        let mut mask = Mask::default();
        mask.hide_address(b"https://me:pass@hooks.example/services/T0/B0/0123456789abcdef?key=01234567");
        let told = mask.apply(
            "no /services/T0/B0/0123456789abcdef?key=01234567 at hooks.example for me:pass, 0123456789abcdef, 01234567",
        );
        // A user name of three letters is none that could be hidden.
        assert_eq!(told, "no ***** at hooks.example for me:*****, *****, *****");
        for (address, said, told) in [
            (
                "https://hooks.example:8443",
                "https://hooks.example:8443 answered",
                None,
            ),
            ("https://hooks.example/", "https://hooks.example answered", None),
            (
                "ssh://git@github.com/acme/web",
                "https://github.com answered",
                None,
            ),
            (
                "ssh://github@github.com/acme/web",
                "https://github.com answered",
                None,
            ),
            ("git@github.com:acme/web", "https://github.com answered", None),
            (
                "https://s3cret@hooks.example",
                "hooks.example: no s3cret",
                Some("hooks.example: no *****"),
            ),
            (
                "https://me:p%20wd@hooks.example",
                "no p wd, p%20wd",
                Some("no *****, *****"),
            ),
            (
                "nats://s3cret@nats.example",
                "nats.example: no s3cret",
                Some("nats.example: no *****"),
            ),
            ("hooks", "no such hub: hooks", Some("no such hub: *****")),
        ] {
            let mut mask = Mask::default();
            mask.hide_address(address.as_bytes());
            assert_eq!(mask.apply(said), told.unwrap_or(said), "{address}");
        }
    }

    #[test]
    fn what_is_short_is_no_secret() {
        let mut mask = Mask::default();
        mask.hide(b"1");
        mask.hide(b"abc");
        assert_eq!(mask.apply("abc answered 501"), "abc answered 501");
        mask.hide(b"abcd");
        assert_eq!(mask.apply("abcd"), "*****");
    }
}
