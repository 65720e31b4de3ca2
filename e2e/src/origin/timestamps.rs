//! An authority of time: the real `timestamp-server` of Sigstore (RFC 3161), on loopback.

use anyhow::{Context as _, Result, ensure};
use sha2::{Digest as _, Sha256};
use std::time::Duration;

use crate::{
    expect::eventually,
    process::{Process, free_port, tail},
    tools::Tools,
};

/// An authority of time on a free loopback port, with keys of its own. It ends when it is dropped. There is one at a time: it
/// also takes port 2112, for its metrics.
#[derive(Debug)]
pub struct TimestampServer {
    url: String,
    http: reqwest::Client,
    chain: String,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl TimestampServer {
    /// Starts a server.
    ///
    /// # Errors
    /// When it cannot be built or does not start; with the end of its log.
    pub async fn start() -> Result<Self> {
        let tools = tokio::task::spawn_blocking(Tools::signers).await??;
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let log = folder.path().join("timestamps.log");
        let args = [
            "serve".to_owned(),
            "--host=127.0.0.1".into(),
            format!("--port={port}"),
            "--timestamp-signer=memory".into(),
            "--include-chain-in-response".into(),
            // It would ask servers on the internet for the time.
            "--disable-ntp-monitoring".into(),
        ];
        let program = tools.path("timestamp-server");
        let process = Process::start("timestamp-server", &program, args, &[], &log)?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("http://127.0.0.1:{port}/api/v1/timestamp");
        let chain = async || {
            ensure!(process.alive(), "it has ended");
            match http.get(format!("{url}/certchain")).send().await {
                Ok(answer) => Ok(Some(answer.text().await?)),
                Err(_) => Ok(None),
            }
        };
        let chain = eventually("the authority of time answers", Duration::from_secs(180), chain)
            .await
            .with_context(|| format!("its log ends so:\n{}", tail(&log)))?;
        Ok(Self {
            url,
            http,
            chain,
            _process: process,
            _folder: folder,
        })
    }

    /// Where it gives timestamps.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its certificates in PEM, the leaf first.
    pub fn chain(&self) -> &str {
        &self.chain
    }

    /// The last of its certificates, in PEM.
    pub fn root(&self) -> String {
        let begin = "-----BEGIN CERTIFICATE-----";
        let last = self.chain.rsplit(begin).next().unwrap_or_default();
        format!("{begin}{last}")
    }

    /// Its answer to a request for a timestamp of some bytes, in DER.
    ///
    /// # Errors
    /// When it refuses.
    pub async fn stamp(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        // TimeStampReq: version 1, SHA-256 and its value, and that the certificate is wanted.
        let algorithm = [0x30, 13, 6, 9, 0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1, 5, 0];
        let digest = [&[4, 32][..], &Sha256::digest(bytes)].concat();
        let imprint = [&[0x30, 49][..], &algorithm, &digest].concat();
        let request = [&[0x30, 57, 2, 1, 1][..], &imprint, &[1, 1, 0xff]].concat();
        let request = self
            .http
            .post(&self.url)
            .header("content-type", "application/timestamp-query")
            .body(request);
        let answer = request.send().await?;
        ensure!(answer.status().is_success(), "{}", answer.text().await?);
        Ok(answer.bytes().await?.to_vec())
    }
}
