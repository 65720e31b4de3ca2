//! Go's `net/url`, as far as sprig shows it.

use super::{Answer, Call, Function, Ty, fixed};
use crate::template::error::Fault;
use crate::template::quote::quote;
use crate::template::value::{Map, Value};

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("urlParse", &[Ty::Str], |c| {
        let url = Url::parse(c.bytes(0)).map_err(|error| format!("unable to parse url: {error}"))?;
        let text = |text: Vec<u8>| Value::bytes(text);
        Ok(Map::any([
            ("scheme", text(url.scheme)),
            ("host", text(url.host.clone())),
            ("hostname", text(hostname(&url.host))),
            ("path", text(url.path)),
            ("query", text(url.query)),
            ("opaque", text(url.opaque)),
            ("fragment", text(url.fragment)),
            ("userinfo", Value::string(url.user.unwrap_or_default())),
        ]))
    }),
    fixed("urlJoin", &[Ty::Dict], join),
];

/// Which part of a URL is escaped: each lets other characters be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Path,
    User,
    Query,
    Fragment,
    Host,
}

#[derive(Default)]
struct Url {
    scheme: Vec<u8>,
    opaque: Vec<u8>,
    /// Escaped.
    user: Option<String>,
    host: Vec<u8>,
    path: Vec<u8>,
    query: Vec<u8>,
    force_query: bool,
    fragment: Vec<u8>,
    omit_host: bool,
}

fn join(call: &mut Call<'_, '_>) -> Answer {
    let dict = call.dict(0);
    let get = |key: &str| match dict.get(key.as_bytes()) {
        None => Ok(Vec::new()),
        Some(Value::Str(text)) => Ok(text.bytes().to_vec()),
        Some(Value::Nil | Value::NilInterface) => Err(Fault::from(super::NIL_DEREFERENCE)),
        Some(other) => Err(Fault::Message(format!(
            "unable to parse {key} key, must be of type string, but {} found",
            other.kind_name()
        ))),
    };
    let mut url = Url {
        scheme: get("scheme")?,
        host: get("host")?,
        path: get("path")?,
        query: get("query")?,
        opaque: get("opaque")?,
        fragment: get("fragment")?,
        ..Url::default()
    };
    let user = get("userinfo")?;
    if !user.is_empty() {
        let text = [b"proto://", user.as_slice(), b"@host"].concat();
        let parsed =
            Url::parse(&text).map_err(|error| format!("unable to parse userinfo in dict: {error}"))?;
        url.user = parsed.user;
    }
    Ok(Value::bytes(url.print()))
}

impl Url {
    fn parse(text: &[u8]) -> Result<Url, String> {
        let shown = quote(text);
        Url::inner(text).map_err(|error| format!("parse {shown}: {error}"))
    }

    fn inner(text: &[u8]) -> Result<Url, String> {
        let (text, fragment) = match text.iter().position(|&b| b == b'#') {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, &b""[..]),
        };
        let mut url = Url::default();
        if text.iter().any(|&b| b < 0x20 || b == 0x7f) {
            return Err("net/url: invalid control character in URL".into());
        }
        if text == b"*" {
            url.path = text.to_vec();
            return Ok(url);
        }
        let (scheme, mut rest) = scheme(text)?;
        url.scheme = scheme.to_ascii_lowercase();
        if rest.ends_with(b"?") && rest.iter().filter(|&&b| b == b'?').count() == 1 {
            url.force_query = true;
            rest = &rest[..rest.len() - 1];
        } else if let Some(at) = rest.iter().position(|&b| b == b'?') {
            url.query = rest[at + 1..].to_vec();
            rest = &rest[..at];
        }
        if !rest.starts_with(b"/") {
            if !url.scheme.is_empty() {
                url.opaque = rest.to_vec();
                url.fragment = unescape(fragment, Part::Fragment)?;
                return Ok(url);
            }
            let segment = rest.split(|&b| b == b'/').next().unwrap_or_default();
            if segment.contains(&b':') {
                return Err("first path segment in URL cannot contain colon".into());
            }
        }
        if (!url.scheme.is_empty() || !rest.starts_with(b"///")) && rest.starts_with(b"//") {
            let authority = &rest[2..];
            let end = authority
                .iter()
                .position(|&b| b == b'/')
                .unwrap_or(authority.len());
            rest = &authority[end..];
            url.authority(&authority[..end])?;
        } else if !url.scheme.is_empty() && rest.starts_with(b"/") {
            url.omit_host = true;
        }
        url.path = unescape(rest, Part::Path)?;
        url.fragment = unescape(fragment, Part::Fragment)?;
        Ok(url)
    }

    fn authority(&mut self, authority: &[u8]) -> Result<(), String> {
        let (user, host) = match authority.iter().rposition(|&b| b == b'@') {
            Some(at) => (Some(&authority[..at]), &authority[at + 1..]),
            None => (None, authority),
        };
        self.host = host_of(host)?;
        let Some(user) = user else {
            return Ok(());
        };
        let valid = |b: &u8| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(b);
        if !user.iter().all(valid) {
            return Err("net/url: invalid userinfo".into());
        }
        let mut parts = user.splitn(2, |&b| b == b':');
        let name = unescape(parts.next().unwrap_or_default(), Part::User)?;
        let mut text = escape(&name, Part::User);
        if let Some(password) = parts.next() {
            text.push(':');
            text.push_str(&escape(&unescape(password, Part::User)?, Part::User));
        }
        self.user = Some(text);
        Ok(())
    }

    fn print(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(&self.scheme);
            out.push(b':');
        }
        if !self.opaque.is_empty() {
            out.extend_from_slice(&self.opaque);
        } else {
            let authority = !self.host.is_empty() || self.user.is_some();
            if !self.scheme.is_empty() || authority {
                if authority || !self.omit_host && !self.path.is_empty() {
                    out.extend_from_slice(b"//");
                }
                if let Some(user) = &self.user {
                    out.extend_from_slice(user.as_bytes());
                    out.push(b'@');
                }
                out.extend_from_slice(escape(&self.host, Part::Host).as_bytes());
            }
            let path = escape(&self.path, Part::Path);
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                out.push(b'/');
            }
            if out.is_empty() {
                let segment = path.split('/').next().unwrap_or_default();
                if segment.contains(':') {
                    out.extend_from_slice(b"./");
                }
            }
            out.extend_from_slice(path.as_bytes());
        }
        if self.force_query || !self.query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend_from_slice(escape(&self.fragment, Part::Fragment).as_bytes());
        }
        out
    }
}

