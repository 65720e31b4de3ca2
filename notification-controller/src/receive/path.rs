//! PURE: the address of a Receiver, which only those know who know its token.

use runtime::Key;
use sha2::{Digest as _, Sha256};

/// What all addresses begin with.
pub const PREFIX: &str = "/hook/";

/// The path of a Receiver's address (Flux `status.webhookPath`; the `flux` CLI computes it as well): the digest of token,
/// name and namespace, one after the other.
pub fn webhook_path(token: &[u8], key: &Key) -> String {
    let digest = Sha256::new()
        .chain_update(token)
        .chain_update(&key.name)
        .chain_update(&key.namespace);
    format!("{PREFIX}{}", hex::encode(digest.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_those_of_flux() {
        // `printf 's3cr3thookreceiver-generic' | sha256sum`
        assert_eq!(
            webhook_path(b"s3cr3t", &Key::new("receiver-generic", "hook")),
            format!(
                "/hook/{}",
                hex::encode(Sha256::digest("s3cr3thookreceiver-generic"))
            )
        );
        // What is joined without a mark between can be joined otherwise: Flux has it so.
        assert_eq!(
            webhook_path(b"t", &Key::new("bc", "a")),
            webhook_path(b"t", &Key::new("c", "ab"))
        );
    }
}
