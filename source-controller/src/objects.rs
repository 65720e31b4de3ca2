//! Object stores: which objects a bucket has, and their content, by the protocol of each provider.
//!
//! 1. [`Store::page`] lists, [`list`] goes through all pages under bounds.
//! 2. [`Store::read`] asks for one object; [`Body`] gives its content piece by piece.
//! 3. [`Store::write`] puts one there, [`Store::delete`] takes it away.

mod azure;
mod content;
mod error;
mod gcs;
mod pages;
mod s3;
mod send;

pub use azure::{Azure, AzureLogin};
pub use content::Content;
pub use error::ObjectsError;
pub use gcs::Gcs;
pub use pages::Pages;
pub use s3::S3;
pub use send::Body;

/// A store, and how to get in.
#[derive(Debug)]
pub enum Store {
    /// What speaks S3.
    S3(S3),
    /// Google Cloud Storage.
    Gcs(Gcs),
    /// Azure Blob Storage.
    Azure(Azure),
}

/// An object as a listing has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// Its etag, without quotes where Flux has it so.
    pub etag: String,
    /// Its size in bytes, where the listing says.
    pub size: Option<u64>,
}

/// A page of a listing.
#[derive(Debug, Default)]
pub struct Page {
    /// The objects.
    pub objects: Vec<Listed>,
    /// Where to go on.
    pub next: Option<String>,
}

/// An object that was asked for.
#[derive(Debug)]
pub enum Found {
    /// It is there.
    Object {
        /// Its etag, as in [`Listed`].
        etag: String,
        /// Its content.
        body: Body,
    },
    /// It is not there (any more).
    Gone,
}

impl Store {
    /// A page of the objects whose keys begin with `prefix`.
    ///
    /// # Errors
    /// See [`ObjectsError`]; [`ObjectsError::NoBucket`] if there is no such bucket.
    pub async fn page(&self, prefix: &str, from: Option<&str>) -> Result<Page, ObjectsError> {
        match self {
            Self::S3(store) => store.page(prefix, from).await,
            Self::Gcs(store) => store.page(prefix, from).await,
            Self::Azure(store) => store.page(prefix, from).await,
        }
    }

    /// Asks for an object.
    ///
    /// # Errors
    /// See [`ObjectsError`].
    pub async fn read(&self, key: &str) -> Result<Found, ObjectsError> {
        match self {
            Self::S3(store) => store.read(key).await,
            Self::Gcs(store) => store.read(key).await,
            Self::Azure(store) => store.read(key).await,
        }
    }

    /// Writes an object, in place of what was there.
    ///
    /// # Errors
    /// See [`ObjectsError`].
    pub async fn write(&self, key: &str, content: &Content) -> Result<(), ObjectsError> {
        match self {
            Self::S3(store) => store.write(key, content).await,
            Self::Gcs(store) => store.write(key, content).await,
            Self::Azure(store) => store.write(key, content).await,
        }
    }

    /// Deletes an object; one that is not there is as good as deleted.
    ///
    /// # Errors
    /// See [`ObjectsError`].
    pub async fn delete(&self, key: &str) -> Result<(), ObjectsError> {
        match self {
            Self::S3(store) => store.delete(key).await,
            Self::Gcs(store) => store.delete(key).await,
            Self::Azure(store) => store.delete(key).await,
        }
    }
}
