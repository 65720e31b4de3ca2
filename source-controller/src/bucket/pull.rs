//! I/O: the listing of a bucket, the content of its objects, and their archive on the shelf.

mod unchanged;

use super::{
    KIND, failed,
    index::{Index, places},
    known::Known,
    request::Request,
};
use crate::{
    ignore::{self, Ignore, RulesError},
    objects::{Found, Listed, ObjectsError, Pages},
    record::Failure,
    shelf::blocking,
    storage::{Offer, Published, Storage},
};
use artifact::{Entry, EntryKind, pack};
use crds::source::{Bucket, reason};
use futures::{StreamExt as _, TryStreamExt as _};
use runtime::Key;
use std::{
    collections::{BTreeMap, HashSet},
    fs::File,
    io::{self, BufWriter, Write as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use tempfile::TempDir;

/// So many objects go into an archive at the most.
const MAX_OBJECTS: usize = 100_000;
/// All of them together are never larger, in bytes: whoever reads the archive takes no more either.
const MAX_BYTES: u64 = 1 << 30;
/// An object that does not say how long it is has no more bytes than this, or than the listing says.
const MAX_UNTOLD: u64 = 64 << 20;
/// A file with ignore rules is never larger, in bytes.
const MAX_RULES: u64 = 1 << 20;
/// So many objects are fetched at once.
const AT_ONCE: usize = 16;
/// The longest etag, in bytes.
const MAX_ETAG: usize = 256;

/// The link beside the artifacts that always leads to the newest.
const LATEST: &str = "latest.tar.gz";

/// What a bucket has.
#[derive(Debug)]
pub struct Listing {
    /// What goes into the archive, beside the rules.
    pub index: Index,
    /// Its file with ignore rules.
    rules: Option<Vec<u8>>,
    /// How long objects are of which it is told, if that is more than whoever does not say may have.
    large: BTreeMap<String, u64>,
}

/// Objects that were fetched: files under numbers, in a folder that goes with this.
#[derive(Debug)]
pub struct Pulled {
    index: Index,
    /// Path in the archive, and number of the file.
    files: Vec<(String, usize)>,
    folder: TempDir,
}

/// An artifact that was stored.
#[derive(Debug)]
pub struct Archived {
    /// The artifact.
    pub published: Published,
    /// What it was made of.
    pub index: Index,
}

/// Lists the objects that the spec means.
pub async fn list(request: &Request) -> Result<Listing, Failure> {
    let bucket = &request.bucket;
    let unsure = |error: &ObjectsError| match error {
        ObjectsError::NoBucket => {
            let text = format!("bucket '{bucket}' not found");
            Failure::fetch(reason::BUCKET_OPERATION_FAILED, text)
        }
        other => failed(
            &format!("failed to confirm existence of '{bucket}' bucket"),
            other,
        ),
    };
    let first = request
        .store
        .page(&request.prefix, None)
        .await
        .map_err(|e| unsure(&e))?;
    let rules = rules(request).await?;
    let ignore = Ignore::plain(rules.as_deref(), request.ignore.as_deref());
    let ignore = Arc::new(ignore.map_err(|e| Failure::rules(&e))?);
    let doing = format!(
        "indexation of objects from bucket '{bucket}' failed: listing objects from bucket '{bucket}' failed"
    );
    let (mut index, mut size, mut large) = (Index::default(), 0_u64, BTreeMap::new());
    let mut pages = Pages::new(&request.store, &request.prefix, first);
    while let Some(page) = pages.next().await.map_err(|e| failed(&doing, &e))? {
        // A thousand keys and thousands of rules take longer than others should wait.
        let ignore = ignore.clone();
        let left = blocking(move || left_by(&ignore, page)).await?;
        for listed in left.map_err(|e| Failure::rules(&e))? {
            let its = listed.size.unwrap_or_default();
            size = size.saturating_add(its);
            if its > MAX_UNTOLD {
                large.insert(listed.key.clone(), its);
            }
            admit_listed(listed, &mut index, size).map_err(|e| failed(&doing, &e))?;
        }
    }
    Ok(Listing { index, rules, large })
}

/// PURE: what the rules leave of a page.
fn left_by(ignore: &Ignore, page: Vec<Listed>) -> Result<Vec<Listed>, RulesError> {
    let mut left = Vec::new();
    for listed in page {
        // What ends in a slash stands for a folder.
        let is_content = !listed.key.ends_with('/') && listed.key != ignore::FILE;
        if is_content && !ignore.excludes(listed.key.as_bytes(), false)? {
            left.push(listed);
        }
    }
    Ok(left)
}

/// PURE: takes an object into the index; `size` is that of all so far.
fn admit_listed(listed: Listed, index: &mut Index, size: u64) -> Result<(), ObjectsError> {
    if listed.etag.len() > MAX_ETAG || listed.key.len() > artifact::MAX_LENGTH {
        return Err(ObjectsError::Answer(
            "a key or an etag is longer than stores have them".into(),
        ));
    }
    index.insert(listed.key, listed.etag);
    if index.len() > MAX_OBJECTS {
        let text = format!("more than {MAX_OBJECTS} objects; narrow it with spec.prefix or spec.ignore");
        return Err(ObjectsError::Answer(text));
    }
    if size > MAX_BYTES {
        return Err(too_large());
    }
    Ok(())
}

/// The ignore rules at the bucket's root, whatever the prefix.
async fn rules(request: &Request) -> Result<Option<Vec<u8>>, Failure> {
    let read = async || {
        let Found::Object { body, .. } = request.store.read(ignore::FILE).await? else {
            return Ok(None);
        };
        let (mut text, size) = (Vec::new(), AtomicU64::new(0));
        body.save(&mut text, |more| admit(&size, more, MAX_RULES)).await?;
        Ok(Some(text))
    };
    let doing = format!("failed to get Etag for '{}' object", ignore::FILE);
    read().await.map_err(|e| failed(&doing, &e))
}

/// Fetches what is listed, but for what is known from the artifact on the shelf.
pub async fn run(
    storage: &Storage,
    request: &Request,
    listing: Listing,
    known: Option<Arc<Known>>,
) -> Result<Pulled, Failure> {
    let doing = format!("fetch from bucket '{}' failed", request.bucket);
    let Listing {
        mut index,
        rules,
        large,
    } = listing;
    let disk = |e: io::Error| {
        let text = format!("cannot keep what is downloaded: {e}");
        Failure::storage_text(reason::ARCHIVE_OPERATION_FAILED, text)
    };
    let folder = storage.workspace().map_err(disk)?;
    let keys = index.iter().map(|(key, _)| key);
    let placed = places(keys.chain(rules.is_some().then_some(ignore::FILE)))
        .map_err(|e| Failure::fetch(reason::BUCKET_OPERATION_FAILED, format!("{doing}: {e}")))?;
    let numbered: Vec<(String, String)> = placed
        .into_iter()
        .map(|(path, key)| (path, key.to_owned()))
        .collect();
    let old = unchanged::run(storage, &numbered, &index, known, folder.path()).await?;
    let size = AtomicU64::new(old.size);
    let fetch = async |number: usize, key: &str| -> Result<Option<String>, ObjectsError> {
        let Found::Object { etag, body } = request.store.read(key).await? else {
            return Ok(None);
        };
        let told = body.length();
        if size
            .load(Ordering::Relaxed)
            .saturating_add(told.unwrap_or_default())
            > MAX_BYTES
        {
            return Err(too_large());
        }
        let most = told.unwrap_or_else(|| large.get(key).copied().unwrap_or(MAX_UNTOLD));
        let file = File::create(file(folder.path(), number)).map_err(ObjectsError::Write)?;
        let (mut writer, own) = (BufWriter::new(file), AtomicU64::new(0));
        let admitted = |more| {
            admit(&own, more, most)?;
            admit(&size, more, MAX_BYTES)
        };
        body.save(&mut writer, admitted).await?;
        writer.flush().map_err(ObjectsError::Write)?;
        Ok(Some(etag))
    };
    let is_rules = |key: &str| rules.is_some() && key == ignore::FILE;
    let wanted: Vec<(usize, String)> = numbered
        .iter()
        .enumerate()
        .filter(|(number, (_, key))| !old.files.contains(number) && !is_rules(key))
        .map(|(number, (_, key))| (number, key.clone()))
        .collect();
    let fetch_one = async |number: usize, key: String| {
        let etag = fetch(number, &key).await.map_err(|e| {
            let doing = format!("{doing}: failed to get '{}' object", key.escape_debug());
            failed(&doing, &e)
        })?;
        Ok::<_, Failure>((number, key, etag))
    };
    let fetched: Vec<(usize, String, Option<String>)> = futures::stream::iter(wanted)
        .map(|(number, key)| fetch_one(number, key))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await?;
    let mut gone = HashSet::new();
    for (number, key, etag) in fetched {
        match etag {
            // What the answer says is what was fetched.
            Some(etag) if !etag.is_empty() && etag.len() <= MAX_ETAG => index.insert(key, etag),
            Some(_) => {}
            None => {
                index.remove(&key);
                gone.insert(number);
            }
        }
    }
    let mut files = Vec::new();
    for (number, (path, key)) in numbered.into_iter().enumerate() {
        if key == ignore::FILE
            && let Some(rules) = &rules
        {
            std::fs::write(file(folder.path(), number), rules).map_err(disk)?;
        }
        if !gone.contains(&number) {
            files.push((path, number));
        }
    }
    Ok(Pulled { index, files, folder })
}

/// Blocking: puts the files on the shelf.
pub fn archive(storage: &Storage, object: &Bucket, pulled: Pulled) -> Result<Archived, Failure> {
    let revision = pulled.index.digest(storage.algorithm());
    let text = revision.to_string();
    let hex = text.split_once(':').map_or("", |(_, hex)| hex);
    let offer = Offer {
        kind: KIND,
        key: Key::of(object),
        file: format!("{hex}.tar.gz"),
        revision: Some(text.clone()),
        metadata: BTreeMap::new(),
        link: Some(LATEST),
    };
    let published = storage.publish(offer, |writer| pack(entries(&pulled), writer).map(drop));
    Ok(Archived {
        published: published.map_err(|e| Failure::storage(&e))?,
        index: pulled.index,
    })
}

/// The files with the folders that they are in, in the order of archives.
fn entries(pulled: &Pulled) -> impl Iterator<Item = io::Result<Entry<File>>> {
    let mut open: Vec<&str> = Vec::new();
    pulled.files.iter().flat_map(move |(path, number)| {
        let folders: Vec<&str> = path.match_indices('/').map(|(end, _)| &path[..end]).collect();
        let new: Vec<&str> = folders.iter().filter(|f| !open.contains(f)).copied().collect();
        open = folders;
        let folders = new.into_iter().map(|folder| {
            Ok(Entry {
                path: folder.as_bytes().to_vec(),
                kind: EntryKind::Directory,
            })
        });
        let content = File::open(file(pulled.folder.path(), *number)).and_then(|content| {
            Ok(Entry {
                path: path.as_bytes().to_vec(),
                kind: EntryKind::File {
                    size: content.metadata()?.len(),
                    executable: false,
                    content,
                },
            })
        });
        folders.chain(std::iter::once(content)).collect::<Vec<_>>()
    })
}

/// A file in the folder: keys are never names on our disk.
fn file(folder: &Path, number: usize) -> PathBuf {
    folder.join(number.to_string())
}

/// Whether so many more bytes may come in.
fn admit(size: &AtomicU64, more: u64, limit: u64) -> Result<(), ObjectsError> {
    if size.fetch_add(more, Ordering::Relaxed) + more > limit {
        return Err(ObjectsError::TooLarge {
            what: "what is fetched".into(),
            limit,
        });
    }
    Ok(())
}

fn too_large() -> ObjectsError {
    ObjectsError::TooLarge {
        what: "all that the bucket has".into(),
        limit: MAX_BYTES,
    }
}
