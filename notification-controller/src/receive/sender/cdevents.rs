//! CDEvents over HTTP (CDEvents 0.4, "CloudEvents binding"): the event has to be one, who sends it is vouched for by the
//! path alone.
//!
//! What Flux takes for an event is what the SDK of CDEvents makes of it (sdk-go 0.5 with the vocabulary 0.4.1), which reads what it
//! knows and judges that. So here, too: names of fields match in any case, null is as good as nothing, and what is not known is
//! passed over.

mod addresses;
mod content;
mod vocabulary;

use super::{Accepted, Refused, Request, listened};
use content::{Fields, Vocabulary};
use serde_json::Value;

const TYPE: &str = "ce-type";

pub fn check(request: Request<'_>, events: &[String]) -> Result<Accepted, Refused> {
    let event = Value::Object(request.object()?);
    let event = Fields::of(&event, "")?;
    let context = event.object("context")?;
    let type_ = context.text("type")?;
    let vocabulary = Vocabulary::of(type_).ok_or_else(|| {
        Refused("context.type is no type of CDEvents 0.4 in a version that is known".into())
    })?;
    envelope(&context)?;
    vocabulary.check(&event.object("subject")?)?;
    // Data of whoever sent it: JSON, or anything in base64.
    match event.get("customData") {
        None | Some(Value::Object(_) | Value::String(_)) => {}
        Some(_) => return Err(Refused("customData is neither an object nor text".into())),
    }
    event.text("customDataContentType")?;
    if !events.is_empty() {
        let said = request.header(TYPE)?.unwrap_or_default();
        listened(events, said)?;
        // What is let in by its header has to be that.
        if !said.eq_ignore_ascii_case(type_) {
            return Err(Refused(
                "the header ce-type names another type than the event".into(),
            ));
        }
    }
    Ok(Accepted::delivery(Some(context.given("id")?)))
}

/// What is the same for all events (CDEvents, "context").
fn envelope(context: &Fields<'_>) -> Result<(), Refused> {
    context.given("id")?;
    context.given("version")?;
    let source = context.given("source")?;
    context.holds(addresses::is_reference(source), "source", "is no URI reference")?;
    let time = context.text("timestamp")?;
    let is_time = time.is_empty() && context.get("timestamp").is_none() || is_time(time);
    context.holds(is_time, "timestamp", "is no time of RFC 3339")?;
    context.text("chainId")?;
    // A schema of the sender's own would have to be fetched, which Flux does not do either.
    let schema = context.text("schemaUri")?;
    context.holds(
        schema.is_empty(),
        "schemaUri",
        "is a schema that is not known here",
    )?;
    links(context)
}

/// The links to other events (CDEvents, "links embedded in an event").
fn links(context: &Fields<'_>) -> Result<(), Refused> {
    let links = match context.get("links") {
        None => return Ok(()),
        Some(links) => links.as_array(),
    };
    let links = links.ok_or_else(|| Refused("context.links is no list".into()))?;
    for link in links {
        let link = Fields::of(link, "context.links")?;
        let end = match link.text("linkType")? {
            "PATH" | "END" => "from",
            "RELATION" => {
                link.given("linkKind")?;
                "target"
            }
            _ => return Err(Refused("context.links.linkType is no type of a link".into())),
        };
        link.object(end)?.given("contextId")?;
        let has_tags = matches!(link.get("tags"), Some(Value::Object(_)));
        link.holds(has_tags, "tags", "is no object")?;
    }
    Ok(())
}

/// A time in the one form that RFC 3339 has for it: more than that is read by many, and not by all.
fn is_time(text: &str) -> bool {
    let (Some(date_and_time), Some(rest)) = (text.get(..19), text.get(19..)) else {
        return false;
    };
    let has_form = date_and_time
        .bytes()
        .zip(b"dddd-dd-ddTdd:dd:dd")
        .all(|(b, form)| match form {
            b'd' => b.is_ascii_digit(),
            mark => b == *mark,
        });
    let rest = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|digit: char| digit.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
    };
    let is_zone = match rest.as_bytes() {
        b"Z" => true,
        [b'+' | b'-', a, b, b':', c, d] => {
            let number = |tens: u8, ones: u8| {
                let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
                digits.then(|| (tens - b'0') * 10 + ones - b'0')
            };
            number(*a, *b).is_some_and(|hours| hours < 24)
                && number(*c, *d).is_some_and(|minutes| minutes < 60)
        }
        _ => false,
    };
    // A leap second is none of Go's.
    let is_leap = date_and_time.ends_with(":60");
    has_form && is_zone && !is_leap && date_and_time.parse::<jiff::civil::DateTime>().is_ok()
}
