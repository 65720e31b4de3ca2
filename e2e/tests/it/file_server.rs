//! The file server gives artifacts to whoever knows their names, and nothing else to anybody.

use anyhow::{Context as _, Result, ensure};
use e2e::{app, flux::SOURCE, world::World};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// Sends a request as it stands (no client tidies the path) and gives status line, headers and body.
async fn raw(address: &str, request: &str) -> Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("{request}\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

#[tokio::test]
async fn only_artifacts_are_served() -> Result<()> {
    let world = World::shared().await?;
    let space = world.space("file-server").await?;
    space.repo.commit(&[("a.yaml", &app::config_map("a", "1"))])?;
    space.git_repository(json!({})).await?;
    space.verdict(SOURCE, "GitRepository", "app", "Succeeded").await?;
    let source = space
        .get(SOURCE, "GitRepository", "app")
        .await?
        .context("it is there")?;
    let url = source["status"]["artifact"]["url"].as_str().context("a url")?;
    let (address, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .context("http://address/path")?;
    // A link that somebody got onto the shelf leads nowhere outside of it.
    let shelf = world.suite.storage().join("gitrepository/file-server/app");
    std::os::unix::fs::symlink("/etc/passwd", shelf.join("link.tar.gz"))?;

    for (request, status) in [
        (format!("GET /{path} HTTP/1.1"), "200 OK"),
        (
            format!(
                "GET /{} HTTP/1.1",
                path.replace("gitrepository", "%67itrepository")
            ),
            "200 OK",
        ),
        (format!("HEAD /{path} HTTP/1.1"), "200 OK"),
        (
            format!("GET /{path} HTTP/1.1\r\nRange: bytes=0-1"),
            "206 Partial Content",
        ),
        (format!("GET /{path} HTTP/1.1\r\nRange: bytes=99999999-"), "416"),
        ("GET / HTTP/1.1".into(), "200 OK"),
        (format!("POST /{path} HTTP/1.1\r\nContent-Length: 0"), "405"),
        (format!("DELETE /{path} HTTP/1.1"), "405"),
        ("GET /gitrepository HTTP/1.1".into(), "404"),
        ("GET /gitrepository/file-server/app/ HTTP/1.1".into(), "404"),
        ("GET /gitrepository/file-server/app HTTP/1.1".into(), "404"),
        ("GET /.mirrors/ HTTP/1.1".into(), "404"),
        ("GET /%2Emirrors/ HTTP/1.1".into(), "404"),
        ("GET /../../../../../../etc/passwd HTTP/1.1".into(), "404"),
        (
            "GET /%2e%2e/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd HTTP/1.1".into(),
            "404",
        ),
        (
            "GET /gitrepository/..%2f..%2f..%2f..%2f..%2fetc/passwd HTTP/1.1".into(),
            "404",
        ),
        (
            "GET /gitrepository/file-server/app/link.tar.gz HTTP/1.1".into(),
            "404",
        ),
        ("GET //etc/passwd HTTP/1.1".into(), "404"),
        ("GET /gitrepository/file-server/app/a%00b HTTP/1.1".into(), "404"),
        ("GET /gitrepository/file-server/app/%ff HTTP/1.1".into(), "404"),
    ] {
        let answer = raw(address, &request).await?;
        let first = answer.lines().next().unwrap_or_default();
        ensure!(first.contains(status), "{request}: {first}");
        ensure!(!answer.contains("root:"), "{request}: {answer}");
    }
    Ok(())
}
