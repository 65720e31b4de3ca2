//! Signatures made by the real gpg and ssh-keygen, through the real git: good ones, others', and none.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use source_controller::git::{Checkout, Reference, VerifyMode, verify};

use super::origin::{Origin, Work, chain};

/// A GnuPG home of our own, and a program that uses it.
struct Gpg {
    home: PathBuf,
    program: PathBuf,
}

impl Gpg {
    fn new(dir: &Path) -> Gpg {
        let home = dir.join("gnupg");
        std::fs::create_dir(&home).unwrap();
        std::fs::set_permissions(&home, std::fs::Permissions::from_mode(0o700)).unwrap();
        let program = dir.join("gpg");
        let script = format!(
            "#!/bin/sh\nexec gpg --homedir '{}' --batch --no-tty --quiet \"$@\"\n",
            home.display()
        );
        std::fs::write(&program, script).unwrap();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o700)).unwrap();
        Gpg { home, program }
    }

    fn run(&self, arguments: &[&str]) -> Vec<u8> {
        let output = Command::new(&self.program)
            .args(["--pinentry-mode", "loopback", "--passphrase", ""])
            .args(arguments)
            .output();
        let output = output.unwrap();
        assert!(
            output.status.success(),
            "is gnupg installed? gpg {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        output.stdout
    }

    /// The fingerprint of a new key.
    fn key(&self, user: &str, usage: &str, expires: &str) -> String {
        self.run(&["--quick-gen-key", user, "ed25519", usage, expires]);
        let list = String::from_utf8(self.run(&["--with-colons", "--list-keys", user])).unwrap();
        list.lines()
            .find_map(|line| line.strip_prefix("fpr:::::::::"))
            .unwrap()
            .trim_end_matches(':')
            .to_owned()
    }

    fn export(&self, key: &str) -> Vec<u8> {
        self.run(&["--armor", "--export", key])
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .args(["--kill", "all"])
            .env("GNUPGHOME", &self.home)
            .output();
    }
}

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

fn at(
    checkout: &Checkout,
    mode: VerifyMode,
    keys: &[(&str, &[u8])],
    now: u64,
) -> Result<String, (String, String)> {
    let keys: BTreeMap<String, Vec<u8>> = keys
        .iter()
        .map(|(name, text)| (name.to_string(), text.to_vec()))
        .collect();
    verify(checkout, mode, &keys, now)
        .map(|verified| verified.message)
        .map_err(|error| (error.reason().to_owned(), chain(&error)))
}

#[track_caller]
fn accepts(checkout: &Checkout, mode: VerifyMode, keys: &[(&str, &[u8])], expected: &str) {
    assert_eq!(
        at(checkout, mode, keys, now()),
        Ok(format!("verified signature of{expected}"))
    );
}

#[track_caller]
fn refuses(checkout: &Checkout, mode: VerifyMode, keys: &[(&str, &[u8])], reason: &str, expected: &str) {
    assert_eq!(
        at(checkout, mode, keys, now()),
        Err((reason.to_owned(), expected.to_owned()))
    );
}

fn commit(work: &Work, options: &[&str]) {
    std::fs::write(work.dir.join("a"), options.concat()).unwrap();
    work.git(&["add", "-A"]);
    let arguments: Vec<&str> = options
        .iter()
        .copied()
        .chain(["commit", "-q", "-S", "--allow-empty", "-m", "signed"])
        .collect();
    work.git(&arguments);
    work.git(&["push", "-q", "-f", "origin", "HEAD", "--tags"]);
}

