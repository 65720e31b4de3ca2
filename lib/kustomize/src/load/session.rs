//! What the directories of a build share: the options, and what has been seen.

use crate::helm::HelmRenderer;
use crate::remote::Fetcher;
use crate::schema::SchemaState;
use crate::{Error, Inputs, Load, Options};
use std::cell::{Cell, RefCell};
use std::ops::Deref;

/// Most entries of tables that a build reads; a file that is read twice counts twice.
const MAX_SPECS: usize = 50_000;

/// What all directories of a build share.
pub(crate) struct Session<'a> {
    pub(super) load: Load,
    /// What stands before paths in messages.
    pub(super) display_root: &'a str,
    pub(super) helm: Option<&'a dyn HelmRenderer>,
    pub(super) fetcher: Option<&'a dyn Fetcher>,
    /// All that was looked at.
    pub(crate) inputs: RefCell<Inputs>,
    /// What there is to say about files that are read, once each.
    pub(crate) warnings: RefCell<Vec<String>>,
    /// What is known about the shape of objects.
    pub(crate) schemas: RefCell<SchemaState>,
    /// How many entries of tables were read.
    specs: Cell<usize>,
    /// How many directories were entered.
    pub(super) entered: Cell<usize>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(options: &'a Options<'_>) -> Session<'a> {
        Session {
            load: options.load,
            display_root: &options.display_root,
            helm: options.helm,
            fetcher: options.fetcher,
            inputs: RefCell::default(),
            warnings: RefCell::default(),
            schemas: RefCell::new(SchemaState::new(options.preload_schema)),
            specs: Cell::new(0),
            entered: Cell::new(0),
        }
    }

    /// Counts entries of tables, each of which is compared with all others.
    ///
    /// # Errors
    /// There are too many.
    pub(crate) fn count_specs(&self, more: usize) -> Result<(), Error> {
        self.specs.set(self.specs.get() + more);
        if self.specs.get() > MAX_SPECS {
            return Err(Error::TooMany {
                what: "entries of configurations, however often they are used",
                limit: MAX_SPECS,
            });
        }
        Ok(())
    }

    /// Says something about the build.
    pub(crate) fn warn(&self, warning: String) {
        self.warnings.borrow_mut().push(warning);
    }
}

/// The content of a file.
pub(crate) enum Content {
    Own(artifact::File),
    Fetched(Vec<u8>),
}

impl Deref for Content {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Content::Own(file) => file.bytes(),
            Content::Fetched(bytes) => bytes,
        }
    }
}
