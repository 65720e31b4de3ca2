//! What `helm package --sign` itself writes is tried in `e2e`, and what `helm verify` says of it; here, each way to be wrong.

use super::*;
use pgp::{
    composed::{ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedSecretKey},
    crypto::hash::HashAlgorithm,
    packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData},
    ser::Serialize as _,
    types::{Duration, KeyDetails as _, Password, Tag, Timestamp},
};
use proptest::prelude::*;
use rand_core::OsRng;

const FILE: &str = "web-1.0.0.tgz";
const DIGEST: &str = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
const ARCHIVE: Archive<'static> = Archive {
    file: FILE,
    digest: DIGEST,
    name: "web",
    version: "1.0.0",
};
const YEAR: u32 = 365 * 24 * 3600;

/// A key; perhaps one whose time ends so many seconds after it was made.
fn key(lifetime: Option<u32>) -> SignedSecretKey {
    let mut key = SecretKeyParamsBuilder::default();
    key.key_type(KeyType::Ed25519Legacy)
        .can_certify(true)
        .can_sign(true)
        .primary_user_id("Who <who@localhost>".to_owned());
    let mut key = key.build().unwrap().generate(OsRng).unwrap();
    let Some(lifetime) = lifetime else { return key };
    let signer = &key.primary_key;
    let mut config = SignatureConfig::from_key(OsRng, signer, SignatureType::CertPositive).unwrap();
    config.hashed_subpackets = [
        SubpacketData::SignatureCreationTime(signer.created_at()),
        SubpacketData::KeyExpirationTime(Duration::from_secs(lifetime)),
    ]
    .into_iter()
    .map(|data| Subpacket::regular(data).unwrap())
    .collect();
    let id = &key.details.users[0].id;
    let signed = config
        .sign_certification(signer, signer.public_key(), &Password::empty(), Tag::UserId, id)
        .unwrap();
    key.details.users[0].signatures = vec![signed];
    key
}

fn ring(key: &SignedSecretKey) -> Vec<u8> {
    key.to_public_key()
        .to_armored_bytes(ArmorOptions::default())
        .unwrap()
}

fn keys(owners: &[&SignedSecretKey]) -> Keys {
    let rings: Vec<Vec<u8>> = owners.iter().map(|key| ring(key)).collect();
    Keys::read(rings.iter().map(Vec::as_slice))
}

fn name(key: &SignedSecretKey) -> String {
    hex::encode_upper(key.primary_key.legacy_key_id().as_ref())
}

fn signed_by(key: &SignedSecretKey, text: &str) -> String {
    let message = CleartextSignedMessage::sign(OsRng, text, &key.primary_key, &Password::empty());
    message
        .unwrap()
        .to_armored_string(ArmorOptions::default())
        .unwrap()
}

fn text(files: &str) -> String {
    format!("apiVersion: v2\nname: web\nversion: 1.0.0\n\n...\n{files}")
}

fn good() -> String {
    text(&format!("files:\n  {FILE}: {DIGEST}\n"))
}

fn now() -> u64 {
    u64::from(Timestamp::now().as_secs())
}

fn told(provenance: &str, keys: &Keys) -> Result<String, String> {
    told_at(provenance, keys, now())
}

fn told_at(provenance: &str, keys: &Keys, now: u64) -> Result<String, String> {
    let checked = check(provenance.as_bytes(), &ARCHIVE, keys, now);
    checked
        .map(|signer| signer.key)
        .map_err(|error| runtime::telemetry::chain(&error))
}

