//! An OCI registry: the real `distribution`, on loopback, with a login and TLS on demand; and a small client that pushes to it.

mod tokens;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{path::PathBuf, time::Duration};

use crate::{
    origin::Identity,
    process::{Process, free_port, tail},
    tools::Tools,
};
use tokens::Tokens;

/// The only login of a guarded registry.
pub const USER: (&str, &str) = ("me", "right");

/// That login as Apache's `htpasswd -B` writes it.
const HTPASSWD: &str = "me:$2a$10$V0lqGUnY.Yl7RhyJhCyXH.F.ujvVkorunDDGSDDW.hPzjuKqHMrai\n";

/// Media types of Flux's artifacts.
pub const FLUX: (&str, &str) = (
    "application/vnd.cncf.flux.config.v1+json",
    "application/vnd.cncf.flux.content.v1.tar+gzip",
);

/// How a registry lets people in.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Only with the login [`USER`].
    pub login: bool,
    /// Only with a token, which a service gives to the login [`USER`]; over TLS if the registry is.
    pub tokens: bool,
    /// Over TLS, as this server.
    pub tls: Option<Identity>,
    /// Only those whose certificate is of this authority, as whoever pushes is.
    pub clients: Option<Clients>,
}

/// Who is let in by certificate.
#[derive(Debug, Clone)]
pub struct Clients {
    /// The certificate of their authority.
    pub authority: String,
    /// One of them.
    pub pusher: Identity,
}

/// A registry on a free loopback port. It ends when it is dropped.
#[derive(Debug)]
pub struct Registry {
    port: u16,
    scheme: &'static str,
    login: bool,
    tokens: Option<Tokens>,
    log: PathBuf,
    process: Process,
    folder: tempfile::TempDir,
    http: reqwest::Client,
}

/// What is pushed: layers with their media types, and notes.
#[derive(Debug, Clone, Default)]
pub struct Artifact {
    /// Media type and content of each layer.
    pub layers: Vec<(String, Vec<u8>)>,
    /// Annotations of the manifest.
    pub annotations: Value,
}

impl Registry {
    /// Starts a registry.
    ///
    /// # Errors
    /// When it cannot be built or does not start; with the end of its log.
    pub async fn start(guard: &Guard) -> Result<Self> {
        let tools = tokio::task::spawn_blocking(Tools::registry).await??;
        let (folder, port) = (tempfile::tempdir()?, free_port()?);
        let file = |name: &str, text: &str| -> Result<String> {
            let path = folder.path().join(name);
            std::fs::write(&path, text)?;
            Ok(path.display().to_string())
        };
        let mut config = json!({
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": folder.path().join("data")}, "delete": {"enabled": true}},
            "http": {"addr": format!("127.0.0.1:{port}")},
        });
        if guard.login {
            config["auth"] = json!({"htpasswd": {"realm": "e2e", "path": file("htpasswd", HTPASSWD)?}});
        }
        let tokens = match guard.tokens {
            true => Some(Tokens::start(guard.tls.as_ref()).await?),
            false => None,
        };
        if let Some(service) = &tokens {
            config["auth"] = json!({"token": {
                "realm": service.realm, "service": tokens::SERVICE, "issuer": tokens::ISSUER,
                "rootcertbundle": file("tokens.crt", &service.certificate)?,
            }});
        }
        if let Some(identity) = &guard.tls {
            config["http"]["tls"] = json!({
                "certificate": file("tls.crt", &identity.certificate)?,
                "key": file("tls.key", &identity.key)?,
            });
        }
        let mut http = reqwest::Client::builder()
            .no_proxy()
            .tls_danger_accept_invalid_certs(true)
            .timeout(Duration::from_secs(120));
        if let Some(Clients { authority, pusher }) = &guard.clients {
            config["http"]["tls"]["clientcas"] = json!([file("clients.crt", authority)?]);
            let pem = format!("{}{}", pusher.certificate, pusher.key);
            http = http.identity(reqwest::Identity::from_pem(pem.as_bytes())?);
        }
        // YAML is what it reads, and JSON is YAML.
        let config = file("config.yml", &config.to_string())?;
        let log = folder.path().join("registry.log");
        let process = Process::start("registry", &tools.path("registry"), ["serve", &config], &[], &log)?;
        let registry = Self {
            port,
            scheme: if guard.tls.is_some() { "https" } else { "http" },
            login: guard.login,
            tokens,
            log,
            process,
            folder,
            http: http.build()?,
        };
        registry.answers().await?;
        Ok(registry)
    }

