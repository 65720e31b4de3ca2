//! A listener that hands out connections once they are secured; a slow handshake holds up nobody else.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::Tls;

/// Connections whose handshake is done.
pub(in crate::origin) struct TlsListener {
    address: SocketAddr,
    secured: mpsc::Receiver<(TlsStream<TcpStream>, SocketAddr)>,
}

impl TlsListener {
    /// Secures what the listener accepts, until the result is dropped.
    pub fn new(listener: TcpListener, tls: &Tls) -> Result<Self> {
        let address = listener.local_addr()?;
        let acceptor = acceptor(tls)?;
        let (sender, secured) = mpsc::channel(16);
        tokio::spawn(async move {
            loop {
                let accepted = tokio::select! {
                    () = sender.closed() => break,
                    accepted = listener.accept() => accepted,
                };
                let Ok((stream, peer)) = accepted else { continue };
                let (acceptor, sender) = (acceptor.clone(), sender.clone());
                tokio::spawn(async move {
                    // A client that does not trust us, or that we do not trust, has been told so.
                    if let Ok(stream) = acceptor.accept(stream).await {
                        drop(sender.send((stream, peer)).await);
                    }
                });
            }
        });
        Ok(Self { address, secured })
    }
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        match self.secured.recv().await {
            Some(connection) => connection,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

fn acceptor(tls: &Tls) -> Result<TlsAcceptor> {
    let provider = Arc::new(default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match &tls.client_authority {
        None => builder.with_no_client_auth(),
        Some(pem) => {
            let mut roots = RootCertStore::empty();
            roots.add(
                CertificateDer::from_pem_slice(pem.as_bytes()).context("read the authority of clients")?,
            )?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let certificate = CertificateDer::from_pem_slice(tls.identity.certificate.as_bytes())
        .context("read the certificate")?;
    let key = PrivateKeyDer::from_pem_slice(tls.identity.key.as_bytes()).context("read the key")?;
    let config = builder
        .with_single_cert(vec![certificate], key)
        .context("use the certificate")?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
