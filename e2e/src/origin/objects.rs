//! Object stores on loopback: the real `versitygw` (S3) and Azurite (Azure), which check signatures, and `fake-gcs-server` (Google).

use anyhow::{Context as _, Result, ensure};
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use rusty_s3::{Bucket, Credentials, S3Action as _, UrlStyle};
use std::{path::PathBuf, time::Duration};

use crate::{
    expect::eventually,
    origin::Identity,
    process::{Process, free_port, tail},
    tools::Tools,
};

/// The only keys of a store that speaks S3.
pub const KEYS: (&str, &str) = ("AKIDEXAMPLE0001", "s3-secret-key-0001");
/// The region that it says it is in.
pub const REGION: &str = "eu-test-1";

/// An S3 server on a free loopback port. It ends when it is dropped.
#[derive(Debug)]
pub struct S3Server {
    port: u16,
    scheme: &'static str,
    log: PathBuf,
    process: Process,
    http: reqwest::Client,
    _folder: tempfile::TempDir,
}

impl S3Server {
    /// Starts a server, over TLS if it is given who it is.
    ///
    /// # Errors
    /// When it cannot be built or does not start; with the end of its log.
    pub async fn start(tls: Option<&Identity>) -> Result<Self> {
        let tools = tokio::task::spawn_blocking(Tools::objects).await??;
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let data = folder.path().join("data");
        std::fs::create_dir_all(&data)?;
        let mut args = vec![
            format!("--port=127.0.0.1:{port}"),
            format!("--access={}", KEYS.0),
            format!("--secret={}", KEYS.1),
            format!("--region={REGION}"),
        ];
        if let Some(identity) = tls {
            for (name, text) in [("cert", &identity.certificate), ("key", &identity.key)] {
                let path = folder.path().join(name);
                std::fs::write(&path, text)?;
                args.push(format!("--{name}={}", path.display()));
            }
        }
        args.extend(["posix".to_owned(), data.display().to_string()]);
        let log = folder.path().join("s3.log");
        let process = Process::start("versitygw", &tools.path("versitygw"), &args, &[], &log)?;
        let server = Self {
            port,
            scheme: if tls.is_some() { "https" } else { "http" },
            log,
            process,
            http: reqwest::Client::builder()
                .no_proxy()
                .tls_danger_accept_invalid_certs(true)
                .timeout(Duration::from_secs(120))
                .build()?,
            _folder: folder,
        };
        let url = format!("{}://{}/", server.scheme, server.endpoint());
        let answers = async || {
            ensure!(server.process.alive(), "it has ended");
            Ok(server.http.get(&url).send().await.is_ok().then_some(()))
        };
        eventually("the S3 server answers", Duration::from_secs(180), answers)
            .await
            .with_context(|| format!("its log ends so:\n{}", tail(&server.log)))?;
        Ok(server)
    }