    /// Host and port.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The URL of a repository, as a source's spec has it.
    pub fn url(&self, repository: &str) -> String {
        format!("oci://{}/{repository}", self.address())
    }

    /// How many tokens its service has given.
    pub fn tokens_given(&self) -> usize {
        self.tokens.as_ref().map_or(0, Tokens::given)
    }

    /// Pushes an artifact under a tag and gives its digest.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn push(&self, repository: &str, tag: &str, artifact: &Artifact) -> Result<String> {
        let config = self.blob(repository, b"{}").await?;
        let mut layers = Vec::new();
        for (media_type, content) in &artifact.layers {
            let mut layer = self.blob(repository, content).await?;
            layer["mediaType"] = json!(media_type);
            layers.push(layer);
        }
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": FLUX.0, "digest": config["digest"], "size": config["size"]},
            "layers": layers,
            "annotations": artifact.annotations,
        });
        self.manifest(repository, tag, &manifest).await
    }

    /// Puts any manifest or index under a tag and gives its digest.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn manifest(&self, repository: &str, tag: &str, manifest: &Value) -> Result<String> {
        let media_type = manifest["mediaType"]
            .as_str()
            .context("a manifest without mediaType")?;
        let text = manifest.to_string();
        let path = format!("/v2/{repository}/manifests/{tag}");
        let request = self
            .request(reqwest::Method::PUT, &path)
            .header("content-type", media_type)
            .body(text.clone());
        let answer = self.send(request).await?;
        ensure!(
            answer.status().is_success(),
            "push {path}: {}",
            answer.text().await?
        );
        Ok(format!("sha256:{}", hex::encode(Sha256::digest(text))))
    }

    /// A manifest or index as it is served.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn get(&self, repository: &str, reference: &str) -> Result<Value> {
        let path = format!("/v2/{repository}/manifests/{reference}");
        let types = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
        let answer = self
            .send(self.request(reqwest::Method::GET, &path).header("accept", types))
            .await?;
        Ok(answer.error_for_status()?.json().await?)
    }

    /// The digest of what a tag leads to.
    ///
    /// # Errors
    /// When there is no such tag.
    pub async fn digest(&self, repository: &str, tag: &str) -> Result<String> {
        let path = format!("/v2/{repository}/manifests/{tag}");
        let types = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
        let answer = self
            .send(self.request(reqwest::Method::HEAD, &path).header("accept", types))
            .await?
            .error_for_status()?;
        let digest = answer
            .headers()
            .get("docker-content-digest")
            .context("no digest")?;
        Ok(digest.to_str()?.to_owned())
    }

    /// Deletes what a digest names.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn delete(&self, repository: &str, digest: &str) -> Result<()> {
        let path = format!("/v2/{repository}/manifests/{digest}");
        let answer = self.send(self.request(reqwest::Method::DELETE, &path)).await?;
        ensure!(
            answer.status().is_success(),
            "delete {path}: {}",
            answer.text().await?
        );
        Ok(())
    }

    /// Changes the bytes of a blob on the registry's disk: what is served is then not what its digest says.
    ///
    /// # Errors
    /// When there is no such blob.
    pub fn tamper(&self, digest: &str, content: &[u8]) -> Result<()> {
        let hex = digest.trim_start_matches("sha256:");
        let path = self.folder.path().join("data/docker/registry/v2/blobs/sha256");
        let path = path.join(&hex[..2]).join(hex).join("data");
        ensure!(path.exists(), "no blob {digest}");
        Ok(std::fs::write(path, content)?)
    }

    /// How many requests with this method and path prefix the registry has answered so far.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn requests(&self, method: &str, prefix: &str) -> Result<usize> {
        let log = std::fs::read_to_string(&self.log)?;
        let wanted = format!("\"{method} {prefix}");
        Ok(log.lines().filter(|line| line.contains(&wanted)).count())
    }

    /// A request from Docker's configuration: the Secret that a source names.
    pub fn docker_config(&self, password: &str) -> String {
        let login = json!({"username": USER.0, "password": password});
        json!({"auths": {self.address(): login}}).to_string()
    }

    /// Uploads a blob and gives its digest and size, as a descriptor has them.
    ///
    /// # Errors
    /// When the registry refuses.
    pub async fn blob(&self, repository: &str, content: &[u8]) -> Result<Value> {
        let digest = format!("sha256:{}", hex::encode(Sha256::digest(content)));
        let path = format!("/v2/{repository}/blobs/uploads/");
        let begin = self.send(self.request(reqwest::Method::POST, &path)).await?;
        let place = begin.headers().get("location").context("no place to upload to")?;
        let place = begin.url().join(place.to_str()?)?;
        let path = format!(
            "{}?{}&digest={digest}",
            place.path(),
            place.query().unwrap_or_default()
        );
        let request = self
            .request(reqwest::Method::PUT, &path)
            .header("content-type", "application/octet-stream")
            .body(content.to_vec());
        let answer = self.send(request).await?;
        ensure!(answer.status().is_success(), "upload: {}", answer.text().await?);
        Ok(json!({"digest": digest, "size": content.len()}))
    }

    /// Sends a request, with a token where the registry wants one.
    async fn send(&self, request: reqwest::RequestBuilder) -> Result<reqwest::Response> {
        let again = request.try_clone().context("a request with a body in memory")?;
        let answer = request.send().await?;
        let Some(service) = self.tokens.as_ref().filter(|_| answer.status() == 401) else {
            return Ok(answer);
        };
        let challenge = answer.headers().get("www-authenticate").context("no challenge")?;
        let scope = challenge.to_str()?.split("scope=\"").nth(1).unwrap_or_default();
        let scope = scope.trim_end_matches('"');
        let url = match scope {
            "" => service.realm.clone(),
            scope => format!("{}?scope={scope}", service.realm),
        };
        let issued = self.http.get(url).basic_auth(USER.0, Some(USER.1)).send().await?;
        let issued: Value = issued.error_for_status()?.json().await?;
        let token = issued["token"].as_str().context("no token")?;
        Ok(again.bearer_auth(token).send().await?)
    }

    fn request(&self, method: reqwest::Method, path: &str) -> reqwest::RequestBuilder {
        let url = format!("{}://{}{path}", self.scheme, self.address());
        let request = self.http.request(method, url);
        if self.login {
            request.basic_auth(USER.0, Some(USER.1))
        } else {
            request
        }
    }

    async fn answers(&self) -> Result<()> {
        let answers = async || {
            ensure!(self.process.alive(), "it has ended");
            let status = self.request(reqwest::Method::GET, "/v2/").send().await?.status();
            let asks = self.tokens.is_some() && status == 401;
            Ok((asks || status.is_success()).then_some(()))
        };
        crate::expect::eventually("the registry answers", Duration::from_secs(180), answers)
            .await
            .with_context(|| format!("the registry's log ends so:\n{}", tail(&self.log)))
    }
}

impl Artifact {
    /// Files as `flux push artifact` packs them: one layer, with notes of where they came from.
    ///
    /// # Errors
    /// When a path is no path of an archive.
    pub fn of_files(files: &[(&str, &str)]) -> Result<Self> {
        let files = files
            .iter()
            .map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        let tree = artifact::Tree::from_files(files)?;
        let mut layer = Vec::new();
        artifact::pack_tree(&tree, &mut layer)?;
        Ok(Self {
            layers: vec![(FLUX.1.to_owned(), layer)],
            annotations: json!({
                "org.opencontainers.image.source": "https://example.com/app.git",
                "org.opencontainers.image.revision": "main@sha1:aaaa",
            }),
        })
    }
}
