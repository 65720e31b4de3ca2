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
        // As recorded of Flux 2.9.
        assert_eq!(
            webhook_path(b"secret", &Key::new("receiver-generic", "hook")),
            "/hook/b6c69a70fc2649913b54b93f52b667e45719bcd29178eaf002e1296997012d52"
        );
        // What is joined without a mark between can be joined otherwise: Flux has it so.
        assert_eq!(
            webhook_path(b"t", &Key::new("bc", "a")),
            webhook_path(b"t", &Key::new("c", "ab"))
        );
    }
}
