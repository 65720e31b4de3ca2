//! A SOCKS5 proxy (RFC 1928) that leads all connections to one place, and remembers which they were to lead to.

use anyhow::{Result, ensure};
use std::{
    net::Ipv4Addr,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A proxy on a free loopback port. It takes no new connections once it is dropped.
#[derive(Debug)]
pub struct Socks {
    url: String,
    led: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Socks {
    /// A proxy whose connections lead `to` an address.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(to: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("socks5://{}", listener.local_addr()?);
        let led = Arc::<Mutex<Vec<String>>>::default();
        let seen = led.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (to, seen) = (to.clone(), seen.clone());
                // Whoever goes away is no error.
                tokio::spawn(async move { drop(lead(stream, &to, &seen).await) });
            }
        });
        Ok(Self { url, led, task })
    }

    /// Its address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The places that were asked for: a name where it was left to the proxy to find it.
    pub fn led(&self) -> Vec<String> {
        self.led.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Socks {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn lead(mut near: TcpStream, to: &str, led: &Mutex<Vec<String>>) -> Result<()> {
    ensure!(near.read_u8().await? == 5, "no SOCKS5");
    let methods = near.read_u8().await?;
    near.read_exact(&mut vec![0; methods.into()]).await?;
    // Nobody has to say who it is.
    near.write_all(&[5, 0]).await?;
    let mut head = [0; 4];
    near.read_exact(&mut head).await?;
    let host = match head {
        [5, 1, _, 1] => {
            let mut address = [0; 4];
            near.read_exact(&mut address).await?;
            Ipv4Addr::from(address).to_string()
        }
        [5, 1, _, 3] => {
            let mut name = vec![0; near.read_u8().await?.into()];
            near.read_exact(&mut name).await?;
            String::from_utf8(name)?
        }
        other => anyhow::bail!("this is not for us: {other:?}"),
    };
    let port = near.read_u16().await?;
    led.lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(format!("{host}:{port}"));
    let mut far = TcpStream::connect(to).await?;
    near.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
    copy_bidirectional(&mut near, &mut far).await?;
    Ok(())
}
