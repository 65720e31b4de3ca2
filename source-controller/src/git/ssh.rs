//! The SSH transport: one `git-upload-pack` on the other side, spoken to without an `ssh` program.

use std::io::{self, Read, Write};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use gix::protocol::transport::Protocol;
use gix::protocol::transport::client::git::ConnectMode;
use gix::protocol::transport::client::git::blocking_io::Connection;
use percent_encoding::percent_decode_str;
use russh::client::{self, AuthResult, Handle, Handler, Msg};
use russh::keys::{PrivateKeyWithHashAlg, PublicKeyOrCertificate};
use russh::{ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;

use super::auth::SshAuth;
use super::deadline::{Deadline, runtime};
use super::error::RemoteError;
use super::http::Failure;
use super::intake::{Intake, Speech};
use super::known_hosts::{HostKeyError, KnownHosts};
use super::remote::{BoxedTransport, Call};
use crate::lock::lock;

/// How much of what the other side complains about is kept, in bytes.
const MAX_COMPLAINT: usize = 2048;

/// What can go wrong between us and an SSH server.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// The URL has no host or path.
    #[error("invalid ssh url")]
    Url,
    /// `spec.proxySecretRef` is set; it would be wrong to go without.
    #[error("a proxy is not supported for ssh")]
    Proxy,
    /// No connection.
    #[error("dial tcp {address}")]
    Connect {
        /// Host and port.
        address: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The host is not the one that is known.
    #[error("ssh: handshake failed")]
    HostKey(#[source] HostKeyError),
    /// No common algorithms, or the protocol was broken.
    #[error("ssh: handshake failed")]
    Handshake(#[source] Box<russh::Error>),
    /// The key was not accepted.
    #[error("ssh: handshake failed: ssh: unable to authenticate, no supported methods remain")]
    Authentication,
    /// The connection broke.
    #[error("ssh: connection lost")]
    Session(#[source] Box<russh::Error>),
    /// What the other side wrote to standard error before it hung up.
    #[error("{0}")]
    Remote(String),
    /// A runtime for network calls cannot be made.
    #[error("cannot start the network runtime")]
    Runtime(#[source] io::Error),
}

/// Connects, logs in and starts `git-upload-pack`. The transport keeps the deadline and the limit on what is received.
pub(super) fn connect(
    call: Call<'_>,
    auth: &SshAuth,
    failure: Failure,
) -> Result<BoxedTransport, RemoteError> {
    let ssh = RemoteError::Ssh;
    if call.proxy.is_some() {
        return Err(ssh(SshError::Proxy));
    }
    let runtime = runtime().map_err(|source| ssh(SshError::Runtime(source)))?;
    let session = call
        .deadline
        .wait(&runtime, start(call, auth))
        .map_err(|elapsed| RemoteError::Timeout(elapsed.0))?;
    let (handle, read, write) = session.map_err(ssh)?;
    let line = Arc::new(Line {
        runtime,
        _handle: handle,
        deadline: call.deadline,
        failure,
    });
    let reader = Reader {
        line: Arc::clone(&line),
        channel: read,
        buffer: Vec::new(),
        at: 0,
        intake: Intake::new(
            Speech::Connection,
            call.limit,
            Arc::clone(call.rooms),
            call.deadline,
        ),
        complaint: Vec::new(),
    };
    let path = path(call.url).ok_or(ssh(SshError::Url))?;
    let writer = Writer { line, channel: write };
    let none: Option<(&str, Option<u16>)> = None;
    let connection = Connection::new(
        reader,
        writer,
        Protocol::V2,
        path,
        none,
        ConnectMode::Process,
        false,
    );
    let url = super::http::bare(call.url.as_str());
    Ok(Box::new(connection.custom_url(Some(url.into()))))
}

type Session = (Handle<HostCheck>, ChannelReadHalf, ChannelWriteHalf<Msg>);

async fn start(call: Call<'_>, auth: &SshAuth) -> Result<Session, SshError> {
    let host = call
        .url
        .host_str()
        .ok_or(SshError::Url)?
        .trim_matches(['[', ']'])
        .to_owned();
    let port = call.url.port().unwrap_or(22);
    let path = path(call.url).ok_or(SshError::Url)?;
    let key = auth.identity.key();
    let known = KnownHosts::parse(&auth.known_hosts);

    let preferred = call.ssh.offer(
        known.algorithms(&host, port),
        known.certificate_algorithms(&host, port),
    );
    let config = Arc::new(client::Config {
        preferred,
        nodelay: true,
        ..client::Config::default()
    });

    let connect = TcpStream::connect((host.as_str(), port)).await;
    let stream = connect.map_err(|source| SshError::Connect {
        address: format!("{host}:{port}"),
        source,
    })?;
    let check = HostCheck { known, host, port };
    let mut handle = client::connect_stream(config, stream, check)
        .await
        .map_err(|error| match error {
            HandlerError::HostKey(error) => SshError::HostKey(error),
            HandlerError::Russh(error) => SshError::Handshake(Box::new(error)),
        })?;

    // RSA keys sign with what the server says it can verify; SHA-1 only if it says so.
    let hash = match key.algorithm().is_rsa() {
        true => handle
            .best_supported_rsa_hash()
            .await
            .map_err(session)?
            .unwrap_or(Some(HASH)),
        false => None,
    };
    let key = PrivateKeyWithHashAlg::new(key, hash);
    match handle
        .authenticate_publickey(&auth.user, key)
        .await
        .map_err(session)?
    {
        AuthResult::Success => {}
        AuthResult::Failure { .. } => return Err(SshError::Authentication),
    }
    let channel = handle.channel_open_session().await.map_err(session)?;
    // Servers that do not allow it answer in the old protocol.
    channel
        .set_env(false, "GIT_PROTOCOL", "version=2")
        .await
        .map_err(session)?;
    let command = format!("git-upload-pack {}", quoted(&path));
    channel.exec(true, command).await.map_err(session)?;
    let (read, write) = channel.split();
    Ok((handle, read, write))
}

/// What an RSA key signs with if the server does not say what it wants.
const HASH: russh::keys::HashAlg = russh::keys::HashAlg::Sha512;

/// The path as the other side's shell gets it. `/~user/x` is `~user/x`, as in Git.
fn path(url: &url::Url) -> Option<String> {
    let path = percent_decode_str(url.path()).decode_utf8().ok()?.into_owned();
    let path = if path.starts_with("/~") {
        path[1..].to_owned()
    } else {
        path
    };
    (path.len() > 1 && !path.contains('\0')).then_some(path)
}

/// One word for a POSIX shell.
fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', r"'\''").replace('!', r"'\!'"))
}

/// Decides about the host's key.
struct HostCheck {
    known: KnownHosts,
    host: String,
    port: u16,
}

#[derive(Debug)]
enum HandlerError {
    HostKey(HostKeyError),
    Russh(russh::Error),
}

impl From<russh::Error> for HandlerError {
    fn from(error: russh::Error) -> Self {
        HandlerError::Russh(error)
    }
}

impl Handler for HostCheck {
    type Error = HandlerError;

    async fn check_server_key(&mut self, shown: &PublicKeyOrCertificate) -> Result<bool, HandlerError> {
        let verdict = match shown {
            PublicKeyOrCertificate::PublicKey { key, .. } => self.known.check(&self.host, self.port, key),
            PublicKeyOrCertificate::Certificate(certificate) => {
                let now = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_or(0, |since| since.as_secs());
                self.known
                    .check_certificate(&self.host, self.port, certificate, now)
            }
        };
        verdict.map(|()| true).map_err(HandlerError::HostKey)
    }
}

/// What both directions share. The session lives as long as either.
struct Line {
    runtime: Runtime,
    _handle: Handle<HostCheck>,
    deadline: Deadline,
    failure: Failure,
}

impl Line {
    fn fail(&self, error: RemoteError) -> io::Error {
        let text = error.to_string();
        lock(&self.failure).get_or_insert(error);
        io::Error::other(text)
    }
}

struct Reader {
    line: Arc<Line>,
    channel: ChannelReadHalf,
    buffer: Vec<u8>,
    at: usize,
    intake: Intake,
    /// Standard error of the other side.
    complaint: Vec<u8>,
}

impl Reader {
    /// The next piece; empty at the end.
    fn piece(&mut self) -> io::Result<Vec<u8>> {
        self.intake.resume();
        loop {
            let heard = async { tokio::time::timeout(self.intake.patience(), self.channel.wait()).await };
            let message = self.line.deadline.wait(&self.line.runtime, heard);
            let message = message.map_err(|elapsed| self.line.fail(RemoteError::Timeout(elapsed.0)))?;
            let Ok(message) = message else {
                let nothing = self.intake.count(0);
                nothing.map_err(|error| self.line.fail(error))?;
                continue;
            };
            match message {
                Some(ChannelMsg::Data { data }) => {
                    let taken = self.intake.take(&data);
                    taken.map_err(|error| self.line.fail(error))?;
                    return Ok(data.to_vec());
                }
                Some(ChannelMsg::ExtendedData { data, .. }) => {
                    let room = MAX_COMPLAINT.saturating_sub(self.complaint.len());
                    self.complaint.extend_from_slice(&data[..data.len().min(room)]);
                    let counted = self.intake.count(data.len());
                    counted.map_err(|error| self.line.fail(error))?;
                }
                Some(ChannelMsg::ExitStatus { exit_status }) if exit_status != 0 => {
                    return Err(self.complained());
                }
                Some(ChannelMsg::Failure) => return Err(self.complained()),
                Some(ChannelMsg::Close) | None => return Ok(Vec::new()),
                Some(_) => {}
            }
        }
    }

    fn complained(&self) -> io::Error {
        let text: String = String::from_utf8_lossy(&self.complaint)
            .chars()
            .filter(|c| *c == '\n' || !c.is_control())
            .collect();
        let text = match text.trim() {
            "" => "git-upload-pack failed on the remote".to_owned(),
            text => text.to_owned(),
        };
        self.line.fail(RemoteError::Ssh(SshError::Remote(text)))
    }
}

impl Read for Reader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.at == self.buffer.len() {
            self.buffer = self.piece()?;
            self.at = 0;
        }
        let count = (&self.buffer[self.at..]).read(into)?;
        self.at += count;
        Ok(count)
    }
}

struct Writer {
    line: Arc<Line>,
    channel: ChannelWriteHalf<Msg>,
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let sent = self
            .line
            .deadline
            .wait(&self.line.runtime, self.channel.data(bytes));
        match sent {
            Err(elapsed) => Err(self.line.fail(RemoteError::Timeout(elapsed.0))),
            Ok(Err(error)) => Err(self.line.fail(RemoteError::Ssh(session(error)))),
            Ok(Ok(())) => Ok(bytes.len()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn session(error: russh::Error) -> SshError {
    SshError::Session(Box::new(error))
}
