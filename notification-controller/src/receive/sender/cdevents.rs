//! CDEvents over HTTP (CDEvents 0.4, "CloudEvents binding"): the event has to be one, who sends it is vouched for by the
//! path alone.

use super::{Accepted, Refused, Request, listened};
use serde_json::{Map, Value};

const TYPE: &str = "ce-type";

pub fn check(request: Request<'_>, events: &[String]) -> Result<Accepted, Refused> {
    let event = request.object()?;
    let (id, type_) = envelope(&event)?;
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
    Ok(Accepted::delivery(Some(id)))
}

/// The id and type of an event whose parts are as the specification has them: `context` and `subject`, with what is
/// required in each. The fields of each type's content are not looked at.
fn envelope(event: &Map<String, Value>) -> Result<(&str, &str), Refused> {
    let context = object(event, "context")?;
    let subject = object(event, "subject")?;
    let id = text(context, "context", "id")?;
    let type_ = text(context, "context", "type")?;
    text(context, "context", "source")?;
    let version = text(context, "context", "version")?;
    if !is_version(version) {
        return Err(Refused("context.version is no version".into()));
    }
    let time = text(context, "context", "timestamp")?;
    if time.parse::<jiff::Timestamp>().is_err() {
        return Err(Refused("context.timestamp is no time of RFC 3339".into()));
    }
    // dev.cdevents.<subject>.<predicate>.<version>, and dev.cdeventsx.<tool>-<subject>.… for those of others.
    let mut parts = type_.splitn(5, '.');
    let words = [parts.next(), parts.next(), parts.next(), parts.next()];
    let named = |word: Option<&str>| {
        word.is_some_and(|w| !w.is_empty() && w.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
    };
    let known = matches!(words, [Some("dev"), Some("cdevents" | "cdeventsx"), s, p] if named(s) && named(p));
    if !known || !parts.next().is_some_and(is_version) {
        return Err(Refused("context.type is no type of CDEvents".into()));
    }
    text(subject, "subject", "id")?;
    object(subject, "content")?;
    Ok((id, type_))
}

/// A version as in `0.4.1` or `0.1.0-draft`.
fn is_version(text: &str) -> bool {
    let (numbers, _) = text.split_once(['-', '+']).unwrap_or((text, ""));
    let mut parts = numbers.split('.');
    let number = |p: Option<&str>| p.is_some_and(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()));
    number(parts.next()) && number(parts.next()) && number(parts.next()) && parts.next().is_none()
}

fn object<'a>(of: &'a Map<String, Value>, field: &str) -> Result<&'a Map<String, Value>, Refused> {
    let object = of.get(field).and_then(Value::as_object);
    object.ok_or_else(|| Refused(format!("the event has no {field}")))
}

fn text<'a>(of: &'a Map<String, Value>, parent: &str, field: &str) -> Result<&'a str, Refused> {
    let text = of
        .get(field)
        .and_then(Value::as_str)
        .filter(|text| !text.is_empty());
    text.ok_or_else(|| Refused(format!("the event has no {parent}.{field}")))
}
