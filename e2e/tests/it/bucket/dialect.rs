//! What S3, Google's store and Azure's say to each other's questions, in the words of each.

use super::odd::{answer, listing};
use axum::{body::Body, http::Response};
use e2e::origin::Asked;
use serde_json::{Value, json};

/// A protocol of object stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Amazon's.
    S3,
    /// Google's JSON API.
    Google,
    /// Azure's blobs.
    Azure,
}

/// What is asked of a store.
#[derive(Debug)]
pub enum Question<'a> {
    /// The page of a listing that goes on here.
    Page(Option<String>),
    /// What an object is, before it is read (Google's clients ask).
    About(&'a str),
    /// An object.
    Object(&'a str),
}

impl Dialect {
    /// The bucket, and what is asked of it.
    pub fn question(self, asked: &Asked) -> (&str, Question<'_>) {
        let path = match self {
            Self::Google => asked.path.strip_prefix("/storage/v1/b/"),
            Self::S3 | Self::Azure => asked.path.strip_prefix('/'),
        };
        let (bucket, rest) = path.and_then(|path| path.split_once('/')).unwrap_or_default();
        let (bucket, rest) = match bucket {
            // Azure's listings have no path behind the bucket.
            "" => (path.unwrap_or_default(), ""),
            _ => (bucket, rest),
        };
        let key = match self {
            Self::Google => rest.strip_prefix("o/").unwrap_or_default(),
            Self::S3 | Self::Azure => rest,
        };
        let value = |name: &str| {
            let mut pairs = asked.query.split('&').filter_map(|pair| pair.split_once('='));
            let pair = pairs.find(|(its, _)| *its == name);
            pair.map(|(_, value)| value.to_owned())
        };
        let question = match key {
            "" => Question::Page(value(self.token())),
            key if self == Self::Google && value("alt").is_none() => Question::About(key),
            key => Question::Object(key),
        };
        (bucket, question)
    }

    /// The parameter that says where a listing goes on.
    fn token(self) -> &'static str {
        match self {
            Self::S3 => "continuation-token",
            Self::Google => "pageToken",
            Self::Azure => "marker",
        }
    }

    /// A page of a listing.
    pub fn page(self, keys: &[&str], size: u64, next: Option<&str>) -> String {
        match self {
            Self::S3 => listing(keys, size, next),
            Self::Google => {
                let item = |key: &&str| json!({"name": key, "etag": "e", "size": size.to_string()});
                let items: Vec<Value> = keys.iter().map(item).collect();
                json!({"items": items, "nextPageToken": next}).to_string()
            }
            Self::Azure => {
                let blob = |key: &&str| {
                    format!(
                        "<Blob><Name>{key}</Name><Properties><Etag>e</Etag><Content-Length>{size}</Content-Length></Properties></Blob>"
                    )
                };
                let blobs: String = keys.iter().map(blob).collect();
                let next = next.unwrap_or_default();
                format!(
                    "<EnumerationResults><Blobs>{blobs}</Blobs><NextMarker>{next}</NextMarker></EnumerationResults>"
                )
            }
        }
    }

    /// A page of so many bytes with nothing but objects without a name.
    pub fn crowded(self, bytes: usize) -> String {
        let filled = |before: &str, entry: &str, after: &str| {
            format!("{before}{}{after}", entry.repeat(bytes / entry.len()))
        };
        match self {
            Self::S3 => filled("<ListBucketResult>", "<Contents/>", "</ListBucketResult>"),
            Self::Google => filled("{\"items\":[", "{},", "{}]}"),
            Self::Azure => filled(
                "<EnumerationResults><Blobs>",
                "<Blob/>",
                "</Blobs></EnumerationResults>",
            ),
        }
    }

    /// What an object is.
    pub fn about() -> Response<Body> {
        answer(200, &[], json!({"etag": "e", "generation": "1"}).to_string())
    }

    /// An error, in words that may be told.
    pub fn error(self, status: u16, headers: &[(&str, &str)], (code, text): (&str, &str)) -> Response<Body> {
        match self {
            Self::Google => answer(status, headers, json!({"error": {"message": text}}).to_string()),
            Self::S3 | Self::Azure => {
                let body = format!("<Error><Code>{code}</Code><Message>{text}</Message></Error>");
                answer(status, headers, body)
            }
        }
    }

    /// An object that is not there.
    pub fn missing(self) -> Response<Body> {
        let code = match self {
            Self::Azure => "BlobNotFound",
            Self::S3 | Self::Google => "NoSuchKey",
        };
        self.error(404, &[], (code, "It is not there."))
    }
}
