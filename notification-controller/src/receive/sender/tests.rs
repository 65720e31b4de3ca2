//! Every kind of sender: let in when it proves itself, and refused with each proof missing, wrong or in the wrong place.

mod bearers;
mod others;
mod signatures;

use super::*;
use axum::http::{HeaderName, HeaderValue};
use hmac::{Hmac, KeyInit as _, Mac as _};

const TOKEN: &str = "s3cr3t";

fn receiver(type_: ReceiverType, events: &[&str]) -> Receiver {
    let mut receiver = Receiver::new("hook", Default::default());
    receiver.spec.type_ = type_;
    receiver.spec.events = events.iter().map(|e| (*e).to_owned()).collect();
    receiver
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let pair = |(name, value): &(&str, &str)| {
        let name: HeaderName = name.parse().unwrap();
        (name, HeaderValue::from_bytes(value.as_bytes()).unwrap())
    };
    // Appended, so that a name may be there twice.
    let mut headers = HeaderMap::new();
    for (name, value) in pairs.iter().map(pair) {
        headers.append(name, value);
    }
    headers
}

fn asked(receiver: &Receiver, token: &str, pairs: &[(&str, &str)], body: &str) -> Result<Accepted, Refused> {
    let credentials = Credentials::of(&[("token", token)]);
    let headers = headers(pairs);
    let request = Request {
        headers: &headers,
        body: body.as_bytes(),
    };
    let by = By {
        credentials: &credentials,
        rules: &[],
        signed: None,
        now: 0,
    };
    check(receiver, request, by)
}

fn sign(algorithm: &str, token: &str, body: &str) -> String {
    let key = token.as_bytes();
    match algorithm {
        "sha1" => hex::encode(
            Hmac::<sha1::Sha1>::new_from_slice(key)
                .unwrap()
                .chain_update(body)
                .finalize()
                .into_bytes(),
        ),
        "sha256" => hex::encode(
            Hmac::<sha2::Sha256>::new_from_slice(key)
                .unwrap()
                .chain_update(body)
                .finalize()
                .into_bytes(),
        ),
        _ => hex::encode(
            Hmac::<sha2::Sha512>::new_from_slice(key)
                .unwrap()
                .chain_update(body)
                .finalize()
                .into_bytes(),
        ),
    }
}

/// One row: what it shows, the headers, the body, and a part of why it is refused; nothing if it is let in.
type Row<'a> = (&'a str, Vec<(&'a str, &'a str)>, &'a str, &'a str);

fn rows(receiver: &Receiver, rows: &[Row<'_>]) {
    for (what, pairs, body, expected) in rows {
        match asked(receiver, TOKEN, pairs, body) {
            Ok(_) => assert!(expected.is_empty(), "{what}: let in, not {expected:?}"),
            Err(Refused(problem)) => {
                assert!(
                    !expected.is_empty() && problem.contains(expected),
                    "{what}: {problem}"
                );
                assert!(!problem.contains(TOKEN), "{what}: {problem} tells the token");
            }
        }
    }
}
