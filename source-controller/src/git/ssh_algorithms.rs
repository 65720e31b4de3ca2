//! PURE: which algorithms an SSH connection may use (Flux flags `--ssh-kex-algos`, `--ssh-hostkey-algos`).

use russh::{Preferred, kex, keys::Algorithm};

/// The name of a key exchange, as in RFC 9142's registry.
pub type KeyExchange = kex::Name;
/// The name of a kind of host key.
pub type HostKey = Algorithm;

/// What was chosen by flags; an empty list leaves the choice to us.
#[derive(Debug, Clone, Default)]
pub struct SshAlgorithms {
    /// Key exchanges, best first.
    pub key_exchange: Vec<KeyExchange>,
    /// Kinds of host keys, best first.
    pub host_key: Vec<HostKey>,
}

/// A key exchange by its name, such as `curve25519-sha256`.
///
/// # Errors
/// When it is unknown, with those that are known.
pub fn key_exchange(name: &str) -> Result<KeyExchange, String> {
    let offered = || {
        let all = kex::ALL_KEX_ALGORITHMS.iter();
        all.filter(|known| ***known != kex::NONE)
            .map(|known| known.as_ref())
    };
    match KeyExchange::try_from(name.trim()) {
        Ok(known) if known != kex::NONE => Ok(known),
        _ => Err(format!(
            "unknown key exchange '{name}', must be one of: {}",
            offered().collect::<Vec<_>>().join(", ")
        )),
    }
}

/// A kind of host key by its name, such as `ssh-ed25519` or `rsa-sha2-512`.
///
/// # Errors
/// When it is unknown, with those that are known.
pub fn host_key(name: &str) -> Result<HostKey, String> {
    let known = Preferred::DEFAULT.key;
    let found = known.iter().find(|known| known.to_string() == name.trim());
    found.cloned().ok_or_else(|| {
        let names: Vec<String> = known.iter().map(Algorithm::to_string).collect();
        format!(
            "unknown host key algorithm '{name}', must be one of: {}",
            names.join(", ")
        )
    })
}

impl SshAlgorithms {
    /// What is offered to a host, given the kinds of keys that known_hosts has of it.
    pub(super) fn offer(&self, known: Vec<Algorithm>, certificates: Vec<Algorithm>) -> Preferred {
        let mut preferred = Preferred {
            host_key_certificates: certificates.into(),
            ..Preferred::DEFAULT
        };
        // A host that is not known is refused by its key in a moment; until then any algorithm will do.
        let keys = if self.host_key.is_empty() {
            known
        } else {
            self.host_key.clone()
        };
        if !keys.is_empty() {
            preferred.key = keys.into();
        }
        if !self.key_exchange.is_empty() {
            // These two are no exchanges: they announce extensions, one of which guards against truncation (CVE-2023-48795).
            let extensions = [
                kex::EXTENSION_SUPPORT_AS_CLIENT,
                kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT,
            ];
            preferred.kex = self.key_exchange.iter().copied().chain(extensions).collect();
        }
        preferred
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_or_refused_with_those_that_are() {
        assert_eq!(key_exchange("curve25519-sha256").unwrap(), kex::CURVE25519);
        assert_eq!(host_key("rsa-sha2-512").unwrap().to_string(), "rsa-sha2-512");
        for refused in [
            key_exchange("none").unwrap_err(),
            key_exchange("rot13").unwrap_err(),
        ] {
            assert!(
                refused.contains("curve25519-sha256") && !refused.contains("none,"),
                "{refused}"
            );
        }
        assert!(host_key("ssh-dss").unwrap_err().contains("ssh-ed25519"));
    }

    #[test]
    fn flags_beat_known_hosts_and_keep_the_extensions() {
        let chosen = SshAlgorithms {
            key_exchange: vec![kex::ECDH_SHA2_NISTP256],
            host_key: vec![host_key("rsa-sha2-256").unwrap()],
        };
        let offer = chosen.offer(vec![Algorithm::Ed25519], Vec::new());
        assert_eq!(offer.key, chosen.host_key);
        assert_eq!(offer.kex[0], kex::ECDH_SHA2_NISTP256);
        assert!(offer.kex.contains(&kex::EXTENSION_OPENSSH_STRICT_KEX_AS_CLIENT));
        let ours = SshAlgorithms::default().offer(vec![Algorithm::Ed25519], Vec::new());
        assert_eq!(ours.key.as_ref(), [Algorithm::Ed25519]);
        assert_eq!(ours.kex, Preferred::DEFAULT.kex);
    }
}
