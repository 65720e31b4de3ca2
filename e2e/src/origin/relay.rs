//! TLS in front of a server that has none of its own, or none that asks its clients who they are.

use super::{Tls, git::tls::TlsListener};
use anyhow::Result;
use axum::serve::Listener as _;
use std::net::SocketAddr;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};

/// A relay on a free loopback port. It takes no new connections once it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Relay {
    /// Leads whoever is let in `to` an address.
    ///
    /// # Errors
    /// When no port is free, or the certificates cannot be used.
    pub async fn start(tls: &Tls, to: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut listener = TlsListener::new(listener, tls)?;
        let task = tokio::spawn(async move {
            loop {
                let (mut near, _) = listener.accept().await;
                let to = to.clone();
                tokio::spawn(async move {
                    let mut far = TcpStream::connect(to).await?;
                    copy_bidirectional(&mut near, &mut far).await
                });
            }
        });
        Ok(Self { address, task })
    }

    /// Host and port.
    pub fn address(&self) -> String {
        self.address.to_string()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}