#[test]
fn what_is_signed_is_proven() {
    let (who, other) = (key(None), key(None));
    let (mine, theirs) = (keys(&[&who]), keys(&[&other]));
    let proof = signed_by(&who, &good());
    let spaced = proof.replace("name: web\n", "name: web \t\n");
    // Helm reads the first message and nothing else.
    let another = signed_by(&who, &text("files: {other.tgz: 'sha256:00'}"));
    let foreign = signed_by(&other, &good());
    for (what, file) in [
        ("as Helm writes it", proof.clone()),
        ("lines end otherwise", proof.replace('\n', "\r\n")),
        ("blanks at the end of a line", spaced),
        ("no line end at its end", proof.trim_end().to_owned()),
        (
            "text around it",
            format!("files: {{}}\n{proof}files: {{{FILE}: x}}\n"),
        ),
        ("a message after it", format!("{proof}{another}")),
        ("somebody else's message after it", format!("{proof}{foreign}")),
    ] {
        assert_eq!(told(&file, &mine), Ok(name(&who)), "{what}");
        let refusal = told(&file, &theirs).unwrap_err();
        assert!(refusal.contains("not among those given"), "{what}: {refusal}");
    }
    let dashes = signed_by(
        &who,
        &good().replace("name: web\n", "name: web\nkeywords:\n- a\n- '--- x'\n"),
    );
    assert!(dashes.contains("\n- - a\n- - '--- x'\n"), "{dashes}");
    assert_eq!(told(&dashes, &mine), Ok(name(&who)));
    let dashes = signed_by(&who, &good().replace("name: web\n", "-----BEGIN PGP\n"));
    let refusal = told(&dashes, &mine).unwrap_err();
    assert!(
        refusal.contains("begins with no Chart.yaml"),
        "its signature is good: {refusal}"
    );
    let with_v = signed_by(&who, &good().replace("version: 1", "version: v1"));
    assert_eq!(told(&with_v, &mine), Ok(name(&who)));
    // Whoever signed is found among many, in whatever form.
    let both = [ring(&other), ring(&who)].concat();
    let binary = who.to_public_key().to_bytes().unwrap();
    for rings in [
        vec![both.as_slice()],
        vec![b"no ring".as_slice(), &binary],
        vec![&[0xff, 0xff, 0xff][..], b"", &both],
    ] {
        assert_eq!(told(&proof, &Keys::read(rings.into_iter())), Ok(name(&who)));
    }
}

#[test]
fn what_is_not_says_why() {
    let who = key(None);
    let mine = keys(&[&who]);
    let proof = signed_by(&who, &good());
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n";
    let deep = "[".repeat(10_000);
    let of = |files: &str| signed_by(&who, &text(files));
    for (file, part) in [
        (String::new(), "the provenance file is empty"),
        (" \r\n\n".to_owned(), "the provenance file is empty"),
        (good(), "has no message that is signed"),
        (format!(" {proof}"), "has no message that is signed"),
        (proof.replace("MESSAGE-----", "MESSAGE----- x"), "has no message that is signed"),
        (proof.replace("Hash: ", "Charset: "), "its head has something else"),
        (proof.replace("SHA256", "SHA257"), "its head has something else"),
        ("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n".to_owned(), "it ends in its head"),
        ("-----BEGIN PGP SIGNED MESSAGE-----\n\nx\n".to_owned(), "there is no signature after the text"),
        (proof.replace("-----END PGP SIGNATURE-----", ""), "its signature has no end"),
        (proof.replace("name: web", "name: wob"), "does not match the signed text"),
        (proof.replace("0123", "1123"), "does not match the signed text"),
        (
            "-----BEGIN PGP SIGNED MESSAGE-----\n\nx\n-----BEGIN PGP SIGNATURE-----\n\n-----END PGP SIGNATURE-----\n".to_owned(),
            "unable to read the signature",
        ),
        (of(&format!("files: {{web-1.0.1.tgz: '{DIGEST}'}}")), "is not of 'web-1.0.0.tgz': it names 'web-1.0.1.tgz'"),
        (of(&format!("files: {{{FILE}: 'sha256:00'}}")), "and 'sha256:00' was signed"),
        (of(&format!("files: {{{FILE}: 12}}")), "and '12' was signed"),
        (signed_by(&who, &good().replace("name: web", "name: other")), "is of the chart 'other 1.0.0', not of 'web 1.0.0'"),
        (signed_by(&who, &good().replace("version: 1.0.0", "version: 0.9.0")), "is of the chart 'web 0.9.0', not of 'web 1.0.0'"),
        (signed_by(&who, &good().replace("name: web", "name: [")), "begins with no Chart.yaml"),
        (of("files: {}"), "the signed text has no list of files"),
        (of(&format!("images: {{{FILE}: '{DIGEST}'}}")), "the signed text has no list of files"),
        (of("- a"), "the signed text has no list of files"),
        (of(""), "the signed text has no list of files"),
        (signed_by(&who, "name: web"), "the signed text has no list of files"),
        // The list is what is in the second section.
        (of(&format!("x: 1\n...\nfiles: {{{FILE}: '{DIGEST}'}}")), "the signed text has no list of files"),
        (of("files: ["), "the signed list of files cannot be read: yaml:"),
        (of(&deep), "the signed list of files cannot be read"),
        (of(bomb), "the signed list of files cannot be read"),
    ] {
        let refusal = told(&file, &mine).unwrap_err();
        assert!(refusal.contains(part), "{part}: {refusal}\n{file}");
        assert!(refusal.len() < 600, "{refusal}");
    }
    let nobody = Keys::read(std::iter::once(&b"x"[..]));
    assert!(nobody.is_empty());
    let refusal = told(&proof, &nobody).unwrap_err();
    assert!(
        refusal.contains("there is no readable OpenPGP public key"),
        "{refusal}"
    );
}

