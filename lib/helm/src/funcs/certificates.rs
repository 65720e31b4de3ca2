//! Keys and certificates, in the shapes that Go's crypto/x509 gives them.

mod der;
mod key;
mod x509;

use super::encoding::base64;
use super::layout;
use super::{Answer, Call, Function, Ty, fixed, string};
use crate::template::error::Fault;
use crate::template::object::{Field, Object};
use crate::template::value::Value;
use key::Key;
use std::net::IpAddr;
use std::rc::Rc;

/// What making a key counts as, in steps.
const SLOW: usize = 2_000_000;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("genPrivateKey", &[Ty::Str], |c| {
        c.step(SLOW)?;
        let kind = c.text(0).into_owned();
        let key = match kind.as_str() {
            "" | "rsa" => {
                c.step(SLOW * 4)?;
                Key::rsa(4096)
            }
            "ecdsa" => Key::ecdsa(),
            "ed25519" => Key::ed25519(),
            "dsa" => {
                return Err(
                    "genPrivateKey \"dsa\" is not supported: use \"rsa\", \"ecdsa\" or \"ed25519\"".into(),
                );
            }
            other => return string(format!("Unknown type {other}")),
        };
        string(key?.pem())
    }),
    fixed("buildCustomCert", &[Ty::Str, Ty::Str], |c| {
        let cert = base64(c.bytes(0)).map_err(|_| "unable to decode base64 certificate")?;
        let key = base64(c.bytes(1)).map_err(|_| "unable to decode base64 private key")?;
        let (cert, key) = (text(&cert), text(&key));
        let (_, der) = key::pem_decode(&cert).ok_or("unable to decode certificate")?;
        x509::subject(&der).map_err(|e| format!("error parsing certificate: decodedCert.Bytes: {e}"))?;
        Key::parse(&key).map_err(|e| format!("error parsing private key: {e}"))?;
        Ok(certificate(cert, key))
    }),
    fixed("genCA", &[Ty::Str, Ty::Int], |c| {
        let key = new_key(c)?;
        authority(c, key)
    }),
    fixed("genCAWithKey", &[Ty::Str, Ty::Int, Ty::Str], |c| {
        let key = given_key(c, 2)?;
        authority(c, key)
    }),
    fixed(
        "genSelfSignedCert",
        &[Ty::Str, Ty::List, Ty::List, Ty::Int],
        |c| {
            let key = new_key(c)?;
            leaf(c, key, None)
        },
    ),
    fixed(
        "genSelfSignedCertWithKey",
        &[Ty::Str, Ty::List, Ty::List, Ty::Int, Ty::Str],
        |c| {
            let key = given_key(c, 4)?;
            leaf(c, key, None)
        },
    ),
    fixed(
        "genSignedCert",
        &[Ty::Str, Ty::List, Ty::List, Ty::Int, Ty::Certificate],
        |c| {
            let key = new_key(c)?;
            let signer = signer(c)?;
            leaf(c, key, Some(signer))
        },
    ),
    fixed(
        "genSignedCertWithKey",
        &[Ty::Str, Ty::List, Ty::List, Ty::Int, Ty::Certificate, Ty::Str],
        |c| {
            let key = given_key(c, 5)?;
            let signer = signer(c)?;
            leaf(c, key, Some(signer))
        },
    ),
];

/// Who signs: the key and the certificate's subject and key identifier.
struct Signer {
    key: Key,
    subject: x509::Subject,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn certificate(cert: String, key: String) -> Value {
    Value::Object(Rc::new(Object {
        name: "sprig.certificate",
        pointer: false,
        fields: vec![
            Field::plain("Cert", Value::string(cert)),
            Field::plain("Key", Value::string(key)),
        ],
        text: None,
    }))
}

fn new_key(call: &mut Call<'_, '_>) -> Result<Key, Fault> {
    call.step(SLOW)?;
    Ok(Key::rsa(2048)?)
}

fn given_key(call: &mut Call<'_, '_>, i: usize) -> Result<Key, Fault> {
    call.step(SLOW / 20)?;
    Ok(Key::parse(&call.text(i)).map_err(|e| format!("parsing private key: {e}"))?)
}

fn signer(call: &Call<'_, '_>) -> Result<Signer, Fault> {
    let field = |name: &str| match call.any(4) {
        Value::Object(object) => match object.field(name) {
            Some(Value::Str(text)) => text.text().into_owned(),
            _ => String::new(),
        },
        _ => String::new(),
    };
    let (_, der) = key::pem_decode(&field("Cert")).ok_or("unable to decode certificate")?;
    let subject = x509::subject(&der)
        .map_err(|e| format!("error parsing certificate: decodedSignerCert.Bytes: {e}"))?;
    let key = Key::parse(&field("Key")).map_err(|e| format!("error parsing private key: {e}"))?;
    Ok(Signer { key, subject })
}

fn authority(call: &mut Call<'_, '_>, key: Key) -> Answer {
    let days = call.int(1);
    let request = request(call, days, true, Vec::new(), Vec::new());
    issue(&request, key, None)
}

fn leaf(call: &mut Call<'_, '_>, key: Key, signer: Option<Signer>) -> Answer {
    let ips = strings(call, 1, "error parsing ip: ")?
        .into_iter()
        .map(|ip| {
            ip.parse::<IpAddr>()
                .map_err(|_| format!("error parsing ip: {ip}"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    let names = strings(call, 2, "error processing alternate dns name: ")?;
    let days = call.int(3);
    let request = request(call, days, false, ips, names);
    issue(&request, key, signer)
}

fn strings(call: &Call<'_, '_>, i: usize, complaint: &str) -> Result<Vec<String>, Fault> {
    let items: &[Value] = match call.any(i) {
        Value::List(list) => &list.items,
        _ => &[],
    };
    items
        .iter()
        .map(|item| match item {
            Value::Str(text) => Ok(text.text().into_owned()),
            other => {
                let shown = crate::template::print::to_string(other);
                Err(Fault::Message(format!("{complaint}{shown} is not a string")))
            }
        })
        .collect()
}

fn request(
    call: &mut Call<'_, '_>,
    days: i64,
    authority: bool,
    ips: Vec<IpAddr>,
    names: Vec<String>,
) -> x509::Request {
    let mut serial = [0; 16];
    call.run.environment.random(&mut serial);
    let (seconds, _) = call.run.environment.now();
    let time = |seconds: i64| {
        let moment = super::clock::Time::new(seconds, 0, super::clock::Zone::Utc);
        let year = moment.civil().year;
        if (1950..2050).contains(&year) {
            der::Time::Utc(layout::format(&moment, "060102150405Z"))
        } else {
            der::Time::General(layout::format(&moment, "20060102150405Z"))
        }
    };
    x509::Request {
        name: call.text(0).into_owned(),
        serial,
        begins: time(seconds),
        ends: time(
            seconds
                .saturating_add(days.saturating_mul(86_400))
                .clamp(0, 253_402_300_799),
        ),
        authority,
        ips,
        names,
    }
}

fn issue(request: &x509::Request, key: Key, signer: Option<Signer>) -> Answer {
    let der = match &signer {
        None => x509::certificate(request, &key, &key, None)?,
        Some(signer) => x509::certificate(request, &key, &signer.key, Some(&signer.subject))?,
    };
    Ok(certificate(key::pem_encode("CERTIFICATE", &der), key.pem()))
}
