//! What a Git server was asked for, and how often.

use std::sync::atomic::{AtomicUsize, Ordering};

use axum::body::Bytes;
use axum::http::{HeaderMap, header};

/// How many requests of each kind were answered or are being answered. Those without credentials count too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// First requests of an operation: what does the server offer?
    pub info_refs: usize,
    /// Listings of references, in protocol version 2.
    pub ls_refs: usize,
    /// Requests for objects. One fetch may need several.
    pub fetch: usize,
    /// Everything else, such as pushes.
    pub other: usize,
    /// Of all these, those that were refused for want of credentials.
    pub refused: usize,
    /// Of the requests for objects, those of whose answer half was sent before it was held up.
    pub halves: usize,
}

/// What a request is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Offer,
    Listing,
    Objects,
    Other,
}

impl Asked {
    /// What a request of Git's smart protocol over HTTP is for (gitprotocol-http and gitprotocol-v2).
    pub(super) fn of(path: &str, headers: &HeaderMap, body: &Bytes) -> Asked {
        let zipped = headers.contains_key(header::CONTENT_ENCODING);
        let command = body.get(4..).unwrap_or_default();
        if path.ends_with("/info/refs") {
            Asked::Offer
        } else if !path.ends_with("/git-upload-pack") {
            Asked::Other
        } else if !zipped && command.starts_with(b"command=ls-refs") {
            Asked::Listing
        } else {
            // What a client zips is a long list of what it has and wants.
            Asked::Objects
        }
    }
}

/// What is counted while it happens.
#[derive(Debug, Default)]
pub(super) struct Counters {
    info_refs: AtomicUsize,
    ls_refs: AtomicUsize,
    fetch: AtomicUsize,
    other: AtomicUsize,
    pub(super) refused: AtomicUsize,
    pub(super) halves: AtomicUsize,
}

impl Counters {
    pub(super) fn count(&self, asked: Asked) {
        let counter = match asked {
            Asked::Offer => &self.info_refs,
            Asked::Listing => &self.ls_refs,
            Asked::Objects => &self.fetch,
            Asked::Other => &self.other,
        };
        counter.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn now(&self) -> Counts {
        let of = |counter: &AtomicUsize| counter.load(Ordering::SeqCst);
        Counts {
            info_refs: of(&self.info_refs),
            ls_refs: of(&self.ls_refs),
            fetch: of(&self.fetch),
            other: of(&self.other),
            refused: of(&self.refused),
            halves: of(&self.halves),
        }
    }
}
