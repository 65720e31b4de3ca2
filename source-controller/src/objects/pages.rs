//! I/O: a listing page by page, to its end or to where nobody would go on.

use super::{Listed, ObjectsError, Page, Store};
use crate::at_most::elements;
use serde::{Deserialize, Deserializer};
use sha2::{Digest as _, Sha256};
use std::collections::HashSet;

/// So many objects of a listing are looked at.
const MAX_LISTED: usize = 1_000_000;
/// So many pages of a listing are read, however few objects are on them,
const MAX_PAGES: usize = 10_000;
/// and so many in a row that have none.
const MAX_EMPTY: usize = 1000;
/// So many objects are on a page at the most: S3 and Google give a thousand, Azure five.
const MAX_ON_PAGE: usize = 10_000;

/// All objects whose keys begin with a prefix, page by page.
#[derive(Debug)]
pub struct Pages<'a> {
    store: &'a Store,
    prefix: &'a str,
    page: Option<Page>,
    progress: Progress,
}

/// How far a listing is.
#[derive(Debug, Default)]
struct Progress {
    /// Where to go on behind what was given out.
    from: Option<String>,
    /// Where it went on so far: a store that says so again goes round in a circle.
    passed: HashSet<[u8; 32]>,
    pages: usize,
    empty: usize,
    seen: usize,
}

impl<'a> Pages<'a> {
    /// Begins with the first page, which is there already.
    pub fn new(store: &'a Store, prefix: &'a str, first: Page) -> Self {
        Self {
            store,
            prefix,
            page: Some(first),
            progress: Progress::default(),
        }
    }

    /// The objects of the next page; nothing behind the last one.
    ///
    /// # Errors
    /// See [`ObjectsError`]; also when there are more than a million objects, or pages without end.
    pub async fn next(&mut self) -> Result<Option<Vec<Listed>>, ObjectsError> {
        let page = match (self.page.take(), self.progress.from.take()) {
            (Some(first), _) => first,
            (None, None) => return Ok(None),
            (None, Some(from)) => self.store.page(self.prefix, Some(&from)).await?,
        };
        self.progress.admit(page).map(Some)
    }
}

impl Progress {
    /// PURE: takes in a page, if the listing still gets anywhere.
    fn admit(&mut self, page: Page) -> Result<Vec<Listed>, ObjectsError> {
        self.pages += 1;
        self.seen += page.objects.len();
        self.empty = match page.objects.is_empty() {
            true => self.empty + 1,
            false => 0,
        };
        if self.seen > MAX_LISTED || self.pages > MAX_PAGES || self.empty > MAX_EMPTY {
            return Err(ObjectsError::TooMany);
        }
        if let Some(next) = &page.next
            && !self.passed.insert(Sha256::digest(next).into())
        {
            return Err(ObjectsError::Answer("the listing goes round in a circle".into()));
        }
        self.from = page.next;
        Ok(page.objects)
    }
}

/// The objects of a page, of which there are no more than any store gives: a few bytes for each must not become a hundred.
pub(super) fn on_page<'de, D: Deserializer<'de>, T: Deserialize<'de>>(from: D) -> Result<Vec<T>, D::Error> {
    elements::<_, _, MAX_ON_PAGE>(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(objects: usize, next: &str) -> Page {
        let object = |number: usize| Listed {
            key: number.to_string(),
            etag: String::new(),
            size: None,
        };
        Page {
            objects: (0..objects).map(object).collect(),
            next: Some(next.to_owned()),
        }
    }

    #[test]
    fn a_listing_gets_somewhere_or_ends() {
        let go = |pages: &mut dyn Iterator<Item = Page>| {
            let mut progress = Progress::default();
            let mut pages = pages.map(|page| progress.admit(page));
            pages.find_map(Result::err).map(|error| error.to_string())
        };
        let tokens = |number: usize| (0..number).map(|number| number.to_string());
        assert_eq!(go(&mut tokens(1000).map(|next| page(0, &next))), None);
        let most = "the bucket has more than a million objects, or its listing does not end; narrow it with spec.prefix";
        for (mut pages, expected) in [
            (
                Box::new(["a", "b", "a"].iter().map(|next| page(1, next))) as Box<dyn Iterator<Item = Page>>,
                "the listing goes round in a circle",
            ),
            (Box::new(tokens(1001).map(|next| page(0, &next))), most),
            (Box::new(tokens(10_001).map(|next| page(1, &next))), most),
            (Box::new(tokens(1001).map(|next| page(1000, &next))), most),
        ] {
            assert_eq!(go(&mut pages).as_deref(), Some(expected));
        }
    }

    #[test]
    fn a_page_has_no_more_than_stores_give() {
        #[derive(Debug, Deserialize)]
        struct Listing {
            #[serde(default, deserialize_with = "on_page")]
            item: Vec<String>,
        }
        let read = |number: usize| {
            let text = format!("<l>{}</l>", "<item>a</item>".repeat(number));
            quick_xml::de::from_str::<Listing>(&text).map(|listing| listing.item.len())
        };
        assert_eq!(read(0).unwrap(), 0);
        assert_eq!(read(MAX_ON_PAGE).unwrap(), MAX_ON_PAGE);
        let error = read(MAX_ON_PAGE + 1).unwrap_err().to_string();
        assert!(error.contains("a list of more than 10000"), "{error}");
    }
}