    /// Host and port, as a Bucket's spec has them.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create(&self, bucket: &str) -> Result<()> {
        let (bucket, keys) = (self.bucket(bucket)?, credentials());
        let url = bucket.create_bucket(&keys).sign(Duration::from_secs(60));
        self.done(self.http.put(url)).await
    }

    /// Puts an object.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn put(&self, bucket: &str, key: &str, content: impl Into<Vec<u8>>) -> Result<()> {
        let (bucket, keys) = (self.bucket(bucket)?, credentials());
        let url = bucket.put_object(Some(&keys), key).sign(Duration::from_secs(60));
        self.done(self.http.put(url).body(content.into())).await
    }

    /// Deletes an object.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn delete(&self, bucket: &str, key: &str) -> Result<()> {
        let (bucket, keys) = (self.bucket(bucket)?, credentials());
        let url = bucket
            .delete_object(Some(&keys), key)
            .sign(Duration::from_secs(60));
        self.done(self.http.delete(url)).await
    }

    /// The etag of an object, as the server says it.
    ///
    /// # Errors
    /// When there is no such object.
    pub async fn etag(&self, bucket: &str, key: &str) -> Result<String> {
        let (bucket, keys) = (self.bucket(bucket)?, credentials());
        let url = bucket.head_object(Some(&keys), key).sign(Duration::from_secs(60));
        let answer = self.http.head(url).send().await?.error_for_status()?;
        let etag = answer.headers().get("etag").context("no etag")?.to_str()?;
        Ok(etag.trim_matches('"').to_owned())
    }

    /// How many GETs of objects of a bucket whose keys begin so the server has answered.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn reads(&self, bucket: &str, prefix: &str) -> Result<usize> {
        let log = std::fs::read_to_string(&self.log)?;
        let wanted = format!("/{bucket}/{prefix}");
        let is_read =
            |line: &&str| line.contains("GET") && line.contains(&wanted) && !line.contains("list-type");
        Ok(log.lines().filter(is_read).count())
    }

    fn bucket(&self, name: &str) -> Result<Bucket> {
        let endpoint = format!("{}://{}", self.scheme, self.endpoint()).parse()?;
        Ok(Bucket::new(endpoint, UrlStyle::Path, name.to_owned(), REGION)?)
    }

    async fn done(&self, request: reqwest::RequestBuilder) -> Result<()> {
        let answer = request.send().await?;
        ensure!(answer.status().is_success(), "{}", answer.text().await?);
        Ok(())
    }
}

fn credentials() -> Credentials {
    Credentials::new(KEYS.0, KEYS.1)
}

