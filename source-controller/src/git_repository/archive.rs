//! I/O, blocking: the commit, its signatures, its files, and their archive on the shelf.

use super::{KIND, includes, record, request::Verification};
use crate::{
    context::Context,
    git::{self, Checkout, GitError, Listing, Request, VerifyMode},
    record::Failure,
    spool::Spool,
    storage::{Offer, Published},
};
use artifact::{Limits, pack};
use crds::{
    meta::Artifact,
    source::{GitRepository, Source as _, reason},
};
use runtime::{Key, telemetry::chain};
use std::{collections::BTreeMap, sync::Arc};

const INCLUDES_DIFFER: &str = "included artifacts differ from last observed includes";

/// An artifact that was stored, and what it was made of.
#[derive(Debug)]
pub struct Archived {
    /// The artifact.
    pub artifact: Artifact,
    /// The first line of the commit's message, shortened.
    pub message: String,
    /// The artifacts that were put into it.
    pub included: Vec<Artifact>,
    /// What the signatures said, where they were asked for: mode and message.
    pub verified: Option<(String, String)>,
}

/// Fetches, verifies and archives.
pub fn run(
    context: &Context,
    object: &GitRepository,
    request: &Request,
    verification: Option<&Verification>,
    includes: includes::Resolved,
) -> Result<Archived, Failure> {
    let checkout = context.mirrors.fetch(request).map_err(|e| Failure::from(&e))?;
    let revision = checkout.revision();
    let doing = format!("new upstream revision '{revision}'");
    let is_new = object
        .artifact()
        .is_none_or(|artifact| artifact.revision != revision);
    let same_includes = record::same_includes(object, &includes);
    if is_new {
        context.progress.outdated(object, reason::NEW_REVISION, &*doing);
    } else if !same_includes {
        context
            .progress
            .outdated(object, reason::INCLUDE_CHANGE, INCLUDES_DIFFER);
    }
    let outdated = |failure: Failure| match is_new || same_includes {
        true => failure.on_way_to(revision, object.artifact(), doing),
        false => failure.outdated(reason::INCLUDE_CHANGE, INCLUDES_DIFFER),
    };
    let archived = archive(context, object, &checkout, verification, &includes);
    archived.map_err(outdated)
}

fn archive(
    context: &Context,
    object: &GitRepository,
    checkout: &Checkout,
    verification: Option<&Verification>,
    includes: &includes::Resolved,
) -> Result<Archived, Failure> {
    let verified = verification.map(|v| verify(checkout, v)).transpose()?;
    let mut listing = checkout
        .listing(&object.spec.sparse_checkout)
        .map_err(|e| Failure::from(&e))?;
    include(context, &mut listing, includes)?;
    listing
        .ignore(object.spec.ignore.as_deref())
        .map_err(|e| match &e {
            GitError::Rules(rules) => Failure::rules(rules),
            _ => Failure::from(&e),
        })?;
    let offer = Offer {
        kind: KIND,
        key: Key::of(object),
        file: format!("{}.tar.gz", checkout.commit()),
        revision: Some(checkout.revision().to_owned()),
        metadata: BTreeMap::new(),
        link: None,
    };
    let published = context
        .storage
        .publish(offer, |writer| pack(listing.entries(), writer).map(|_| ()));
    let Published { artifact, .. } = published.map_err(|e| Failure::storage(&e))?;
    let included = includes.iter().map(|(_, artifact)| artifact.clone()).collect();
    Ok(Archived {
        artifact,
        message: checkout.short_message(),
        included,
        verified,
    })
}

fn include(context: &Context, listing: &mut Listing, includes: &includes::Resolved) -> Result<(), Failure> {
    // One artifact is made of them, so they have together what one may have.
    let mut limits = Limits::default();
    for (include, artifact) in includes {
        let name = &include.repository.name;
        let failed = |reason, text: String| {
            Failure::storage_text(
                reason,
                format!(
                    "failed to copy '{name}' include from {} to {}: {text}",
                    include.from_path(),
                    include.to_path()
                ),
            )
        };
        let file = context
            .open(artifact)
            .map_err(|e| failed(reason::COPY_FAILURE, chain(&e)))?;
        let copied = |e: &dyn std::error::Error| failed(reason::COPY_FAILURE, chain(e));
        let scratch = context.storage.scratch().map_err(|e| copied(&e))?;
        let spool = Spool::unpack(file, &limits, scratch).map_err(|e| copied(&e))?;
        limits.bytes = limits.bytes.saturating_sub(spool.size());
        limits.entries = limits.entries.saturating_sub(spool.tree().walk().count() as u64);
        let found = listing.include(include.to_path(), &Arc::new(spool), include.from_path());
        if !found.map_err(|e| copied(&e))? {
            return Err(failed(reason::COPY_FAILURE, "no such file or directory".into()));
        }
    }
    Ok(())
}

/// Checks the signatures that are asked for; gives the mode and what was found.
fn verify(checkout: &Checkout, verification: &Verification) -> Result<(String, String), Failure> {
    let mode = verification.mode;
    let wanted = VerifyMode::parse(mode.as_str()).unwrap_or_default();
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or_default();
    let verified = git::verify(checkout, wanted, &verification.keys, now).map_err(|error| {
        let failure = Failure::unverified(error.reason(), chain(&error));
        if error.stalls() {
            failure.stalled()
        } else {
            failure
        }
    })?;
    Ok((mode.as_str().to_owned(), verified.message))
}
