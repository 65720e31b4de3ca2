//! I/O: the way into the object store: as who we are ourselves, whatever objects say.

use super::{Remote, RemoteError, Trouble};
use crate::{
    cloud::{Who, azure::BLOBS},
    objects::{Azure, AzureLogin, Gcs, S3, Store},
    secret::Secret,
    storage::place::Provider,
};

impl Remote {
    /// The store with a login that lasts: those that end are got anew, others are kept.
    pub(super) async fn store(&self) -> Result<Store, Trouble> {
        let who = Who {
            namespace: "",
            account: None,
            proxy: None,
        };
        let (http, bucket) = (self.http.clone(), self.place.bucket.as_str());
        let login = |error| Trouble::Told(RemoteError::Login(error));
        Ok(match &self.place.provider {
            Provider::S3 {
                endpoint,
                insecure,
                region,
            } => {
                let region = region.as_deref();
                let keys = self.cloud.aws(&who, region, None).await.map_err(login)?;
                Store::S3(S3::new(http, endpoint, *insecure, region, bucket, Some(keys))?)
            }
            Provider::Gcs => {
                let emulator = std::env::var("STORAGE_EMULATOR_HOST").ok();
                let emulator = emulator.filter(|host| !host.is_empty());
                let (place, token) = match emulator {
                    Some(host) if host.contains("://") => (host, None),
                    Some(host) => (format!("http://{host}"), None),
                    None => {
                        let token = self.cloud.gcp(&who).await.map_err(login)?;
                        ("https://storage.googleapis.com".to_owned(), Some(token))
                    }
                };
                Store::Gcs(Gcs::new(http, &place, bucket, token)?)
            }
            Provider::Azure { endpoint, account } => {
                let key = std::env::var("AZURE_STORAGE_KEY").ok();
                let login = match key.filter(|key| !key.is_empty()) {
                    Some(key) => AzureLogin::Key {
                        account: account.clone(),
                        key: Secret::new(key),
                    },
                    None => match self.cloud.azure(&who, BLOBS).await.map_err(login)? {
                        Some(token) => AzureLogin::Token(token),
                        None => AzureLogin::Anonymous,
                    },
                };
                Store::Azure(Azure::new(http, endpoint, bucket, login)?)
            }
        })
    }
}
