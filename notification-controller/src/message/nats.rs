//! PURE: NATS: where its servers are, and what a client says to one (NATS client protocol; NKeys).

use super::{DeliveryError, Letter};
use crate::provider::{Secret, Service};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use url::Url;

/// What stands before the lines of a file of credentials.
const JWT: &str = "-----BEGIN NATS USER JWT-----";
const SEED: &str = "-----BEGIN USER NKEY SEED-----";
/// The alphabet of base32 (RFC 4648).
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// The header with what tells a message from all others; a stream of JetStream stores one once.
const ID: &str = "Nats-Msg-Id";
/// The first byte of a seed, and of the public key of a user.
const SEED_PREFIX: u8 = 18 << 3;

/// A server.
#[derive(Clone, PartialEq, Eq)]
pub struct Server {
    /// Its name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Whether it must speak TLS.
    pub tls: bool,
    /// User and password in its URL; a token has no password.
    pub login: Option<(String, Option<String>)>,
}

/// How one proves who one is.
#[derive(Debug, Clone)]
pub enum Proof {
    /// Not at all.
    None,
    /// A user's token and the seed of its key.
    Credentials(Secret, Secret),
    /// The seed of a key.
    Seed(Secret),
    /// User and password.
    Login(String, Secret),
    /// A token.
    Token(Secret),
}

/// The servers that a Provider's address names, apart by commas.
///
/// # Errors
/// When it names none, or something else.
pub fn servers(service: &Service) -> Result<Vec<Server>, DeliveryError> {
    let wrong = || DeliveryError::later("the address of the Provider is no list of NATS servers".into());
    let text = service.address.text().ok_or_else(wrong)?;
    let servers: Vec<Server> = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .take(16)
        .map(server)
        .collect::<Option<_>>()
        .ok_or_else(wrong)?;
    match servers.is_empty() {
        true => Err(wrong()),
        false => Ok(servers),
    }
}

fn server(text: &str) -> Option<Server> {
    let url = match text.contains("://") {
        true => Url::parse(text).ok()?,
        false => Url::parse(&format!("nats://{text}")).ok()?,
    };
    if !matches!(url.scheme(), "nats" | "tls") {
        return None;
    }
    let plain = |text: &str| {
        percent_encoding::percent_decode_str(text)
            .decode_utf8_lossy()
            .into_owned()
    };
    let host = url.host_str().filter(|host| !host.is_empty())?;
    Some(Server {
        host: host.trim_matches(['[', ']']).to_owned(),
        port: url.port().unwrap_or(4222),
        tls: url.scheme() == "tls",
        login: (!url.username().is_empty()).then(|| (plain(url.username()), url.password().map(plain))),
    })
}

/// How a Provider proves who it is: `creds`, else `nkey`, else `username` and `password`, else what is in the URL.
///
/// # Errors
/// Credentials that lack something.
pub fn proof(service: &Service, server: &Server) -> Result<Proof, DeliveryError> {
    let value = |key: &str| service.auth.data.get(key).filter(|value| !value.is_blank());
    if let Some(creds) = value("creds") {
        let text = creds.text().unwrap_or_default();
        let after = |mark: &str| {
            let line = text
                .split_once(mark)?
                .1
                .lines()
                .map(str::trim)
                .find(|line| !line.is_empty())?;
            Some(Secret::new(line))
        };
        let missing =
            || DeliveryError::later("'creds' in the Provider's Secret is no file of NATS credentials".into());
        let (jwt, seed) = after(JWT).zip(after(SEED)).ok_or_else(missing)?;
        return Ok(Proof::Credentials(jwt, seed));
    }
    if let Some(seed) = value("nkey") {
        return Ok(Proof::Seed(seed.clone()));
    }
    if let Some((user, password)) = &service.auth.login {
        return Ok(Proof::Login(user.clone(), password.clone()));
    }
    Ok(match &server.login {
        Some((user, Some(password))) => Proof::Login(user.clone(), Secret::new(password.as_str())),
        Some((token, None)) => Proof::Token(Secret::new(token.as_str())),
        None => Proof::None,
    })
}

