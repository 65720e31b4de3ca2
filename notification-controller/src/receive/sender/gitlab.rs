//! GitLab, which sends the token itself (GitLab, "Webhooks", secret token).

use super::{Accepted, Refused, Request, listened, same};

const TOKEN: &str = "x-gitlab-token";
const EVENT: &str = "x-gitlab-event";
/// The same when a delivery is tried again; older versions have only the event's number.
const DELIVERY: [&str; 2] = ["idempotency-key", "x-gitlab-event-uuid"];

pub fn check(request: Request<'_>, token: &[u8], events: &[String]) -> Result<Accepted, Refused> {
    same(TOKEN, request.required(TOKEN)?, token)?;
    listened(events, request.header(EVENT)?.unwrap_or_default())?;
    let number = match request.header(DELIVERY[0])? {
        Some(number) => Some(number),
        None => request.header(DELIVERY[1])?,
    };
    Ok(Accepted::delivery(number))
}
