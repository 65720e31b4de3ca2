//! I/O: the way into the object store: as who we are ourselves, whatever objects say.

use super::{Remote, RemoteError, Trouble};
use crate::{
    lock::lock,
    objects::{Azure, AzureLogin, Gcs, S3, Store},
    storage::place::Provider,
};
use cloud::{Who, azure::BLOBS};
use peer::secret::Secret;
use std::sync::Arc;

impl Remote {
    /// The store with a login that lasts: those that end are got anew, others are kept.
    pub(super) async fn store(&self) -> Result<Arc<Store>, Trouble> {
        let who = Who {
            namespace: "",
            account: None,
            proxy: None,
        };
        let (http, bucket) = (self.http.clone(), self.place.bucket.as_str());
        let login = |error| Trouble::Told(RemoteError::Login(error));
        Ok(Arc::new(match &self.place.provider {
            Provider::S3 {
                endpoint,
                insecure,
                region,
            } => {
                let region = region.as_deref();
                let keys = self.cloud.aws(&who, region, None).await.map_err(login)?;
                // It learns which region its bucket is in, and need not learn that each time.
                let mut way = lock(&self.way);
                if let Some((id, store)) = &*way
                    && *id == keys.id
                {
                    return Ok(store.clone());
                }
                let id = keys.id.clone();
                let store = S3::new(http, endpoint, *insecure, region, bucket, Some(keys))?;
                let store = Arc::new(Store::S3(store));
                *way = Some((id, store.clone()));
                return Ok(store);
            }
            Provider::Gcs => {
                let (place, is_emulated) = Gcs::place();
                let token = if is_emulated {
                    None
                } else {
                    Some(self.cloud.gcp(&who).await.map_err(login)?)
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
        }))
    }
}
