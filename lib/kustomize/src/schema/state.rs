//! Which schema holds for a build: one, whoever names it first.

use super::{BUILTIN, Schema, Table};
use crate::Error;
use crate::id;
use crate::object::Object;
use std::sync::Arc;

/// The only version that is built in.
const VERSION: &str = "v1.21.2";

/// What has been asked of schemas so far. kustomize reads the built-in one only when it first needs it; one that a
/// kustomization names before that stands in its place, and one named later is added to it.
#[derive(Debug, Default)]
pub(crate) struct SchemaState {
    /// A kustomization has named a schema or a version.
    decided: bool,
    custom: Option<Arc<Table>>,
    builtin: Builtin,
}

/// When the built-in schema was needed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Builtin {
    #[default]
    NotYet,
    /// For the scope of a kind that is not well known: it is read as soon as any schema is, and after it.
    Noted,
    Read,
}

/// The schemas that hold at a moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Schemas {
    custom: Option<Arc<Table>>,
    builtin: Builtin,
}

impl SchemaState {
    /// With `preload` the built-in schema counts as needed from the beginning.
    pub(crate) fn new(preload: bool) -> SchemaState {
        SchemaState {
            builtin: if preload { Builtin::Read } else { Builtin::NotYet },
            ..SchemaState::default()
        }
    }

    /// Takes the `openapi` field of a kustomization; `file` is what its path leads to. Only the first counts.
    ///
    /// # Errors
    /// A file and a version, a version that is not built in, a file that cannot be read.
    pub(crate) fn set(&mut self, version: Option<&str>, file: Option<&[u8]>) -> Result<(), Error> {
        let bad = |problem: &str| {
            Err(Error::OpenApi {
                problem: problem.to_string(),
            })
        };
        if self.decided {
            return Ok(());
        }
        match (file, version) {
            (Some(_), Some(_)) => {
                return bad("builtin version and custom schema provided, cannot use both");
            }
            (Some(file), None) => {
                self.custom = Some(Arc::new(Table::parse(file)?));
                self.decided = true;
            }
            (None, None | Some("")) => {}
            (None, Some(VERSION)) => self.decided = true,
            (None, Some(_)) => return bad("the specified OpenAPI version is not built in"),
        }
        Ok(())
    }

    /// Notes that these objects have been seen: kustomize asks whether their kinds have namespaces.
    pub(crate) fn seen(&mut self, objects: &[Object]) {
        if self.custom.is_none()
            && self.builtin == Builtin::NotYet
            && objects
                .iter()
                .any(|object| !id::is_well_known(object.api_version(), object.kind()))
        {
            self.builtin = Builtin::Noted;
        }
    }

    /// What to merge by now.
    pub(crate) fn schemas(&mut self) -> Schemas {
        if self.custom.is_none() {
            self.builtin = Builtin::Read;
        }
        Schemas {
            custom: self.custom.clone(),
            builtin: self.builtin,
        }
    }
}

impl Schemas {
    /// The schema of a node of which nothing is known yet.
    pub(crate) fn root(&self) -> Schema<'_> {
        let custom = self.custom.as_deref();
        let tables = match self.builtin {
            Builtin::NotYet => [custom, None],
            Builtin::Noted => [Some(&*BUILTIN), custom],
            Builtin::Read => [custom, Some(&*BUILTIN)],
        };
        Schema {
            tables,
            ..Schema::default()
        }
    }
}
