//! PURE: which keys a host may show, by lines in the format of OpenSSH's `known_hosts` (sshd(8)).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use russh::keys::ssh_key::certificate::CertType;
use russh::keys::{Algorithm, Certificate, HashAlg, PublicKey};
use sha1::Sha1;

/// The port that host patterns without one are about.
const DEFAULT_PORT: u16 = 22;

/// All lines that could be read. Lines that cannot are left out, as OpenSSH does, so that they trust nobody.
#[derive(Debug, Clone, Default)]
pub(super) struct KnownHosts {
    entries: Vec<Entry>,
}

#[derive(Debug, Clone)]
struct Entry {
    marker: Marker,
    hosts: Hosts,
    key: PublicKey,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Marker {
    Host,
    Authority,
    Revoked,
}

#[derive(Debug, Clone)]
enum Hosts {
    /// Alternatives; one that begins with `!` takes a host out.
    Patterns(Vec<Pattern>),
    /// HMAC-SHA1 of the host's name under a salt.
    Hashed { salt: Vec<u8>, hash: Vec<u8> },
}

#[derive(Debug, Clone)]
struct Pattern {
    negated: bool,
    host: String,
    port: u16,
}

/// Why a host is not who it should be. Display has the words of Go's `knownhosts`, which Flux's users know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostKeyError {
    /// No line is about the host.
    #[error("knownhosts: key is unknown")]
    Unknown,
    /// Lines are about the host, and none has this key.
    #[error("knownhosts: key mismatch")]
    Mismatch,
    /// A line takes the key back.
    #[error("knownhosts: key is revoked")]
    Revoked,
    /// The certificate's authority is known, but the certificate is for others, or not now.
    #[error("knownhosts: certificate is not valid for this host")]
    Certificate,
}

impl KnownHosts {
    /// Reads all lines.
    pub(super) fn parse(text: &str) -> KnownHosts {
        KnownHosts {
            entries: text.lines().filter_map(Entry::parse).collect(),
        }
    }

    /// The key algorithms to ask the host for: those of its lines. A line with an RSA key stands for its newer hashes first.
    pub(super) fn algorithms(&self, host: &str, port: u16) -> Vec<Algorithm> {
        self.offered(host, port, Marker::Host)
    }

    /// Whether a certificate of the host could be trusted at all; then these algorithms may be asked for as certificates.
    pub(super) fn certificate_algorithms(&self, host: &str, port: u16) -> Vec<Algorithm> {
        if self.about(host, port, Marker::Authority).next().is_none() {
            return Vec::new();
        }
        // The authority's key says nothing about the kind of the host's key.
        russh::Preferred::DEFAULT.key.to_vec()
    }

    /// Whether the host may show this key.
    pub(super) fn check(&self, host: &str, port: u16, key: &PublicKey) -> Result<(), HostKeyError> {
        let same = |entry: &&Entry| entry.key.key_data() == key.key_data();
        if self.about(host, port, Marker::Revoked).any(|entry| same(&entry)) {
            return Err(HostKeyError::Revoked);
        }
        if self.about(host, port, Marker::Host).any(|entry| same(&entry)) {
            return Ok(());
        }
        let known = self.about(host, port, Marker::Host).next().is_some();
        Err(if known {
            HostKeyError::Mismatch
        } else {
            HostKeyError::Unknown
        })
    }

