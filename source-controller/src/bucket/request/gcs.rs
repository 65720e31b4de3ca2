//! I/O: the store of a Bucket of the provider `gcp`, and the token for it.

use super::{Given, invalid, unusable};
use crate::{
    context::Context,
    objects::{Gcs, Store},
    record::Failure,
};
use crds::source::Bucket;
use peer::{http::Tls, secret::Secret};

/// The store.
pub(super) async fn store(context: &Context, object: &Bucket, given: &Given) -> Result<Store, Failure> {
    // Flux's field `endpoint` means nothing here.
    let (place, is_emulated) = Gcs::place();
    let who = given.who(object);
    let token = match &given.secret {
        Some(secret) => {
            let key = secret.1.get("serviceaccount");
            let key = key.ok_or_else(|| invalid(secret, "required fields 'serviceaccount'"))?;
            let token = context
                .cloud
                .service_account(&who, &Secret::new(key.clone()))
                .await;
            Some(token.map_err(|e| unusable(&e))?)
        }
        None if is_emulated => None,
        None => Some(context.cloud.gcp(&who).await.map_err(|e| unusable(&e))?),
    };
    // Flux takes a certificate for S3 alone.
    let client = given.client(&Tls::default(), token.is_some())?;
    let store = Gcs::new(client, &place, &object.spec.bucket_name, token);
    store.map(Store::Gcs).map_err(|e| unusable(&e))
}