/// A server that speaks as Google Cloud Storage, on a free loopback port. It ends when it is dropped.
#[derive(Debug)]
pub struct GcsServer {
    port: u16,
    http: reqwest::Client,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl GcsServer {
    /// Starts a server.
    ///
    /// # Errors
    /// When it cannot be built or does not start; with the end of its log.
    pub async fn start() -> Result<Self> {
        let tools = tokio::task::spawn_blocking(Tools::objects).await??;
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let log = folder.path().join("gcs.log");
        let args = [
            "-scheme=http".to_owned(),
            "-host=127.0.0.1".to_owned(),
            format!("-port={port}"),
            "-backend=memory".to_owned(),
            format!("-public-host=127.0.0.1:{port}"),
        ];
        let process = Process::start("fake-gcs-server", &tools.path("fake-gcs-server"), args, &[], &log)?;
        let http = reqwest::Client::builder().no_proxy().build()?;
        let url = format!("http://127.0.0.1:{port}/storage/v1/b");
        let answers = async || {
            ensure!(process.alive(), "it has ended");
            Ok(http.get(&url).send().await.is_ok().then_some(()))
        };
        eventually("the GCS server answers", Duration::from_secs(180), answers)
            .await
            .with_context(|| format!("its log ends so:\n{}", tail(&log)))?;
        Ok(Self {
            port,
            http,
            _process: process,
            _folder: folder,
        })
    }

    /// Host and port, as `STORAGE_EMULATOR_HOST` has them.
    pub fn endpoint(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Makes a bucket.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create(&self, bucket: &str) -> Result<()> {
        let url = format!("http://{}/storage/v1/b", self.endpoint());
        let body = serde_json::json!({"name": bucket}).to_string();
        let request = self
            .http
            .post(url)
            .header("content-type", "application/json")
            .body(body);
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// Puts an object.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn put(&self, bucket: &str, key: &str, content: &str) -> Result<()> {
        let url = format!(
            "http://{}/upload/storage/v1/b/{bucket}/o?uploadType=media&name={}",
            self.endpoint(),
            key.replace('/', "%2F")
        );
        self.http
            .post(url)
            .body(content.to_owned())
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }
}

/// The account of Azurite. Its name is the first part of the host, as Flux finds it.
const ACCOUNT: &str = "127";
/// The key of that account.
pub const ACCOUNT_KEY: &str = "c2x1aWNlLWtleS0wMDAxLXNsdWljZS1rZXktMDAwMQ==";

/// A server that speaks as Azure Blob Storage, on a free loopback port. It ends when it is dropped.
#[derive(Debug)]
pub struct AzureServer {
    port: u16,
    http: reqwest::Client,
    _process: Process,
    _folder: tempfile::TempDir,
}

impl AzureServer {
    /// Starts a server.
    ///
    /// # Errors
    /// When it cannot be installed or does not start; with the end of its log.
    pub async fn start() -> Result<Self> {
        let azurite = tokio::task::spawn_blocking(Tools::azurite).await??;
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let log = folder.path().join("azurite.log");
        let main = azurite.join("node_modules/azurite/dist/src/blob/main.js");
        let args = [
            main.display().to_string(),
            "--blobHost=127.0.0.1".into(),
            format!("--blobPort={port}"),
            "--inMemoryPersistence".into(),
            "--disableTelemetry".into(),
        ];
        let env = [("AZURITE_ACCOUNTS", format!("{ACCOUNT}:{ACCOUNT_KEY}"))];
        let node = std::path::Path::new("node");
        let process = Process::start("azurite", node, args, &env, &log)?;
        let server = Self {
            port,
            http: reqwest::Client::builder().no_proxy().build()?,
            _process: process,
            _folder: folder,
        };
        let answers = async || {
            ensure!(server._process.alive(), "it has ended");
            Ok(server
                .http
                .get(server.endpoint())
                .send()
                .await
                .is_ok()
                .then_some(()))
        };
        eventually("the Azure server answers", Duration::from_secs(180), answers)
            .await
            .with_context(|| format!("its log ends so:\n{}", tail(&log)))?;
        Ok(server)
    }

    /// The account's address, as a Bucket's spec has it.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}/{ACCOUNT}", self.port)
    }

    /// A shared access signature of the account that lets do anything, as the query of a URL.
    pub fn signature(&self) -> String {
        let (version, end) = ("2021-12-02", "2099-01-01T00:00:00Z");
        let text = format!("{ACCOUNT}\nracwdl\nb\nsco\n\n{end}\n\n\n{version}\n\n");
        let key = hmac::Key::new(
            hmac::HMAC_SHA256,
            &STANDARD.decode(ACCOUNT_KEY).unwrap_or_default(),
        );
        let signature = STANDARD.encode(hmac::sign(&key, text.as_bytes()));
        let escaped = signature
            .replace('+', "%2B")
            .replace('/', "%2F")
            .replace('=', "%3D");
        format!("sv={version}&ss=b&srt=sco&sp=racwdl&se={end}&sig={escaped}")
    }

    /// Makes a container.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn create(&self, container: &str) -> Result<()> {
        let url = format!(
            "{}/{container}?restype=container&{}",
            self.endpoint(),
            self.signature()
        );
        self.http
            .put(url)
            .header("content-length", 0)
            .send()
            .await?
            .error_for_status()?;
        Ok(())
    }

    /// Puts a blob; its name is given as a URL has it.
    ///
    /// # Errors
    /// When the server refuses.
    pub async fn put(&self, container: &str, name: &str, content: &str) -> Result<()> {
        let url = format!("{}/{container}/{name}?{}", self.endpoint(), self.signature());
        let request = self
            .http
            .put(url)
            .header("x-ms-blob-type", "BlockBlob")
            .body(content.to_owned());
        request.send().await?.error_for_status()?;
        Ok(())
    }

    /// The etag of a blob, as the server says it.
    ///
    /// # Errors
    /// When there is no such blob.
    pub async fn etag(&self, container: &str, name: &str) -> Result<String> {
        let url = format!("{}/{container}/{name}?{}", self.endpoint(), self.signature());
        let answer = self.http.head(url).send().await?.error_for_status()?;
        Ok(answer
            .headers()
            .get("etag")
            .context("no etag")?
            .to_str()?
            .to_owned())
    }
}
