//! A proxy that leads where it is asked to, or with all tunnels to one place, and remembers where that was to be.

use anyhow::{Context as _, Result};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A proxy on a free loopback port. It takes no new connections once it is dropped.
#[derive(Debug)]
pub struct Tunnel {
    url: String,
    led: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

/// What a tunnel does with whoever comes.
#[derive(Debug, Clone, Default)]
struct Rules {
    to: Option<String>,
    /// What `Proxy-Authorization` has to be.
    login: Option<String>,
}

impl Tunnel {
    /// A proxy whose tunnels lead `to` an address, if one is given, whatever name was asked for.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(to: Option<String>) -> Result<Self> {
        Self::run(Rules { to, login: None }).await
    }

    /// The same for those alone who give this name and password.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn guarded(to: String, (name, password): (&str, &str)) -> Result<Self> {
        let login = format!("Basic {}", STANDARD.encode(format!("{name}:{password}")));
        let rules = Rules {
            to: Some(to),
            login: Some(login),
        };
        Self::run(rules).await
    }

    async fn run(rules: Rules) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let led = Arc::<Mutex<Vec<String>>>::default();
        let seen = led.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (rules, seen) = (rules.clone(), seen.clone());
                tokio::spawn(async move { lead(stream, rules, &seen).await });
            }
        });
        Ok(Self { url, led, task })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The places that were asked for.
    pub fn led(&self) -> Vec<String> {
        self.led.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn lead(stream: TcpStream, rules: Rules, led: &Mutex<Vec<String>>) -> Result<()> {
    let mut near = BufReader::new(stream);
    let mut first = String::new();
    near.read_line(&mut first).await?;
    let note = |place: &str| {
        led.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(place.to_owned());
    };
    let mut far = if let Some(rest) = first.strip_prefix("CONNECT ") {
        let place = rest.split(' ').next().unwrap_or_default();
        note(place);
        let (mut line, mut login) = (String::new(), None);
        while near.read_line(&mut line).await? > 2 {
            if let Some((name, value)) = line.split_once(':')
                && name.eq_ignore_ascii_case("proxy-authorization")
            {
                login = Some(value.trim().to_owned());
            }
            line.clear();
        }
        if rules.login.is_some() && login != rules.login {
            let refusal = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n";
            return Ok(near.write_all(refusal).await?);
        }
        let far = TcpStream::connect(rules.to.as_deref().unwrap_or(place)).await?;
        near.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await?;
        far
    } else {
        // Without a tunnel the request itself says where it goes (RFC 9112, absolute form).
        let (_, rest) = first.split_once(" http://").context("no request for a proxy")?;
        let place = rest.split(['/', ' ']).next().unwrap_or_default();
        note(place);
        let mut far = TcpStream::connect(place).await?;
        far.write_all(first.as_bytes()).await?;
        far
    };
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
