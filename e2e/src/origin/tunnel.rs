//! A proxy that leads where it is asked to, or with all tunnels to one place, and remembers where that was to be.

use anyhow::{Context as _, Result};
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

impl Tunnel {
    /// A proxy whose tunnels lead `to` an address, if one is given, whatever name was asked for.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(to: Option<String>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let led = Arc::<Mutex<Vec<String>>>::default();
        let seen = led.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (to, seen) = (to.clone(), seen.clone());
                tokio::spawn(async move { lead(stream, to, &seen).await });
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

async fn lead(stream: TcpStream, to: Option<String>, led: &Mutex<Vec<String>>) -> Result<()> {
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
        let mut line = String::new();
        while near.read_line(&mut line).await? > 2 {
            line.clear();
        }
        let far = TcpStream::connect(to.as_deref().unwrap_or(place)).await?;
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