/// What a client says first, given what the server has said (`INFO`).
///
/// # Errors
/// A seed that is none.
pub fn connect(info: &Value, proof: &Proof, tls: bool) -> Result<String, DeliveryError> {
    let nonce = info["nonce"].as_str().unwrap_or_default();
    let mut options = json!({
        "verbose": false, "pedantic": false, "tls_required": tls, "name": "NATS Provider Publisher", "lang": "rust",
        "version": "1.0", "protocol": 1, "echo": false, "headers": takes_headers(info), "no_responders": false,
    });
    let text = |secret: &Secret| String::from_utf8_lossy(secret.expose()).trim().to_owned();
    match proof {
        Proof::None => {}
        Proof::Credentials(jwt, seed) => {
            options["jwt"] = text(jwt).into();
            options["sig"] = sign(seed, nonce)?.1.into();
        }
        Proof::Seed(seed) => {
            let (public, signature) = sign(seed, nonce)?;
            options["nkey"] = public.into();
            options["sig"] = signature.into();
        }
        Proof::Login(user, password) => {
            options["user"] = user.as_str().into();
            options["pass"] = text(password).into();
        }
        Proof::Token(token) => options["auth_token"] = text(token).into(),
    }
    Ok(format!("CONNECT {options}\r\nPING\r\n"))
}

/// The public key that belongs to a seed, and a nonce's signature with it.
fn sign(seed: &Secret, nonce: &str) -> Result<(String, String), DeliveryError> {
    let wrong = || DeliveryError::later("the NKey in the Provider's Secret is no seed".into());
    let raw = decode(seed.text().unwrap_or_default())
        .filter(|raw| raw.len() == 36)
        .ok_or_else(wrong)?;
    let (body, sum) = raw.split_at(34);
    if body[0] & 0xf8 != SEED_PREFIX || sum != crc16(body).to_le_bytes() {
        return Err(wrong());
    }
    let kind = (body[0] & 7) << 5 | body[1] >> 3;
    let pair = Ed25519KeyPair::from_seed_unchecked(&body[2..]).map_err(|_| wrong())?;
    let mut public = vec![kind];
    public.extend_from_slice(pair.public_key().as_ref());
    public.extend(crc16(&public).to_le_bytes());
    Ok((
        encode(&public),
        URL_SAFE_NO_PAD.encode(pair.sign(nonce.as_bytes())),
    ))
}

/// Whether the server takes messages with headers (NATS client protocol, `INFO`).
fn takes_headers(info: &Value) -> bool {
    info["headers"] == true
}

/// The message, as a client says it; where the server takes headers, with its key, by which a stream knows it again.
///
/// # Errors
/// A subject that a message cannot have; an event that is larger than the server takes.
pub fn publish(info: &Value, service: &Service, letter: Letter<'_>) -> Result<Vec<u8>, DeliveryError> {
    let subject = service.channel.as_str();
    let is_plain =
        |letter: char| !letter.is_whitespace() && !letter.is_control() && letter != '*' && letter != '>';
    if subject.is_empty() || !subject.chars().all(is_plain) {
        return Err(DeliveryError::later(
            "spec.channel is no subject of NATS that one can send to".into(),
        ));
    }
    let failed = |error| DeliveryError::never(format!("failed to write the event: {error}"));
    let event = serde_json::to_vec(letter.event).map_err(failed)?;
    let headers = match takes_headers(info) {
        true => format!("NATS/1.0\r\n{ID}: {}\r\n\r\n", letter.id()),
        false => String::new(),
    };
    let size = headers.len() + event.len();
    let most = info["max_payload"].as_u64().unwrap_or(u64::MAX);
    if size as u64 > most {
        return Err(DeliveryError::never(format!(
            "the message has {size} bytes, and the NATS server takes {most}"
        )));
    }
    let verb = match headers.len() {
        0 => format!("PUB {subject} {size}\r\n"),
        of_headers => format!("HPUB {subject} {of_headers} {size}\r\n"),
    };
    Ok([verb.as_bytes(), headers.as_bytes(), &event, b"\r\nPING\r\n"].concat())
}

fn decode(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut value) = (Vec::new(), 0, 0u32);
    for letter in text.bytes().take(200) {
        let digit = BASE32.iter().position(|known| *known == letter)?;
        value = (value << 5 | u32::try_from(digit).ok()?) & 0xfff;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(value >> bits & 0xff).ok()?);
        }
    }
    Some(bytes)
}

fn encode(bytes: &[u8]) -> String {
    let bit = |at: usize| {
        bytes
            .get(at / 8)
            .is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
    };
    let digit = |from: usize| (from..from + 5).fold(0, |digit, at| digit << 1 | usize::from(bit(at)));
    (0..bytes.len() * 8)
        .step_by(5)
        .map(|from| char::from(BASE32[digit(from)]))
        .collect()
}

