//! I/O: one message to a NATS server, over TCP or TLS (NATS client protocol).

use super::{Service, Tls, reach};
use crate::message::{
    DeliveryError, Letter,
    nats::{Server, connect, proof, publish, servers},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
};
use rustls_platform_verifier::Verifier;
use std::sync::Arc;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;

/// The longest line that a server may say, in bytes.
const LINE: u64 = 64 << 10;
/// So many lines are read before the one that is waited for.
const LINES: usize = 64;

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Sends a message to the first server that takes it.
///
/// # Errors
/// What the last server said, or that none can be reached.
pub(crate) async fn send_nats(service: &Service, letter: Letter<'_>) -> Result<(), DeliveryError> {
    let servers = servers(service)?;
    let mut last = None;
    // No server may take the time of the others.
    let share = service.timeout / u32::try_from(servers.len()).unwrap_or(1).max(1);
    for server in &servers {
        let late = |_| {
            Err(DeliveryError::later(format!(
                "the NATS server {}:{} did not answer in time",
                server.host, server.port
            )))
        };
        match tokio::time::timeout(share, deliver(service, server, letter))
            .await
            .unwrap_or_else(late)
        {
            Ok(()) => return Ok(()),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| DeliveryError::later("the Provider names no NATS server".into())))
}

async fn deliver(service: &Service, server: &Server, letter: Letter<'_>) -> Result<(), DeliveryError> {
    let place = format!("the NATS server {}:{}", server.host, server.port);
    let broken = |error: std::io::Error| DeliveryError::later(format!("{place}: {error}"));
    let addresses = reach::addresses(&server.host, server.port)
        .await
        .map_err(broken)?;
    let tcp = TcpStream::connect(&addresses[..]).await.map_err(broken)?;
    converse(service, server, letter, BufReader::new(Box::new(tcp))).await
}

/// What is said to a server that is connected, and what it has to answer.
async fn converse(
    service: &Service,
    server: &Server,
    letter: Letter<'_>,
    mut plain: BufReader<Box<dyn Stream>>,
) -> Result<(), DeliveryError> {
    let place = format!("the NATS server {}:{}", server.host, server.port);
    let broken = |error: std::io::Error| DeliveryError::later(format!("{place}: {error}"));
    let info = line(&mut plain).await.map_err(broken)?;
    let no_nats = || DeliveryError::later(format!("{place} does not speak NATS"));
    let info = info.strip_prefix("INFO ").ok_or_else(no_nats)?;
    let info = crate::json::answer(info.as_bytes()).ok_or_else(no_nats)?;
    let tls = server.tls || info["tls_required"] == true || !service.transport.tls.is_empty();
    let mut stream = match tls {
        false => plain,
        true => {
            let trusted = &service.transport.tls;
            let make = || config(trusted).map(Arc::new);
            let connector = TlsConnector::from(service.peers.tls.get(trusted.fingerprint(), make)?);
            let name = ServerName::try_from(server.host.clone()).map_err(|_| no_nats())?;
            let encrypted = connector
                .connect(name, plain.into_inner())
                .await
                .map_err(broken)?;
            BufReader::new(Box::new(encrypted) as Box<dyn Stream>)
        }
    };
    let hello = connect(&info, &proof(service, server)?, tls)?;
    say(service, &mut stream, hello.as_bytes(), &place).await?;
    say(service, &mut stream, &publish(&info, service, letter)?, &place).await
}

/// Says something that ends with `PING`, and waits until the server has heard it.
async fn say(
    service: &Service,
    stream: &mut BufReader<Box<dyn Stream>>,
    what: &[u8],
    place: &str,
) -> Result<(), DeliveryError> {
    let broken = |error: std::io::Error| DeliveryError::later(format!("{place}: {error}"));
    stream.write_all(what).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    for _ in 0..LINES {
        let line = line(stream).await.map_err(broken)?;
        match line.split_once(' ').map_or(line.as_str(), |(word, _)| word) {
            "PONG" => return Ok(()),
            "PING" => stream.write_all(b"PONG\r\n").await.map_err(broken)?,
            "-ERR" => {
                let said = crate::message::masked(line.trim_start_matches("-ERR").trim(), &service.mask, 200);
                return Err(DeliveryError::later(format!("{place} answered {said}")));
            }
            _ => {}
        }
    }
    Err(DeliveryError::later(format!("{place} does not answer")))
}

async fn line(stream: &mut BufReader<Box<dyn Stream>>) -> std::io::Result<String> {
    let mut line = Vec::new();
    stream.take(LINE).read_until(b'\n', &mut line).await?;
    match line.last() {
        Some(b'\n') => Ok(String::from_utf8_lossy(&line).trim().to_owned()),
        _ => Err(std::io::Error::other("the connection ended, or a line does not")),
    }
}

