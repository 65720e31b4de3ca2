//! PURE: COSE with one signer (RFC 9052, section 4.2), with Notation's headers.

use super::{AUTHENTIC_TIME, EXPIRY, Envelope, Headers, SCHEME, TIME, TIMESTAMP, assemble};
use crate::verify::key::Scheme;
use ciborium::Value;
use jiff::Timestamp;

/// The tag of COSE_Sign1.
const SIGN1: u64 = 18;
/// The tag of a time in seconds.
const EPOCH: u64 = 1;
const ALGORITHM: i64 = 1;
const CRITICAL: i64 = 2;
const CONTENT_TYPE: i64 = 3;
/// The chain of certificates (RFC 9360).
const CHAIN: i64 = 33;

pub(super) fn parse(text: &[u8]) -> Result<Envelope, String> {
    read(text).ok_or_else(|| "the envelope is no COSE_Sign1".to_owned())?
}

/// `None` if it is none; an error if it is one that cannot be judged.
fn read(text: &[u8]) -> Option<Result<Envelope, String>> {
    let Value::Tag(SIGN1, value) = ciborium::from_reader(text).ok()? else {
        return None;
    };
    let parts = value.into_array().ok()?;
    let [protected, unprotected, payload, signature] = <[Value; 4]>::try_from(parts).ok()?;
    let (protected, payload) = (protected.into_bytes().ok()?, payload.into_bytes().ok()?);
    let (unprotected, signature) = (unprotected.into_map().ok()?, signature.into_bytes().ok()?);
    let mut headers = headers(&protected)?;
    let number = |label: i64| Value::Integer(label.into());
    let mut chain = None;
    for (label, value) in unprotected {
        if label == number(CHAIN) {
            chain = Some(value);
        } else if label.as_text() == Some(TIMESTAMP) {
            headers.timestamp = Some(value.into_bytes().ok()?);
        }
    }
    let chain = match chain? {
        Value::Bytes(one) => vec![one],
        Value::Array(all) => all
            .into_iter()
            .map(Value::into_bytes)
            .collect::<Result<_, _>>()
            .ok()?,
        _ => return None,
    };
    let signed = Value::Array(vec![
        Value::Text("Signature1".into()),
        Value::Bytes(protected),
        Value::Bytes(Vec::new()),
        Value::Bytes(payload.clone()),
    ]);
    let mut message = Vec::new();
    ciborium::into_writer(&signed, &mut message).ok()?;
    Some(assemble(headers, chain, payload, message, signature))
}

fn headers(protected: &[u8]) -> Option<Headers> {
    let map = ciborium::from_reader::<Value, _>(protected)
        .ok()?
        .into_map()
        .ok()?;
    let mut headers = Headers::default();
    let mut seen: Vec<&Value> = Vec::new();
    for (label, value) in &map {
        // The same header twice would let two readers see two things.
        if seen.contains(&label) {
            return None;
        }
        seen.push(label);
        match label {
            Value::Integer(label) => match i64::try_from(*label).ok()? {
                ALGORITHM => {
                    let algorithm = i64::try_from(value.as_integer()?).ok()?;
                    headers.is_rsa = matches!(algorithm, -39..=-37);
                    headers.algorithm = match algorithm {
                        -37 | -7 => Some(Scheme::Jose256),
                        -38 | -35 => Some(Scheme::Jose384),
                        -39 | -36 => Some(Scheme::Jose512),
                        _ => None,
                    };
                }
                CRITICAL => {
                    let names = value.as_array()?.iter().map(|name| match name {
                        Value::Text(text) => text.clone(),
                        // Numbers are of COSE itself; only those that are read here are understood.
                        Value::Integer(number)
                            if [ALGORITHM, CONTENT_TYPE]
                                .iter()
                                .any(|known| *number == (*known).into()) =>
                        {
                            String::new()
                        }
                        other => format!("{other:?}"),
                    });
                    headers.critical = names.filter(|name| !name.is_empty()).collect();
                }
                CONTENT_TYPE => headers.content_type = value.as_text()?.to_owned(),
                _ => {}
            },
            Value::Text(label) => match label.as_str() {
                SCHEME => headers.scheme = value.as_text()?.to_owned(),
                TIME => headers.time = Some(time(value)?),
                AUTHENTIC_TIME => headers.authentic_time = Some(time(value)?),
                EXPIRY => headers.expiry = Some(time(value)?),
                _ => {}
            },
            _ => return None,
        }
    }
    Some(headers)
}

fn time(value: &Value) -> Option<Timestamp> {
    let Value::Tag(EPOCH, seconds) = value else {
        return None;
    };
    Timestamp::from_second(i64::try_from(seconds.as_integer()?).ok()?).ok()
}