/// A message with several signatures.
fn signed_by_all(signers: &[&SignedSecretKey], text: &str) -> String {
    let message = CleartextSignedMessage::new_many(text, |text| {
        let sign = |key: &&SignedSecretKey| {
            let signer = &key.primary_key;
            let mut config = SignatureConfig::from_key(OsRng, signer, SignatureType::Text)?;
            config.hash_alg = HashAlgorithm::Sha512;
            config.hashed_subpackets = vec![
                Subpacket::regular(SubpacketData::SignatureCreationTime(Timestamp::now()))?,
                Subpacket::regular(SubpacketData::IssuerFingerprint(signer.fingerprint()))?,
            ];
            config.sign(signer, &Password::empty(), text.as_bytes())
        };
        signers.iter().map(sign).collect()
    });
    message
        .unwrap()
        .to_armored_string(ArmorOptions::default())
        .unwrap()
}

#[test]
fn of_several_signatures_the_first_by_a_known_key_decides() {
    let (who, other) = (key(None), key(None));
    let (mine, both) = (keys(&[&who]), keys(&[&who, &other]));
    let two = signed_by_all(&[&other, &who], &good());
    assert_eq!(told(&two, &mine), Ok(name(&who)));
    assert_eq!(told(&two, &both), Ok(name(&other)));
    let many = vec![&other; 40];
    let many: Vec<_> = many.into_iter().chain([&who]).collect();
    let refusal = told(&signed_by_all(&many, &good()), &mine).unwrap_err();
    assert!(
        refusal.contains("not among those given"),
        "so many are not looked at: {refusal}"
    );
}

#[test]
fn a_key_counts_in_its_time() {
    let who = key(Some(YEAR));
    let mine = keys(&[&who]);
    let proof = signed_by(&who, &good());
    let made = u64::from(who.primary_key.created_at().as_secs());
    let end = made + u64::from(YEAR);
    let signer = check(proof.as_bytes(), &ARCHIVE, &mine, end - 1).unwrap();
    assert_eq!((signer.key, signer.until), (name(&who), end));
    let refusal = told_at(&proof, &mine, end).unwrap_err();
    let expected = format!("the key '{}' has expired", name(&who));
    assert!(refusal.ends_with(&expected), "{refusal}");
    let refusal = told_at(&proof, &mine, made - 2 * 24 * 3600).unwrap_err();
    assert!(refusal.contains("is not valid at this time"), "{refusal}");
}

/// A change of a file.
#[derive(Debug, Clone)]
enum Change {
    Cut(usize),
    Set(usize, u8),
    Remove(usize, usize),
    Repeat(usize, usize),
    Insert(usize, Vec<u8>),
}

