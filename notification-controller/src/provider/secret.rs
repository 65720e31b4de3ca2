//! Values that may be used but never shown, and texts of others that may hold them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// What stands where a secret was.
const MASK: &str = "*****";

/// Bytes of a Secret: Debug gives no content, and there is no Display.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes into custody.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes, for the one place that sends or parses them.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// The bytes as text without white space around them, if they are UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.0).ok().map(str::trim)
    }

    /// Whether there is nothing but white space.
    pub fn is_blank(&self) -> bool {
        self.0.trim_ascii().is_empty()
    }

    /// A fingerprint: equal for equal secrets, and says nothing else.
    pub(crate) fn fingerprint(&self, into: &mut Sha256) {
        into.update((self.0.len() as u64).to_be_bytes());
        into.update(&self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What must not be in a text for people: the secrets of a service, in the spellings in which a peer may repeat them.
#[derive(Clone, Default)]
pub struct Mask(Vec<String>);

impl Mask {
    /// Adds a secret: as it is, without white space around it, in base64, as a part of a URL, and inside a JSON text.
    pub fn hide(&mut self, secret: &[u8]) {
        let trimmed = secret.trim_ascii();
        if trimmed.is_empty() {
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

    /// Adds what in an address may be a key to it: the login, the path and query as a whole, and long parts of them.
    pub fn hide_address(&mut self, address: &[u8]) {
        self.hide(address);
        let Some(url) = std::str::from_utf8(address)
            .ok()
            .and_then(|text| url::Url::parse(text.trim()).ok())
        else {
            return;
        };
        self.hide(url.username().as_bytes());
        self.hide(url.password().unwrap_or_default().as_bytes());
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
        assert_eq!(told, "no ***** at hooks.example for *****:*****, *****, *****");
    }

    #[test]
    fn nothing_is_printed() {
        assert_eq!(format!("{:?}", Secret::new("x")), "[redacted]");
    }
}
