//! GitHub, and Gitea, which signs alike (GitHub, "Validating webhook deliveries").

use super::{Accepted, Refused, Request, listened, mac};

const SHA256: &str = "x-hub-signature-256";
const SHA1: &str = "x-hub-signature";
const EVENT: &str = "x-github-event";
const DELIVERY: &str = "x-github-delivery";
/// What GitHub sends; a signature is of the body as it is sent, in both.
const TYPES: [&str; 2] = ["application/json", "application/x-www-form-urlencoded"];

pub fn check(request: Request<'_>, token: &[u8], events: &[String]) -> Result<Accepted, Refused> {
    signed(request, token)?;
    listened(events, request.header(EVENT)?.unwrap_or_default())?;
    Ok(Accepted::delivery(request.header(DELIVERY)?))
}

/// Holds that the body is of a type that GitHub sends, and signed. The better signature counts where both are there.
pub fn signed(request: Request<'_>, token: &[u8]) -> Result<(), Refused> {
    let (name, signature) = match request.header(SHA256)?.filter(|s| !s.is_empty()) {
        Some(signature) => (SHA256, signature),
        None => (SHA1, request.required(SHA1)?),
    };
    mac::prefixed(name, signature, token, request.body)?;
    let media_type = request.media_type()?;
    if TYPES.contains(&media_type.as_str()) {
        return Ok(());
    }
    Err(Refused(
        "the content type is none that webhooks are sent with".into(),
    ))
}
