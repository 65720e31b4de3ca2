//! A commit that is at hand: what it says about itself, and its files.

use std::sync::Arc;

use gix::ObjectId;
use gix::objs::CommitRefIter;

use super::error::{CheckoutError, GitError, MirrorError};
use super::listing::Listing;
use super::mirror::{Generation, Mirror};
use super::reader::Reader;
use super::resolve::Resolved;
use super::room::Rooms;

/// A subject is cut to so many characters in messages.
const MAX_SUBJECT: usize = 50;
/// Commits and tags that are larger are refused, in bytes: what they say is kept as long as the checkout.
const MAX_SIZE: u64 = 1 << 20;

/// A fetched commit. It keeps its files readable for as long as it lives, whatever happens to the mirror.
pub struct Checkout {
    pub(super) resolved: Resolved,
    pub(super) origin: Origin,
    /// Where submodules lie, and their commits.
    pub(super) submodules: Vec<(String, Checkout)>,
    commit: ObjectId,
    /// One character more than is told, if there is one.
    subject: String,
    author_seconds: i64,
    committer_seconds: i64,
    signature: Option<Signature>,
    tag: Option<Tag>,
}

/// The mirror that a commit is read from. Its files stay as long as this is held.
#[derive(Clone)]
pub(super) struct Origin {
    pub(super) mirror: Arc<Mirror>,
    pub(super) generation: Arc<Generation>,
    pub(super) rooms: Arc<Rooms>,
}

impl Origin {
    pub(super) fn reader(&self) -> Result<Reader, GitError> {
        Reader::new(Arc::clone(&self.generation), Arc::clone(&self.rooms)).map_err(GitError::Mirror)
    }
}

/// A signature and the bytes that it is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Armored, OpenPGP or SSH.
    pub armor: Vec<u8>,
    /// The commit or tag without its signature.
    pub payload: Vec<u8>,
}

struct Tag {
    name: String,
    id: String,
    signature: Option<Signature>,
}

impl Checkout {
    pub(super) fn open(origin: Origin, resolved: Resolved) -> Result<Checkout, GitError> {
        let id: ObjectId = resolved
            .commit
            .parse()
            .map_err(|error| unreadable(&resolved.commit, error))?;
        let reader = origin.reader()?;
        is_small(&reader, id)?;
        let read = reader.read(|repository| {
            let commit = repository.find_commit(id)?;
            let signature = CommitRefIter::signature(&commit.data, gix::hash::Kind::Sha1)?;
            let signature = signature.map(|(armor, payload)| Signature {
                armor: armor.to_vec(),
                payload: payload.to_bstring().into(),
            });
            let message = commit.message_raw_sloppy().to_string();
            let subject = message.lines().next().unwrap_or_default();
            let subject: String = subject.chars().take(MAX_SUBJECT + 1).collect();
            let seconds = |who: gix::Result<gix::actor::SignatureRef<'_>>| who.map_or(0, |who| who.seconds());
            let (author, committer) = (seconds(commit.author()), seconds(commit.committer()));
            Ok((subject, author, committer, signature))
        });
        let (subject, author_seconds, committer_seconds, signature) =
            read.map_err(|source| unreadable(&resolved.commit, source))?;
        let tag = match &resolved.tag {
            Some(tag) => Some(Tag::read(&reader, &resolved.reference, tag)?),
            None => None,
        };
        Ok(Checkout {
            resolved,
            origin,
            submodules: Vec::new(),
            commit: id,
            subject,
            author_seconds,
            committer_seconds,
            signature,
            tag,
        })
    }

    /// The same as part of another, of which nobody asks who signed it: there may be a thousand of these.
    pub(super) fn without_signatures(self) -> Checkout {
        Checkout {
            signature: None,
            tag: None,
            ..self
        }
    }

    /// Which commit it is, and its revision.
    #[must_use]
    pub fn resolved(&self) -> &Resolved {
        &self.resolved
    }

