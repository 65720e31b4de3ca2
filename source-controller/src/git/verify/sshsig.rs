//! PURE: signatures made with SSH keys (OpenSSH's PROTOCOL.sshsig), in the namespace that Git uses.

use russh::keys::ssh_key::SshSig;
use russh::keys::{Algorithm, HashAlg, PublicKey};

use super::SignatureError;

/// A signature made for anything else, a file or a login, is no signature of a commit.
const NAMESPACE: &str = "git";

/// The fingerprint of the key, of those in `authorized_keys` texts, that made the signature.
pub(super) fn check<'a>(
    armor: &[u8],
    payload: &[u8],
    keys: impl Iterator<Item = &'a [u8]>,
) -> Result<String, SignatureError> {
    let signature = SshSig::from_pem(armor).map_err(|error| SignatureError::Malformed(error.to_string()))?;
    if signature.namespace() != NAMESPACE {
        return Err(SignatureError::Malformed(format!(
            "it is for '{}', not '{NAMESPACE}'",
            signature.namespace()
        )));
    }
    // SHA-1 is not a hash that anyone may sign with.
    if signature.algorithm() == (Algorithm::Rsa { hash: None }) {
        return Err(SignatureError::Unsupported);
    }
    let mut any = false;
    for text in keys {
        any = true;
        let text = String::from_utf8_lossy(text);
        // One bad line does not take the others' trust away.
        for key in text.lines().filter_map(authorized) {
            if key.key_data() == signature.public_key() && key.verify(NAMESPACE, payload, &signature).is_ok()
            {
                return Ok(key.fingerprint(HashAlg::Sha256).to_string());
            }
        }
    }
    Err(if any {
        SignatureError::NoMatch
    } else {
        SignatureError::NoSshKeys
    })
}

/// The key of a line of `authorized_keys`: perhaps options, then the key. An authority's key vouches for others and signs
/// nothing itself.
fn authorized(line: &str) -> Option<PublicKey> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    if let Ok(key) = PublicKey::from_openssh(line) {
        return Some(key);
    }
    let (mut quoted, mut escaped) = (false, false);
    let end = line.find(|character: char| {
        let here = std::mem::take(&mut escaped);
        match character {
            '\\' => escaped = !here,
            '"' if !here => quoted = !quoted,
            _ => {}
        }
        character.is_whitespace() && !quoted
    })?;
    let (options, key) = line.split_at(end);
    if options.to_ascii_lowercase().contains("cert-authority") {
        return None;
    }
    PublicKey::from_openssh(key.trim_start()).ok()
}
