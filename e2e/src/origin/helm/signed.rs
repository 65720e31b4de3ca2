//! The real Helm with OpenPGP keys: it signs what it packages, and says what it thinks of a provenance file.

use anyhow::{Context as _, Result};
use pgp::{
    composed::{ArmorOptions, CleartextSignedMessage, KeyType, SecretKeyParamsBuilder, SignedSecretKey},
    packet::{SignatureConfig, SignatureType, Subpacket, SubpacketData},
    ser::Serialize as _,
    types::{Duration, KeyDetails as _, Password, Tag, Timestamp},
};
use rand_core::OsRng;
use std::process::Command;

use super::{Registry, Tools, USER, lay, run};

const YEAR: u32 = 365 * 24 * 3600;
/// By what Helm finds the key in its ring.
const USER_ID: &str = "Signer <signer@localhost>";

/// Somebody with a key.
#[derive(Debug, Clone)]
pub struct Signer(SignedSecretKey);

/// A chart with its provenance file.
#[derive(Debug, Clone)]
pub struct Signed {
    /// The name of its archive.
    pub file: String,
    /// The archive.
    pub archive: Vec<u8>,
    /// The provenance file.
    pub provenance: Vec<u8>,
}

impl Signer {
    /// Somebody with a new key.
    ///
    /// # Errors
    /// When there is no key to be had.
    pub fn new() -> Result<Self> {
        Self::made(Timestamp::now())
    }

    /// Somebody whose key was made two years ago, for one year.
    ///
    /// # Errors
    /// When there is no key to be had.
    pub fn expired() -> Result<Self> {
        let now = Timestamp::now().as_secs();
        let mut signer = Self::made(Timestamp::from_secs(now - 2 * YEAR))?;
        let key = &mut signer.0;
        let primary = &key.primary_key;
        let mut flags = pgp::packet::KeyFlags::default();
        flags.set_sign(true);
        flags.set_certify(true);
        let mut config = SignatureConfig::from_key(OsRng, primary, SignatureType::CertPositive)?;
        config.hashed_subpackets = vec![
            Subpacket::regular(SubpacketData::SignatureCreationTime(primary.created_at()))?,
            Subpacket::regular(SubpacketData::KeyExpirationTime(Duration::from_secs(YEAR)))?,
            Subpacket::regular(SubpacketData::KeyFlags(flags))?,
            Subpacket::regular(SubpacketData::IssuerKeyId(primary.legacy_key_id()))?,
        ];
        let user = key.details.users.first_mut().context("a user")?;
        let (public, nothing) = (primary.public_key(), Password::empty());
        user.signatures =
            vec![config.sign_certification(primary, public, &nothing, Tag::UserId, &user.id)?];
        Ok(signer)
    }

    fn made(at: Timestamp) -> Result<Self> {
        let mut key = SecretKeyParamsBuilder::default();
        key.key_type(KeyType::Ed25519Legacy)
            .created_at(at)
            .can_certify(true)
            .can_sign(true)
            .primary_user_id(USER_ID.to_owned());
        Ok(Self(key.build()?.generate(OsRng)?))
    }

    /// The key's id.
    pub fn id(&self) -> String {
        hex::encode_upper(self.0.primary_key.legacy_key_id().as_ref())
    }

    /// The public key, as `gpg --export --armor` gives it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn armored(&self) -> Result<String> {
        Ok(self
            .0
            .to_public_key()
            .to_armored_string(ArmorOptions::default())?)
    }

    /// The public key, as `gpg --export` gives it.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn binary(&self) -> Result<Vec<u8>> {
        Ok(self.0.to_public_key().to_bytes()?)
    }

    /// A message of any text, signed.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn sign(&self, text: &str) -> Result<Vec<u8>> {
        let message = CleartextSignedMessage::sign(OsRng, text, &self.0.primary_key, &Password::empty())?;
        Ok(message.to_armored_bytes(ArmorOptions::default())?)
    }

    /// What `helm package --sign` makes of a chart's files.
    ///
    /// # Errors
    /// When Helm cannot be built, or refuses.
    pub async fn package(&self, files: &[(String, String)]) -> Result<Signed> {
        let (files, secret) = (files.to_vec(), self.0.to_bytes()?);
        tokio::task::spawn_blocking(move || {
            let folder = tempfile::tempdir()?;
            let (root, out) = (folder.path().join("chart"), folder.path().join("out"));
            let ring = folder.path().join("ring.gpg");
            std::fs::write(&ring, secret)?;
            lay(&files, &root)?;
            let mut command = Command::new(Tools::oracle("helm")?);
            command.args(["package", "--sign", "--key", USER_ID, "--keyring"]);
            run(command.arg(&ring).arg("--destination").arg(&out).arg(&root))?;
            for entry in std::fs::read_dir(&out)? {
                let file = entry?.file_name().to_string_lossy().into_owned();
                if file.ends_with(".tgz") {
                    return Ok(Signed {
                        archive: std::fs::read(out.join(&file))?,
                        provenance: std::fs::read(out.join(format!("{file}.prov")))?,
                        file,
                    });
                }
            }
            anyhow::bail!("no archive was made")
        })
        .await?
    }
}

impl Signed {
    /// Whether `helm verify` accepts it, with the keys of these.
    ///
    /// # Errors
    /// When Helm cannot be run.
    pub async fn accepted(&self, signers: &[&Signer]) -> Result<bool> {
        let mut ring = Vec::new();
        for signer in signers {
            ring.extend(signer.binary()?);
        }
        let signed = self.clone();
        tokio::task::spawn_blocking(move || {
            let folder = tempfile::tempdir()?;
            let (keys, file) = (folder.path().join("ring.gpg"), folder.path().join(&signed.file));
            std::fs::write(&keys, ring)?;
            std::fs::write(&file, &signed.archive)?;
            let provenance = folder.path().join(format!("{}.prov", signed.file));
            std::fs::write(provenance, &signed.provenance)?;
            let mut command = Command::new(Tools::oracle("helm")?);
            let output = command
                .args(["verify", "--keyring"])
                .arg(&keys)
                .arg(&file)
                .output()?;
            Ok(output.status.success())
        })
        .await?
    }

    /// Pushes both below a path of a registry with the real Helm.
    ///
    /// # Errors
    /// When Helm cannot be built, or the registry refuses.
    pub async fn push(&self, registry: &Registry, path: &str) -> Result<()> {
        let (signed, url) = (self.clone(), registry.url(path));
        tokio::task::spawn_blocking(move || {
            let folder = tempfile::tempdir()?;
            let file = folder.path().join(&signed.file);
            std::fs::write(&file, &signed.archive)?;
            let provenance = folder.path().join(format!("{}.prov", signed.file));
            std::fs::write(provenance, &signed.provenance)?;
            let mut command = Command::new(Tools::oracle("helm")?);
            command.env("HELM_REGISTRY_CONFIG", folder.path().join("registry.json"));
            command.arg("push").arg(&file).arg(&url).arg("--plain-http");
            command.args(["--username", USER.0, "--password", USER.1]);
            run(&mut command).map(drop)
        })
        .await?
    }
}