    /// Whether the host may show this certificate at this time (seconds since 1970). A certificate whose authority is not
    /// known is no worse than its key.
    pub(super) fn check_certificate(
        &self,
        host: &str,
        port: u16,
        certificate: &Certificate,
        now: u64,
    ) -> Result<(), HostKeyError> {
        let key = PublicKey::from(certificate.public_key().clone());
        let authority = certificate.signature_key();
        let revoked = |data| {
            self.about(host, port, Marker::Revoked)
                .any(|entry| entry.key.key_data() == data)
        };
        if revoked(key.key_data()) || revoked(authority) {
            return Err(HostKeyError::Revoked);
        }
        let mut authorities = self
            .about(host, port, Marker::Authority)
            .filter(|entry| entry.key.key_data() == authority);
        let Some(trusted) = authorities.next() else {
            return self.check(host, port, &key);
        };
        let names = certificate.valid_principals();
        let for_host = certificate.cert_type() == CertType::Host
            && (names.is_empty() || names.iter().any(|name| matches(name.as_bytes(), host.as_bytes())));
        // Checks the authority's signature, the time, and that there are no critical options that we do not know.
        let valid = certificate.validate_at(now, [&trusted.key.fingerprint(HashAlg::Sha256)]);
        if for_host && valid.is_ok() {
            Ok(())
        } else {
            Err(HostKeyError::Certificate)
        }
    }

    fn about(&self, host: &str, port: u16, marker: Marker) -> impl Iterator<Item = &Entry> {
        let host = host.to_ascii_lowercase();
        self.entries
            .iter()
            .filter(move |entry| entry.marker == marker && entry.hosts.include(&host, port))
    }

    fn offered(&self, host: &str, port: u16, marker: Marker) -> Vec<Algorithm> {
        let mut algorithms = Vec::new();
        for entry in self.about(host, port, marker) {
            let variants = match entry.key.algorithm() {
                Algorithm::Rsa { .. } => vec![
                    Algorithm::Rsa {
                        hash: Some(HashAlg::Sha512),
                    },
                    Algorithm::Rsa {
                        hash: Some(HashAlg::Sha256),
                    },
                    Algorithm::Rsa { hash: None },
                ],
                other => vec![other],
            };
            for variant in variants {
                if !algorithms.contains(&variant) {
                    algorithms.push(variant);
                }
            }
        }
        algorithms
    }
}

impl Entry {
    fn parse(line: &str) -> Option<Entry> {
        let mut fields = line.split_whitespace().peekable();
        let marker = match *fields.peek()? {
            "@cert-authority" => Marker::Authority,
            "@revoked" => Marker::Revoked,
            first if first.starts_with('#') || first.starts_with('@') => return None,
            _ => Marker::Host,
        };
        if marker != Marker::Host {
            fields.next();
        }
        let hosts = Hosts::parse(fields.next()?)?;
        let (algorithm, key) = (fields.next()?, fields.next()?);
        let key = PublicKey::from_openssh(&format!("{algorithm} {key}")).ok()?;
        Some(Entry { marker, hosts, key })
    }
}

impl Hosts {
    fn parse(text: &str) -> Option<Hosts> {
        let Some(hashed) = text.strip_prefix("|1|") else {
            return text
                .split(',')
                .map(Pattern::parse)
                .collect::<Option<_>>()
                .map(Hosts::Patterns);
        };
        let (salt, hash) = hashed.split_once('|')?;
        Some(Hosts::Hashed {
            salt: STANDARD.decode(salt).ok()?,
            hash: STANDARD.decode(hash).ok()?,
        })
    }

    fn include(&self, host: &str, port: u16) -> bool {
        match self {
            Hosts::Patterns(patterns) => {
                let matching = || patterns.iter().filter(|pattern| pattern.matches(host, port));
                matching().any(|pattern| !pattern.negated) && !matching().any(|pattern| pattern.negated)
            }
            Hosts::Hashed { salt, hash } => {
                let name = if port == DEFAULT_PORT {
                    host.to_owned()
                } else {
                    format!("[{host}]:{port}")
                };
                let Ok(mut mac) = Hmac::<Sha1>::new_from_slice(salt) else {
                    return false;
                };
                mac.update(name.as_bytes());
                mac.verify_slice(hash).is_ok()
            }
        }
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Pattern> {
        let (negated, text) = text.strip_prefix('!').map_or((false, text), |rest| (true, rest));
        let (host, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                (
                    host,
                    port.strip_prefix(':')
                        .map_or(Some(DEFAULT_PORT), |port| port.parse().ok())?,
                )
            }
            None => (text, DEFAULT_PORT),
        };
        (!host.is_empty()).then(|| Pattern {
            negated,
            host: host.to_ascii_lowercase(),
            port,
        })
    }

