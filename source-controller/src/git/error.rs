//! What can go wrong with a repository, in Flux's words, with the condition reason of each.

use std::time::Duration;

use super::auth::AuthError;
use super::ssh::SshError;
use crate::ignore::RulesError;
use crds::source::reason;
use versions::RangeError;

/// Why a source has no new commit. The chain of sources printed with `: ` between is the condition's message.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// `spec.url` is unusable.
    #[error("failed to parse url '{url}'")]
    Url {
        /// The URL as given.
        url: String,
        /// What is wrong with it.
        #[source]
        source: UrlError,
    },
    /// The Secrets do not fit.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// The provider gave no token.
    #[error("failed to configure authentication options")]
    Token(#[source] TokenError),
    /// The commit could not be found or fetched.
    #[error("failed to checkout and determine revision")]
    Checkout(#[source] CheckoutError),
    /// The repository has no commits at all.
    #[error("git repository is empty")]
    Empty,
    /// A path of `spec.sparseCheckout` does not exist. (The doubled space is Flux's.)
    #[error(
        "failed to sparse checkout directories : sparse checkout dir '{0}' does not exist in repository: \
         lstat {0}: no such file or directory"
    )]
    Sparse(String),
    /// The ignore rules cannot be heeded.
    #[error("failed to load source ignore patterns")]
    Rules(#[source] RulesError),
    /// The mirror on disk cannot be used.
    #[error("failed to use the local mirror of the repository")]
    Mirror(#[source] MirrorError),
}

/// What is wrong with a URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL.
    #[error(transparent)]
    Parse(#[from] url::ParseError),
    /// Not http, https or ssh.
    #[error("unsupported scheme '{0}'")]
    Scheme(String),
    /// No host, or one that begins with a dash.
    #[error("invalid host")]
    Host,
}

/// Why there is no commit.
#[derive(Debug, thiserror::Error)]
pub enum CheckoutError {
    /// The references could not be listed to see whether anything moved.
    #[error("unable to list remote for '{url}'")]
    List {
        /// The repository, without credentials.
        url: String,
        /// Why.
        #[source]
        source: RemoteError,
    },
    /// The reference is not there, or its commit could not be fetched.
    #[error("unable to clone '{url}'")]
    Clone {
        /// The repository, without credentials.
        url: String,
        /// Why.
        #[source]
        source: RemoteError,
    },
    /// `spec.ref.semver` is no range.
    #[error("semver parse error")]
    Range(#[source] RangeError),
    /// No tag lies in the range.
    #[error("no match found for semver: {0}")]
    NoMatch(String),
    /// The commit is not in the repository, or not on the branch.
    #[error("unable to resolve commit object for '{0}': object not found")]
    NoCommit(String),
    /// `spec.ref.name` is not there.
    #[error("unable to resolve ref '{0}' to a specific commit")]
    NoName(String),
    /// The reference leads to something that is no commit.
    #[error("unable to resolve commit object for HEAD '{id}'")]
    Object {
        /// The object.
        id: String,
        /// Why it cannot be read as a commit.
        #[source]
        source: gix::Error,
    },
    /// A commit or tag that nobody has written.
    #[error("the commit or tag '{id}' has {size} bytes, where {most} are allowed")]
    TooLarge {
        /// The object.
        id: String,
        /// What it has.
        size: u64,
        /// What is allowed.
        most: u64,
    },
    /// A submodule could not be fetched.
    #[error("unable to clone submodule '{path}'")]
    Submodule {
        /// Where it would be.
        path: String,
        /// Why.
        #[source]
        source: Box<GitError>,
    },
    /// A submodule lies in a submodule, and so on, too deep.
    #[error("submodules are nested deeper than {0}")]
    SubmoduleDepth(usize),
    /// There are more submodules than are fetched.
    #[error("more than {0} submodules")]
    SubmoduleCount(usize),
    /// `.gitmodules` does not say where a submodule comes from.
    #[error("submodule '{0}' has no usable URL")]
    SubmoduleUrl(String),
}

/// What a peer said, or did not.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// 401. The answer's text is attached.
    #[error("authentication required: {0}")]
    AuthenticationRequired(String),
    /// 403. The answer's text is attached.
    #[error("authorization failed: {0}")]
    AuthorizationFailed(String),
    /// 404. The answer's text is attached.
    #[error("repository not found: {0}")]
    RepositoryNotFound(String),
    /// Any other status that is no success.
    #[error("unexpected client error: unexpected requesting \"{url}\" status code: {status}")]
    Status {
        /// What was asked for, without credentials.
        url: String,
        /// The HTTP status.
        status: u16,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// No answer at all: name resolution, connection, TLS.
    #[error("{method} \"{url}\"")]
    Request {
        /// `Get` or `Post`.
        method: &'static str,
        /// What was asked for, without credentials.
        url: String,
        /// Why; without the URL.
        #[source]
        source: reqwest::Error,
    },
    /// Nobody listens there.
    #[error("{method} \"{url}\": dial tcp {address}: connect: connection refused")]
    NobodyListens {
        /// `Get` or `Post`.
        method: &'static str,
        /// What was asked for, without credentials.
        url: String,
        /// Host and port.
        address: String,
    },
    /// The HTTP client could not be made: TLS material or proxy.
    #[error("unable to set up the HTTP client")]
    Client(#[source] reqwest::Error),
    /// A redirect to another host while credentials are in use, or from https to http.
    #[error("refused to follow a redirect to '{0}'")]
    Redirect(String),
    /// Nothing useful within `spec.timeout`.
    #[error("context deadline exceeded after {0:?}")]
    Timeout(Duration),
    /// It drips.
    #[error(transparent)]
    Slow(#[from] peer::http::TooSlow),
    /// More bytes than any repository needs.
    #[error("the remote sent more than {0} bytes")]
    TooLarge(u64),
    /// More references, or other lines, than any repository needs.
    #[error("the remote sent more references and messages than {0} bytes of memory hold")]
    Talk(u64),
    /// A large pack that comes slowly keeps others from coming.
    #[error(
        "the remote took more than {0:?} for a large pack, while others waited for the memory that it takes"
    )]
    Awaited(Duration),
    /// A pack that would need more memory than any repository does, or is none.
    #[error(transparent)]
    Pack(#[from] super::pack::PackError),
    /// The reference is not advertised.
    #[error("couldn't find remote ref \"{0}\"")]
    NoReference(String),
    /// ssh.
    #[error(transparent)]
    Ssh(SshError),
    /// The Git protocol was not kept, or the pack is damaged.
    #[error("invalid answer from the remote")]
    Protocol(#[source] gix::Error),
}

/// Why there is no installation token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The private key is not RSA in PEM.
    #[error("invalid github app private key")]
    Key(#[source] jsonwebtoken::errors::Error),
    /// The HTTP client could not be made.
    #[error("unable to set up the HTTP client")]
    Client(#[source] reqwest::Error),
    /// No answer.
    #[error("could not reach {url}")]
    Request {
        /// The API's URL.
        url: String,
        /// Why; without the URL.
        #[source]
        source: reqwest::Error,
    },
    /// The API refused.
    #[error("{url} answered with status {status}")]
    Status {
        /// The API's URL.
        url: String,
        /// The HTTP status.
        status: u16,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The API's answer is not what it should be.
    #[error("{0} gave an unusable answer")]
    Answer(String),
    /// Nothing within `spec.timeout`.
    #[error("context deadline exceeded after {0:?}")]
    Timeout(Duration),
}

/// What is wrong with the mirror on disk.
#[derive(Debug, thiserror::Error)]
pub enum MirrorError {
    /// What was put into the repository cannot be read.
    #[error("cannot read what is included")]
    Included(#[source] std::io::Error),
    /// A directory cannot be made or removed.
    #[error("cannot prepare {path}")]
    Directory {
        /// Where.
        path: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The repository cannot be opened or made.
    #[error("cannot open the repository")]
    Open(#[source] gix::Error),
    /// An object that should be there cannot be read. The mirror is made anew next time.
    #[error("cannot read object {id}")]
    Object {
        /// The object.
        id: String,
        /// Why.
        #[source]
        source: gix::Error,
    },
    /// A tree has names or depth that no honest repository has.
    #[error("refused the path {0:?} in the repository")]
    Path(String),
    /// More files and directories than any honest repository has.
    #[error("refused a repository of more than {0} files")]
    TooMany(usize),
    /// Longer paths than any honest repository has, all together.
    #[error("refused a repository whose paths are longer than {0} bytes together")]
    LongPaths(usize),
    /// Another fetch of the same repository took all of this one's time.
    #[error("context deadline exceeded while waiting for another fetch")]
    Busy,
    /// A runtime for network calls cannot be made.
    #[error("cannot start the network runtime")]
    Runtime(#[source] std::io::Error),
}

impl CheckoutError {
    fn retry_after(&self) -> Option<Duration> {
        match self {
            CheckoutError::List { source, .. } | CheckoutError::Clone { source, .. } => match source {
                RemoteError::Status { retry_after, .. } => *retry_after,
                _ => None,
            },
            CheckoutError::Submodule { source, .. } => source.retry_after(),
            _ => None,
        }
    }
}

impl GitError {
    /// How long the remote asks to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            GitError::Checkout(error) => error.retry_after(),
            GitError::Token(TokenError::Status { retry_after, .. }) => *retry_after,
            _ => None,
        }
    }

    /// The reason of the FetchFailed condition.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            GitError::Url { .. } => "URLInvalid",
            GitError::Auth(error) => error.reason(),
            GitError::Token(_) => "AuthenticationFailed",
            GitError::Empty => reason::EMPTY_GIT_REPOSITORY,
            GitError::Rules(_) => "SourceIgnoreError",
            GitError::Checkout(_) | GitError::Sparse(_) | GitError::Mirror(_) => reason::GIT_OPERATION_FAILED,
        }
    }

    /// Whether nothing but a change of the spec can help.
    #[must_use]
    pub fn stalls(&self) -> bool {
        match self {
            GitError::Url { .. } => true,
            GitError::Auth(error) => error.stalls(),
            GitError::Token(_)
            | GitError::Empty
            | GitError::Checkout(_)
            | GitError::Sparse(_)
            | GitError::Rules(_)
            | GitError::Mirror(_) => false,
        }
    }
}