/// Trusts what the system trusts, or the Provider's own certificates instead.
fn config(tls: &Tls) -> Result<ClientConfig, DeliveryError> {
    let unusable =
        |what: &str| DeliveryError::later(format!("the Provider's certificates cannot be used: {what}"));
    let chain = |pem: &[u8]| CertificateDer::pem_slice_iter(pem).collect::<Result<Vec<_>, _>>();
    let crypto = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(crypto.clone())
        .with_safe_default_protocol_versions()
        .map_err(|_| unusable("there is no version of TLS"))?;
    let builder = match &tls.ca {
        Some(ca) => builder.with_root_certificates(roots(ca).ok_or_else(|| unusable("'ca.crt' holds none"))?),
        None => {
            let verifier = Verifier::new(crypto).map_err(|_| unusable("the system trusts none"))?;
            builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(verifier))
        }
    };
    match &tls.identity {
        None => Ok(builder.with_no_client_auth()),
        Some((certificate, key)) => {
            let certificates = chain(certificate).map_err(|_| unusable("'tls.crt' holds none"))?;
            let key =
                PrivateKeyDer::from_pem_slice(key.expose()).map_err(|_| unusable("'tls.key' is no key"))?;
            let wrong = |_| unusable("'tls.crt' and 'tls.key' do not belong together");
            builder.with_client_auth_cert(certificates, key).map_err(wrong)
        }
    }
}

/// These certificates and no others, if there are any.
fn roots(pem: &[u8]) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate.ok()?).ok()?;
    }
    (!roots.is_empty()).then_some(roots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{Marks, Severity},
        message::example::{alert, event, service},
        mutate::mutate,
    };
    use crds::notification::ProviderType;
    use golden::Random;
    use std::time::{Duration, Instant};

    /// What a server says, once a client has connected, said who it is, and sent a message.
    const SAID: &str = "INFO {\"server_id\":\"NA\",\"version\":\"2.11.0\",\"headers\":true,\"max_payload\":1048576,\"nonce\":\"n\"}\r\n\
                        PONG\r\n+OK\r\nPING\r\nPONG\r\n";

    /// What comes of a server that says this and ends the connection, and what it was told.
    async fn told(said: &[u8]) -> (Result<(), DeliveryError>, String) {
        let service = service(ProviderType::Nats, "nats://me:pw@a", "s", &[]);
        let server = servers(&service).unwrap().remove(0);
        let (event, alert) = (event(Severity::Info), alert());
        let letter = Letter {
            event: &event,
            alert: &alert,
            idempotency_key: "key",
            ends_failure: false,
            marks: Marks::default(),
        };
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (mut read, mut write) = tokio::io::split(theirs);
        write.write_all(said).await.unwrap();
        write.shutdown().await.unwrap();
        let outcome = converse(&service, &server, letter, BufReader::new(Box::new(ours))).await;
        let mut heard = String::new();
        read.read_to_string(&mut heard).await.unwrap();
        (outcome, heard)
    }

    /// `FUZZ_SECONDS=3600 cargo test --release -p notification-controller fuzz` looks longer.
    #[tokio::test]
    async fn fuzz_what_servers_say() {
        let (taken, heard) = told(SAID.as_bytes()).await;
        assert_eq!(taken, Ok(()));
        assert!(
            heard.contains("\r\nHPUB s ") && heard.ends_with("\r\nPING\r\nPONG\r\n"),
            "{heard}"
        );
        let until = golden::seconds().map(|seconds| Instant::now() + Duration::from_secs(seconds));
        let (mut random, mut tried, mut refused) = (Random::begin(), 0, 0);
        while until.map_or(tried < 3000, |until| Instant::now() < until) {
            tried += 1;
            let said = mutate(&mut random, SAID.as_bytes());
            let text = String::from_utf8_lossy(&said).into_owned();
            let begin = Instant::now();
            let (outcome, heard) = told(&said).await;
            assert!(begin.elapsed() < Duration::from_secs(5), "{text}");
            refused += usize::from(outcome.is_err());
            // Nothing is taken that a server has not said to have taken, and no other server is told who we are.
            let pongs = text
                .lines()
                .filter(|line| line.trim().split(' ').next() == Some("PONG"))
                .count();
            assert!(outcome.is_err() || pongs >= 2, "{text}");
            assert!(
                heard.is_empty() || text.trim_start().starts_with("INFO "),
                "{text}"
            );
            // Whatever it says, it is told of one message at the most.
            let messages = heard
                .lines()
                .filter(|line| line.starts_with("PUB ") || line.starts_with("HPUB "))
                .count();
            assert!(
                messages <= 1 && (messages == 1 || outcome.is_err()),
                "{text}: {heard}"
            );
        }
        assert!(refused > tried / 20 && refused < tried, "{refused} of {tried}");
    }

    #[test]
    fn a_ca_of_ones_own_is_trusted_alone() {
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["localhost".into()]).unwrap();
        let own = params.self_signed(&key).unwrap().pem();
        assert_eq!(roots(own.as_bytes()).unwrap().len(), 1);
        for none in [
            "",
            "not PEM",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        ] {
            assert!(roots(none.as_bytes()).is_none(), "{none}");
        }
    }
}
