//! Sonatype Nexus Repository (Sonatype, "Working with HMAC payloads").

use super::{Accepted, Refused, Request, mac};
use serde::Deserialize;

const SIGNATURE: &str = "x-nexus-webhook-signature";
const DELIVERY: &str = "x-nexus-webhook-delivery";

/// As much of the body as says that it is one of Nexus'.
#[derive(Deserialize)]
struct Payload {
    #[serde(default, rename = "action")]
    _action: Option<String>,
    #[serde(default, rename = "repositoryName")]
    _repository: Option<String>,
}

pub fn check(request: Request<'_>, token: &[u8]) -> Result<Accepted, Refused> {
    mac::sha1(SIGNATURE, request.required(SIGNATURE)?, token, request.body)?;
    serde_json::from_slice::<Payload>(request.body)
        .map_err(|error| Refused(format!("the body is none of Nexus': {error}")))?;
    Ok(Accepted::delivery(request.header(DELIVERY)?))
}
