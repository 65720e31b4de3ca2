//! Azure Blob Storage: List Blobs, Get Blob, Put Blob and Delete Blob (service version 2023-11-03), with each kind of login.

use super::{
    Content, Found, Listed, ObjectsError, Page,
    send::{self, Refusal, header, send, xml},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cloud::sigv4;
use hmac::{Hmac, KeyInit as _, Mac as _};
use peer::{http::bearer, secret::Secret};
use percent_encoding::percent_decode_str;
use reqwest::{
    Client, Method, Response,
    header::{AUTHORIZATION, CONTENT_LENGTH},
};
use serde::Deserialize;
use sha2::Sha256;
use url::Url;

const VERSION: &str = "2023-11-03";
/// What kind of blob is written.
const KIND: &str = "BlockBlob";

/// How to get into a storage account.
#[derive(Debug, Clone)]
pub enum AzureLogin {
    /// Not at all.
    Anonymous,
    /// With the account's key, in base64.
    Key {
        /// The account's name.
        account: String,
        /// Its key.
        key: Secret,
    },
    /// With a shared access signature: the query of a URL.
    Sas(Secret),
    /// With a token of Entra ID.
    Token(Secret),
}

/// A container in a storage account.
#[derive(Debug)]
pub struct Azure {
    http: Client,
    /// The container's address.
    base: Url,
    /// What each request has in its query.
    query: Vec<(String, String)>,
    login: AzureLogin,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Listing {
    blobs: Blobs,
    next_marker: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Blobs {
    #[serde(deserialize_with = "super::pages::on_page")]
    blob: Vec<Blob>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Blob {
    name: Name,
    properties: Properties,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Name {
    /// Names that XML cannot hold are percent-encoded.
    #[serde(rename = "@Encoded")]
    encoded: bool,
    #[serde(rename = "$text")]
    text: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Properties {
    #[serde(rename = "Etag", alias = "ETag")]
    etag: String,
    #[serde(rename = "Content-Length")]
    length: Option<u64>,
}

impl Azure {
    /// A container at an endpoint (`https://<account>.blob.core.windows.net`).
    ///
    /// # Errors
    /// An endpoint that is no URL; a signature that is no query.
    pub fn new(
        http: Client,
        endpoint: &str,
        container: &str,
        login: AzureLogin,
    ) -> Result<Self, ObjectsError> {
        let odd = || ObjectsError::Endpoint(peer::http::without_queries(endpoint));
        let mut base = Url::parse(endpoint).map_err(|_| odd())?;
        if !matches!(base.scheme(), "http" | "https") || base.cannot_be_a_base() {
            return Err(odd());
        }
        let mut query: Vec<(String, String)> = base.query_pairs().into_owned().collect();
        if let AzureLogin::Sas(sas) = &login {
            let text = String::from_utf8_lossy(sas.expose()).into_owned();
            let sas: Vec<(String, String)> =
                url::form_urlencoded::parse(text.trim().trim_start_matches('?').as_bytes())
                    .into_owned()
                    .collect();
            query.retain(|(name, _)| !sas.iter().any(|(its, _)| its == name));
            query.extend(sas);
        }
        base.set_query(None);
        base.set_fragment(None);
        let path = format!("{}/{}", base.path().trim_end_matches('/'), sigv4::part(container));
        base.set_path(&path);
        if base.path() != path {
            return Err(ObjectsError::NoBucket);
        }
        Ok(Self {
            http,
            base,
            query,
            login,
        })
    }

    pub(super) async fn page(&self, prefix: &str, from: Option<&str>) -> Result<Page, ObjectsError> {
        let mut query = vec![("restype", "container"), ("comp", "list")];
        if !prefix.is_empty() {
            query.push(("prefix", prefix));
        }
        query.extend(from.map(|from| ("marker", from)));
        let answer = match self.ask(self.base.clone(), &query).await? {
            Ok(answer) => answer,
            Err(refusal) => return Err(unlisted(&refusal)),
        };
        let listing: Listing = xml(&send::read(answer).await?)?;
        let objects = listing.blobs.blob.into_iter().map(|blob| Listed {
            key: blob.name.decoded(),
            etag: quoted(&blob.properties.etag),
            size: blob.properties.length,
        });
        Ok(Page {
            objects: objects.collect(),
            next: Some(listing.next_marker).filter(|marker| !marker.is_empty()),
        })
    }

    pub(super) async fn write(&self, key: &str, content: &Content) -> Result<(), ObjectsError> {
        let answer = self
            .send(Method::PUT, self.blob(key)?, &[], Some(content))
            .await?;
        answer.map(drop).map_err(|refusal| refusal.told())
    }

    pub(super) async fn delete(&self, key: &str) -> Result<(), ObjectsError> {
        send::deleted(self.send(Method::DELETE, self.blob(key)?, &[], None).await?)
    }

    /// The URL of a blob. Whatever its name says, the request stays in its container.
    fn blob(&self, key: &str) -> Result<Url, ObjectsError> {
        let leads = key.split('/').any(|segment| matches!(segment, "." | ".."));
        let path = if leads { sigv4::part(key) } else { sigv4::path(key) };
        let text = format!("{}/{path}", self.base);
        let url = Url::parse(&text).map_err(|_| ObjectsError::Key(key.to_owned()))?;
        if url.as_str() != text {
            return Err(ObjectsError::Key(key.to_owned()));
        }
        Ok(url)
    }

    pub(super) async fn read(&self, key: &str) -> Result<Found, ObjectsError> {
        match self.ask(self.blob(key)?, &[]).await? {
            Ok(answer) => Ok(Found::Object {
                etag: quoted(&header(&answer, "etag").unwrap_or_default()),
                body: answer.into(),
            }),
            Err(refusal) if refusal.code() == "BlobNotFound" => Ok(Found::Gone),
            Err(refusal) => Err(refusal.told()),
        }
    }

    async fn ask(&self, url: Url, query: &[(&str, &str)]) -> Result<Result<Response, Refusal>, ObjectsError> {
        self.send(Method::GET, url, query, None).await
    }

    async fn send(
        &self,
        method: Method,
        mut url: Url,
        query: &[(&str, &str)],
        content: Option<&Content>,
    ) -> Result<Result<Response, Refusal>, ObjectsError> {
        let own = self
            .query
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        let pairs: Vec<(&str, &str)> = query.iter().copied().chain(own).collect();
        let text = sigv4::query(&pairs);
        url.set_query(Some(&text).filter(|text| !text.is_empty()).map(String::as_str));
        let make = |http: &Client| {
            let date = httpdate::fmt_http_date(std::time::SystemTime::now());
            let mut request = http.request(method.clone(), url.clone());
            request = request.header("x-ms-version", VERSION).header("x-ms-date", &date);
            if let Some(content) = content {
                request = request
                    .header("x-ms-blob-type", KIND)
                    .header(CONTENT_LENGTH, content.length)
                    .body(content.body()?);
            }
            match &self.login {
                AzureLogin::Anonymous | AzureLogin::Sas(_) => {}
                AzureLogin::Key { account, key } => {
                    let length = content.map(|content| content.length);
                    let what = (method.as_str(), length);
                    let signature = signature(account, key, what, &url, &pairs, &date)?;
                    request = request.header(AUTHORIZATION, format!("SharedKey {account}:{signature}"));
                }
                AzureLogin::Token(token) => {
                    if let Some(login) = bearer(token.expose()) {
                        request = request.header(AUTHORIZATION, login);
                    }
                }
            }
            Ok(request)
        };
        send(&self.http, make).await
    }
}

impl Name {
    fn decoded(self) -> String {
        if self.encoded {
            percent_decode_str(&self.text).decode_utf8_lossy().into_owned()
        } else {
            self.text
        }
    }
}

/// Why a container cannot be listed.
fn unlisted(refusal: &Refusal) -> ObjectsError {
    match refusal.code().as_str() {
        "ContainerNotFound" => ObjectsError::NoBucket,
        "AuthenticationFailed" => {
            let told = refusal.told();
            let text = format!(
                "the specified bucket name may be incorrect, nonexistent, or the caller might lack sufficient permissions \
                 to access it: {told}"
            );
            ObjectsError::refused(refusal.status, refusal.code(), &text, told.retry_after())
        }
        _ => refusal.told(),
    }
}

/// The signature of a request by its method and the length of its content ("Authorize with Shared Key", version 2015-02-21
/// and later).
fn signature(
    account: &str,
    key: &Secret,
    (method, length): (&str, Option<u64>),
    url: &Url,
    pairs: &[(&str, &str)],
    date: &str,
) -> Result<String, ObjectsError> {
    let mut pairs: Vec<(String, &str)> = pairs
        .iter()
        .map(|(name, value)| (name.to_lowercase(), *value))
        .collect();
    pairs.sort();
    let query: String = pairs
        .iter()
        .map(|(name, value)| format!("\n{name}:{value}"))
        .collect();
    // Of the eleven headers between the method and those of Azure only the third is ever sent.
    let (before, after) = ("\n".repeat(3), "\n".repeat(9));
    let size = length
        .filter(|length| *length > 0)
        .map(|length| length.to_string());
    let size = size.unwrap_or_default();
    let kind = length
        .map(|_| format!("x-ms-blob-type:{KIND}\n"))
        .unwrap_or_default();
    let text = format!(
        "{method}{before}{size}{after}{kind}x-ms-date:{date}\nx-ms-version:{VERSION}\n/{account}{}{query}",
        url.path()
    );
    let odd = || ObjectsError::Answer("the account key is not base64".into());
    let key = STANDARD.decode(key.expose().trim_ascii()).map_err(|_| odd())?;
    let mut mac = Hmac::<Sha256>::new_from_slice(&key).map_err(|_| odd())?;
    mac.update(text.as_bytes());
    Ok(STANDARD.encode(mac.finalize().into_bytes()))
}

/// An etag as the header of an answer has it: Flux makes the revision of these.
fn quoted(etag: &str) -> String {
    if etag.is_empty() || etag.contains('"') {
        return etag.to_owned();
    }
    format!("\"{etag}\"")
}