    fn matches(&self, host: &str, port: u16) -> bool {
        self.port == port && matches(self.host.as_bytes(), host.as_bytes())
    }
}

/// `*` stands for any characters, `?` for one. Linear in the name for each `*`.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match (pattern.get(p), name.get(n)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                retry = Some((p + 1, n));
                p += 1;
            }
            (Some(b'?'), Some(_)) => (p, n) = (p + 1, n + 1),
            (Some(a), Some(b)) if a == b => (p, n) = (p + 1, n + 1),
            _ => match retry {
                Some((resume, start)) if start < name.len() => {
                    retry = Some((resume, start + 1));
                    (p, n) = (resume, start + 1);
                }
                _ => return false,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJwkr9tNhA8c2l1kqZQjKJD1L1H3nX1nNlvBOSxLbNuy";
    const B: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl";

    #[track_caller]
    fn check(lines: &str, host: &str, port: u16, expected: Result<(), HostKeyError>) {
        let known = KnownHosts::parse(lines);
        let key = PublicKey::from_openssh(A).unwrap();
        assert_eq!(known.check(host, port, &key), expected, "{lines}");
    }

    #[test]
    fn lines() {
        use HostKeyError::{Mismatch, Revoked, Unknown};
        check("", "h", 22, Err(Unknown));
        check(&format!("h {A} comment"), "h", 22, Ok(()));
        check(&format!("h {B}\nh {A}"), "h", 22, Ok(()));
        check(&format!("h {A}"), "H", 22, Ok(()));
        check(&format!("h {A}"), "h", 2222, Err(Unknown));
        check(&format!("[h]:2222 {A}"), "h", 2222, Ok(()));
        check(&format!("[h]:2222 {A}"), "h", 22, Err(Unknown));
        check(&format!("h {B}"), "h", 22, Err(Mismatch));
        check(
            &format!("x,10.0.0.1,*.example.com {A}"),
            "git.example.com",
            22,
            Ok(()),
        );
        check(
            &format!("*.example.com,!git.example.com {A}"),
            "git.example.com",
            22,
            Err(Unknown),
        );
        check(&format!("git?.* {A}"), "git1.x", 22, Ok(()));
        check(&format!("h {A}\n@revoked * {A}"), "h", 22, Err(Revoked));
        check(&format!("@revoked h {B}\nh {A}"), "h", 22, Ok(()));
        check(&format!("@cert-authority h {A}"), "h", 22, Err(Unknown));
        check(
            &format!("# h {A}\n\n@what h {A}\nh ssh-ed25519 notbase64"),
            "h",
            22,
            Err(Unknown),
        );
    }

    #[test]
    fn hashed() {
        let hash = |name: &str| {
            let mut mac = Hmac::<Sha1>::new_from_slice(b"salt").unwrap();
            mac.update(name.as_bytes());
            format!(
                "|1|{}|{} {A}",
                STANDARD.encode("salt"),
                STANDARD.encode(mac.finalize().into_bytes())
            )
        };
        check(&hash("h"), "h", 22, Ok(()));
        check(&hash("h"), "g", 22, Err(HostKeyError::Unknown));
        check(&hash("[h]:2222"), "h", 2222, Ok(()));
        check(&hash("h"), "h", 2222, Err(HostKeyError::Unknown));
        check(&format!("|1|x|y {A}"), "h", 22, Err(HostKeyError::Unknown));
    }

    #[test]
    fn algorithms() {
        let known = KnownHosts::parse(&format!("h {A}\ng {A}\ng {B}"));
        assert_eq!(known.algorithms("h", 22), [Algorithm::Ed25519]);
        assert_eq!(known.algorithms("g", 22), [Algorithm::Ed25519]);
        assert_eq!(known.algorithms("x", 22), []);
        assert!(known.certificate_algorithms("h", 22).is_empty());
    }
}
