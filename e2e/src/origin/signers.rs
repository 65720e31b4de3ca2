//! The real `cosign` and `notation`: they sign what is in a registry, and say what they think of a signature.

use anyhow::{Result, ensure};
use std::{
    path::PathBuf,
    process::{Command, Output},
};

use crate::tools::Tools;

/// How cosign leaves a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Under the tag `sha256-….sig`.
    Tag,
    /// As a bundle that refers to the artifact.
    Bundle,
}

/// Cosign, with keys of its own.
#[derive(Debug)]
pub struct Cosign {
    program: PathBuf,
    folder: tempfile::TempDir,
}

/// No log, no authority of time: what is signed with a key needs neither.
const NO_SERVICES: &str = r#"{"mediaType":"application/vnd.dev.sigstore.signingconfig.v0.2+json","rekorTlogConfig":{},"tsaConfig":{}}"#;

impl Cosign {
    /// Builds it if it is not there.
    ///
    /// # Errors
    /// When it cannot be built.
    pub async fn new() -> Result<Self> {
        let tools = tokio::task::spawn_blocking(Tools::signers).await??;
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("services.json"), NO_SERVICES)?;
        Ok(Self {
            program: tools.path("cosign"),
            folder,
        })
    }

    /// Makes a key pair under a name; gives the public key.
    ///
    /// # Errors
    /// When cosign refuses.
    pub fn key(&self, name: &str) -> Result<String> {
        self.run(&["generate-key-pair", &format!("--output-key-prefix={name}")])?;
        Ok(std::fs::read_to_string(
            self.folder.path().join(format!("{name}.pub")),
        )?)
    }

    /// Signs an artifact (`registry/repository@digest`) with a key.
    ///
    /// # Errors
    /// When cosign refuses.
    pub fn sign(&self, key: &str, reference: &str, style: Style) -> Result<()> {
        let key = format!("--key={key}.key");
        let mut args = vec!["sign", "--yes", &key];
        args.extend(match style {
            Style::Bundle => &["--signing-config=services.json"][..],
            Style::Tag => &[
                "--tlog-upload=false",
                "--use-signing-config=false",
                "--new-bundle-format=false",
            ],
        });
        args.push(reference);
        self.run(&args).map(drop)
    }

    /// Attests that an artifact has some provenance: signed, but no signature of the artifact.
    ///
    /// # Errors
    /// When cosign refuses.
    pub fn attest(&self, key: &str, reference: &str) -> Result<()> {
        std::fs::write(
            self.folder.path().join("predicate.json"),
            r#"{"builder": {"id": "x"}}"#,
        )?;
        let key = format!("--key={key}.key");
        let args = [
            "attest",
            "--yes",
            &key,
            "--type=slsaprovenance1",
            "--predicate=predicate.json",
            "--signing-config=services.json",
            reference,
        ];
        self.run(&args).map(drop)
    }

    /// Whether cosign itself finds a good signature by a key.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn accepts(&self, key: &str, reference: &str) -> Result<bool> {
        let key = format!("--key={key}.pub");
        let args = ["verify", &key, "--insecure-ignore-tlog", "--offline", reference];
        Ok(self.output(&args)?.status.success())
    }

    /// Whether cosign itself finds a good signature by an identity, for a trusted root; and what it says.
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn accepts_identity(
        &self,
        trusted_root: &str,
        issuer: &str,
        subject: &str,
        reference: &str,
    ) -> Result<(bool, String)> {
        std::fs::write(self.folder.path().join("root.json"), trusted_root)?;
        let (issuer, subject) = (
            format!("--certificate-oidc-issuer-regexp={issuer}"),
            format!("--certificate-identity-regexp={subject}"),
        );
        let args = [
            "verify",
            "--trusted-root=root.json",
            "--offline",
            &issuer,
            &subject,
            reference,
        ];
        let output = self.output(&args)?;
        Ok((
            output.status.success(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        ))
    }

    fn run(&self, args: &[&str]) -> Result<Output> {
        let output = self.output(args)?;
        ensure!(
            output.status.success(),
            "cosign {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(output)
    }

    fn output(&self, args: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(self.folder.path());
        command
            .env("COSIGN_PASSWORD", "test")
            .env("HOME", self.folder.path());
        Ok(command.output()?)
    }
}

/// Notation, with keys and a configuration of its own.
#[derive(Debug)]
pub struct Notation {
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Notation {
    /// Builds it if it is not there.
    ///
    /// # Errors
    /// When it cannot be built.
    pub async fn new() -> Result<Self> {
        let tools = tokio::task::spawn_blocking(Tools::signers).await??;
        Ok(Self {
            program: tools.path("notation"),
            folder: tempfile::tempdir()?,
        })
    }

    /// Makes a key and a certificate that it signs itself, under a name; gives the certificate.
    ///
    /// # Errors
    /// When notation refuses.
    pub fn key(&self, name: &str) -> Result<String> {
        self.run(&["cert", "generate-test", name])?;
        let path = format!("notation/localkeys/{name}.crt");
        Ok(std::fs::read_to_string(self.folder.path().join(path))?)
    }

    /// Takes a key and a chain of certificates, the signer's first, both in PEM, under a name.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn import(&self, name: &str, key: &str, chain: &str) -> Result<()> {
        let config = self.folder.path().join("notation");
        std::fs::create_dir_all(config.join("localkeys"))?;
        let (key_file, chain_file) = (format!("localkeys/{name}.key"), format!("localkeys/{name}.crt"));
        std::fs::write(config.join(&key_file), key)?;
        std::fs::write(config.join(&chain_file), chain)?;
        let listed = config.join("signingkeys.json");
        let mut keys: serde_json::Value = match std::fs::read(&listed) {
            Ok(text) => serde_json::from_slice(&text)?,
            Err(_) => serde_json::json!({"keys": []}),
        };
        let entry = serde_json::json!({
            "name": name, "keyPath": config.join(key_file), "certPath": config.join(chain_file),
        });
        keys["keys"]
            .as_array_mut()
            .into_iter()
            .for_each(|all| all.push(entry.clone()));
        std::fs::write(listed, keys.to_string())?;
        Ok(())
    }

    /// Trusts a certificate, in PEM, in the store `ca:<name>`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn trust(&self, name: &str, certificate: &str) -> Result<()> {
        let store = self.folder.path().join("notation/truststore/x509/ca").join(name);
        std::fs::create_dir_all(&store)?;
        std::fs::write(store.join("a.crt"), certificate)?;
        Ok(())
    }

    /// Signs an artifact with a key, in a format (`jws`, `cose`), and with more flags.
    ///
    /// # Errors
    /// When notation refuses.
    pub fn sign(&self, key: &str, reference: &str, format: &str, more: &[&str]) -> Result<()> {
        let (key, format) = (format!("--key={key}"), format!("--signature-format={format}"));
        let mut args = vec!["sign", "--insecure-registry", &key, &format];
        args.extend(more);
        args.push(reference);
        self.run(&args)
    }

    /// Whether notation itself finds a good signature under a trust policy (as `trustpolicy.json`).
    ///
    /// # Errors
    /// When it cannot be run.
    pub fn accepts(&self, policy: &str, reference: &str) -> Result<bool> {
        std::fs::write(self.folder.path().join("notation/trustpolicy.json"), policy)?;
        Ok(self
            .output(&["verify", "--insecure-registry", reference])?
            .status
            .success())
    }

    fn run(&self, args: &[&str]) -> Result<()> {
        let output = self.output(args)?;
        let told = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "notation {args:?}: {told}");
        Ok(())
    }

    fn output(&self, args: &[&str]) -> Result<Output> {
        let mut command = Command::new(&self.program);
        command.args(args).current_dir(self.folder.path());
        command
            .env("XDG_CONFIG_HOME", self.folder.path())
            .env("HOME", self.folder.path());
        Ok(command.output()?)
    }
}
