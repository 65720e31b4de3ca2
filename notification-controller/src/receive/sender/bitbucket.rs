//! Bitbucket Server and Data Center, which sign as GitHub does (Atlassian, "Manage webhooks").

use super::{Accepted, Refused, Request, github, listened};

const EVENT: &str = "x-event-key";
const DELIVERY: &str = "x-request-id";

pub fn check(request: Request<'_>, token: &[u8], events: &[String]) -> Result<Accepted, Refused> {
    github::signed(request, token)?;
    listened(events, request.header(EVENT)?.unwrap_or_default())?;
    Ok(Accepted::delivery(request.header(DELIVERY)?))
}