/// CRC-16 as XMODEM has it.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0u16, |sum, byte| {
        (0..8).fold(sum ^ u16::from(*byte) << 8, |sum, _| match sum & 0x8000 {
            0 => sum << 1,
            _ => sum << 1 ^ 0x1021,
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::Severity,
        message::example::{event, service, with_letter},
    };
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};
    use crds::notification::ProviderType;

    /// The pair of NATS' own documentation.
    const SEED_OF_DOCS: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
    const PUBLIC_OF_DOCS: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

    #[test]
    fn keys_are_those_of_nats() {
        let (public, signature) = sign(&Secret::new(SEED_OF_DOCS), "nonce").unwrap();
        assert_eq!(public, PUBLIC_OF_DOCS);
        let key = &decode(&public).unwrap()[1..33];
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&ED25519, key)
            .verify(b"nonce", &signature)
            .unwrap();
        for wrong in [
            "",
            "SU",
            PUBLIC_OF_DOCS,
            &SEED_OF_DOCS.replace("SUAC", "SUAD"),
            &SEED_OF_DOCS.to_lowercase(),
        ] {
            assert!(sign(&Secret::new(wrong), "nonce").is_err(), "{wrong}");
        }
    }

    #[test]
    fn addresses() {
        let of = |address: &str| {
            let servers = servers(&service(ProviderType::Nats, address, "s", &[])).ok()?;
            Some(
                servers
                    .iter()
                    .map(|server| format!("{}:{}:{}", server.host, server.port, server.tls))
                    .collect::<Vec<_>>()
                    .join(" "),
            )
        };
        assert_eq!(
            of("nats://a:1, tls://b,c:3").as_deref(),
            Some("a:1:false b:4222:true c:3:false")
        );
        assert_eq!(of("nats://[::1]:4222").as_deref(), Some("::1:4222:false"));
        assert_eq!(of(""), None);
        assert_eq!(of("http://a"), None);
    }

    #[test]
    fn what_is_said() {
        let of = |secret: &[(&str, &str)], address: &str| {
            let service = service(ProviderType::Nats, address, "s", secret);
            let server = servers(&service).unwrap().remove(0);
            let said = connect(&json!({"nonce": "n"}), &proof(&service, &server).unwrap(), false).unwrap();
            let said = said
                .strip_prefix("CONNECT ")
                .unwrap()
                .strip_suffix("\r\nPING\r\n")
                .unwrap();
            serde_json::from_str::<Value>(said).unwrap()
        };
        let login = [("username", "me"), ("password", "pw"), ("nkey", SEED_OF_DOCS)];
        assert_eq!(of(&login[..2], "a")["pass"], "pw");
        assert_eq!(of(&login, "a")["nkey"], PUBLIC_OF_DOCS);
        assert_eq!(of(&[], "nats://t0ken@a")["auth_token"], "t0ken");
        assert_eq!(of(&[], "nats://me:p%20w@a")["pass"], "p w");
        let creds = format!(
            "{JWT}\neyJ.x.y\n------END NATS USER JWT------\n\nNOTE\n{SEED}\n{SEED_OF_DOCS}\n------END USER NKEY SEED------\n"
        );
        let with_creds = of(&[("creds", &creds), ("nkey", "x")], "a");
        assert_eq!(with_creds["jwt"], "eyJ.x.y");
        assert!(with_creds["sig"].is_string() && with_creds["nkey"].is_null());
    }

    #[test]
    fn a_subject_cannot_be_another_command() {
        let event = event(Severity::Info);
        for (subject, is_one) in [
            ("flux.events", true),
            ("", false),
            ("a b", false),
            ("a\r\nPUB x", false),
            ("a.*", false),
            (">", false),
        ] {
            let service = service(ProviderType::Nats, "a", subject, &[]);
            let said = with_letter(&event, |letter| publish(&json!({}), &service, letter));
            assert_eq!(said.is_ok(), is_one, "{subject}");
        }
        let service = service(ProviderType::Nats, "a", "s", &[]);
        assert!(
            with_letter(&event, |letter| publish(
                &json!({"max_payload": 10}),
                &service,
                letter
            ))
            .is_err()
        );
    }
}