#[test]
fn openpgp() {
    let origin = Origin::new();
    let gpg = Gpg::new(origin.dir.path());
    let work = origin.repository("r");
    let program = format!("gpg.program={}", gpg.program.display());
    let key = gpg.key("dev <dev@localhost>", "sign", "1y");
    let other = gpg.key("other <other@localhost>", "sign", "never");
    let certifier = gpg.key("sub <sub@localhost>", "cert", "never");
    gpg.run(&["--quick-add-key", &certifier, "ed25519", "sign", "never"]);
    let (ring, other_ring, sub_ring) = (gpg.export(&key), gpg.export(&other), gpg.export(&certifier));
    let (ring, other_ring, sub_ring) = (
        ("dev.asc", &*ring),
        ("other.asc", &*other_ring),
        ("sub.asc", &*sub_ring),
    );

    commit(&work, &["-c", &program, "-c", &format!("user.signingkey={key}")]);
    let checkout = origin.branch("r").unwrap();
    let line = |checkout: &Checkout, key: &str| {
        format!("\n\t- commit '{}' with key '{}'", checkout.commit(), &key[24..])
    };
    accepts(&checkout, VerifyMode::Head, &[ring], &line(&checkout, &key));
    accepts(
        &checkout,
        VerifyMode::Head,
        &[("bad.asc", b"x"), other_ring, ring],
        &line(&checkout, &key),
    );
    let failed = |problem: &str| {
        format!(
            "signature verification of commit '{}' failed: {problem}",
            checkout.commit()
        )
    };
    let none = failed("unable to verify payload with any of the given keys");
    let reason = "InvalidCommitSignature";
    refuses(&checkout, VerifyMode::Head, &[other_ring], reason, &none);
    let no_ring =
        failed("the signature was made with OpenPGP, and the secret has no readable armored key ring");
    refuses(
        &checkout,
        VerifyMode::Head,
        &[("bad.asc", b"x")],
        reason,
        &no_ring,
    );
    refuses(
        &checkout,
        VerifyMode::Head,
        &[("dev.sshpub", ring.1)],
        reason,
        &no_ring,
    );
    refuses(&checkout, VerifyMode::Head, &[], reason, &no_ring);
    // The key has expired by then; before it was made it was no key.
    assert_eq!(
        at(&checkout, VerifyMode::Head, &[ring], now() + 2 * 365 * 24 * 3600),
        Err((reason.into(), none.clone()))
    );
    assert_eq!(
        at(&checkout, VerifyMode::Head, &[ring], now() - 30 * 24 * 3600),
        Err((reason.into(), none.clone()))
    );
    let no_tag = "cannot verify tag object's signature if a tag reference is not specified";
    refuses(
        &checkout,
        VerifyMode::Tag,
        &[ring],
        "InvalidVerificationMode",
        no_tag,
    );
    // A revoked key is no key, though the signature was good when it was made.
    let revocation = std::fs::read_to_string(gpg.home.join(format!("openpgp-revocs.d/{key}.rev"))).unwrap();
    let file = origin.dir.path().join("revocation");
    std::fs::write(&file, revocation.replace(":-----BEGIN", "-----BEGIN")).unwrap();
    gpg.run(&["--import", file.to_str().unwrap()]);
    refuses(
        &checkout,
        VerifyMode::Head,
        &[("dev.asc", &gpg.export(&key))],
        reason,
        &none,
    );

    commit(
        &work,
        &["-c", &program, "-c", &format!("user.signingkey={certifier}")],
    );
    let checkout = origin.branch("r").unwrap();
    accepts(
        &checkout,
        VerifyMode::Head,
        &[sub_ring],
        &line(&checkout, &certifier),
    );

    let signing = format!("user.signingkey={other}");
    work.git(&["-c", &program, "-c", &signing, "tag", "-s", "-m", "signed", "v1"]);
    work.git(&["tag", "-a", "-m", "unsigned", "v2"]);
    work.git(&["tag", "v3"]);
    work.git(&["push", "-q", "origin", "--tags"]);
    let tag = |name: &str| origin.fetch("r", Reference::Tag(name.to_owned())).unwrap();
    let checkout = tag("v1");
    let id = checkout.resolved().tag.clone().unwrap();
    let tag_line = format!("\n\t- tag 'v1@{id}' with key '{}'", &other[24..]);
    accepts(&checkout, VerifyMode::Tag, &[other_ring], &tag_line);
    accepts(
        &checkout,
        VerifyMode::TagAndHead,
        &[sub_ring, other_ring],
        &(tag_line + &line(&checkout, &certifier)),
    );
    let error = format!(
        "signature verification of tag 'v1@{id}' failed: unable to verify payload with any of the given keys"
    );
    refuses(
        &checkout,
        VerifyMode::TagAndHead,
        &[sub_ring],
        "InvalidTagSignature",
        &error,
    );
    let checkout = tag("v2");
    let unsigned = format!(
        "cannot verify signature of tag 'v2@{}' since it is not signed",
        checkout.resolved().tag.clone().unwrap()
    );
    refuses(
        &checkout,
        VerifyMode::Tag,
        &[other_ring],
        "InvalidGitObject",
        &unsigned,
    );
    refuses(
        &tag("v3"),
        VerifyMode::Tag,
        &[other_ring],
        "InvalidVerificationMode",
        no_tag,
    );
}