fn scheme(text: &[u8]) -> Result<(&[u8], &[u8]), String> {
    for (i, byte) in text.iter().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if i > 0 => {}
            b':' if i == 0 => return Err("missing protocol scheme".into()),
            b':' => return Ok((&text[..i], &text[i + 1..])),
            _ => break,
        }
    }
    Ok((b"", text))
}

fn host_of(host: &[u8]) -> Result<Vec<u8>, String> {
    let port_of = |colon_port: &[u8]| {
        let valid = colon_port.is_empty()
            || colon_port.starts_with(b":") && colon_port[1..].iter().all(u8::is_ascii_digit);
        if valid {
            Ok(())
        } else {
            Err(format!("invalid port {} after host", quote(colon_port)))
        }
    };
    if host.starts_with(b"[") {
        let Some(end) = host.iter().rposition(|&b| b == b']') else {
            return Err("missing ']' in host".into());
        };
        port_of(&host[end + 1..])?;
    } else if let Some(at) = host.iter().rposition(|&b| b == b':') {
        port_of(&host[at..])?;
    }
    unescape(host, Part::Host)
}

fn hostname(host: &[u8]) -> Vec<u8> {
    let without_port = match host.iter().rposition(|&b| b == b':') {
        Some(at) if host[at + 1..].iter().all(u8::is_ascii_digit) && !host[at + 1..].contains(&b']') => {
            &host[..at]
        }
        _ => host,
    };
    match without_port {
        [b'[', inner @ .., b']'] => inner.to_vec(),
        other => other.to_vec(),
    }
}

fn unescape(text: &[u8], part: Part) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'%' => {
                let hex = text
                    .get(at + 1..at + 3)
                    .and_then(|hex| std::str::from_utf8(hex).ok());
                let value = hex
                    .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
                    .and_then(|hex| u8::from_str_radix(hex, 16).ok());
                let Some(value) = value else {
                    let end = text.len().min(at + 3);
                    return Err(format!("invalid URL escape {}", quote(&text[at..end])));
                };
                if part == Part::Host && value < 0x80 && &text[at..at + 3] != b"%25" {
                    return Err(format!("invalid URL escape {}", quote(&text[at..at + 3])));
                }
                out.push(value);
                at += 3;
            }
            byte => {
                if part == Part::Host && byte < 0x80 && keeps(byte, part).is_none() {
                    return Err(format!(
                        "invalid character {} in host name",
                        quote(&text[at..at + 1])
                    ));
                }
                out.push(byte);
                at += 1;
            }
        }
    }
    Ok(out)
}

/// Whether a byte stays as it is.
fn keeps(byte: u8, part: Part) -> Option<()> {
    let keep = byte.is_ascii_alphanumeric()
        || b"-_.~".contains(&byte)
        || match part {
            Part::Host => b"!$&'()*+,;=:[]<>\"".contains(&byte),
            Part::Path => b"$&+,/:;=@".contains(&byte),
            Part::User => b"$&+,;=".contains(&byte),
            Part::Query => false,
            Part::Fragment => b"$&+,/:;=?@!()*".contains(&byte),
        };
    keep.then_some(())
}

/// Percent-encodes what the part may not hold; in queries a space is `+`.
pub(crate) fn escape(text: &[u8], part: Part) -> String {
    let mut out = String::with_capacity(text.len());
    for &byte in text {
        if keeps(byte, part).is_some() {
            out.push(char::from(byte));
        } else if byte == b' ' && part == Part::Query {
            out.push('+');
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
