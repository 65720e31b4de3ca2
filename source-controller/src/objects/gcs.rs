//! Google Cloud Storage by its JSON API (version 1).

use super::{
    Content, Found, Listed, ObjectsError, Page,
    send::{self, Refusal, send},
};

use cloud::sigv4;
use peer::secret::Secret;
use reqwest::{Client, Method, Response, StatusCode, header::CONTENT_LENGTH};
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

/// So often an object that changes under our hands is asked for anew.
const TRIES: usize = 3;

/// A bucket in Google's store.
#[derive(Debug)]
pub struct Gcs {
    http: Client,
    /// `…/storage/v1/b/<bucket>`
    base: String,
    token: Option<Secret>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Listing {
    #[serde(deserialize_with = "super::pages::on_page")]
    items: Vec<Item>,
    next_page_token: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Item {
    name: String,
    etag: String,
    generation: String,
    size: String,
}

impl Gcs {
    /// The store's address, and whether it is one that is tried out, which wants no login: that which `STORAGE_EMULATOR_HOST`
    /// names, as Google's libraries read it.
    pub fn place() -> (String, bool) {
        let emulator = std::env::var("STORAGE_EMULATOR_HOST").ok();
        match emulator.filter(|host| !host.is_empty()) {
            Some(host) if host.contains("://") => (host, true),
            Some(host) => (format!("http://{host}"), true),
            None => ("https://storage.googleapis.com".to_owned(), false),
        }
    }

    /// A bucket; `place` is the store's address, `https://storage.googleapis.com` unless one is tried out.
    ///
    /// # Errors
    /// A place that is no URL.
    pub fn new(http: Client, place: &str, bucket: &str, token: Option<Secret>) -> Result<Self, ObjectsError> {
        let base = format!(
            "{}/storage/v1/b/{}",
            place.trim_end_matches('/'),
            sigv4::part(bucket)
        );
        // A bucket `..` would lead elsewhere.
        if Url::parse(&base).map(|url| url.to_string()).ok().as_ref() != Some(&base) {
            return Err(ObjectsError::Endpoint(place.to_owned()));
        }
        Ok(Self { http, base, token })
    }

    pub(super) async fn page(&self, prefix: &str, from: Option<&str>) -> Result<Page, ObjectsError> {
        let mut query = vec![
            ("fields", "items(name,etag,size),nextPageToken"),
            ("maxResults", "1000"),
            ("prefix", prefix),
        ];
        query.extend(from.map(|from| ("pageToken", from)));
        let answer = match self.ask(&format!("{}/o", self.base), &query).await? {
            Ok(answer) => answer,
            Err(refusal) if refusal.status == StatusCode::NOT_FOUND => return Err(ObjectsError::NoBucket),
            Err(refusal) => return Err(refusal.told()),
        };
        let listing: Listing = json(answer).await?;
        let objects = listing.items.into_iter().map(|item| Listed {
            size: item.size.parse().ok(),
            key: item.name,
            etag: item.etag,
        });
        Ok(Page {
            objects: objects.collect(),
            next: listing.next_page_token.filter(|token| !token.is_empty()),
        })
    }

    /// The content and the etag are those of one generation.
    pub(super) async fn read(&self, key: &str) -> Result<Found, ObjectsError> {
        let url = format!("{}/o/{}", self.base, sigv4::part(key));
        if matches!(key, "." | "..") {
            return Err(ObjectsError::Key(key.to_owned()));
        }
        for _ in 0..TRIES {
            let item = match self.ask(&url, &[("fields", "etag,generation")]).await? {
                Ok(answer) => json::<Item>(answer).await?,
                Err(refusal) if refusal.status == StatusCode::NOT_FOUND => return Ok(Found::Gone),
                Err(refusal) => return Err(refusal.told()),
            };
            let query = [("alt", "media"), ("ifGenerationMatch", item.generation.as_str())];
            match self.ask(&url, &query).await? {
                Ok(answer) => {
                    return Ok(Found::Object {
                        etag: item.etag,
                        body: answer.into(),
                    });
                }
                Err(refusal) if refusal.status == StatusCode::PRECONDITION_FAILED => {}
                Err(refusal) => return Err(refusal.told()),
            }
        }
        Err(ObjectsError::Answer(format!("the object '{key}' keeps changing")))
    }

    pub(super) async fn write(&self, key: &str, content: &Content) -> Result<(), ObjectsError> {
        // Content goes to the same path below another root.
        let url = self.base.replacen("/storage/v1/b/", "/upload/storage/v1/b/", 1) + "/o";
        let query = [("uploadType", "media"), ("name", key)];
        let answer = self.send(Method::POST, &url, &query, Some(content)).await?;
        answer.map(drop).map_err(|refusal| refusal.told())
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), ObjectsError> {
        let url = format!("{}/o/{}", self.base, sigv4::part(key));
        if matches!(key, "." | "..") {
            return Err(ObjectsError::Key(key.to_owned()));
        }
        send::deleted(self.send(Method::DELETE, &url, &[], None).await?)
    }

    async fn ask(
        &self,
        url: &str,
        query: &[(&str, &str)],
    ) -> Result<Result<Response, Refusal>, ObjectsError> {
        self.send(Method::GET, url, query, None).await
    }

    async fn send(
        &self,
        method: Method,
        url: &str,
        query: &[(&str, &str)],
        content: Option<&Content>,
    ) -> Result<Result<Response, Refusal>, ObjectsError> {
        let mut url = Url::parse(url).map_err(|_| ObjectsError::Endpoint(url.to_owned()))?;
        url.set_query(
            Some(&sigv4::query(query))
                .filter(|text| !text.is_empty())
                .map(String::as_str),
        );
        let make = |http: &Client| {
            let mut request = http.request(method.clone(), url.clone());
            if let Some(content) = content {
                request = request
                    .header(CONTENT_LENGTH, content.length)
                    .body(content.body()?);
            }
            let login = self
                .token
                .as_ref()
                .and_then(|token| peer::http::bearer(token.expose()));
            Ok(match login {
                Some(login) => request.header(reqwest::header::AUTHORIZATION, login),
                None => request,
            })
        };
        send(&self.http, make).await
    }
}

async fn json<T: DeserializeOwned>(answer: Response) -> Result<T, ObjectsError> {
    let body = send::read(answer).await?;
    serde_json::from_slice(&body).map_err(|e| ObjectsError::Answer(format!("the answer cannot be read: {e}")))
}