#[test]
fn ssh() {
    let origin = Origin::new();
    let dir = origin.dir.path();
    let work = origin.repository("r");
    let keys: Vec<(String, Vec<u8>)> = ["ed25519", "ecdsa", "rsa"]
        .iter()
        .map(|kind| {
            let file = dir.join(kind);
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", kind, "-N", "", "-f"])
                .arg(&file)
                .status();
            assert!(made.unwrap().success());
            (
                file.display().to_string(),
                std::fs::read(dir.join(format!("{kind}.pub"))).unwrap(),
            )
        })
        .collect();
    let reason = "InvalidCommitSignature";
    for (at, (file, public)) in keys.iter().enumerate() {
        commit(
            &work,
            &["-c", "gpg.format=ssh", "-c", &format!("user.signingkey={file}")],
        );
        let checkout = origin.branch("r").unwrap();
        let fingerprint = Command::new("ssh-keygen")
            .args(["-l", "-f", file])
            .output()
            .unwrap()
            .stdout;
        let fingerprint = String::from_utf8(fingerprint)
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .to_owned();
        let line = format!("\n\t- commit '{}' with key '{fingerprint}'", checkout.commit());
        accepts(&checkout, VerifyMode::Head, &[("a.sshpub", public)], &line);
        let with_options = [b"# comment\nbad line\nno-pty,command=\"x y\" ", &public[..]].concat();
        accepts(&checkout, VerifyMode::Head, &[("a.sshpub", &with_options)], &line);
        let failed = |problem: &str| {
            format!(
                "signature verification of commit '{}' failed: {problem}",
                checkout.commit()
            )
        };
        let other = &keys[(at + 1) % keys.len()].1;
        let none = failed("unable to verify payload with any of the given keys");
        refuses(&checkout, VerifyMode::Head, &[("a.sshpub", other)], reason, &none);
        let no_keys = failed("the signature was made with an SSH key, and the secret has no '.sshpub' entry");
        refuses(
            &checkout,
            VerifyMode::Head,
            &[("a.asc", public)],
            reason,
            &no_keys,
        );
    }

    // CVE-2022-35929 and its kin: a good signature of something else is no signature of this.
    let signed = work.git(&["cat-file", "commit", "HEAD"]);
    let forged = dir.join("forged");
    std::fs::write(&forged, signed.replace("author dev", "author eve") + "\n").unwrap();
    let id = work.git(&["hash-object", "-t", "commit", "-w", forged.to_str().unwrap()]);
    work.git(&["push", "-q", "-f", "origin", &format!("{id}:refs/heads/main")]);
    let checkout = origin.branch("r").unwrap();
    assert_eq!(checkout.commit(), id);
    let error = format!(
        "signature verification of commit '{id}' failed: unable to verify payload with any of the given keys"
    );
    refuses(
        &checkout,
        VerifyMode::Head,
        &[("a.sshpub", &keys[2].1)],
        reason,
        &error,
    );

    // A signature for another purpose, as from a signed file.
    let payload = dir.join("payload");
    let unsigned: String = signed.split("gpgsig ").next().unwrap().to_owned() + "\nsigned\n";
    std::fs::write(&payload, unsigned).unwrap();
    let made = Command::new("ssh-keygen")
        .args(["-q", "-Y", "sign", "-n", "file", "-f", &keys[0].0])
        .arg(&payload)
        .status();
    assert!(made.unwrap().success());
    let armor = std::fs::read_to_string(dir.join("payload.sig")).unwrap();
    let header = format!("gpgsig {}\n", armor.trim_end().replace('\n', "\n "));
    std::fs::write(
        &forged,
        std::fs::read_to_string(&payload)
            .unwrap()
            .replacen("\n\n", &format!("\n{header}\n"), 1),
    )
    .unwrap();
    let id = work.git(&["hash-object", "-t", "commit", "-w", forged.to_str().unwrap()]);
    work.git(&["push", "-q", "-f", "origin", &format!("{id}:refs/heads/main")]);
    let error = format!(
        "signature verification of commit '{id}' failed: unable to read the signature: it is for 'file', not 'git'"
    );
    refuses(
        &origin.branch("r").unwrap(),
        VerifyMode::Head,
        &[("a.sshpub", &keys[0].1)],
        reason,
        &error,
    );

    work.git(&["commit", "-q", "--allow-empty", "-m", "unsigned"]);
    work.git(&["push", "-q", "-f", "origin", "HEAD"]);
    let checkout = origin.branch("r").unwrap();
    let error = format!(
        "signature verification of commit '{}' failed: unable to verify payload as the provided signature is empty",
        checkout.commit()
    );
    refuses(
        &checkout,
        VerifyMode::Head,
        &[("a.sshpub", &keys[0].1)],
        reason,
        &error,
    );
}