fn change() -> impl Strategy<Value = Change> {
    let piece = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..8),
        prop::sample::select(vec![
            &b"\n"[..],
            b"\r",
            b"\r\n",
            b"- ",
            b"\n...\n",
            b"\n-----BEGIN PGP SIGNATURE-----\n",
            b"\n-----END PGP SIGNATURE-----\n",
            b"\n-----BEGIN PGP SIGNED MESSAGE-----\n\n",
        ])
        .prop_map(<[u8]>::to_vec),
    ];
    prop_oneof![
        any::<usize>().prop_map(Change::Cut),
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Change::Set(at, byte)),
        (any::<usize>(), 0..80_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        (any::<usize>(), 0..400_usize).prop_map(|(at, count)| Change::Repeat(at, count)),
        (any::<usize>(), piece).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
    ]
}

fn changed(file: &[u8], changes: &[Change]) -> Vec<u8> {
    let mut file = file.to_vec();
    for change in changes {
        let at = |at: usize| at % (file.len() + 1);
        let range = |from: usize, count: usize| at(from)..(at(from) + count).min(file.len());
        match change {
            Change::Cut(to) => file.truncate(at(*to)),
            Change::Set(place, byte) => {
                let place = at(*place);
                if let Some(old) = file.get_mut(place) {
                    *old = *byte;
                }
            }
            Change::Remove(from, count) => drop(file.drain(range(*from, *count))),
            Change::Repeat(from, count) => {
                let piece = file[range(*from, *count)].to_vec();
                file.extend(piece);
            }
            Change::Insert(place, bytes) => {
                let place = at(*place);
                file.splice(place..place, bytes.iter().copied());
            }
        }
    }
    file
}

/// Whatever the bytes are, there is an answer; and no file proves anything but what was signed.
#[test]
fn no_bytes_prove_what_nobody_signed() {
    let who = key(None);
    let (mine, now) = (keys(&[&who]), now());
    let proof = signed_by(&who, &good()).into_bytes();
    let original = Message::first(&proof).unwrap().text;
    let holds = |file: &[u8]| {
        if check(file, &ARCHIVE, &mine, now).is_ok() {
            assert_eq!(Message::first(file).unwrap().text, original);
        }
    };
    proptest!(ProptestConfig::with_cases(2000), |(changes in proptest::collection::vec(change(), 1..6))| {
        holds(&changed(&proof, &changes));
    });
    proptest!(|(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0..4_usize)| {
        // Also behind a beginning that is right.
        let beginning: [&[u8]; 4] = [b"", BEGIN, b"-----BEGIN PGP SIGNED MESSAGE-----\n\n", &proof[..200]];
        holds(&[beginning[at], &bytes].concat());
    });
    for length in 0..proof.len() {
        holds(&proof[..length]);
    }
}

/// Nor do keys of whatever bytes make anything fail but themselves.
#[test]
fn rings_of_any_bytes_are_read() {
    let who = key(None);
    let (armored, binary) = (ring(&who), who.to_public_key().to_bytes().unwrap());
    let proof = signed_by(&who, &good()).into_bytes();
    proptest!(ProptestConfig::with_cases(500), |(changes in proptest::collection::vec(change(), 1..6), bare: bool)| {
        let ring = changed(if bare { &binary } else { &armored }, &changes);
        let keys = Keys::read([ring.as_slice(), &armored].into_iter());
        assert!(check(&proof, &ARCHIVE, &keys, now()).is_ok());
    });
}

#[test]
fn the_list_is_found_where_helm_looks() {
    let digest = |text: &str| {
        let (_, files) = sections(text.as_bytes()).ok()?;
        listed(files, "a").ok()
    };
    assert_eq!(digest("x\n...\nfiles: {a: b}").as_deref(), Some("b"));
    assert_eq!(
        digest("x\n...\nfiles: {a: b}\n...\nfiles: {a: c}").as_deref(),
        Some("b")
    );
    // The last of two, as YAML is read in Go.
    assert_eq!(digest("\n...\nfiles: {a: b, a: c}").as_deref(), Some("c"));
    assert_eq!(digest("...\nfiles: {a: b}"), None);
    assert_eq!(digest("x\n...x\nfiles: {a: b}"), None);
}