    /// The commit, 40 hexadecimal digits.
    #[must_use]
    pub fn commit(&self) -> &str {
        &self.resolved.commit
    }

    /// `status.artifact.revision`.
    #[must_use]
    pub fn revision(&self) -> &str {
        &self.resolved.revision
    }

    /// The first line of the commit's message, at most 50 characters and `...`, as Flux's events have it.
    #[must_use]
    pub fn short_message(&self) -> String {
        match self.subject.char_indices().nth(MAX_SUBJECT) {
            Some((end, _)) => format!("{}...", &self.subject[..end]),
            None => self.subject.clone(),
        }
    }

    /// When the author made the change; seconds since 1970.
    #[must_use]
    pub fn author_seconds(&self) -> i64 {
        self.author_seconds
    }

    /// When it was committed; seconds since 1970.
    #[must_use]
    pub fn committer_seconds(&self) -> i64 {
        self.committer_seconds
    }

    /// The commit's signature, if it has one.
    #[must_use]
    pub fn signature(&self) -> Option<&Signature> {
        self.signature.as_ref()
    }

    /// The annotated tag that led here: `name@id` as Flux prints it, and its signature.
    #[must_use]
    pub fn tag(&self) -> Option<(String, Option<&Signature>)> {
        self.tag
            .as_ref()
            .map(|tag| (format!("{}@{}", tag.name, tag.id), tag.signature.as_ref()))
    }

    /// The commit's files, with `sparse` (`spec.sparseCheckout`) only those whose path begins with one of its entries.
    ///
    /// # Errors
    /// A `sparse` entry that names nothing; objects that cannot be read, after which the mirror is made anew; trees with
    /// paths or sizes that no honest repository has.
    pub fn listing(&self, sparse: &[String]) -> Result<Listing, GitError> {
        let mut listing = Listing::default();
        self.list_into(&mut listing, "")?;
        listing.keep(sparse)?;
        Ok(listing)
    }

    fn list_into(&self, listing: &mut Listing, prefix: &str) -> Result<(), GitError> {
        let listed = listing.add_tree(self.origin.clone(), self.commit, prefix);
        if let Err(GitError::Mirror(MirrorError::Object { .. })) = &listed {
            // A pack that lacks what it should bring must not stay the truth.
            self.origin.mirror.retire();
        }
        listed?;
        for (path, checkout) in &self.submodules {
            checkout.list_into(listing, &format!("{prefix}{path}/"))?;
        }
        Ok(())
    }
}

impl Tag {
    fn read(reader: &Reader, reference: &str, id: &str) -> Result<Tag, GitError> {
        let parsed: ObjectId = id.parse().map_err(|error| unreadable(id, error))?;
        is_small(reader, parsed)?;
        let signature = reader.read(|repository| {
            let found = repository.find_object(parsed)?;
            let signature = gix::objs::TagRefIter::signature(&found.data);
            Ok(signature.map(|(signature, payload)| Signature {
                armor: signature.data.to_vec(),
                payload: payload.to_bstring().into(),
            }))
        });
        let signature = signature.map_err(|source| unreadable(id, source))?;
        let name = reference
            .strip_prefix("refs/tags/")
            .unwrap_or(reference)
            .to_owned();
        Ok(Tag {
            name,
            id: id.to_owned(),
            signature,
        })
    }
}

fn is_small(reader: &Reader, id: ObjectId) -> Result<(), GitError> {
    let size = reader.read(|repository| Ok(repository.find_header(id)?.size()));
    let size = size.map_err(|source| unreadable(&id.to_string(), source))?;
    match size <= MAX_SIZE {
        true => Ok(()),
        false => Err(GitError::Checkout(CheckoutError::TooLarge {
            id: id.to_string(),
            size,
            most: MAX_SIZE,
        })),
    }
}

fn unreadable(id: &str, source: gix::Error) -> GitError {
    GitError::Checkout(CheckoutError::Object {
        id: id.to_owned(),
        source,
    })
}
