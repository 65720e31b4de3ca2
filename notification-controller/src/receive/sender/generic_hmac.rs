//! Anybody who signs the body with the token (Flux `generic-hmac`).

use super::{Accepted, Refused, Request, mac};

const SIGNATURE: &str = "x-signature";

pub fn check(request: Request<'_>, token: &[u8]) -> Result<Accepted, Refused> {
    mac::prefixed(SIGNATURE, request.required(SIGNATURE)?, token, request.body)?;
    // The same text may be sent on purpose again: nothing says which of two is a repetition.
    Ok(Accepted::plain())
}
