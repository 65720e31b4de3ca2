//! Harbor, which sends the token as `Authorization` (Harbor, "Configure Webhook Notifications", auth header).

use super::{Accepted, Refused, Request, same};

const TOKEN: &str = "authorization";

pub fn check(request: Request<'_>, token: &[u8]) -> Result<Accepted, Refused> {
    same(TOKEN, request.required(TOKEN)?, token)?;
    Ok(Accepted::plain())
}
