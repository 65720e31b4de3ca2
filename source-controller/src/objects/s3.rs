//! S3, as Amazon and many others speak it (API version 2006-03-01): ListObjects, GetObject, PutObject and DeleteObject.

use super::{
    Content, Found, Listed, ObjectsError, Page,
    send::{self, Refusal, header, send, xml},
};
use crate::lock::lock;
use cloud::sigv4::{self, Keys, Request, Scope};
use percent_encoding::percent_decode_str;
use reqwest::{Client, Method, header::CONTENT_LENGTH};
use serde::Deserialize;
use std::sync::Mutex;
use url::Url;

/// Where everything is that says nothing else.
const REGION: &str = "us-east-1";

/// A bucket in an S3 store.
#[derive(Debug)]
pub struct S3 {
    http: Client,
    keys: Option<Keys>,
    /// The bucket's address, with a slash at the end.
    base: Url,
    /// Whether the store lists by version 1 of the call only.
    first_version: bool,
    region: Mutex<String>,
    /// Whether the spec says the region; else it is learnt from the store.
    given: bool,
}

/// A request.
struct Ask<'a> {
    method: Method,
    url: &'a Url,
    /// The path that is signed, where it is not the URL's.
    path: Option<&'a str>,
    content: Option<&'a Content>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Listing {
    encoding_type: String,
    is_truncated: bool,
    next_continuation_token: String,
    next_marker: String,
    #[serde(deserialize_with = "super::pages::on_page")]
    contents: Vec<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Entry {
    key: String,
    #[serde(rename = "ETag")]
    etag: String,
    size: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Elsewhere {
    region: String,
}

impl S3 {
    /// A bucket at an endpoint (`host[:port]`); without keys nothing is signed.
    ///
    /// # Errors
    /// An endpoint that is no host.
    pub fn new(
        http: Client,
        endpoint: &str,
        insecure: bool,
        region: Option<&str>,
        bucket: &str,
        keys: Option<Keys>,
    ) -> Result<Self, ObjectsError> {
        let odd = || ObjectsError::Endpoint(endpoint.to_owned());
        let scheme = if insecure { "http" } else { "https" };
        let endpoint = endpoint.strip_suffix('/').unwrap_or(endpoint);
        if endpoint.is_empty() || endpoint.contains(['/', '?', '#', '@', '\\', ' ']) {
            return Err(odd());
        }
        if matches!(bucket, "" | "." | "..") {
            return Err(ObjectsError::NoBucket);
        }
        let region = region.filter(|region| !region.is_empty());
        // The general address of Amazon is in one region only; each has its own.
        let place = match region {
            Some(region) if endpoint == "s3.amazonaws.com" => format!("s3.dualstack.{region}.amazonaws.com"),
            _ => endpoint.to_owned(),
        };
        let mut base = Url::parse(&format!("{scheme}://{place}/")).map_err(|_| odd())?;
        let host = base.host_str().unwrap_or_default().to_owned();
        let google = host == "storage.googleapis.com";
        let amazon = host.ends_with(".amazonaws.com") || host.ends_with(".amazonaws.com.cn");
        if (amazon || google) && is_label(bucket, insecure) {
            base.set_host(Some(&format!("{bucket}.{host}")))
                .map_err(|_| odd())?;
        } else {
            base.set_path(&format!("/{}/", sigv4::part(bucket)));
        }
        Ok(Self {
            http,
            keys,
            base,
            first_version: google,
            region: Mutex::new(region.unwrap_or(REGION).to_owned()),
            given: region.is_some(),
        })
    }

    pub(super) async fn page(&self, prefix: &str, from: Option<&str>) -> Result<Page, ObjectsError> {
        let mut query = vec![("encoding-type", "url"), ("max-keys", "1000"), ("prefix", prefix)];
        if !self.first_version {
            query.push(("list-type", "2"));
        }
        if let Some(from) = from {
            let name = if self.first_version {
                "marker"
            } else {
                "continuation-token"
            };
            query.push((name, from));
        }
        let mut url = self.base.clone();
        url.set_query(Some(&sigv4::query(&query)));
        let answer = match self.ask(&Ask::get(&url, None)).await? {
            Ok(answer) => answer,
            Err(refusal) if refusal.code() == "NoSuchBucket" => return Err(ObjectsError::NoBucket),
            Err(refusal) => return Err(refusal.told()),
        };
        let listing: Listing = xml(&send::read(answer).await?)?;
        let is_encoded = listing.encoding_type == "url";
        let objects: Vec<Listed> = listing
            .contents
            .into_iter()
            .map(|entry| Listed {
                key: decoded(entry.key, is_encoded),
                etag: bare(&entry.etag),
                size: entry.size,
            })
            .collect();
        let last = objects.last().map(|object| object.key.clone());
        let next = match (listing.is_truncated, self.first_version) {
            (false, _) => None,
            (true, false) => Some(listing.next_continuation_token),
            (true, true) if listing.next_marker.is_empty() => last,
            (true, true) => Some(decoded(listing.next_marker, is_encoded)),
        };
        Ok(Page { objects, next })
    }

    pub(super) async fn read(&self, key: &str) -> Result<Found, ObjectsError> {
        let (url, path) = self.object(key)?;
        match self.ask(&Ask::get(&url, Some(&path))).await? {
            Ok(answer) => Ok(Found::Object {
                etag: bare(&header(&answer, "etag").unwrap_or_default()),
                body: answer.into(),
            }),
            Err(refusal) if refusal.code() == "NoSuchKey" => Ok(Found::Gone),
            Err(refusal) => Err(refusal.told()),
        }
    }

    pub(super) async fn write(&self, key: &str, content: &Content) -> Result<(), ObjectsError> {
        let (url, path) = self.object(key)?;
        let ask = Ask {
            method: Method::PUT,
            content: Some(content),
            ..Ask::get(&url, Some(&path))
        };
        self.ask(&ask).await?.map(drop).map_err(|refusal| refusal.told())
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), ObjectsError> {
        let (url, path) = self.object(key)?;
        let ask = Ask {
            method: Method::DELETE,
            ..Ask::get(&url, Some(&path))
        };
        match self.ask(&ask).await? {
            Err(refusal) if refusal.code() == "NoSuchBucket" => Err(ObjectsError::NoBucket),
            answer => send::deleted(answer),
        }
    }

    /// The URL of an object, and the path that is signed. A segment `..` would lead a URL elsewhere, so the slashes round
    /// it are encoded, and the two differ.
    fn object(&self, key: &str) -> Result<(Url, String), ObjectsError> {
        let leads = key.split('/').any(|segment| matches!(segment, "." | ".."));
        let path = if leads { sigv4::part(key) } else { sigv4::path(key) };
        let text = format!("{}{path}", self.base);
        let url = Url::parse(&text).map_err(|_| ObjectsError::Key(key.to_owned()))?;
        // Whatever a key says, the request stays in its bucket.
        if url.as_str() != text {
            return Err(ObjectsError::Key(key.to_owned()));
        }
        Ok((url, format!("{}{}", self.base.path(), sigv4::path(key))))
    }

    /// Sends a request, again if the store says that the bucket is in another region.
    async fn ask(&self, ask: &Ask<'_>) -> Result<Result<reqwest::Response, Refusal>, ObjectsError> {
        let used = lock(&self.region).clone();
        let answer = self.once(ask, &used).await?;
        let Err(refusal) = &answer else { return Ok(answer) };
        let told = || Some(xml::<Elsewhere>(&refusal.body).ok()?.region);
        let region = refusal.region.clone().or_else(told).unwrap_or_default();
        let other = !self.given && self.keys.is_some() && !region.is_empty() && region != used;
        if !other {
            return Ok(answer);
        }
        let again = self.once(ask, &region).await?;
        *lock(&self.region) = region;
        Ok(again)
    }

    async fn once(
        &self,
        ask: &Ask<'_>,
        region: &str,
    ) -> Result<Result<reqwest::Response, Refusal>, ObjectsError> {
        let nothing = sigv4::hash(b"");
        let make = |http: &Client| {
            let mut request = http.request(ask.method.clone(), ask.url.clone());
            if let Some(content) = ask.content {
                request = request
                    .header(CONTENT_LENGTH, content.length)
                    .body(content.body()?);
            }
            if let Some(keys) = &self.keys {
                let what = Request {
                    method: ask.method.as_str(),
                    url: ask.url,
                    path: ask.path,
                    headers: &[],
                    hash: ask.content.map_or(&nothing, |content| &content.hash),
                };
                let scope = Scope {
                    region,
                    service: "s3",
                };
                for (name, value) in sigv4::sign(what, scope, keys, jiff::Timestamp::now()) {
                    request = request.header(name, value);
                }
            }
            Ok(request)
        };
        send(&self.http, make).await
    }
}

impl<'a> Ask<'a> {
    fn get(url: &'a Url, path: Option<&'a str>) -> Self {
        Self {
            method: Method::GET,
            url,
            path,
            content: None,
        }
    }
}

/// Whether a bucket's name may stand before the host's; one with dots only where no certificate has to fit it.
fn is_label(bucket: &str, insecure: bool) -> bool {
    let valid = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || (c == '.' && insecure);
    (3..=63).contains(&bucket.len())
        && bucket.chars().all(valid)
        && !bucket.starts_with(['-', '.'])
        && !bucket.ends_with(['-', '.'])
        && !bucket.contains("..")
}

/// A key as it is, where the store has encoded it for the XML.
fn decoded(text: String, is_encoded: bool) -> String {
    if !is_encoded {
        return text;
    }
    let text = text.replace('+', " ");
    percent_decode_str(&text).decode_utf8_lossy().into_owned()
}

/// An etag without its quotes.
fn bare(etag: &str) -> String {
    etag.trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store(endpoint: &str, region: Option<&str>, bucket: &str) -> Result<S3, ObjectsError> {
        S3::new(Client::new(), endpoint, false, region, bucket, None)
    }

    #[test]
    fn a_bucket_is_part_of_the_host_at_amazon_and_of_the_path_elsewhere() {
        for (endpoint, region, bucket, base) in [
            ("minio:9000", None, "b", "https://minio:9000/b/"),
            ("s3.amazonaws.com", None, "app", "https://app.s3.amazonaws.com/"),
            (
                "s3.amazonaws.com",
                Some("eu-west-1"),
                "app",
                "https://app.s3.dualstack.eu-west-1.amazonaws.com/",
            ),
            (
                "s3.amazonaws.com",
                None,
                "my.app",
                "https://s3.amazonaws.com/my.app/",
            ),
            (
                "storage.googleapis.com",
                None,
                "app",
                "https://app.storage.googleapis.com/",
            ),
            ("127.0.0.1:1", None, "../x", "https://127.0.0.1:1/..%2Fx/"),
        ] {
            assert_eq!(store(endpoint, region, bucket).unwrap().base.as_str(), base);
        }
        for odd in ["", "https://a", "a/b", "u@a", "a?b", "a b"] {
            assert!(store(odd, None, "b").is_err(), "{odd}");
        }
    }

    #[test]
    fn no_key_leads_out_of_its_bucket() {
        let store = store("h", None, "b").unwrap();
        for (key, url) in [
            ("a/b c.yaml", "https://h/b/a/b%20c.yaml"),
            ("../../x", "https://h/b/..%2F..%2Fx"),
            ("/abs//x", "https://h/b//abs//x"),
            ("a/./b", "https://h/b/a%2F.%2Fb"),
            ("a\0b?c#d%2e", "https://h/b/a%00b%3Fc%23d%252e"),
        ] {
            let (found, signed) = store.object(key).unwrap();
            assert_eq!(found.as_str(), url);
            assert_eq!(signed, format!("/b/{}", sigv4::path(key)));
        }
        for key in ["..", "."] {
            assert!(store.object(key).is_err(), "{key}");
        }
    }
}
