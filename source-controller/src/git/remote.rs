//! Speaking to a remote: a transport for its URL, and the list of its references.

use std::sync::Arc;

use gix::ObjectId;
use gix::bstr::BString;
use gix::protocol::handshake::Ref;
use gix::protocol::ls_refs::RefPrefixes;
use gix::protocol::transport::client::blocking_io::Transport;
use gix::protocol::transport::client::blocking_io::http::Transport as HttpTransport;
use gix::protocol::transport::{Protocol, Service};
use gix::protocol::{LsRefsCommand, handshake};
use url::Url;

use super::auth::{Auth, Proxy};
use super::deadline::Deadline;
use super::error::{GitError, RemoteError};
use super::greeting::{Greetings, Meeting};
use super::http::{Failure, HttpRemote, HttpSetupError};
use super::room::Rooms;
use super::ssh_algorithms::SshAlgorithms;
use crate::lock::lock;

/// The agent that servers see.
const AGENT: &str = concat!("sluice/", env!("CARGO_PKG_VERSION"));

/// Any transport.
pub(super) type BoxedTransport = Box<dyn Transport + Send>;

/// A reference of a remote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Advertised {
    pub(super) name: String,
    /// What it points to; for an annotated tag the tag.
    pub(super) id: ObjectId,
    /// What it leads to in the end.
    pub(super) peeled: ObjectId,
}

/// Whom to call, and until when.
#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) url: &'a Url,
    pub(super) auth: &'a Auth,
    pub(super) proxy: Option<&'a Proxy>,
    pub(super) deadline: Deadline,
    /// The most bytes in one answer.
    pub(super) limit: u64,
    /// Room for packs.
    pub(super) rooms: &'a Arc<Rooms>,
    /// What may be used over ssh.
    pub(super) ssh: &'a SshAlgorithms,
    /// What servers said when they were met.
    pub(super) greetings: &'a Greetings,
}

/// A transport that is not connected yet, and the place where its first failure will be.
pub(super) fn transport(
    call: Call<'_>,
    meeting: Meeting,
) -> Result<(BoxedTransport, Failure), RemoteFailure> {
    let failure = Failure::default();
    let transport: BoxedTransport = match call.auth {
        Auth::Http(auth) => {
            let http = HttpRemote::new(call, auth, failure.clone(), meeting);
            let http = http.map_err(|error| match error {
                HttpSetupError::Runtime(error) => RemoteFailure::Local(GitError::Mirror(error)),
                HttpSetupError::Client(error) => RemoteFailure::Remote(RemoteError::Client(error)),
            })?;
            // The login is in the header that we set; gix must not see it.
            let url = gix::url::parse(without_login(call.url).as_str())
                .map_err(|error| RemoteFailure::Remote(RemoteError::Protocol(error)))?;
            Box::new(HttpTransport::new_http(http, url, Protocol::V2, false))
        }
        Auth::Ssh(auth) => super::ssh::connect(call, auth, failure.clone()).map_err(RemoteFailure::Remote)?,
    };
    Ok((transport, failure))
}

/// A failure on their side, which the caller puts into context, or on ours.
pub(super) enum RemoteFailure {
    Remote(RemoteError),
    Local(GitError),
}

/// The references whose names begin with one of the prefixes; a server that knows no prefixes gives all.
pub(super) fn list(call: Call<'_>, prefixes: &[&str]) -> Result<Vec<Advertised>, RemoteFailure> {
    list_and_version(call, prefixes).map(|(refs, _)| refs)
}

/// As [`list`], and whether the server speaks protocol 2, in which any object may be asked for by name.
pub(super) fn list_and_version(
    call: Call<'_>,
    prefixes: &[&str],
) -> Result<(Vec<Advertised>, bool), RemoteFailure> {
    let (refs, version) = call.greetings.meet(call, |meeting| {
        let (mut transport, failure) = transport(call, meeting)?;
        let listed = list_over(&mut transport, prefixes);
        listed.map_err(|error| RemoteFailure::Remote(cause(&failure, error)))
    })?;
    let refs = refs.into_iter().filter_map(|reference| {
        let (name, target, object) = reference.unpack();
        let id = target?.to_owned();
        let peeled = object.map_or(id, ToOwned::to_owned);
        Some(Advertised {
            name: name.to_string(),
            id,
            peeled,
        })
    });
    Ok((refs.collect(), version == Protocol::V2))
}

/// What the transport saw itself, or else what the protocol code makes of it.
pub(super) fn cause(failure: &Failure, error: gix::Error) -> RemoteError {
    lock(failure).take().unwrap_or(RemoteError::Protocol(error))
}

fn list_over(transport: &mut BoxedTransport, prefixes: &[&str]) -> gix::Result<(Vec<Ref>, Protocol)> {
    let mut progress = gix::progress::Discard;
    // The login is sent with the first request; there is no second try with another.
    let refuse = |_| {
        Err(gix::Error::from_error(gix::error::unauthenticated(
            "authentication required",
        )))
    };
    let shake = handshake(
        &mut *transport,
        Service::UploadPack,
        refuse,
        Vec::new(),
        &mut progress,
    )?;
    if let Some(refs) = shake.refs {
        return Ok((refs, shake.server_protocol_version));
    }
    let mut wanted = RefPrefixes::new();
    wanted.extend(prefixes.iter().map(|prefix| BString::from(*prefix)));
    let agent = ("agent", Some(AGENT.into()));
    let refs = LsRefsCommand::new(Some(wanted), &shake.capabilities, agent).invoke_blocking(
        &mut *transport,
        &mut progress,
        false,
    )?;
    // Says goodbye where the connection is one, as with ssh.
    gix::protocol::indicate_end_of_interaction(&mut *transport, false).ok();
    Ok((refs, Protocol::V2))
}

fn without_login(url: &Url) -> Url {
    let mut url = url.clone();
    // Both fail only for URLs that cannot have either.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}
