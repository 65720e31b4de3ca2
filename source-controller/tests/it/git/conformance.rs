//! From a real repository to the very artifact that Flux makes of it.

use std::io;

use artifact::{Algorithm, DigestWriter, pack};

use super::origin::Origin;

#[path = "../../../../lib/artifact/tests/it/pack/fleet.rs"]
mod fleet;

/// The digests were recorded from Flux 2.9 (`git-branch` and `git-include` of the conformance suite).
#[test]
fn digests() {
    let origin = Origin::new();
    let (fleet_work, tiny_work) = (origin.repository("fleet"), origin.repository("tiny"));
    fleet_work.commit(fleet::FLEET);
    tiny_work.commit(&[("README", "tiny\n"), ("a.yaml", "a: 1\n")]);
    let mut listing = origin.branch("fleet").unwrap().listing(&[]).unwrap();
    listing.ignore(None).unwrap();
    let writer = DigestWriter::new(Algorithm::Sha256, Vec::new());
    let (bytes, size, digest) = pack(listing.entries(), writer).unwrap().finish();
    let expected = "sha256:990520712b74dd8b5483fca5b3d74ffeb71fb3472121064609808885eccf06d9";
    assert_eq!((size, digest.to_string().as_str()), (2436, expected));

    let spool = super::origin::spool(&bytes);
    let mut listing = origin.branch("tiny").unwrap().listing(&[]).unwrap();
    assert!(listing.include("lib", &spool, "apps/plain").unwrap());
    listing.ignore(None).unwrap();
    let (_, size, digest) = pack(
        listing.entries(),
        DigestWriter::new(Algorithm::Sha256, io::sink()),
    )
    .unwrap()
    .finish();
    let expected = "sha256:5f58d4b8d523cb5a63fd556c08997763a3e31c56ae468f7a79acc26e6dd9d857";
    assert_eq!((size, digest.to_string().as_str()), (495, expected));
}
