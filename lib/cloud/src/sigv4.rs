//! PURE: AWS Signature Version 4, for requests whose body is known beforehand (AWS "Signing AWS API requests").

use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use peer::secret::Secret;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};
use url::Url;

/// What stays as it is in a query: letters, digits and `-._~`.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');
/// The same for a path, whose slashes stay too.
const PATH: &AsciiSet = &QUERY.remove(b'/');

/// The keys of an identity at AWS, or at a store that speaks its protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keys {
    /// The access key id.
    pub id: String,
    /// The secret access key.
    pub secret: Secret,
    /// The session token of temporary keys.
    pub session: Option<Secret>,
}

/// For whom a request is signed.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The region, `us-east-1`.
    pub region: &'a str,
    /// The service, `s3`.
    pub service: &'a str,
}

/// A request as it is signed.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The method.
    pub method: &'a str,
    /// Where it goes; its query must be sorted and encoded as [`query`] does.
    pub url: &'a Url,
    /// The encoded path, where the URL cannot hold it as it is meant.
    pub path: Option<&'a str>,
    /// Headers to sign besides `host` and `x-amz-*`, by name in lower case.
    pub headers: &'a [(&'static str, &'a str)],
    /// The SHA-256 of the body, as [`hash`] gives it.
    pub hash: &'a str,
}

/// The SHA-256 of a body.
pub fn hash(body: &[u8]) -> String {
    hex::encode(Sha256::digest(body))
}

/// The headers that make a request a signed one: name and value.
pub fn sign(
    request: Request<'_>,
    scope: Scope<'_>,
    keys: &Keys,
    now: Timestamp,
) -> Vec<(&'static str, String)> {
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let day = &time[..8];
    let hash = request.hash;
    let mut headers = vec![
        ("x-amz-content-sha256", hash.to_owned()),
        ("x-amz-date", time.clone()),
    ];
    if let Some(session) = &keys.session {
        let session = String::from_utf8_lossy(session.expose()).into_owned();
        headers.push(("x-amz-security-token", session));
    }
    let mut signed: Vec<(&str, String)> = headers.clone();
    signed.push(("host", host(request.url)));
    signed.extend(
        request
            .headers
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned())),
    );
    signed.sort();
    let names: Vec<&str> = signed.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = signed
        .iter()
        .map(|(name, value)| format!("{name}:{}\n", value.trim()))
        .collect();
    let path = request.path.unwrap_or_else(|| request.url.path());
    let query = request.url.query().unwrap_or_default();
    let canonical = format!("{}\n{path}\n{query}\n{lines}\n{names}\n{hash}", request.method);
    let signature = signature(&canonical, &time, scope, keys);
    let Scope { region, service } = scope;
    let (id, scope) = (&keys.id, format!("{day}/{region}/{service}/aws4_request"));
    let login =
        format!("AWS4-HMAC-SHA256 Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
    headers.push(("authorization", login));
    headers
}

/// The signature of a request in its canonical form, at a time that begins with the day (`20260301T…`).
pub fn signature(canonical: &str, time: &str, scope: Scope<'_>, keys: &Keys) -> String {
    let day = time.get(..8).unwrap_or(time);
    let Scope { region, service } = scope;
    let digest = hex::encode(Sha256::digest(canonical));
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{day}/{region}/{service}/aws4_request\n{digest}");
    let mut key = [b"AWS4", keys.secret.expose()].concat();
    for part in [day, region, service, "aws4_request", &text] {
        key = mac(&key, part.as_bytes());
    }
    hex::encode(key)
}

/// The host of a URL, with its port if it is not the scheme's own: what goes into `Host`.
pub fn host(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    match url.port() {
        Some(port) => format!("{host}:{port}"),
        None => host.to_owned(),
    }
}

/// A path encoded as it is signed; slashes stay.
pub fn path(text: &str) -> String {
    utf8_percent_encode(text, PATH).to_string()
}

/// A part of a path or query encoded as it is signed; slashes do not stay.
pub fn part(text: &str) -> String {
    utf8_percent_encode(text, QUERY).to_string()
}

/// A query encoded and sorted as it is signed.
pub fn query(pairs: &[(&str, &str)]) -> String {
    let mut pairs: Vec<String> = pairs
        .iter()
        .map(|(name, value)| format!("{}={}", part(name), part(value)))
        .collect();
    pairs.sort();
    pairs.join("&")
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    // HMAC takes a key of any length, so this arm is never taken; a wrong signature is what is left then.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example "GET Object" of Amazon's page "Authenticating Requests: Using the Authorization Header".
    #[test]
    fn the_published_example() {
        let keys = Keys {
            id: "AKIAIOSFODNN7EXAMPLE".into(),
            secret: Secret::new("wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"),
            session: None,
        };
        let url = Url::parse("https://examplebucket.s3.amazonaws.com/test.txt").unwrap();
        let request = Request {
            method: "GET",
            url: &url,
            path: None,
            headers: &[("range", "bytes=0-9")],
            hash: &hash(b""),
        };
        let scope = Scope {
            region: "us-east-1",
            service: "s3",
        };
        let headers = sign(request, scope, &keys, "2013-05-24T00:00:00Z".parse().unwrap());
        let login = &headers.last().unwrap().1;
        assert!(
            login.ends_with("Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
            "{login}"
        );
    }

    #[test]
    fn encodings() {
        assert_eq!(path("a b/ü~(1).yaml"), "a%20b/%C3%BC~%281%29.yaml");
        assert_eq!(
            query(&[("prefix", "a/b"), ("list-type", "2")]),
            "list-type=2&prefix=a%2Fb"
        );
    }
}
